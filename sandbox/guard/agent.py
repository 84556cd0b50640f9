"""The agent: a fork server behind the root folder of ``rootfs``; every program gets fresh namespaces.

It runs on the host or, with a few capabilities, in a long-lived container. It talks to the supervisor over
one packet socket: ``start`` with the job's descriptors, ``kill`` by id; it answers with how a job ended and
what the kernel counted. Each job has a stream of frames besides (see ``wire``) for its files and questions
about it. The agent reads no job: the program's process does, after the fork, so that nothing of one job is in
the memory of the next.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import time
from typing import Any

from . import artefact, boundary, holder, wire
from .active import FDS, Job, StatusLink, pack_work, send_files
from .cgroups import Cgroups, Usage
from .warden import is_full

_MAX_MESSAGE = 1 << 16


class Agent:
    """Starts programs, holds their limits and says how they ended.

    Args:
        control: The packet socket to the supervisor.
        cgroups: Where groups are made, or None when nothing can be capped.
    """

    def __init__(self, control: socket.socket, *, cgroups: Cgroups | None) -> None:
        self._control = control
        self._cgroups = cgroups
        self._jobs: dict[int, Job] = {}  # by id
        self._pids: dict[int, Job] = {}  # by the holder's pid
        self._collectors: dict[int, Job] = {}  # by the pid of what fetches the job's files
        self._uids = boundary.uid_range()
        self._poller = select.poll()
        self._by_fd: dict[int, Job] = {}

    def serve(self) -> None:
        """Serve until the supervisor closes its end; everything still running is then killed."""
        wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        control = self._control.fileno()
        self._poller.register(control, select.POLLIN)
        self._poller.register(wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in self._poller.poll(self._wait_ms())}
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            for fd in ready:
                if fd in self._by_fd:
                    self._answer(self._by_fd[fd])
            if control in ready and not self._command():
                break
        self._end_all()

    def _end_all(self) -> None:
        for pid in (*self._pids, *self._collectors):
            os.kill(pid, signal.SIGKILL)
        while self._pids or self._collectors:
            pid, _ = os.waitpid(-1, 0)
            self._collectors.pop(pid, None)
            if job := self._pids.pop(pid, None):
                self._count(job, 0.0)
        if self._cgroups:
            self._cgroups.close()

    def _wait_ms(self) -> int | None:
        """Hold the limits; returns how long nothing else can happen by itself."""
        if not self._pids:
            return None
        now = time.monotonic()
        for job in self._pids.values():
            if job.look_at <= now:
                job.look(now)
                if job.reason:
                    self._stop(job)
        return max(1, int(1000 * (min(job.look_at for job in self._pids.values()) - now)))

    def _stop(self, job: Job) -> None:
        """Kill a program's holder and so everything in its namespaces, or what fetches its files."""
        os.kill(job.pid, signal.SIGKILL)

    def _answer(self, job: Job) -> None:
        """Take what the supervisor says of one job."""
        for command in job.link.commands():
            if command == wire.KILL:
                self._unwatch(job)
                job.reason = job.reason or "killed"
                self._stop(job)
            elif command == wire.ASK_USAGE:
                job.link.send(wire.frame(wire.USAGE, repr(job.used_s()).encode()))

    def _unwatch(self, job: Job) -> None:
        if self._by_fd.pop(job.link.fileno(), None):
            self._poller.unregister(job.link.fileno())

    def _command(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, len(FDS))
        if not message:
            return False
        command = json.loads(message)
        if command["op"] == "start":
            named = dict(zip(FDS, fds, strict=True))
            kept: set[int] = set()
            try:
                kept = self._start(command, named)
            except OSError as error:
                self._tell({"id": command["id"], "error": str(error)})
            finally:
                for fd in set(fds) - kept:
                    os.close(fd)
        elif command["op"] == "kill" and command["id"] in self._jobs:
            job = self._jobs[command["id"]]
            job.reason = job.reason or "wall"
            self._stop(job)
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            pass  # the supervisor is gone; the next read says so

    def _start(self, command: dict[str, Any], fds: dict[str, int]) -> set[int]:
        """Start a program; returns the descriptors that stay open."""
        number, phase, limits = command["id"], command["phase"], command["limits"]
        group = self._cgroups.create(f"job-{number}", limits) if self._cgroups else None
        uid = self._uids[number % len(self._uids)] if self._uids else os.geteuid()
        gid = uid if self._uids else os.getegid()
        ending, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        began = time.monotonic()
        birth = holder.Birth(uid=uid, gid=gid, phase=phase, limits=limits, fds=fds, group=group, ending=told)
        try:
            pid = boundary.clone_as(uid, gid)
            if pid == 0:
                holder.become_holder(birth)
        except OSError:
            ending.close()
            if group:
                group.remove()
            raise
        finally:
            told.close()
        job = Job(
            id=number,
            pid=pid,
            phase=phase,
            link=StatusLink(fds["status"]),
            ending=ending,
            group=group,
            began=began,
            wall_s=float(limits["wall_s"]),
            cpu_s=limits.get("cpu_s"),
        )
        kept = {fds["status"]}
        if command["collect"]:
            job.source, job.packed = fds["job"], fds["payload"]
            kept |= {job.source, job.packed}
        job.look(began)
        self._jobs[number] = self._pids[pid] = job
        self._by_fd[job.link.fileno()] = job
        self._poller.register(job.link.fileno(), select.POLLIN)
        return kept

    def _reap(self) -> None:
        while self._pids or self._collectors:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            if job := self._pids.pop(pid, None):
                self._gone(job, used.ru_utime + used.ru_stime)
            elif job := self._collectors.pop(pid, None):
                self._fetched(job, status)

    def _gone(self, job: Job, cpu_s: float) -> None:
        """Take note that nothing of a program is left; what it has left behind may be fetched now."""
        wall_s = time.monotonic() - job.began
        self._unwatch(job)
        ending = holder.read_ending(job.ending)
        job.ending.close()
        job.home = ending.home
        self._count(job, cpu_s)
        if ending.status is None and not job.reason:
            self._finish(job, ending.fault or "the holder was killed")
            return
        job.report = {
            "phase": job.phase,
            "exit_code": None,
            "signal": None,
            "reason": job.reason,
            "wall_s": wall_s,
            "disk_full": job.home >= 0 and is_full(job.home),
        }
        if ending.status is None:
            job.report["signal"] = int(signal.SIGKILL)
        else:
            # It ended by itself, though the order to kill it may have been under way.
            job.report["reason"] = job.reason if job.reason != "killed" else ""
            if os.WIFSIGNALED(ending.status):
                job.report["signal"] = os.WTERMSIG(ending.status)
            else:
                job.report["exit_code"] = os.WEXITSTATUS(ending.status)
        if ending.fault:
            self._finish(job, ending.fault)
        elif job.source != -1 and job.home >= 0 and (job.phase == "run" or job.report["exit_code"] == 0):
            self._collect(job)
        else:
            self._finish(job, "")

    def _count(self, job: Job, cpu_s: float) -> None:
        usage = Usage(cpu_s=cpu_s)
        if job.group:
            usage = job.group.usage()
            job.group.remove()
            job.group = None
        job.counts = {
            "cpu_s": usage.cpu_s,
            "memory_bytes": usage.memory_bytes,
            "oom_kills": usage.oom_kills,
            "pids_hits": usage.pids_hits,
        }

    def _collect(self, job: Job) -> None:
        """Let a child send the files: they may be large, and the supervisor slow."""
        pid = os.fork()
        if pid:
            job.pid = pid
            self._collectors[pid] = job
            return
        code = 1
        try:
            if job.phase == "compile":
                pack_work(job)
            else:
                send_files(job)
            code = 0
        except artefact.TooLargeError:
            code = errno.EFBIG
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)

    def _fetched(self, job: Job, status: int) -> None:
        """Take note of how the child ended that sent the files."""
        code = os.waitstatus_to_exitcode(status)
        if code == errno.EFBIG and job.phase == "compile":
            job.report["too_large"] = True
        elif code:
            why = os.strerror(code) if code > 0 else "the wait for them was too long"
            self._finish(job, f"the files could not be fetched: {why}")
            return
        self._finish(job, "")

    def _finish(self, job: Job, fault: str) -> None:
        """Say how a program ended and forget it."""
        job.link.close()
        for fd in (job.home, job.source, job.packed):
            if fd >= 0:
                os.close(fd)
        del self._jobs[job.id]
        self._tell({"id": job.id, "error": fault, "report": {} if fault else job.report, **job.counts})
