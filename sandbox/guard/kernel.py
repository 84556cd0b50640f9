"""Thin typed wrappers over the system calls that the standard library lacks (Linux, x86-64 and AArch64)."""

from __future__ import annotations

# Without their layers in Python, each of which costs a fork more pages than the call is worth.
import _signal  # type: ignore[import-not-found]
import _socket
import ctypes
import fcntl
import os
import signal
import struct
import sys
from collections.abc import Callable

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWTIME = 0x00000080
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_GET_TID_ADDRESS = 40
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_LAST_CAPABILITY = 63
_SIGCHLD = 17
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_IFF_UP = 0x1
_SIOCSIFFLAGS = 0x8914
_LOOPBACK_UP = struct.pack("16sh14x", b"lo", _IFF_UP)

HIGHEST_FD = 1 << 16
"""More descriptors than any process of ours has open."""

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CLONE = {"x86_64": 56, "aarch64": 220}

MACHINE = os.uname().machine
_libc = ctypes.CDLL(None, use_errno=True)
# PyDLL keeps the interpreter lock during the call, which a fork of the interpreter needs.
_locked = ctypes.PyDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _check(value: int, what: str) -> int:
    if value == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return value


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount a file system, or bind a folder to another place."""
    raw_kind = None if kind is None else kind.encode()
    value = _libc.mount(source.encode(), target.encode(), raw_kind, ctypes.c_ulong(flags), data.encode())
    _check(value, f"mount {kind or 'bind'} {source} on {target}")


def unmount(target: str) -> None:
    """Detach a mount without waiting for its users."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make ``new_root`` the root, with the old one below ``put_old``."""
    _check(_libc.syscall(_PIVOT_ROOT[MACHINE], new_root.encode(), put_old.encode()), "pivot_root")


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    _check(_libc.unshare(flags), f"unshare {flags:#x}")


def setns(fd: int, kind: int) -> None:
    """Move this process into a namespace; ``kind`` is its flag, or 0 for whatever ``fd`` is."""
    _check(_libc.setns(fd, kind), f"setns {kind:#x}")


def _tid_address() -> int | None:
    """Return where the C library keeps the id of its main thread; None where the kernel does not tell."""
    address = ctypes.c_ulong()
    failed = _libc.prctl(_PR_GET_TID_ADDRESS, ctypes.addressof(address), 0, 0, 0)
    return None if failed else address.value


_TID = _tid_address()
_TID_FLAGS = _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID if _TID else 0


def clone(flags: int) -> int:
    """Fork with flags; returns 0 in the child, its pid in the parent. For one-threaded interpreters.

    ``os.fork`` cannot take flags, and its hooks in the child (locks, thread tables) touch some 200 pages that
    the kernel must copy then: as much work as all of the fork. With one thread there is nothing for them to
    do; what a child that goes on to run programs does need is in :func:`settle_child`. The C library's own
    fork would besides tell it its thread's new id, by which some of its locks know their owner.
    """
    tid = ctypes.c_void_p(_TID)
    last = (tid, None) if MACHINE == "x86_64" else (None, tid)  # the architectures differ in their order
    word = ctypes.c_ulong(flags | _TID_FLAGS | _SIGCHLD)
    return _check(int(_locked.syscall(_CLONE[MACHINE], word, None, None, *last)), f"clone {flags:#x}")


def settle_child() -> None:
    """Do what matters of the hooks that were left out: fresh random numbers, the thread's own id.

    The state of numpy's old functions is seeded when it is loaded; if that was before the fork, all programs
    would draw the same. A number of 32 bits does; a seed of numpy's own choice takes four times as long.
    """
    if (module := sys.modules.get("random")) is not None:
        module.seed()
    if (numbers := sys.modules.get("numpy.random")) is not None:
        numbers.seed(int.from_bytes(os.urandom(4), "little"))
    if (module := sys.modules.get("threading")) is not None:
        module.main_thread()._set_native_id()


def _prctl(option: int, value: int, what: str) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), what)


def die_with_parent(signal_number: int) -> None:
    """Ask for ``signal_number`` when the parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number, "PR_SET_PDEATHSIG")


def set_dumpable(value: bool) -> None:
    """Set whether same-uid processes may look into this one (``/proc/PID/mem`` and the like)."""
    _prctl(_PR_SET_DUMPABLE, int(value), "PR_SET_DUMPABLE")


def handle_signal(number: int, handler: signal.Handlers | Callable[..., object]) -> None:
    """Set what happens at a signal: ``signal.SIG_DFL``, ``SIG_IGN`` or a function."""
    _signal.signal(number, handler if callable(handler) else int(handler))


def become_subreaper() -> None:
    """Adopt the orphans below this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def no_new_privileges() -> None:
    """Give up, for good, all that a set-uid or capable file could add."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def drop_bounding_set() -> None:
    """Empty the bounding set, as far as that is allowed."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break


def empty_capabilities() -> None:
    """Empty the other capability sets."""
    header = struct.pack("Ii", 0x20080522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install_filter(program: bytes) -> None:
    """Install a BPF system-call filter (8 bytes an instruction) on this process and its children."""
    raw = _FilterProgram(len(program) // 8, program)
    address = ctypes.addressof(raw)
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address, 0, 0), "PR_SET_SECCOMP")


def loopback_up() -> None:
    """Bring up ``lo`` in the current network namespace."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    fcntl.ioctl(probe, _SIOCSIFFLAGS, _LOOPBACK_UP)
    probe.close()


def write_file(path: str, text: str) -> None:
    """Write a kernel control file in one write."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
