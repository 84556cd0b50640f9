"""What an image adds to the modules that are loaded before programs start (see ``warm``).

An image names them in a file, one a line. Programs are forked without the interpreter's hooks, which only
interpreters of one thread survive; so libraries are held to one thread, and one that starts another all the
same is left out.
"""

from __future__ import annotations

import importlib
import os
import sys

LIST = "/opt/opencoder/preload"
"""Where an image names its modules."""
LEAN = "--lean"
"""Argument of an interpreter that is to load none of them."""
ROOM_MB = 512
"""The least memory of a container whose interpreter loads them: what they take there is not the program's."""

_WITHOUT = "--without="
# Of the libraries that numpy and its like may be built with. Each reads its own name when it is loaded.
_ONE_THREAD = (
    "BLIS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def preload(path: str = LIST) -> str:
    """Import what the image names, as far as that can be done; returns what was left out, or ''.

    A thread cannot be ended from outside. The interpreter that a module has left one in is started anew,
    without that module; it must not hold anything by then that a new one cannot make again.
    """
    names = [] if LEAN in sys.argv else _names(path)
    if not names:
        return ""
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    threaded = _threaded()
    left_out = [f"{name} (it starts threads)" for name in threaded]
    for name in names:
        if name in threaded:
            continue
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is: programs get the same)
            left_out.append(f"{name} ({type(error).__name__}: {error})")
        if num_threads() > 1:
            _start_anew([*threaded, name])
    return f"not loaded ahead: {', '.join(left_out)}" if left_out else ""


def num_threads() -> int:
    """Return how many threads this process has, those that Python knows nothing of included."""
    return len(os.listdir("/proc/self/task"))


def _names(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def _threaded() -> list[str]:
    """Return the modules that earlier interpreters of this process were started anew for."""
    return [name for word in sys.argv for name in word.removeprefix(_WITHOUT).split(",") if _WITHOUT in word]


def _start_anew(without: list[str]) -> None:
    words = [word for word in sys.orig_argv[1:] if not word.startswith(_WITHOUT)]
    os.execv(sys.executable, [sys.orig_argv[0], *words, f"{_WITHOUT}{','.join(without)}"])
