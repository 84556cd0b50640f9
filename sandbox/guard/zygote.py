"""The zygote: a warm interpreter that starts a warden per job where there are no namespaces to be had.

It talks to the supervisor over one packet socket, in the words of ``agent``; the report of a job comes from
its warden, over the job's own stream. It reads no job itself: the warden does, after the fork, so that
nothing of one job is in the memory of the next.
"""

from __future__ import annotations

import json
import marshal
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from . import boundary, confine, descendants, identity, kernel, program, warm
from .active import FDS, StatusLink
from .cgroups import Cgroups, Group, Usage, try_open
from .files import write_files
from .warden import Warden
from .watch import Watch

_MAX_MESSAGE = 1 << 16
# How long wardens may take to end their programs once the supervisor has gone.
_LAST_S = 5.0
_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class Child:
    """One warden: the job's number, and what was made for it."""

    id: int
    group: Group | None
    uid: int | None


class Zygote:
    """Starts wardens and counts what their programs used.

    Args:
        control: The packet socket to the supervisor.
        cgroups: Where groups are made, or None when caps have to be watched.
        users: User ids for programs, or None when they share that of this process.
        confined: Whether programs give up rights, or are run as they are.
    """

    def __init__(
        self,
        control: socket.socket,
        *,
        cgroups: Cgroups | None = None,
        users: identity.Users | None = None,
        confined: bool = False,
    ) -> None:
        self._control = control
        self._cgroups = cgroups
        self._users = users
        self._confined = confined
        self._jobs: dict[int, Child] = {}
        self._pids: dict[int, int] = {}
        self._late: set[int] = set()

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
        # Wardens end their programs when the supervisor has gone. Were they killed, and this process after
        # them, programs would be left to nobody.
        last = time.monotonic() + _LAST_S
        while self._jobs and time.monotonic() < last:
            self._reap()
            time.sleep(_PAUSE_S)
        for pid in self._jobs:
            os.kill(pid, signal.SIGKILL)
        while self._jobs:
            self._forget(*os.waitpid(-1, 0))
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
            self._late.add(command["id"])
            os.kill(self._pids[command["id"]], signal.SIGKILL)
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            pass  # the supervisor is gone; the next read says so

    def _start(self, command: dict[str, Any], fds: dict[str, int]) -> None:
        group = None
        if self._cgroups:
            group = self._cgroups.create(f"job-{command['id']}", command["limits"], more=1)
        child = Child(command["id"], group, self._users.take() if self._users else None)
        try:
            pid = os.fork()
        except OSError:
            self._release(child)
            raise
        if pid == 0:
            self._become_warden(fds, child)
        self._jobs[pid] = child
        self._pids[command["id"]] = pid

    def _release(self, child: Child) -> Usage:
        usage = Usage()
        if child.group:
            usage = child.group.usage()
            child.group.remove()
        if self._users and child.uid is not None:
            self._users.give_back(child.uid)
        return usage

    def _become_warden(self, fds: dict[str, int], child: Child) -> NoReturn:
        code = 1
        try:
            kernel.become_subreaper()  # and stay, if the zygote dies, to end the program
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._control.close()
            kernel.set_dumpable(not self._confined)
            if child.group:
                child.group.join()
            link = StatusLink(fds["status"])
            with open(fds["job"], "rb", closefd=False) as file:
                job = marshal.load(file)
            self._write(job, child.uid)
            self._warden(job, link, fds, child).run()
            if child.uid is not None:
                identity.sweep(child.uid)
            code = 0
        except Exception as error:  # noqa: BLE001  (told to the supervisor: a fault of ours)
            os.write(2, f"warden: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def _write(self, job: dict[str, Any], uid: int | None) -> None:
        """Fill the working folder, as the user whose it will be."""
        home = job["home"]
        if uid is not None:
            for folder in (home, f"{home}/work", f"{home}/tmp"):
                os.chown(folder, uid, uid)
        with identity.acting_as(uid):
            write_files(f"{home}/work", {**job["files"], job["filename"]: job["source"]})

    def _warden(self, job: dict[str, Any], link: StatusLink, fds: dict[str, int], child: Child) -> Warden:
        group, uid, limits = child.group, child.uid, job["limits"]
        watch = Watch(limits, job["home"], uid, capped=group is not None)

        def seal() -> None:
            if self._confined:
                confine.set_rlimits(limits, uid)
                confine.seal(uid, job["home"])
            elif group is None:
                boundary.set_rlimits(limits, capped=False, others=descendants.threads_of_user())
            else:
                boundary.set_rlimits(limits, capped=True)

        return Warden(
            job,
            link,
            cpu_s=group.cpu_s if group else watch.cpu_s,
            kill_all=lambda: self._end_program(child),
            start=lambda phase: program.start(job, phase, fds, seal),
            watch=watch,
            rights=lambda: identity.acting_as(uid),
            measure=dict if group else watch.report,
        )

    def _end_program(self, child: Child) -> None:
        """Kill everything below a warden, where no PID namespace does it."""
        if self._users and child.uid is not None:
            self._users.kill_all(child.uid)
            wait_for_all()
        else:
            end_descendants(child.group)

    def _reap(self) -> None:
        while self._jobs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._jobs:
                continue  # an orphan whose warden was killed
            job_id, usage = self._forget(pid, status)
            message: dict[str, Any] = {
                "id": job_id,
                "cpu_s": usage.cpu_s,
                "memory_bytes": usage.memory_bytes,
                "oom_kills": usage.oom_kills,
                "pids_hits": usage.pids_hits,
            }
            if job_id in self._late:  # its warden could not report
                self._late.remove(job_id)
                message["report"] = {"phase": "run", "reason": "wall", "signal": int(signal.SIGKILL)}
            self._tell(message)

    def _forget(self, pid: int, status: int) -> tuple[int, Usage]:
        if pid not in self._jobs:
            return -1, Usage()
        child = self._jobs.pop(pid)
        del self._pids[child.id]
        killed = os.WIFSIGNALED(status)
        if killed and self._users and child.uid is not None:
            self._users.kill_all(child.uid)
        descendants.end(keep=self._jobs)  # what a warden that was killed has left behind
        if killed and child.uid is not None:
            identity.sweep(child.uid)
        return child.id, self._release(child)


def wait_for_all() -> None:
    """Wait until no child of this process is left; all have been killed."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


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


def start(config: dict[str, Any]) -> socket.socket:
    """Make this process ready to fork programs, by what its launcher says; returns the control socket."""
    kernel.become_subreaper()  # and live to end all programs when the supervisor has gone
    warm.preload()
    packages = link_packages(config["staging"], config["packages"])
    sys.path[:] = [*(entry for entry in sys.path if entry != config["guard"]), packages]
    return socket.socket(fileno=config["control"])


def main() -> None:
    """Entry point of the ``process`` backend: one JSON argument (see ``sandbox.launcher``)."""
    config = json.loads(sys.argv[1])
    control = start(config)
    cgroups, note = try_open(config["group"])
    control.send(json.dumps({"ready": True, "capped": cgroups is not None, "note": note}).encode())
    warm.settle()
    Zygote(control, cgroups=cgroups).serve()
