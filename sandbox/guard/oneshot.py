"""PID 1 of a one-use container: waits, warm, for one job, runs it as its warden and ends.

Everything goes over its stdin and stdout, which are the engine's attach stream, in frames (see ``wire``). It
has the program's user id and no capability, as the engine gave it none. What keeps the program off it: it is
not dumpable, so neither its memory nor its descriptors can be opened; the kernel drops signals to PID 1 from
inside the namespace as long as no handler is set; and the program's filter refuses calls on other processes.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
from typing import Any

from . import boundary, cgroups, descendants, kernel, preload, program, warm, wire
from .files import write_files
from .warden import Warden, reap_namespace

# Where Debian keeps the packages of its own interpreter.
PACKAGES = "/usr/lib/python3/dist-packages"
# Where the image holds this package.
ROOT = "/opt/opencoder"
_STDIN, _STDOUT = 0, 1
_CHUNK = 1 << 16
# The program's streams are read no further while this much waits for the supervisor.
_BACKLOG = 1 << 20
_LONGEST_NOTE = 1000


class SupervisorGone(Exception):
    """Nobody reads what the program writes."""


class Stream:
    """One output stream of the program, relayed up to its cap."""

    def __init__(self, kind: bytes, limit: int) -> None:
        self.kind = kind
        self._left = limit

    def take(self, data: bytes) -> bytes:
        """Return what of ``data`` is passed on: everything until the cap is passed."""
        kept = b"" if self.passed else data
        self._left -= len(data)
        return kept

    @property
    def passed(self) -> bool:
        """Whether more than the cap has come."""
        return self._left < 0


class Relay:
    """Carries frames between the supervisor and the descriptors of the program; every buffer is bounded.

    It is both the warden's link and its relay (see ``sandbox.guard.warden``).
    """

    def __init__(self) -> None:
        self._frames = wire.Frames()
        self._out = bytearray()
        self._to_channel = bytearray()
        self._room = wire.WINDOW
        self._streams: dict[int, Stream] = {}
        self._channel = -1

    def wait_for_job(self, payload: int, stdin: int) -> dict[str, Any] | None:
        """Store payload and stdin in their files and return the job; None when the supervisor is gone."""
        files = {wire.PAYLOAD: payload, wire.STDIN: stdin}
        # Exact reads: what is behind the job belongs to the loop that serves it.
        while header := _read_exactly(_STDIN, wire.HEADER.size):
            kind, length = wire.HEADER.unpack(header)
            content = _read_exactly(_STDIN, length)
            if len(content) < length:
                break
            if kind == wire.JOB:
                return dict(marshal.loads(content))
            if kind in files:
                _write_all(files[kind], content)
        return None

    def connect(self, stdout: int, stderr: int, channel: int, limit: int) -> None:
        """Take the reading ends of the program's streams, and the supervisor's end of its channel."""
        self._streams = {stdout: Stream(wire.STDOUT, limit), stderr: Stream(wire.STDERR, limit)}
        self._channel = channel
        for fd in (_STDIN, _STDOUT, stdout, stderr, channel):
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """Return the descriptor on which commands arrive."""
        return _STDIN

    def commands(self) -> list[bytes]:
        """Take what has come from the supervisor; returns the commands among it."""
        try:
            data = os.read(_STDIN, _CHUNK)
        except BlockingIOError:
            return []
        if not data:
            return [wire.KILL]
        out: list[bytes] = []
        for kind, content in self._frames.feed(data):
            if kind == wire.CHANNEL:
                self._to_channel += content
            elif kind == wire.TAKEN:
                self._room += int.from_bytes(content, "little")
            else:
                out.append(kind)
        return out

    def send(self, data: bytes) -> None:
        """Send frames; waits while too much is under way.

        Raises:
            SupervisorGone: Nobody reads any more.
        """
        self._out += data
        while not self._flush(_BACKLOG):
            self._wait_for_reader()

    def flush(self) -> None:
        """Wait until everything has left.

        Raises:
            SupervisorGone: Nobody reads any more.
        """
        while not self._flush(0):
            self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        poller = select.poll()
        poller.register(_STDOUT, select.POLLOUT)
        poller.poll()

    def _flush(self, enough: int) -> bool:
        """Write what the stream takes; True when at most ``enough`` bytes are left."""
        try:
            while self._out:
                del self._out[: os.write(_STDOUT, self._out[:_CHUNK])]
        except BlockingIOError:
            pass
        except OSError:
            raise SupervisorGone from None
        return len(self._out) <= enough

    def interest(self) -> dict[int, int]:
        """Return the descriptors to poll, each with the events awaited."""
        wanted: dict[int, int] = {}
        if self._out:
            wanted[_STDOUT] = select.POLLOUT
        if len(self._out) < _BACKLOG:
            wanted.update(dict.fromkeys(self._streams, select.POLLIN))
        channel = select.POLLOUT if self._to_channel else 0
        if self._room > 0 and len(self._out) < _BACKLOG:
            channel |= select.POLLIN
        if channel:
            wanted[self._channel] = channel
        return wanted

    def serve(self, ready: dict[int, int]) -> str:
        """Move bytes; returns why the program must end, or ''."""
        for fd, stream in self._streams.items():
            if fd in ready:
                self._read_stream(fd, stream)
        events = ready.get(self._channel, 0)
        if events & select.POLLIN:
            self._read_channel(min(self._room, _CHUNK))
        if events & select.POLLOUT:
            self._write_channel()
        self._flush(_BACKLOG)
        return "output" if any(stream.passed for stream in self._streams.values()) else ""

    def drain(self) -> None:
        """Take what dead processes have left in the pipes and in the channel."""
        for fd, stream in self._streams.items():
            while self._read_stream(fd, stream):
                pass
        while self._read_channel(_CHUNK):
            pass

    def _read_stream(self, fd: int, stream: Stream) -> bool:
        """Read once; True while there may be more to pass on."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if kept := stream.take(data):
            self._out += wire.frame(stream.kind, kept)
        return bool(data) and not stream.passed

    def _read_channel(self, size: int) -> bool:
        if size <= 0:
            return False
        try:
            data = os.read(self._channel, size)
        except OSError:
            return False
        if data:
            self._room -= len(data)
            self._out += wire.frame(wire.CHANNEL, data)
        return bool(data)

    def _write_channel(self) -> None:
        try:
            taken = os.write(self._channel, self._to_channel[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:  # the program has closed its end: what it would not read is taken to be read
            taken = len(self._to_channel)
        del self._to_channel[:taken]
        self._out += wire.frame(wire.TAKEN, taken.to_bytes(8, "little"))


class Meter:
    """What the kernel counted in this container since the job came."""

    def __init__(self) -> None:
        self._group = cgroups.own_group()
        self._before = self._used()

    def _used(self) -> float:
        return self._group.cpu_s() if self._group else descendants.cpu_s()

    def cpu_s(self) -> float:
        """Return the CPU seconds used since this object was made."""
        return max(self._used() - self._before, 0.0)

    def report(self) -> dict[str, Any]:
        """Return the totals; ``counted`` is False where the container cannot see its own group."""
        counts: dict[str, Any] = {"cpu_s": self.cpu_s(), "counted": self._group is not None}
        if self._group:
            usage = self._group.usage()
            counts |= {
                "memory_bytes": usage.memory_bytes,
                "oom_kills": usage.oom_kills,
                "pids_hits": usage.pids_hits,
            }
        return counts


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_exactly(fd: int, count: int) -> bytes:
    """Return ``count`` bytes, or nothing when the stream ends before."""
    data = bytearray()
    while len(data) < count:
        part = os.read(fd, min(count - len(data), wire.PART))
        if not part:
            return b""
        data += part
    return bytes(data)


def _memory_file(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC)


def serve(note: str) -> None:
    """Say that we are ready, and ``note``; wait for the job, run it, report."""
    relay = Relay()
    relay.send(wire.frame(wire.STARTED, note.encode()[:_LONGEST_NOTE]))
    relay.flush()
    payload, stdin = _memory_file("payload"), _memory_file("stdin")
    job = relay.wait_for_job(payload, stdin)
    if job is None:
        return
    for fd in (payload, stdin):
        os.lseek(fd, 0, os.SEEK_SET)
    stdout, stdout_end = os.pipe2(os.O_CLOEXEC)
    stderr, stderr_end = os.pipe2(os.O_CLOEXEC)
    channel, channel_end = socket.socketpair()
    relay.connect(stdout, stderr, channel.fileno(), int(job["limits"]["output_bytes"]))
    fds = {"payload": payload, "stdin": stdin, "stdout": stdout_end, "stderr": stderr_end}
    fds["channel"] = channel_end.fileno()
    write_files(f"{job['home']}/work", {**job["files"], job["filename"]: job["source"]})
    meter = Meter()

    def kill_all() -> None:
        reap_namespace()
        relay.drain()

    Warden(
        job,
        relay,
        cpu_s=meter.cpu_s,
        kill_all=kill_all,
        start=lambda phase: program.start(job, phase, fds, lambda: boundary.seal(job["limits"], capped=True)),
        relay=relay,
        measure=meter.report,
    ).run()
    relay.flush()


def main() -> None:
    """Entry point of the container (see ``sandbox.oneuse``)."""
    # The kernel drops signals to PID 1 that have no handler; Python's own for SIGINT would be one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernel.set_dumpable(False)
    sys.path[:] = [*(entry for entry in sys.path if entry != ROOT), PACKAGES]
    warm.preload()
    left_out = preload.preload()
    boundary.make_scratch()
    warm.settle()
    code = 1
    try:
        serve(left_out)
        code = 0
    except SupervisorGone:
        pass
    except Exception as error:  # noqa: BLE001  (told to the supervisor: a fault of ours)
        os.write(2, f"warden: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)
