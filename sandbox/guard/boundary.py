"""What is done around one program: namespaces, a writable tmpfs, rlimits, no privilege, the filter."""

from __future__ import annotations

import os
import resource
from typing import Any

from . import kernel, rootfs, seccomp

_FILTER = seccomp.bpf()
_SCRATCH = sorted({f"{rootfs.HOME}/{name}" for name in rootfs.WRITABLE.values()})
_SCRATCH_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV
_LEAST_KB, _LEAST_INODES = 64, 16
_FIRST_UID, _NUM_UIDS = 2_000_000, 60_000


def uid_range() -> range:
    """Return user ids that nobody has on this machine; none where this process may not take them."""
    if os.geteuid() != 0:
        return range(0)
    with open("/proc/self/uid_map", encoding="ascii") as file:
        highest = max(int(line.split()[0]) + int(line.split()[2]) for line in file)
    if highest > _FIRST_UID + _NUM_UIDS:
        return range(_FIRST_UID, _FIRST_UID + _NUM_UIDS)
    return range(max(highest // 2, 1), highest)


def clone_as(uid: int, gid: int) -> int:
    """Fork into fresh namespaces owned by host user ``uid``; returns 0 in the child, its pid in the parent.

    The child's parent is the parent of this process.

    Raises:
        OSError: The kernel refuses that.
    """
    if os.geteuid() != 0:
        return kernel.clone(kernel.NAMESPACES | kernel.CLONE_PARENT)
    os.setegid(gid)
    os.seteuid(uid)
    pid = -1
    try:
        pid = kernel.clone(kernel.NAMESPACES | kernel.CLONE_PARENT)
    finally:
        if pid != 0:
            os.seteuid(0)
            os.setegid(0)
    return pid


def map_user(uid: int, gid: int) -> None:
    """Become the program's user in the fresh user namespace that this process was cloned into.

    Args:
        uid: The host user id that stands behind the program's id 1000.
        gid: The same for the group.
    """
    kernel.set_dumpable(True)  # or /proc/self belongs to the host's root and the maps cannot be written
    kernel.write_file("/proc/self/setgroups", "deny")
    kernel.write_file("/proc/self/uid_map", f"{rootfs.UID} {uid} 1")
    kernel.write_file("/proc/self/gid_map", f"{rootfs.UID} {gid} 1")
    become_user()
    kernel.set_dumpable(False)  # nobody but this process looks into it


def become_user() -> None:
    """Take the program's ids, in a user namespace that maps them."""
    os.setresgid(rootfs.UID, rootfs.UID, rootfs.UID)
    os.setresuid(rootfs.UID, rootfs.UID, rootfs.UID)


def mount_private() -> None:
    """Mount what is a program's own: its writable file system, still tiny, and a /proc of its namespace."""
    options = f"size={_LEAST_KB}k,nr_inodes={_LEAST_INODES},mode=755"
    kernel.mount("tmpfs", rootfs.HOME, "tmpfs", _SCRATCH_FLAGS, options)
    make_scratch()
    kernel.mount("proc", "/proc", "proc", _SCRATCH_FLAGS | kernel.MS_NOEXEC)
    kernel.loopback_up()


def size_scratch(limits: dict[str, Any]) -> None:
    """Let the program's writable file system have ``disk_mb`` and ``inodes``."""
    # To the kernel, 0 means no cap; and the folders and the program's own file need some room.
    size_kb = max(int(limits["disk_mb"]) << 10, _LEAST_KB)
    options = f"size={size_kb}k,nr_inodes={max(int(limits['inodes']), _LEAST_INODES)}"
    kernel.mount("none", rootfs.HOME, None, kernel.MS_REMOUNT | _SCRATCH_FLAGS, options)


def make_scratch() -> None:
    """Make the folders that the links of ``rootfs.WRITABLE`` point to."""
    for path in _SCRATCH:
        os.mkdir(path, 0o700)


def set_rlimits(limits: dict[str, Any], *, capped: bool, others: int = 0) -> None:
    """Set the per-process limits of the program.

    Args:
        limits: The limits of the job.
        capped: Whether a cgroup caps memory and processes; rlimits stand in where there is none.
        others: Threads that count against the user's limit and are not the program's.
    """
    rlimit(resource.RLIMIT_CORE, 0)
    rlimit(resource.RLIMIT_FSIZE, int(limits["disk_mb"]) << 20)
    space = limits.get("address_space_mb")
    if space is None and not capped:
        space = limits["memory_mb"]
    if space is not None:
        rlimit(resource.RLIMIT_AS, int(space) << 20)
    if not capped:
        rlimit(resource.RLIMIT_NPROC, int(limits["pids"]) + others)
    if limits.get("cpu_s") is not None:
        rlimit(resource.RLIMIT_CPU, int(limits["cpu_s"]) + 2)


def rlimit(kind: int, value: int) -> None:
    """Lower a limit to ``value``, or to the hard limit where that is less."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def seal(limits: dict[str, Any], *, capped: bool) -> None:
    """Set the limits of a program behind a boundary and take its rights (see ``program.prepare``)."""
    set_rlimits(limits, capped=capped)
    give_up_privileges()


def give_up_privileges() -> None:
    """Drop capabilities, forbid to regain any, and install the filter. There is no way back."""
    kernel.drop_bounding_set()
    kernel.empty_capabilities()
    kernel.no_new_privileges()
    kernel.install_filter(_FILTER)
    kernel.set_dumpable(True)
