"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be.
_libc = ctypes.CDLL(None, use_errno=True)


def end_with(parent: int, number: signal.Signals) -> None:
    """Have this process get a signal when its parent dies, however that dies; end now if it is dead already.

    The kernel watches the thread that forked: processes are to be started from one that stays.

    Args:
        parent: Its process id.
        number: The signal.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
