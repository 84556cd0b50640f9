"""One writer per folder."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import msgspec

from opencoder.errors import UserError
from opencoder.files import writing_to

_HELD: set[Path] = set()


class _Owner(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    host: str
    since: str


class FolderLock:
    """A lock file that the kernel lets go when its process ends, however it ends.

    A POSIX record lock: unlike a file that merely exists it cannot go stale (``kill -9``, reboot), and
    unlike ``flock`` it does not live on in a forked child. The content names the owner for the message;
    it decides nothing, so a recycled process id cannot mislead anyone.

    Args:
        path: The lock file; taken at once.

    Raises:
        UserError: A live process holds it (named by pid and host), or the place cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._handle = -1
        # Record locks do not stop a second lock of the same process.
        if self.path in _HELD:
            raise UserError(f"{path.parent} is in use by this very process (pid {os.getpid()})")
        with writing_to(path):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _owner(handle)
            os.close(handle)
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise UserError(
                    f"cannot lock {path}: {error.strerror}; use a folder on a local disk"
                ) from error
            raise UserError(
                f"{path.parent} is in use by {owner}; wait for it to end, or choose another folder with -o"
            ) from error
        self._handle = handle
        _HELD.add(self.path)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        mine = _Owner(pid=os.getpid(), host=os.uname().nodename, since=since)
        os.ftruncate(handle, 0)
        os.pwrite(handle, msgspec.json.encode(mine), 0)

    def release(self) -> None:
        """Let go. Twice is harmless. The file stays: removing it would race with the next owner."""
        if self._handle >= 0:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = -1
            _HELD.discard(self.path)


def _owner(handle: int) -> str:
    try:
        owner = msgspec.json.decode(os.pread(handle, 4096, 0), type=_Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "another process"
    return f"process {owner.pid} on {owner.host} (since {owner.since})"
