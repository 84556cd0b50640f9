"""The agent: a fork server behind the root folder of ``rootfs``; every program gets fresh namespaces.

It runs on the host or, with a few capabilities, in a long-lived container. It talks to the supervisor over
one packet socket: ``start`` with the job's descriptors, ``kill`` by id; it answers with how a job ended and
what the kernel counted. Each job has a stream of frames besides (see ``wire``) for its files and questions
about it. The agent reads no job, and forks no program: its nurseries do (see ``spawner``).
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import time
from collections import deque
from typing import Any

from . import artefact, descendants, wire
from .active import FDS, Job, StatusLink, pack_work, report_of, send_files
from .cgroups import Cgroups, Usage
from .entry import JOB
from .nursery import FAULT, HOLDER, PROGRAM, UNBORN
from .spawner import ENDED, LACKING, Event, Key, Spawner

_MAX_MESSAGE = 1 << 16
_FILES = "files"
_SPARES = 2


class Agent:
    """Starts programs, holds their limits and says how they ended.

    Args:
        control: The packet socket to the supervisor.
        cgroups: Where groups are made, or None when nothing can be capped.
        spawner: What forks.
    """

    def __init__(self, control: socket.socket, *, cgroups: Cgroups | None, spawner: Spawner) -> None:
        self._control = control
        self._cgroups = cgroups
        self._spawner = spawner
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._poller = select.poll()
        self._by_fd: dict[int, Job] = {}
        self._by_key: dict[Key, Job] = {}  # by what has been forked for it

    def serve(self) -> None:
        """Serve until the supervisor closes its end; everything still running is then killed."""
        wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        control = self._control.fileno()
        for fd in (control, wake, *self._spawner.filenos()):
            self._poller.register(fd, select.POLLIN)
        self._spawner.refill(_SPARES)
        told = {wake, *self._spawner.filenos()}
        try:
            while True:
                ready = {fd for fd, _ in self._poller.poll(self._wait_ms())}
                if wake in ready:
                    os.read(wake, 4096)
                if not told.isdisjoint(ready):
                    for event in self._spawner.events():
                        self._take(event)
                    self._launch()
                for fd in ready:
                    if fd in self._by_fd:
                        self._answer(self._by_fd[fd])
                if control in ready and not self._command():
                    break
        finally:
            self._spawner.end()
            if self._cgroups:
                for job in self._jobs.values():
                    self._count(job)
                self._cgroups.close()

    def _wait_ms(self) -> int | None:
        """Hold the limits; returns how long nothing else can happen by itself."""
        if not self._running:
            return None
        now = time.monotonic()
        for job in self._running.values():
            if job.look_at <= now:
                job.look(now, self._used_s)
                if job.reason:
                    self._stop(job)
        return max(1, int(1000 * (min(job.look_at for job in self._running.values()) - now)))

    def _used_s(self, job: Job) -> float:
        """Return the CPU seconds used so far by a program."""
        if job.group:
            return job.group.cpu_s()
        keys = [(PROGRAM, job.id), *([job.holder.key] if job.holder else [])]
        return job.rusage_s + sum(map(descendants.cpu_s_of, self._spawner.pids(keys)))

    def _stop(self, job: Job) -> None:
        """Kill a program's holder and so everything in its namespaces, or what fetches its files."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._gone(job)
        elif job.holder is not None:
            job.stopped = True
            self._spawner.kill(job.holder.key)
            self._spawner.kill((_FILES, job.id))

    def _answer(self, job: Job) -> None:
        """Take what the supervisor says of one job."""
        for command in job.link.commands():
            if command == wire.KILL:
                self._unwatch(job)
                job.reason = job.reason or "killed"
                self._stop(job)
            elif command == wire.ASK_USAGE:
                job.link.send(wire.frame(wire.USAGE, repr(self._used_s(job)).encode()))

    def _unwatch(self, job: Job) -> None:
        if self._by_fd.pop(job.link.fileno(), None):
            self._poller.unregister(job.link.fileno())

    def _command(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, len(FDS))
        if not message:
            return False
        command = json.loads(message)
        if command["op"] == "start":
            self._start(command, dict(zip(FDS, fds, strict=True)))
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

    def _start(self, command: dict[str, Any], fds: dict[str, int]) -> None:
        """Start a program, as soon as there is a holder for it."""
        number, limits = command["id"], command["limits"]
        try:
            group = self._cgroups.create(f"job-{number}", limits) if self._cgroups else None
        except OSError as error:
            self._tell({"id": number, "error": str(error)})
            for fd in fds.values():
                os.close(fd)
            return
        job = Job(
            id=number,
            phase=command["phase"],
            limits=limits,
            warm=command["warm"],
            fds=[fds[name] for name in JOB],
            link=StatusLink(fds["status"]),
            group=group,
        )
        if command["collect"]:
            job.source, job.packed = os.dup(fds["job"]), os.dup(fds["payload"])
        self._jobs[number] = job
        self._waiting.append(job)
        self._by_fd[job.link.fileno()] = job
        self._poller.register(job.link.fileno(), select.POLLIN)
        self._launch()

    def _launch(self) -> None:
        """Start what waits, as far as there are holders, and have more made."""
        while self._waiting and (made := self._spawner.take()):
            job = self._waiting.popleft()
            job.holder, job.began = made, time.monotonic()
            self._spawner.launch(
                made,
                job.id,
                job.phase,
                job.limits,
                job=job.fds,
                groups=job.group.procs if job.group else (),
                capped=job.group is not None,
                warm=job.warm,
            )
            job.close_fds()
            job.home = made.take_home()
            job.look(job.began, lambda _: 0.0)
            self._running[job.id] = job
            self._by_key[PROGRAM, job.id] = self._by_key[made.key] = job
        self._spawner.refill(_SPARES + len(self._waiting))

    def _take(self, event: Event) -> None:
        """Take note of what became of one process."""
        kind, key, value = event
        if kind == LACKING:
            if self._waiting:
                job = self._waiting.popleft()
                job.fault = value
                self._gone(job)
            return
        job = self._by_key[key] if kind == FAULT else self._by_key.pop(key)
        if kind == ENDED:
            job.rusage_s += value[1]
        if key[0] == _FILES:
            self._fetched(job, value[0])
        elif key[0] == HOLDER:
            self._holder_said(job, kind, value)
        else:
            self._program_said(job, kind, value)

    def _holder_said(self, job: Job, kind: str, value: Any) -> None:
        if kind == FAULT:
            job.fault = value
            return
        job.held = False
        if not job.stopped and job.status is None:
            job.fault = job.fault or "the holder was killed"
        self._end(job)

    def _program_said(self, job: Job, kind: str, value: Any) -> None:
        if kind == FAULT:
            job.fault = value
            return
        if kind == UNBORN:
            job.unborn = True
            job.fault = job.fault or value
        else:
            job.status = value[0]
        if job.held and job.holder is not None:
            self._spawner.kill(job.holder.key)
        self._end(job)

    def _end(self, job: Job) -> None:
        if not job.held and (job.unborn or job.status is not None):
            del self._running[job.id]
            self._gone(job)

    def _gone(self, job: Job) -> None:
        """Take note that nothing of a program is left; what it has left behind may be fetched now."""
        self._unwatch(job)
        job.report = report_of(job, time.monotonic() - job.began if job.began else 0.0)
        self._count(job)
        good = job.phase == "run" or job.report["exit_code"] == 0
        if job.stopped:
            job.fault = ""  # it met its end on the way into its boundary
        if not job.fault and job.source != -1 and job.home >= 0 and good:
            self._collect(job)
        else:
            self._finish(job, job.fault)

    def _count(self, job: Job) -> None:
        usage = Usage(cpu_s=job.rusage_s)
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
            self._by_key[_FILES, job.id] = job
            self._spawner.watch(pid, (_FILES, job.id))
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
        job.close()
        del self._jobs[job.id]
        self._tell({"id": job.id, "error": fault, "report": {} if fault else job.report, **job.counts})
