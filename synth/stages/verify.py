"""``verify``: run the code under its tests, and the tests on less than the code (see ``synth.verify``)."""

from __future__ import annotations

from typing import ClassVar

from synth.record import Verification
from synth.stages.base import Again, Dropped, Item, Options, Retry, Stage, Tools
from synth.verify.limits import MEMORY_MB, TIMEOUT_S, limits_of
from synth.verify.row import verify_row
from synth.verify.verify import Gate

_DEPRECATIONS = "import warnings\nwarnings.simplefilter('error', DeprecationWarning)\n"


class VerifyOptions(Options, frozen=True, kw_only=True):
    """Options of ``verify``.

    Attributes:
        mutants: The least share of mutants that the tests notice.
        lines: The least share of the code's statements that they reach.
        retry: Where a row that fails goes back to; None drops it at once.
        restore: Where the code fails now but passed before, go on with what passed.
        deprecations: A ``DeprecationWarning`` is an error.
        optional: Rows with nothing that can be run pass as ``skipped``.
        timeout_s: Limit of one run, in CPU seconds.
        memory_mb: Limit of one run, in MiB.
    """

    mutants: float = 0.6
    lines: float = 0.8
    retry: Retry | None = None
    restore: bool = False
    deprecations: bool = False
    optional: bool = False
    timeout_s: float = TIMEOUT_S
    memory_mb: int = MEMORY_MB


class Verify(Stage):
    """See the module. What was verified before and has not changed is not run again."""

    kind = "verify"
    Options: ClassVar[type[Options]] = VerifyOptions
    options: VerifyOptions

    def gives(self) -> frozenset[str]:
        """What was seen of a failure."""
        return frozenset({"failure"})

    async def run(self, item: Item, tools: Tools) -> None:
        """Verify; a row that fails goes back, falls back, or ends here."""
        row = item.row
        content = (row.code, row.test_setup, *row.testcase, *(test.input for test in row.stdin_tests))
        if content == item.verified:
            return
        options = self.options
        if options.optional and not (row.testcase or row.stdin_tests):
            row.verify = Verification(status="skipped", reason="no_tests", detail="there are no tests")
            return
        async with tools.slots, tools.sandbox() as sandbox:
            found = await verify_row(
                sandbox,
                row,
                Gate(mutants=options.mutants, lines=options.lines),
                limits_of(options.timeout_s, options.memory_mb),
                prelude=_DEPRECATIONS if options.deprecations else "",
            )
        found.seconds = None  # rows hold no clock
        if found.status != "pass" and not (options.optional and found.status == "skipped"):
            self._failed(item, found)
            return
        row.verify = found
        item.verified = content
        item.fallback = (row.code, list(row.testcase), list(row.messages))

    def _failed(self, item: Item, found: Verification) -> None:
        row, retry = item.row, self.options.retry
        if self.options.restore and item.fallback is not None:
            row.code, row.testcase, row.messages = item.fallback
            return
        row.verify = found
        item.fields["failure"] = found.detail
        if retry is not None and item.tries.get(retry.stage, 0) < retry.rounds:
            raise Again(retry.stage)
        raise Dropped(found.reason or found.status, found.detail)
