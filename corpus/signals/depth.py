"""How deeply a text may be nested before the released filter fails on it.

It raises Python's limit to 10,000 calls and walks trees by functions that call themselves. Whatever needs
more ends with a RecursionError, and takes the rest of its group of signals with it. The same texts fail here,
give or take a few levels, with no walk that calls itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

CALLS = 10_000
CALLS_BEFORE = 10
"""Calls from the start of the program to that of a signal, more or less."""


@contextmanager
def released_limit() -> Iterator[None]:
    """Let parsers nest their calls as deeply as the released filter does, from wherever this is called."""
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, depth + CALLS - CALLS_BEFORE))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def check_depth(calls: int) -> None:
    """Fail where a walk would need ``calls`` nested calls.

    Raises:
        RecursionError: That is too many.
    """
    if calls > CALLS - CALLS_BEFORE:
        raise RecursionError("maximum recursion depth exceeded")
