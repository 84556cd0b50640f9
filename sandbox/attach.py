"""The attach stream of a container: frames of our own inside the frames of the engine."""

from __future__ import annotations

import asyncio
import struct
from typing import Protocol, cast

from sandbox.guard import wire

# What the engine puts before each piece: the stream (1 stdout, 2 stderr), three bytes of nothing, the length.
_HEADER = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_LONGEST = 1 << 24
_ERROR_BYTES = 2000


class Listener(Protocol):
    """Who gets the frames of a stream."""

    def take_frame(self, kind: bytes, payload: bytes) -> None:
        """Take one frame.

        Raises:
            FrameError: It should not have come.
        """
        ...

    def stream_lost(self, reason: str) -> None:
        """No frame will come any more."""


class Stream(asyncio.Protocol):
    """Cuts the stream into frames; keeps what the warden wrote to its stderr and said when it was ready."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.errors = b""
        self.note = ""
        self.lost = ""
        self._listener: Listener | None = None
        self._buffer = bytearray()
        self._frames = wire.Frames(limit=wire.PART + 8192)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def listen(self, listener: Listener) -> None:
        """Hand every further frame to ``listener``."""
        self._listener = listener

    def write(self, kind: bytes, payload: bytes = b"") -> None:
        """Send one frame; nothing happens when the stream is lost."""
        if self._transport is not None and not self.lost:
            self._transport.write(wire.frame(kind, payload))

    async def write_all(self, kind: bytes, data: bytes) -> None:
        """Send ``data`` in parts, none before the one before it has almost left."""
        for start in range(0, len(data), wire.PART):
            self.write(kind, data[start : start + wire.PART])
            await self._writable.wait()

    def close(self) -> None:
        """Close the stream, which ends the container's warden."""
        self._end("closed")
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport from the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        """Hold writers back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the engine."""
        if self.lost:
            return
        self._buffer += data
        try:
            self._cut()
        except wire.FrameError as error:
            self._end(f"broken stream: {error}")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the engine, or the container, has ended the stream."""
        self._end(f"the stream of the container ended{f': {exc}' if exc else ''}")

    def _cut(self) -> None:
        at = 0
        while len(self._buffer) - at >= _HEADER.size:
            source, length = _HEADER.unpack_from(self._buffer, at)
            if source not in (_STDOUT, _STDERR) or length > _LONGEST:
                raise wire.FrameError(f"{length} bytes of stream {source} from the engine")
            end = at + _HEADER.size + length
            if end > len(self._buffer):
                break
            piece = bytes(self._buffer[at + _HEADER.size : end])
            at = end
            if source == _STDERR:
                self.errors = (self.errors + piece)[-_ERROR_BYTES:]
                continue
            for kind, payload in self._frames.feed(piece):
                self._hand_on(kind, payload)
        del self._buffer[:at]

    def _hand_on(self, kind: bytes, payload: bytes) -> None:
        if self._listener is not None:
            self._listener.take_frame(kind, payload)
        elif kind == wire.STARTED and not self.ready.done():
            self.note = payload.decode("utf-8", "replace")
            self.ready.set_result(None)
        else:
            raise wire.FrameError(f"frame {kind!r} before the job")

    def _end(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = reason
        self._writable.set()
        self._buffer.clear()
        if not self.ready.done():
            self.ready.set_result(None)
        if self._listener is not None:
            self._listener.stream_lost(reason)
