"""The error tree and the exit codes of the command line.

::

    OpenCoderError            1  internal error
    ├── UserError             2  wrong usage, wrong config
    │   └── DataError         2  a file that is not what it should be (file:line)
    ├── InfraError            3  a service failed for a while; worth another try
    ├── DependencyError       4  something needed is not there
    ├── GateError             5  a quality gate said no
    └── Interrupted         130  Ctrl-C

A message says what is wrong, where (``file:line`` or the key) and what to do about it, in one line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path


class OpenCoderError(Exception):
    """Root of every error that this project raises on purpose."""

    exit_code = 1


class UserError(OpenCoderError):
    """The command line, a config value or a name is wrong."""

    exit_code = 2


class DataError(UserError):
    """An input file cannot be used.

    Args:
        message: What is wrong and what to do.
        path: The file.
        line: The 1-based line, if the fault is in one line.
    """

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class InfraError(OpenCoderError):
    """A service, a daemon or a machine failed; the work itself was not judged. Retryable."""

    exit_code = 3


class DependencyError(OpenCoderError):
    """A package, a program or a service is missing.

    Args:
        message: What is missing and for what.
        repair: The command that repairs it; the message ends with it.
    """

    exit_code = 4

    def __init__(self, message: str, *, repair: str) -> None:
        super().__init__(f"{message}; run: {repair}")
        self.repair = repair


class GateError(OpenCoderError):
    """A check that was asked for (``--fail-if-worse`` and the like) did not hold."""

    exit_code = 5


class Interrupted(OpenCoderError):
    """The user stopped the run; the message holds the command that goes on with it."""

    exit_code = 130


@contextlib.contextmanager
def needs(packages: Collection[str], extra: str) -> Iterator[None]:
    """Name the extra where one of its packages turns out to be missing.

    Args:
        packages: Names that ``import`` takes; others that are missing are faults of ours.
        extra: As in ``pip install 'opencoder[EXTRA]'``.

    Raises:
        DependencyError: One of the packages is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise DependencyError(
            f"{extra} needs {error.name}", repair=f"pip install 'opencoder[{extra}]'"
        ) from error
