"""The two processes behind a boundary: the holder, PID 1 of the namespaces, and the program, its only child.

The holder is forked out of the agent and does next to nothing, for each page that it touches is one the
kernel has to copy: it maps the user, forks, waits and says how the program ended. All that is known of the
job is read by the program's process, after the fork.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

from . import artefact, boundary, kernel, program, rootfs
from .cgroups import Group
from .warden import write_files

_HOME = b"H"
_ENDED = b"E"
_FAULT = b"!"
_STATUS = struct.Struct("<i")
_MAX_MESSAGE = 1024
_HIGHEST_FD = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Birth:
    """What a holder needs to know.

    Args:
        uid: The host user id behind the program's.
        gid: The host group id behind the program's.
        phase: ``compile`` or ``run``.
        limits: The limits of that phase.
        fds: The descriptors of the job by name.
        group: Where the program is counted, or None.
        ending: The packet socket on which :class:`Ending` is told.
    """

    uid: int
    gid: int
    phase: str
    limits: dict[str, Any]
    fds: dict[str, int]
    group: Group | None
    ending: socket.socket


@dataclass(kw_only=True, slots=True)
class Ending:
    """What was told of a program: its wait status, its file system and a fault of ours, if there was one.

    ``home`` is a descriptor of the folder on which its writable file system is mounted. It outlives the
    namespaces, so that nobody has to enter them to look at what the program has left.
    """

    status: int | None = None
    home: int = -1
    fault: str = ""


def read_ending(ending: socket.socket) -> Ending:
    """Return all that has been told by now; the caller closes ``home``."""
    out = Ending()
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(ending, _MAX_MESSAGE, 1, socket.MSG_DONTWAIT)
        except OSError:
            return out
        if not data:
            return out
        kind, rest = data[:1], data[1:]
        if kind == _HOME and fds:
            out.home = fds[0]
        elif kind == _ENDED:
            (out.status,) = _STATUS.unpack(rest)
        elif kind == _FAULT:
            out.fault = rest.decode("utf-8", "replace")


def become_holder(birth: Birth) -> NoReturn:
    """Set up the user, start the program and wait for it. Called in the child of :func:`kernel.clone`."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):  # a PID 1 is safe from signals without a handler
            kernel.handle_signal(number, signal.SIG_DFL)
        boundary.map_user(birth.uid, birth.gid)
        kernel.die_with_parent(signal.SIGKILL)
        pid = kernel.fork()
        if pid == 0:
            _become_program(birth)
        # Whoever reads a stream or the channel must see its end when the program ends.
        kept = birth.ending.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, _HIGHEST_FD)
        ended, status = 0, 0
        while ended != pid:  # others are orphans that the program left behind
            ended, status = os.waitpid(-1, 0)
        birth.ending.send(_ENDED + _STATUS.pack(status))
    except BaseException as error:  # noqa: BLE001  (told to the agent: a fault of ours)
        _tell_fault(birth.ending, error)
    finally:
        os._exit(0)


def _tell_fault(ending: socket.socket, error: BaseException) -> None:
    ending.send(_FAULT + f"{type(error).__name__}: {error}".encode()[: _MAX_MESSAGE - 1])


def _become_program(birth: Birth) -> NoReturn:
    code = 127
    try:
        job = _enter(birth)
    except BaseException as error:  # noqa: BLE001  (told to the agent: a fault of ours)
        _tell_fault(birth.ending, error)
        os._exit(code)
    try:
        kernel.settle_child()
        _fill(job, birth)
        program.prepare(job, birth.fds, lambda: boundary.seal(job["limits"], capped=birth.group is not None))
        code = program.run_phase(job, birth.phase, birth.fds, program.environment(job))
    except OSError as error:
        os.write(2, f"cannot start: {error}\n".encode())
    finally:
        os._exit(code)


def _enter(birth: Birth) -> dict[str, Any]:
    """Make the program's own file systems and read its job."""
    if birth.group:
        birth.group.join()
    boundary.mount_private(birth.limits)
    home = os.open(rootfs.HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    socket.send_fds(birth.ending, [_HOME], [home])  # fails, as it should, when the agent has gone
    os.close(home)
    source = birth.fds["job"]
    job: dict[str, Any] = marshal.loads(os.read(source, os.fstat(source).st_size))
    job["limits"] = birth.limits
    return job


def _fill(job: dict[str, Any], birth: Birth) -> None:
    """Write the files that the program starts with; a disk too small for them is the job's own fault."""
    os.dup2(birth.fds["stderr"], 2)
    folder = f"{job['home']}/work"
    if birth.phase == "run" and job["compile"]:
        artefact.unpack(birth.fds["payload"], folder)
    else:
        write_files(folder, {**job["files"], job["filename"]: job["source"]})
