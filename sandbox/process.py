"""The ``process`` backend: plain child processes with limits and a scrubbed environment. No boundary.

For code that the caller would run by hand just as well, on machines that allow nothing better. Each program
gets a folder of its own; every process that it starts is found and killed at its end.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from sandbox import reaper
from sandbox.api import Guarantee
from sandbox.namespace import NamespaceSandbox


class ProcessSandbox(NamespaceSandbox):
    """Programs as children of this process, with its user's rights."""

    name = "process"
    _isolate = False

    def __init__(self) -> None:
        super().__init__()
        self.guarantee = Guarantee.NONE

    def _level(self, *, capped: bool) -> Guarantee:
        return Guarantee.NONE

    def make_home(self, number: int) -> str:
        """Make the folders of program ``number`` and return the one they are in."""
        home = self._home(number)
        for name in ("work", "tmp"):
            (home / name).mkdir(parents=True, mode=0o700)
        return str(home)

    def drop_home(self, number: int) -> None:
        """Remove the folders of program ``number`` without making others wait."""
        asyncio.get_running_loop().run_in_executor(None, reaper.remove_tree, self._home(number))

    def _home(self, number: int) -> Path:
        return self._staging / f"job-{number}"
