"""The system-call filter, as one table and two forms: BPF for our launchers, JSON for a container engine.

Everything is allowed but what the table names: calls that act on other processes and their limits, on
namespaces, mounts, clocks, keys, modules and devices, and young kernel interfaces with a record of bugs
(io_uring, userfaultfd, bpf). Foreign architectures (32-bit calls, x32) are refused as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from . import kernel

# Number of each refused call on (x86_64, aarch64); None where the call does not exist.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
# Refused besides without namespaces: what outlives a program, and memory that no process is seen to hold.
_REFUSED_CONFINED: dict[str, tuple[int | None, int | None]] = {
    "memfd_create": (319, 279),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
}
# Where it shares its user with others: signals to anyone but itself.
_SIGNALS_TO = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
_SIGNALS: dict[str, tuple[int | None, int | None]] = {"tkill": (200, 130), "pidfd_send_signal": (424, 424)}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_UNSHARE = (272, 97)
_SOCKET = (41, 198)
_PRLIMIT = (302, 261)

# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (name look-ups use it); no packet, vsock, bluetooth … sockets.
_FAMILIES = (1, 2, 10, 16)
_NAMESPACE_FLAGS = kernel.NAMESPACES | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWTIME

_EPERM = 1
_ENOSYS = 38
_EAFNOSUPPORT = 97
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD = 0x20
_JUMP_EQ = 0x15
_JUMP_GE = 0x35
_JUMP_SET = 0x45
_RETURN = 0x06
_OFFSET_NR = 0
_OFFSET_ARCH = 4
_OFFSET_ARG0 = 16


def _op(code: int, value: int, on_true: int = 0, on_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, on_true, on_false, value)


def _refuse(number: int = _EPERM) -> bytes:
    return _op(_RETURN, _ERRNO | number)


def bpf(machine: str = kernel.MACHINE) -> bytes:
    """Return the filter for ``machine`` as BPF instructions.

    Each test falls through to the next one; a hit runs the block behind it, which always returns.
    """
    column = 0 if machine == "x86_64" else 1
    families = [_op(_JUMP_EQ, _SOCKET[column], 0, len(_FAMILIES) + 3), _op(_LOAD, _OFFSET_ARG0)]
    for index, family in enumerate(_FAMILIES):
        families.append(_op(_JUMP_EQ, family, len(_FAMILIES) - index, 0))
    families += [_refuse(_EAFNOSUPPORT), _op(_RETURN, _ALLOW)]
    return b"".join([*_head(machine), *families, *_refused(REFUSED, column), _op(_RETURN, _ALLOW)])


def confined_bpf(own_pid: int | None, machine: str = kernel.MACHINE) -> bytes:
    """Return the filter of a program without namespaces: no sockets but pairs, nothing that outlives it.

    Args:
        own_pid: The program, where nothing else keeps it from signalling others; it may not signal its own
            children then either.
        machine: For which processor.
    """
    column = 0 if machine == "x86_64" else 1
    out = [*_head(machine), _op(_JUMP_EQ, _SOCKET[column], 0, 1), _refuse(_EAFNOSUPPORT)]
    out += _refused(_REFUSED_CONFINED, column)
    if own_pid is not None:
        out += _refused(_SIGNALS, column)
        for numbers in _SIGNALS_TO.values():
            out += [_op(_JUMP_EQ, numbers[column], 0, 5), _op(_LOAD, _OFFSET_ARG0)]
            out += [_op(_JUMP_EQ, own_pid, 2, 0), _op(_JUMP_EQ, 0, 1, 0), _refuse(), _op(_RETURN, _ALLOW)]
    return b"".join([*out, *_refused(REFUSED, column), _op(_RETURN, _ALLOW)])


def _refused(calls: Mapping[str, tuple[int | None, int | None]], column: int) -> list[bytes]:
    numbers = (pair[column] for pair in calls.values())
    return [
        block
        for number in numbers
        if number is not None
        for block in (_op(_JUMP_EQ, number, 0, 1), _refuse())
    ]


def _head(machine: str) -> list[bytes]:
    """Architectures, namespaces and the limits of other processes."""
    column = 0 if machine == "x86_64" else 1
    allow = _op(_RETURN, _ALLOW)
    out = [
        _op(_LOAD, _OFFSET_ARCH),
        _op(_JUMP_EQ, _AUDIT_ARCH[machine], 1, 0),
        _refuse(),
        _op(_LOAD, _OFFSET_NR),
    ]
    if machine == "x86_64":
        out += [_op(_JUMP_GE, _X32_BIT, 0, 1), _refuse(_ENOSYS)]
    # The C library falls back to clone(2), whose flags a filter can see, when clone3(2) is unknown.
    out += [_op(_JUMP_EQ, _CLONE3[column], 0, 1), _refuse(_ENOSYS)]
    for call in (_CLONE, _UNSHARE):
        out += [_op(_JUMP_EQ, call[column], 0, 4), _op(_LOAD, _OFFSET_ARG0)]
        out += [_op(_JUMP_SET, _NAMESPACE_FLAGS, 0, 1), _refuse(), allow]
    # Limits of other processes: a CPU limit of 0 s would end the warden, whose user id the program has.
    out += [_op(_JUMP_EQ, _PRLIMIT[column], 0, 4), _op(_LOAD, _OFFSET_ARG0)]
    out += [_op(_JUMP_EQ, 0, 1, 0), _refuse(), allow]
    return out


# What an agent does before its programs have the whole filter.
_AGENTS_OWN = frozenset({"mount", "umount2", "pivot_root", "setns"})


def agent_profile() -> dict[str, object]:
    """Return the filter of a container in which an agent makes namespaces, in the engine's JSON form."""
    return _profile(_AGENTS_OWN, namespaces=True)


def engine_profile() -> dict[str, object]:
    """Return the filter of a program in the container engine's JSON form."""
    return _profile(frozenset(), namespaces=False)


def _profile(allowed: frozenset[str], *, namespaces: bool) -> dict[str, object]:
    """Only native architectures are listed, so that the engine's filter refuses calls of any other."""
    rules: list[dict[str, object]] = [
        {"names": sorted(REFUSED.keys() - allowed), "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
    ]
    other = {"index": 0, "value": 0, "op": "SCMP_CMP_NE"}
    rules.append({"names": ["prlimit64"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM, "args": [other]})
    for flag in range(32):
        if not namespaces and _NAMESPACE_FLAGS >> flag & 1:
            mask = {"index": 0, "value": 1 << flag, "valueTwo": 1 << flag, "op": "SCMP_CMP_MASKED_EQ"}
            rules.append(
                {
                    "names": ["clone", "unshare"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": _EPERM,
                    "args": [mask],
                }
            )
    for family in range(46):
        if family not in _FAMILIES:
            equal = {"index": 0, "value": family, "op": "SCMP_CMP_EQ"}
            rules.append(
                {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EAFNOSUPPORT, "args": [equal]}
            )
    architectures = ["SCMP_ARCH_X86_64"] if kernel.MACHINE == "x86_64" else ["SCMP_ARCH_AARCH64"]
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures, "syscalls": rules}
