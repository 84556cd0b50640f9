"""What stands around a program where no namespaces are to be had: its user, a filter, Landlock, rlimits.

Weaker than a boundary: the file system and the list of processes are the machine's. See docs/security.md.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any

from . import boundary, descendants, identity, kernel, landlock, seccomp

_READABLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# Beside what the watcher allows: one process alone may not outrun it.
_DATA_TIMES = 2


def set_rlimits(limits: dict[str, Any], uid: int | None) -> None:
    """Set the limits of each process; the whole of them is watched (see ``watch``)."""
    table = {**limits, "address_space_mb": limits.get("address_space_mb")}
    boundary.set_rlimits(table, capped=True)
    boundary.rlimit(resource.RLIMIT_DATA, int(limits["memory_mb"]) * _DATA_TIMES << 20)
    # The kernel counts the threads of a user, wherever they run.
    others = descendants.threads_of_user() if uid is None else 0
    boundary.rlimit(resource.RLIMIT_NPROC, int(limits["pids"]) + others)


def seal(uid: int | None, home: str) -> None:
    """Give up all that the program must not have. There is no way back.

    Args:
        uid: The user to become; None where there is none but this one.
        home: The folder that it may write to, where Landlock can tell.
    """
    kernel.drop_bounding_set()
    if uid is not None:
        identity.become(uid)
    kernel.empty_capabilities()
    kernel.no_new_privileges()
    abi = landlock.version()
    if abi:
        prefix = os.path.realpath(sys.base_prefix)
        paths = [(path, landlock.READ) for path in (*_READABLE, prefix, *sys.path)]
        paths += [(path, landlock.WRITE) for path in (home, *_DEVICES)]
        if uid is not None:  # what it leaves there can be told from what others do
            paths += [(path, landlock.LEAVE) for path in identity.SHARED]
        landlock.restrict(abi, paths)
    apart = uid is not None or abi >= landlock.SCOPED_VERSION
    kernel.install_filter(seccomp.confined_bpf(None if apart else os.getpid()))
    kernel.set_dumpable(True)
    # After the change of user, which takes it away.
    kernel.die_with_parent(signal.SIGKILL)
