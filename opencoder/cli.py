"""The command ``opencoder``: the root of all sub-commands, and the one place where errors become text.

Sub-commands are named by dotted text and imported when they are called, so that ``--help`` stays fast and
a missing extra breaks only what needs it.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from cyclopts import App, CycloptsError

from opencoder import __version__, log
from opencoder.config import layers
from opencoder.errors import DependencyError, OpenCoderError

E = TypeVar("E", bound=BaseException)

_ROOT = Path(__file__).resolve().parent.parent

COMMANDS = (
    ("eval", "eval.cli:app", "Run and score models on code benchmarks."),
    ("corpus", "corpus.cli:app", "Build clean code corpora."),
    ("synth", "synth.cli:app", "Make tested instruction data."),
    ("train", "train.cli:app", "Pretrain, anneal and fine-tune code models."),
    ("sandbox", "sandbox.cli:app", "Run code that nobody trusts."),
    ("demo", "eval.demo:demo", "Rank three solution sets on HumanEval, with nothing but this package."),
    ("doctor", "opencoder.doctor:doctor", "Check this environment and say how to repair it."),
)
"""Name, where it is, one line of help."""

_QUIET, _VERBOSE = {"-q", "--quiet"}, {"-v", "--verbose"}

app = App(
    name="opencoder",
    help="Build corpora and instruction data for code models, and score them, in a sandbox.",
    version=f"opencoder {__version__}",
    config=layers(),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for _name, _target, _help in COMMANDS:
    _module = _target.partition(":")[0]
    if _ROOT.joinpath(*_module.split(".")).with_suffix(".py").is_file():
        app.command(_target, name=_name, help=_help)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (see ``opencoder.errors``)."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = words[: words.index("--")] if "--" in words else words
    log.configure(quiet=not _QUIET.isdisjoint(options), verbose=not _VERBOSE.isdisjoint(options))
    # A file of the user's in the working folder must not shadow our packages in any Python that we start.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    # What stops us politely goes the way of Ctrl-C: finished work is kept and the way on is told. Scripts
    # start what they put into the background with SIGINT ignored, where that way would lead nowhere.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return _run(words)
    except CycloptsError as error:
        return _tell(f"{' '.join(str(error).split())} See: {_usage(error)}", 2)
    except OpenCoderError as error:
        if log.is_verbose() and error.__cause__ is not None:
            log.logger.debug("cause", exc_info=error)
        return _tell(str(error), error.exit_code)
    except ExceptionGroup as group:
        # Of several tasks that failed together, the first error raised on purpose is the one to tell.
        known = _leaves(group, OpenCoderError)
        return _tell(str(known[0]), known[0].exit_code) if known else _internal(group)
    except KeyboardInterrupt:
        return _tell("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last stop before the user
        return _internal(error)


def _run(words: list[str]) -> int:
    while words and words[0] in _QUIET | _VERBOSE:
        words = words[1:]
    _check_packages(words)
    result = app(words, exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else 0


def _check_packages(words: Sequence[str]) -> None:
    """Stop before a package of another distribution is run in place of ours.

    Raises:
        DependencyError: A name like ``eval`` leads elsewhere.
    """
    modules = [target.partition(".")[0] for name, target, _ in COMMANDS if words[:1] == [name]]
    for module in modules:
        spec = importlib.util.find_spec(module)
        origin = None if spec is None else spec.origin
        if origin is None or Path(origin).resolve().parent.parent != _ROOT:
            raise DependencyError(
                f"the package `{module}` at {origin} is not opencoder's; give opencoder its own environment",
                repair="opencoder doctor",
            )


def _usage(error: CycloptsError) -> str:
    return " ".join(["opencoder", *(error.command_chain or ()), "--help"])


def _leaves(group: BaseExceptionGroup[BaseException], kind: type[E]) -> list[E]:
    found: list[E] = []
    for error in group.exceptions:
        if isinstance(error, kind):
            found.append(error)
        elif isinstance(error, BaseExceptionGroup):
            found += _leaves(error, kind)
    return found


def _internal(error: Exception) -> int:
    if log.is_verbose():
        log.logger.debug("traceback", exc_info=error)
    return _tell(f"{type(error).__name__}: {error} (-v shows the traceback)", 1, kind="internal error")


def _tell(message: str, code: int, *, kind: str = "error") -> int:
    """Write one line to stderr, whatever the message holds, and return the exit code."""
    sys.stderr.write(f"{kind}: {' '.join(message.split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
