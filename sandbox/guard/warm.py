"""What an interpreter loads before it forks its first program."""

from __future__ import annotations

import gc
import importlib
import sys

from . import immortal, program, rootfs

# The environment of an interpreter that forks programs. Memory that a program frees is kept for its next
# allocation: to fetch each page anew costs it more than the boundary does. (glibc; others ignore it.)
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
# As often as it takes the interpreter to settle on its own short cuts.
_REHEARSALS = 20
# What solutions import most; loaded once, shared by all forks.
PRELOADED = [
    "abc",
    "argparse",
    "array",
    "ast",
    "base64",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "inspect",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "multiprocessing",
    "operator",
    "os",
    "pathlib",
    "platform",
    "queue",
    "random",
    "re",
    "secrets",
    "shutil",
    "signal",
    "site",
    "socket",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "unittest.mock",
    "urllib.parse",
    "uuid",
    "warnings",
    "weakref",
    "zlib",
    "asyncio",
    "concurrent.futures",
]


def preload() -> None:
    """Import what programs use most and the roles, and give them the names that ``site`` adds."""
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for role in ("checker", "cooperative", "trials"):
        importlib.import_module(f".{role}", __package__)
    site = importlib.import_module("site")
    site.setquit()
    site.setcopyright()
    site.sethelper()


def settle() -> None:
    """Make all ready that programs share; the last thing before the first fork.

    Every page that a fork writes to is copied, which costs more than what is done on it. So each program
    finds its streams and its environment as they should be, and nobody counts on what is shared.
    """
    program.open_streams()
    program.set_environment(program.environment({"home": rootfs.HOME, "env": {}}))
    main = sys.modules["__main__"]
    for _ in range(_REHEARSALS):
        program.run_script("/rehearsal", b"pass")
    sys.modules["__main__"] = main
    gc.collect()
    immortal.make_immortal()
    gc.freeze()
