"""The holder: PID 1 of one program's namespaces. It makes what the program finds there, then waits.

Holders are made ahead. The program is forked by a nursery and enters what the holder has made; when it has
ended, the agent kills the holder, and the kernel ends with it whatever is left in the namespaces.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from . import boundary, entry, kernel, rootfs

OPENED = ("home", *entry.NAMESPACES)
"""What a holder opens for the agent: the folder of its writable file system, and its namespaces.

The folder outlives the namespaces, so that nobody has to enter them to look at what the program has left.
"""


def set_up(uid: int, gid: int) -> list[int]:
    """Map the user and mount what is the program's own; returns the descriptors of :data:`OPENED`.

    Raises:
        OSError: The kernel refuses that.
    """
    kernel.die_with_parent(signal.SIGKILL)
    boundary.map_user(uid, gid)
    opened = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in entry.NAMESPACES]
    boundary.mount_private()
    home = os.open(rootfs.HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return [home, *opened]


def wait() -> NoReturn:
    """Reap the orphans that the program leaves behind, until the agent ends it all."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    os.closerange(0, kernel.HIGHEST_FD)
    while True:
        signal.sigwait([signal.SIGCHLD])
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
