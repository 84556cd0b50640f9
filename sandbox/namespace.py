"""The ``namespace`` backend: kernel namespaces made by our own launcher, no daemon, no extra program.

A warm zygote (``sandbox.guard.zygote``) forks every program into fresh user, pid, mount, net, ipc and uts
namespaces with a cgroup of its own where one can be had.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opencoder.errors import DependencyError, InfraError
from sandbox import reaper
from sandbox.api import Guarantee, Program, Result
from sandbox.collect import Collector
from sandbox.guard import rootfs, wire
from sandbox.jobs import Capture, encode_job, limit_table, to_result, wall_deadline_s
from sandbox.languages import needs_installed

_READY_S = 60.0
_CHUNK = 1 << 16
# Importable by programs beside the standard library, where the host has them.
_PACKAGES = ("numpy",)
# Memory that a program frees is kept for its next allocation: to fetch each page anew costs it more than the
# boundary does. (glibc; other C libraries ignore it.)
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
_BOOT = "import sys; sys.path.insert(0, {parent!r}); from guard.zygote import main; main()"


def _memory_file(name: str, data: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _host_view() -> dict[str, object]:
    """What of the host's Python programs may see."""
    prefix = os.path.realpath(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pure = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
    hidden = {
        os.path.realpath(pure),
        f"/usr/local/lib/{version}/dist-packages",
        "/usr/lib/python3/dist-packages",
    }
    packages: dict[str, str] = {}
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            packages[name] = str(folder)
            libraries = folder.parent / f"{name}.libs"
            if libraries.is_dir():
                packages[libraries.name] = str(libraries)
    return {"shown": [prefix], "hidden": sorted(hidden), "packages": packages}


class NamespaceRun:
    """One program of the backend (see :class:`sandbox.api.Running`)."""

    def __init__(self, owner: NamespaceSandbox, number: int, program: Program) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._number = number
        self._program = program
        self._ended: asyncio.Future[Result] = self._loop.create_future()
        self._got = Collector(program.limits.output_bytes)
        self._frames = wire.Frames()
        self._captures: dict[int, Capture] = {}
        self._began = time.monotonic()
        self._open(program)

    def _open(self, program: Program) -> None:
        job = encode_job(program, home=self._owner.make_home(self._number))
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self._status, status = socket.socketpair()
        self._channel, channel = socket.socketpair()
        sent = [
            _memory_file("job", job),
            _memory_file("payload", program.payload),
            _memory_file("stdin", program.stdin),
            out_write,
            err_write,
        ]
        try:
            message = {"op": "start", "id": self._number, "limits": limit_table(program.limits)}
            self._owner.tell(message, [*sent, status.fileno(), channel.fileno()])
        except InfraError:
            for fd in (out_read, err_read):
                os.close(fd)
            self._status.close()
            self._channel.close()
            raise
        finally:
            for fd in sent:
                os.close(fd)
            status.close()
            channel.close()
        for fd, capture in ((out_read, self._got.stdout), (err_read, self._got.stderr)):
            os.set_blocking(fd, False)
            self._captures[fd] = capture
            self._loop.add_reader(fd, self._read_stream, fd)
        self._status.setblocking(False)
        self._channel.setblocking(False)
        self._loop.add_reader(self._status, self._read_status)
        self._deadline = self._loop.call_later(wall_deadline_s(program), self._too_late)

    def _read_stream(self, fd: int) -> bool:
        """Read once; True while there may be more."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(fd)
            return False
        if self._captures[fd].feed(data) and not self._got.killed:
            self._stop("output")
        return True

    def _read_status(self) -> bool:
        try:
            data = self._status.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._status)
            return False
        for kind, payload in self._frames.feed(data):
            self._got.take(kind, payload)
        return True

    def _stop(self, reason: str) -> None:
        self._got.killed = self._got.killed or reason
        try:
            self._status.send(wire.frame(wire.KILL))
        except OSError:
            pass  # it has ended by itself

    def _too_late(self) -> None:
        """The warden missed its own deadline: end the warden, and with it all of the namespace."""
        self._got.killed = self._got.killed or "wall"
        try:
            self._owner.tell({"op": "kill", "id": self._number}, [])
        except InfraError:
            pass  # the launcher is gone, and every program with it

    def finish(self, counted: dict[str, Any]) -> None:
        """Take the zygote's last word: no process of the program is left."""
        self._deadline.cancel()
        for fd in list(self._captures):
            while self._read_stream(fd):
                pass
            self._loop.remove_reader(fd)
            os.close(fd)
        while self._read_status():
            pass
        self._loop.remove_reader(self._status)
        self._status.close()
        numbers = {k: v for k, v in counted.items() if k not in ("id", "status")}
        ended = self._got.ended(wall_s=time.monotonic() - self._began, **numbers)
        if not self._ended.done():
            self._ended.set_result(
                to_result(ended, backend=self._owner.name, guarantee=self._owner.guarantee)
            )

    async def send(self, data: bytes) -> None:
        """Write to the channel; silently dropped once the program's side is closed."""
        try:
            await self._loop.sock_sendall(self._channel, data)
        except OSError:
            pass

    async def receive(self) -> bytes:
        """Return the next bytes from the channel, ``b""`` at its end."""
        try:
            return await self._loop.sock_recv(self._channel, _CHUNK)
        except OSError:
            return b""

    async def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all of its processes."""
        if self._ended.done():
            return self._ended.result().cpu_s
        return await self._got.usage(self._ask_usage)

    def _ask_usage(self) -> None:
        try:
            self._status.send(wire.frame(wire.ASK_USAGE))
        except OSError:
            pass  # ended just now; ``finish`` answers

    def kill(self) -> None:
        """End all of its processes now."""
        self._stop("killed")

    async def wait(self) -> Result:
        """Return the result; the program and everything it started is gone by then."""
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self._too_late()
            raise
        finally:
            self._channel.close()


class NamespaceSandbox:
    """Programs in fresh namespaces on this host.

    Attributes:
        guarantee: ``full``, or ``reduced`` where no cgroup can be had.
        note: Why there is no cgroup, or empty.
    """

    name = "namespace"
    image_digest = ""
    # Whether programs get namespaces; without, they are plain child processes (``sandbox.process``).
    _isolate = True

    def __init__(self) -> None:
        self.guarantee = Guarantee.REDUCED
        self.note = ""
        self._booting = asyncio.Lock()
        self._runs: dict[int, NamespaceRun] = {}
        self._next = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    async def __aenter__(self) -> Self:
        reaper.reap_groups()
        reaper.reap_folders()
        await self._boot()
        return self

    async def _boot(self) -> None:
        control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._staging = Path(tempfile.mkdtemp(prefix=f"{reaper.FOLDER_PREFIX}{reaper.owner()}-"))
        self._group = f"{reaper.GROUP_PREFIX}{reaper.owner()}-{os.urandom(4).hex()}"
        config = {
            "control": inner.fileno(),
            "isolate": self._isolate,
            "group": self._group,
            "staging": str(self._staging),
            "guard": str(Path(__file__).parent),
            **_host_view(),
        }
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        boot = _BOOT.format(parent=str(Path(__file__).parent))
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", **_MALLOC}
        self._process = subprocess.Popen(
            [python, "-I", "-S", "-c", boot, json.dumps(config)],
            pass_fds=[inner.fileno()],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        inner.close()
        control.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            ready = json.loads(await asyncio.wait_for(loop.sock_recv(control, _CHUNK), _READY_S) or b"{}")
        except TimeoutError:
            ready = {"error": f"the launcher did not answer within {_READY_S:.0f} s"}
        if not ready.get("ready"):
            self._control = control
            self._release(kill=True)
            reaper.remove_tree(self._staging)
            raise DependencyError(
                f"no namespaces here: {ready.get('error', 'the launcher ended')}",
                repair="opencoder sandbox doctor",
            )
        self.guarantee = self._level(capped=bool(ready["capped"]))
        self.note = ready["note"]
        self._control = control
        loop.add_reader(control, self._hear)

    def _level(self, *, capped: bool) -> Guarantee:
        return Guarantee.FULL if capped else Guarantee.REDUCED

    def make_home(self, number: int) -> str:
        """Return the home folder of program ``number`` as its warden sees it."""
        return rootfs.HOME

    def drop_home(self, number: int) -> None:
        """Take note that program ``number`` is gone; behind a boundary its folder went with it."""

    def _hear(self) -> None:
        if self._control is None:
            return
        while True:
            try:
                data = self._control.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lost()
                return
            message = json.loads(data)
            run = self._runs.pop(message["id"], None)
            if run is not None:
                run.finish(message)
                self.drop_home(message["id"])

    def _lost(self) -> None:
        """The zygote is gone, and with it (parent-death signal) every warden and program."""
        self._release()
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.finish({"error": "the launcher ended"})
        reaper.remove_tree(self._staging)

    def _release(self, *, kill: bool = False) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._process is not None:
            if kill:
                self._process.kill()
            if self._process.wait() != 0:
                reaper.remove_group(self._group)  # it could not do so itself
            self._process = None

    def tell(self, message: dict[str, Any], fds: list[int]) -> None:
        """Send one command to the zygote.

        Raises:
            InfraError: The zygote is gone.
        """
        if self._control is None:
            raise InfraError("the sandbox launcher has ended")
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], fds)
        except OSError as error:
            raise InfraError(f"the sandbox launcher does not answer: {error}") from None

    async def start(self, program: Program) -> NamespaceRun:
        """Start ``program`` (see :class:`sandbox.api.Sandbox`)."""
        needs_installed(program.language)
        async with self._booting:
            if self._control is None:
                await self._boot()
        self._next += 1
        run = NamespaceRun(self, self._next, program)
        self._runs[self._next] = run
        return run

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lost()
