"""Frames on a byte stream: one byte of kind, four of length (little-endian), then the payload."""

from __future__ import annotations

import array
import socket
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


def receive_fds(packets: socket.socket, size: int, num: int, flags: int = 0) -> tuple[bytes, list[int]]:
    """Return the next message of a packet socket, at most ``size`` bytes and ``num`` descriptors of it.

    ``socket.recv_fds`` loses its flags.

    Raises:
        BlockingIOError: There is none yet, and the flags or the socket say not to wait.
    """
    fds = array.array("i")
    room = socket.CMSG_LEN(num * fds.itemsize)
    data, notes, _, _ = packets.recvmsg(size, room, flags | socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in notes:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, fds.tolist()
