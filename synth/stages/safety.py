"""``safety``: personal data becomes placeholders; refusals and harmful requests end here."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from synth.record import Row
from synth.safety.scan import apply
from synth.stages.base import Dropped, Item, Options, Stage, Tools


class SafetyOptions(Options, frozen=True, kw_only=True):
    """Options of ``safety``.

    Attributes:
        chat: Rows come from logs of people's chats, so that names are those of people.
        drop: Flags that end a row; the others stay on it, so that a mixture can choose.
    """

    chat: bool = False
    drop: list[str] = msgspec.field(default_factory=lambda: ["refusal", "unsafe", "nsfw"])


class Safety(Stage):
    """See the module."""

    kind = "safety"
    Options: ClassVar[type[Options]] = SafetyOptions
    options: SafetyOptions

    async def run(self, item: Item, tools: Tools) -> None:
        """Look for what must not be there, and replace personal data."""
        del tools
        before = item.row
        item.row = apply(before, chat=self.options.chat)
        for name in self.options.drop:
            if value := getattr(item.row.flags, name):
                what = ", ".join(value) if isinstance(value, list) else name
                raise Dropped(name, f"the row is flagged: {what}")
        if item.row.verify is not None and _runs(item.row) != _runs(before):
            # A placeholder stands in what was run; what was seen then holds no more.
            item.row.verify = None
            raise Dropped("pii_in_code", f"the code holds {', '.join(item.row.flags.pii)}")


def _runs(row: Row) -> tuple[str, ...]:
    return row.code, row.test_setup, *row.testcase
