"""Caps on a program's memory, processes and disk, watched from outside where no cgroup or mount holds them.

A watcher sees late. So it looks the more often the less room is left, and steps in a little before a cap is
reached. What a single process allocates is besides bounded by its rlimits.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import descendants, identity

_CPUS = os.cpu_count() or 1
# As fast as a CPU can fill fresh pages.
_FILL_BYTES_PER_S = 4e9 * _CPUS
_SOONEST_S, _LATEST_S = 0.002, 0.05
# Caps are taken to be reached when one sixteenth of them is left.
_LEFT = 16
_DISK_EVERY_S = 0.02
# Looking through folders may take this part of the time.
_DISK_SHARE = 0.1
_DEEPEST = 256
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Totals:
    """What the processes of a program have at one moment. ``shared`` bytes may be counted more than once."""

    memory_bytes: int = 0
    threads: int = 0
    cpu_s: float = 0.0


class Watch:
    """Watches the descendants of this process, which must adopt orphans.

    Args:
        limits: ``memory_mb``, ``pids``, ``disk_mb`` and ``inodes``.
        home: The program's folder.
        uid: Its user, if it has one of its own.
        capped: Whether a cgroup holds memory and processes, so that only its disk is watched.
    """

    def __init__(self, limits: dict[str, Any], home: str, uid: int | None, *, capped: bool) -> None:
        self._capped = capped
        memory = int(limits["memory_mb"]) << 20
        self._memory = memory - memory // _LEFT
        self._pids = int(limits["pids"])
        self._disk, self._inodes = int(limits["disk_mb"]) << 20, int(limits["inodes"])
        self._home, self._uid = home, uid
        self._peak = 0
        self._cpu_s = 0.0
        self._oom_kills = 0
        self._pids_hits = 0
        self._disk_at = time.monotonic() + _DISK_EVERY_S
        self.next_s = _LATEST_S
        """Seconds until the next look."""

    def look(self) -> str:
        """Return the cap that is reached (``memory``, ``disk``), or ''."""
        if not self._capped and self._memory_full():
            return "memory"
        now = time.monotonic()
        if now < self._disk_at:
            return ""
        full = self.disk_full()
        self._disk_at = now + max(_DISK_EVERY_S, (time.monotonic() - now) / _DISK_SHARE)
        return "disk" if full else ""

    def _memory_full(self) -> bool:
        totals = self._totals()
        self._pids_hits += totals.threads >= self._pids
        if totals.memory_bytes > self._memory:
            totals.memory_bytes = self._exact_bytes()
        self._peak = max(self._peak, totals.memory_bytes)
        room = self._memory - totals.memory_bytes
        if room < 0:
            self._oom_kills += 1
            return True
        self.next_s = min(max(room / _FILL_BYTES_PER_S, _SOONEST_S), _LATEST_S)
        return False

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far by all processes, those that have ended included."""
        self._totals()
        return self._cpu_s

    def report(self) -> dict[str, Any]:
        """Return the counts in the words of a result; asked when all processes have ended."""
        self._totals()
        return {
            "cpu_s": self._cpu_s,
            "memory_bytes": self._peak,
            "oom_kills": self._oom_kills,
            "pids_hits": self._pids_hits,
        }

    def _totals(self) -> Totals:
        out = Totals()
        for process in descendants.children_of(os.getpid()):
            out.cpu_s += process.ticks / _TICKS_PER_S
            memory, threads = _status(process.pid)
            out.memory_bytes += memory
            out.threads += threads
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        out.cpu_s += ended.ru_utime + ended.ru_stime
        # What nobody waited for is lost to the kernel's sums, but was seen while it ran.
        self._cpu_s = max(self._cpu_s, out.cpu_s)
        return out

    def _exact_bytes(self) -> int:
        """Return the memory with each shared page counted once, among those who share it."""
        return sum(
            _proportional_bytes(process.pid, self._uid) for process in descendants.children_of(os.getpid())
        )

    def disk_full(self) -> bool:
        """Tell whether the program's files take more than they may."""
        used = 0
        for num, size in enumerate(self._sizes(), 1):
            used += size
            if used > self._disk or num > self._inodes:
                return True
        return False

    def _sizes(self) -> Iterator[int]:
        for name in ("work", "tmp"):
            yield from _walk(f"{self._home}/{name}", None, 0)
        if self._uid is None:
            return
        for folder in identity.SHARED:
            try:
                with os.scandir(folder) as entries:
                    states = [(entry, entry.stat(follow_symlinks=False)) for entry in entries]
            except OSError:
                continue
            for entry, state in states:
                if state.st_uid == self._uid:
                    yield state.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        yield from _walk(entry.path, None, 0)


def _walk(name: str, parent: int | None, depth: int) -> Iterator[int]:
    """Yield the bytes on disk of all below a folder, by descriptors: paths may be too long for the kernel."""
    if depth > _DEEPEST:
        return
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except OSError:
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                    is_folder = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                yield state.st_blocks * 512
                if is_folder:
                    yield from _walk(entry.name, folder, depth + 1)
    except OSError:
        return
    finally:
        os.close(folder)


def _status(pid: int) -> tuple[int, int]:
    """Return the bytes that a process does not share with files, and its threads."""
    memory = threads = 0
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(("RssAnon:", "RssShmem:")):
                    memory += int(line.split()[1]) << 10
                elif line.startswith("Threads:"):
                    threads = int(line.split()[1])
                    break
    except OSError:
        pass
    return memory, threads


def _proportional_bytes(pid: int, uid: int | None) -> int:
    """Return a process's share of its memory, as far as the kernel shows it to this one."""
    used = 0
    try:
        with identity.acting_as(uid), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    used += int(line.split()[1]) << 10
    except OSError:
        return _status(pid)[0]
    return used
