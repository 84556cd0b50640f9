"""The tasks that no row may hold.

They come from the registry of ``opencoder eval``, which lies beside this package and is therefore asked as a
program of its own, or from a file of the user's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from opencoder.errors import DataError, DependencyError, InfraError, OpenCoderError, UserError
from opencoder.log import logger
from opencoder.store import read_jsonl, read_numbered


class Reference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A held-out task.

    Attributes:
        benchmark: Name of the benchmark.
        task_id: In the benchmark.
        prompt: What is asked.
        solution: The canonical solution, a whole program.
        tests: The assertions as one text.
        entry_point: The function that the tests call.
        language: Of the solution.
    """

    benchmark: str = "own"
    task_id: str = ""
    prompt: str = ""
    solution: str = ""
    tests: str = ""
    entry_point: str = ""
    language: str = ""


def load_references(benchmarks: Sequence[str] = ()) -> list[Reference]:
    """Return the tasks of benchmarks of the eval registry.

    Args:
        benchmarks: Names; without any, all whose data can be had. The others are named in a warning.

    Raises:
        UserError: A name is not known, or a data file is not what it should be.
        DependencyError: The data of a named benchmark, or of all benchmarks, cannot be had.
        InfraError: The command that reads them failed for a while.
        OpenCoderError: It failed in another way.
    """
    with tempfile.TemporaryDirectory(prefix="opencoder-") as folder:
        path = Path(folder) / "tasks.jsonl"
        words = [sys.executable, "-P", "-m", "opencoder", "eval", "tasks", *benchmarks, "-o", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        _pass_on(done.returncode, done.stderr)
        return list(read_jsonl(path, Reference))


def references_from(path: Path) -> list[Reference]:
    """Return the tasks of a JSON lines file with the fields of :class:`Reference`, most of them optional.

    A task without an id is called by its line.

    Raises:
        DataError: The file cannot be read, a field has a wrong type, a row has no text, or there is no row.
    """
    found: list[Reference] = []
    for line, reference in read_numbered(path, Reference):
        if not (reference.prompt or reference.solution or reference.tests or reference.entry_point):
            raise DataError(
                "wrong row: a held-out task needs `prompt`, `solution`, `tests` or `entry_point`",
                path=path,
                line=line,
            )
        named = reference.task_id or str(line)
        found.append(msgspec.structs.replace(reference, task_id=named))
    if not found:
        raise DataError("holds no task; give at least one", path=path)
    return found


def _pass_on(code: int, stderr: str) -> None:
    """Log the warnings of the command and raise its error."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("warning: "):
            logger.warning("%s", line.removeprefix("warning: "))
    if code == 0:
        return
    message = lines[-1].removeprefix("error: ") if lines else f"opencoder eval tasks ended with {code}"
    if code == DependencyError.exit_code:
        what, _, repair = message.rpartition("; run: ")
        raise DependencyError(what or message, repair=repair if what else "opencoder doctor")
    kinds: dict[int, type[OpenCoderError]] = {kind.exit_code: kind for kind in (UserError, InfraError)}
    raise kinds.get(code, OpenCoderError)(message)
