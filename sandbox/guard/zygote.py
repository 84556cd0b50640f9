"""The zygote: a warm interpreter behind the root folder of ``rootfs`` that starts a warden per job.

It talks to the supervisor over one packet socket: ``start`` with the job's descriptors, ``kill`` by id; it
answers ``ended`` with what the kernel counted. It reads no job itself: the warden does, after the fork, so
that nothing of one job is in the memory of the next.
"""

from __future__ import annotations

import json
import marshal
import os
import select
import signal
import socket
import sys
from typing import Any

from . import boundary, descendants, kernel, program, rootfs, warm, wire
from .cgroups import Cgroups, Group, Usage
from .warden import Warden, reap_namespace, write_files

FDS = ("job", "payload", "stdin", "stdout", "stderr", "status", "channel")
_MAX_MESSAGE = 1 << 16
_FIRST_HOST_UID = 2_000_000


class _StatusLink:
    """The warden's end of the status socket."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._frames = wire.Frames()

    def fileno(self) -> int:
        return self._socket.fileno()

    def commands(self) -> list[bytes]:
        try:
            data = self._socket.recv(4096)
        except OSError:
            data = b""
        return [kind for kind, _ in self._frames.feed(data)] if data else [wire.KILL]

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # the supervisor is gone; the next read says so


class Zygote:
    """Starts wardens and counts what their programs used.

    Args:
        control: The packet socket to the supervisor.
        isolate: Whether programs get namespaces; without, they are plain child processes.
        cgroups: Where groups are made, or None when nothing can be capped.
    """

    def __init__(self, control: socket.socket, *, isolate: bool, cgroups: Cgroups | None) -> None:
        self._control = control
        self._isolate = isolate
        self._cgroups = cgroups
        self._jobs: dict[int, tuple[int, Group | None]] = {}
        self._pids: dict[int, int] = {}
        self._root = os.geteuid() == 0

    def serve(self) -> None:
        """Serve until the supervisor closes its end; everything still running is then killed."""
        wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        poller.register(wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._command():
                break
        for pid in self._jobs:
            os.kill(pid, signal.SIGKILL)
        while self._jobs:
            self._forget(os.waitpid(-1, 0)[0])
        if not self._isolate:
            descendants.end()
        if self._cgroups:
            self._cgroups.close()

    def _command(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, len(FDS))
        if not message:
            return False
        command = json.loads(message)
        if command["op"] == "start":
            try:
                self._start(command, dict(zip(FDS, fds, strict=True)))
            except OSError as error:
                self._tell({"id": command["id"], "error": str(error)})
            finally:
                for fd in fds:
                    os.close(fd)
        elif command["op"] == "kill" and command["id"] in self._pids:
            os.kill(self._pids[command["id"]], signal.SIGKILL)
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            pass  # the supervisor is gone; the next read says so

    def _start(self, command: dict[str, Any], fds: dict[str, int]) -> None:
        limits = command["limits"]
        group = self._cgroups.create(f"job-{command['id']}", limits) if self._cgroups else None
        uid = gid = os.geteuid()
        if not self._root:
            gid = os.getegid()
        elif self._isolate:
            uid = gid = _FIRST_HOST_UID + command["id"] % 60_000
        try:
            pid = self._fork(uid, gid)
        except OSError:
            if group:
                group.remove()
            raise
        if pid == 0:
            self._become_warden(uid, gid, limits, fds, group)
        self._jobs[pid] = (command["id"], group)
        self._pids[command["id"]] = pid

    def _fork(self, uid: int, gid: int) -> int:
        """Clone into fresh namespaces owned by ``uid``, who is nobody on this machine."""
        if not self._isolate:
            return os.fork()
        if not self._root:
            return kernel.clone(kernel.NAMESPACES)
        os.setegid(gid)
        os.seteuid(uid)
        pid = -1
        try:
            pid = kernel.clone(kernel.NAMESPACES)
        finally:
            if pid != 0:
                os.seteuid(0)
                os.setegid(0)
        return pid

    def _become_warden(
        self, uid: int, gid: int, limits: dict[str, Any], fds: dict[str, int], group: Group | None
    ) -> None:
        code = 1
        try:
            if self._isolate:
                kernel.die_with_parent(signal.SIGKILL)
            else:
                kernel.become_subreaper()  # and stay, if the zygote dies, to end the program
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):  # a PID 1 is safe from signals without a handler
                signal.signal(number, signal.SIG_DFL)
            self._control.close()
            if group:
                group.join()
            link = _StatusLink(fds["status"])
            if self._isolate:
                boundary.enter_namespaces(uid, gid, limits)
            with open(fds["job"], "rb", closefd=False) as file:
                job = marshal.load(file)
            write_files(f"{job['home']}/work", {**job["files"], job["filename"]: job["source"]})
            Warden(
                job,
                link,
                cpu_s=group.cpu_s if group else descendants.cpu_s,
                kill_all=reap_namespace if self._isolate else lambda: end_descendants(group),
                start=lambda phase: program.start(
                    job, phase, fds, capped=group is not None, isolate=self._isolate
                ),
            ).run()
            code = 0
        except Exception as error:  # noqa: BLE001  (told to the supervisor: a fault of ours)
            os.write(2, f"warden: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._jobs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._jobs:
                continue  # an orphan whose warden was killed
            job_id, usage = self._forget(pid)
            self._tell(
                {
                    "id": job_id,
                    "status": status,
                    "cpu_s": usage.cpu_s,
                    "memory_bytes": usage.memory_bytes,
                    "oom_kills": usage.oom_kills,
                    "pids_hits": usage.pids_hits,
                }
            )

    def _forget(self, pid: int) -> tuple[int, Usage]:
        if pid not in self._jobs:
            return -1, Usage()
        job_id, group = self._jobs.pop(pid)
        del self._pids[job_id]
        usage = Usage()
        if not self._isolate:
            descendants.end(keep=self._jobs)  # what a warden that was killed has left behind
        if group:
            usage = group.usage()
            group.remove()
        return job_id, usage


def end_descendants(group: Group | None) -> None:
    """Kill everything below this process, where no PID namespace does it."""
    if group:
        group.hold()  # what cannot fork cannot outrun the search
    descendants.end()
    if group:
        group.release()


def link_packages(staging: str, packages: dict[str, str]) -> str:
    """Return a folder that holds ``packages`` (name -> path) and nothing else to import."""
    folder = f"{staging}/packages"
    os.mkdir(folder)
    for name, source in packages.items():
        os.symlink(source, f"{folder}/{name}")
    return folder


def main() -> None:
    """Entry point: ``zygote.main()`` with one JSON argument (see ``sandbox.namespace``)."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    if config["isolate"]:
        kernel.die_with_parent(signal.SIGKILL)
    else:
        kernel.become_subreaper()  # and live to end all programs when the supervisor has gone
    warm.preload()
    note = ""
    cgroups = None
    try:
        cgroups = Cgroups(config["group"])
    except OSError as error:
        note = str(error)
    try:
        if config["isolate"]:
            if os.geteuid() == 0:
                os.setgroups([])
                kernel.unshare(kernel.CLONE_NEWNS)
            else:
                uid, gid = os.geteuid(), os.getegid()
                kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
                kernel.write_file("/proc/self/setgroups", "deny")
                kernel.write_file("/proc/self/uid_map", f"{uid} {uid} 1")
                kernel.write_file("/proc/self/gid_map", f"{gid} {gid} 1")
            rootfs.enter(config["staging"], config["shown"], config["hidden"], config["packages"])
            packages = "/opt/packages"
        else:
            packages = link_packages(config["staging"], config["packages"])
        sys.path[:] = [*(entry for entry in sys.path if entry != config["guard"]), packages]
    except OSError as error:
        control.send(json.dumps({"ready": False, "error": str(error)}).encode())
        return
    control.send(json.dumps({"ready": True, "capped": cgroups is not None, "note": note}).encode())
    warm.settle()
    Zygote(control, isolate=config["isolate"], cgroups=cgroups).serve()


if __name__ == "__main__":
    main()
