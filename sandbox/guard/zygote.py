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
from typing import Any, NoReturn

from . import descendants, kernel, program, warm
from .active import FDS, StatusLink
from .cgroups import Cgroups, Group, Usage, try_open
from .warden import Warden, write_files

_MAX_MESSAGE = 1 << 16


class Zygote:
    """Starts wardens and counts what their programs used.

    Args:
        control: The packet socket to the supervisor.
        cgroups: Where groups are made, or None when nothing can be capped.
    """

    def __init__(self, control: socket.socket, *, cgroups: Cgroups | None) -> None:
        self._control = control
        self._cgroups = cgroups
        self._jobs: dict[int, tuple[int, Group | None]] = {}
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
        for pid in self._jobs:
            os.kill(pid, signal.SIGKILL)
        while self._jobs:
            self._forget(os.waitpid(-1, 0)[0])
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
        try:
            pid = os.fork()
        except OSError:
            if group:
                group.remove()
            raise
        if pid == 0:
            self._become_warden(fds, group)
        self._jobs[pid] = (command["id"], group)
        self._pids[command["id"]] = pid

    def _become_warden(self, fds: dict[str, int], group: Group | None) -> NoReturn:
        code = 1
        try:
            kernel.become_subreaper()  # and stay, if the zygote dies, to end the program
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._control.close()
            if group:
                group.join()
            link = StatusLink(fds["status"])
            with open(fds["job"], "rb", closefd=False) as file:
                job = marshal.load(file)
            write_files(f"{job['home']}/work", {**job["files"], job["filename"]: job["source"]})
            Warden(
                job,
                link,
                cpu_s=group.cpu_s if group else descendants.cpu_s,
                kill_all=lambda: end_descendants(group),
                start=lambda phase: program.start(job, phase, fds, capped=group is not None, isolate=False),
            ).run()
            code = 0
        except Exception as error:  # noqa: BLE001  (told to the supervisor: a fault of ours)
            os.write(2, f"warden: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._jobs:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._jobs:
                continue  # an orphan whose warden was killed
            job_id, usage = self._forget(pid)
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

    def _forget(self, pid: int) -> tuple[int, Usage]:
        if pid not in self._jobs:
            return -1, Usage()
        job_id, group = self._jobs.pop(pid)
        del self._pids[job_id]
        usage = Usage()
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
    """Entry point: ``zygote.main()`` with one JSON argument (see ``sandbox.launcher``)."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    kernel.become_subreaper()  # and live to end all programs when the supervisor has gone
    warm.preload()
    cgroups, note = try_open(config["group"])
    packages = link_packages(config["staging"], config["packages"])
    sys.path[:] = [*(entry for entry in sys.path if entry != config["guard"]), packages]
    control.send(json.dumps({"ready": True, "capped": cgroups is not None, "note": note}).encode())
    warm.settle()
    Zygote(control, cgroups=cgroups).serve()


if __name__ == "__main__":
    main()
