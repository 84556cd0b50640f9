"""Frames on a byte stream: one byte of kind, four of length (little-endian), then the payload."""

from __future__ import annotations

import struct

HEADER = struct.Struct("<cI")

# warden -> supervisor
STARTED = b"S"
USAGE = b"U"
RESULT = b"R"
FILE = b"F"
# supervisor -> warden
KILL = b"K"
ASK_USAGE = b"u"
# Where everything goes over one stream (a one-use container): the program's output, parts of its payload and
# its stdin, the job that starts it, bytes of the channel in either direction, and how many of those the other
# side has taken, as eight bytes. At most ``WINDOW`` bytes of the channel are under way each way.
STDOUT = b"1"
STDERR = b"2"
PAYLOAD = b"P"
STDIN = b"I"
JOB = b"J"
CHANNEL = b"C"
TAKEN = b"T"

WINDOW = 1 << 20
# Longer data travels in parts of this size, so that no side has to hold all of it at once.
PART = 1 << 18


class FrameError(ValueError):
    """The stream holds something that is no frame."""


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return HEADER.pack(kind, len(payload)) + payload


class Frames:
    """Cuts a stream into frames.

    Args:
        limit: The longest payload in bytes that is believed; a longer one raises :class:`FrameError`.
    """

    def __init__(self, limit: int = 1 << 30) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take more bytes and return the frames that are whole by now."""
        self._buffer += data
        out: list[tuple[bytes, bytes]] = []
        at = 0
        while len(self._buffer) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(self._buffer, at)
            if length > self._limit:
                raise FrameError(f"a frame of {length} bytes")
            end = at + HEADER.size + length
            if end > len(self._buffer):
                break
            out.append((kind, bytes(self._buffer[at + HEADER.size : end])))
            at = end
        del self._buffer[:at]
        return out
