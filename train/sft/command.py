"""``opencoder train tokenize-chat``: instruction data as shards of dialogues."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from opencoder.config import Common
from opencoder.errors import needs
from opencoder.log import emit

NEEDED = ("numpy", "pyarrow", "tokenizers")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOptions:
    """Options of the tokenising of dialogues."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the shards; earlier shards of dialogues there are replaced."""
    tokenizer: Path
    """Folder with tokenizer.json."""
    form: Literal["template", "paper"] = "template"
    """template (as the chat template), paper (single turns, with a newline before the end token)."""
    max_length: Annotated[int | None, Parameter(validator=Number(gte=2))] = None
    """Keep so many tokens of a dialogue from its start; all if not given."""
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    """Read so many rows at most."""


def tokenize_chat(
    inputs: Annotated[
        list[Path], Parameter(name="IN", negative="", help="JSON lines, Parquet, or folders of them.")
    ],
    *,
    options: ChatOptions,
    common: Common | None = None,
) -> None:
    """Tokenise instruction data with its loss masks; rows that cannot be used are named with their reason."""
    with needs(NEEDED, "train"):
        from train.sft.tokenize import REJECTS, ChatPlan, tokenize_chats

        manifest = tokenize_chats(
            ChatPlan(inputs, options.out, options.tokenizer, options.form, options.max_length, options.limit)
        )
    found = {"out": str(options.out), "rejects": str(options.out / REJECTS), **manifest.counts}
    emit(
        found,
        json=common is not None and common.json,
        text=lambda: _text(manifest.counts, options.out / REJECTS),
    )


def _text(counts: dict[str, int], rejects: Path) -> str:
    share = counts["trained"] / counts["tokens"] if counts["tokens"] else 0.0
    lines = [
        f"{counts['read']:,} rows: {counts['dialogues']:,} dialogues, {counts['dropped']:,} dropped",
        *(
            f"  {num:>10,} {name.removeprefix('dropped_')}"
            for name, num in counts.items()
            if "dropped_" in name
        ),
        f"{counts['tokens']:,} tokens, {counts['trained']:,} of them trained ({share:.1%})",
    ]
    if counts["over_long"]:
        lines.append(
            f"{counts['over_long']:,} were too long and lost {counts['truncated_tokens']:,} tokens; "
            f"{counts['without_target']:,} have nothing left to train on"
        )
    if counts["dropped"]:
        lines.append(f"dropped rows: {rejects}")
    return "\n".join(lines)
