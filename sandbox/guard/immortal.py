"""Objects whose reference count is never written again, so that forks go on sharing the pages they lie on.

CPython 3.12 and 3.13 skip the count of an object that bears a certain value (PEP 683). Where the interpreter
is another one, nothing is done: forks work all the same, and copy more.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import types
from typing import Any

# ``_Py_IMMORTAL_REFCNT`` of a 64-bit build: the lower half of the count, as a signed number, is below zero.
_IMMORTAL = 0xFFFFFFFF
_CODE_PARTS = (
    "co_consts",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_filename",
    "co_name",
    "co_qualname",
    "co_linetable",
    "co_exceptiontable",
)


def make_immortal() -> None:
    """Make all objects immortal that can be reached now."""
    known = sys.implementation.name == "cpython" and sys.version_info[:2] in ((3, 12), (3, 13))
    if not known or sys.maxsize < 1 << 32:
        return
    waiting: list[Any] = gc.get_objects()
    found: dict[int, Any] = {}
    while waiting:
        one = waiting.pop()
        if id(one) in found or one is waiting or one is found:
            continue
        found[id(one)] = one
        waiting += gc.get_referents(one)
        if isinstance(one, types.CodeType):  # the collector does not know what these hold
            waiting += [getattr(one, name) for name in _CODE_PARTS]
    for address in found:
        ctypes.c_uint32.from_address(address).value = _IMMORTAL
