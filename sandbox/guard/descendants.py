"""The processes below this one, for programs that have no PID namespace of their own.

A process that calls :func:`kernel.become_subreaper` keeps every process that it ever started among its
descendants, however often they forked or changed their session; so they are found by their parents, and
nothing else is. A recycled process id cannot mislead: a process is signalled through a descriptor, after its
start time has been compared.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass

_PAUSE_S = 0.001
_MOST_PASSES = 50
# Places in /proc/PID/stat behind the name (proc_pid_stat(5) counts from 1, and the name is the second).
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM, _STARTED = 1, 11, 12, 13, 14, 19


@dataclass(frozen=True)
class Process:
    """One process; ``started`` in clock ticks since boot, ``ticks`` of CPU time with ended children."""

    pid: int
    parent: int
    started: int
    ticks: int


def read(pid: int) -> Process | None:
    """Return what the kernel says of ``pid``; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = sum(int(fields[place]) for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
    return Process(pid, int(fields[_PARENT]), int(fields[_STARTED]), ticks)


def below(keep: Collection[int] = (), *, root: int | None = None) -> list[Process]:
    """Return what descends from ``root``, or this process, but its children in ``keep`` and theirs."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        process = read(int(name)) if name.isdigit() else None
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [process for process in children.get(root or os.getpid(), []) if process.pid not in keep]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process.pid, [])
    return found


def children_of(pid: int) -> list[Process]:
    """Return what descends from ``pid``, by the kernel's own lists of children where it keeps them."""
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            children = _list_children(parent)
        except OSError:
            if parent == pid:
                return below(root=pid)
            continue  # it has just ended
        for child in children:
            process = read(child)
            if process is not None:
                found.append(process)
                waiting.append(child)
    return found


def _list_children(pid: int) -> list[int]:
    out: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            out += map(int, file.read().split())
    return out


def cpu_s() -> float:
    """Return the CPU seconds of all descendants, those that have ended included."""
    times = os.times()
    ticks = sum(process.ticks for process in below())
    return ticks / os.sysconf("SC_CLK_TCK") + times.children_user + times.children_system


def cpu_s_of(pid: int) -> float:
    """Return the CPU seconds of process ``pid`` and all below it."""
    top = read(pid)
    ticks = sum(process.ticks for process in below(root=pid)) + (top.ticks if top else 0)
    return ticks / os.sysconf("SC_CLK_TCK")


def threads_of_user() -> int:
    """Return how many threads this user runs on the whole machine."""
    num, user = 0, os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    num += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return num


def end(keep: Collection[int] = ()) -> None:
    """Kill all descendants and wait until they are gone; the children in ``keep`` and what is below stay.

    They are stopped first. What is killed makes room for the next fork of what is not, and a few hundred
    processes that do nothing but fork leave a search so little of the CPUs that it would never catch up;
    what is stopped takes no time, and its place among the user's processes stays taken.
    """
    _stop_all(keep)
    while found := below(keep):
        for process in found:
            _signal(process, signal.SIGKILL)
        for process in found:
            if process.parent == os.getpid():
                _reap(process.pid)
        time.sleep(_PAUSE_S)


def _stop_all(keep: Collection[int]) -> None:
    stopped: set[tuple[int, int]] = set()
    for _ in range(_MOST_PASSES):  # whoever is left wakes the others: the kills decide
        found = [process for process in below(keep) if (process.pid, process.started) not in stopped]
        if not found:
            return
        for process in found:
            _signal(process, signal.SIGSTOP)
            stopped.add((process.pid, process.started))


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        now = read(process.pid)
        if now is not None and now.started == process.started:
            try:  # what cannot fork any more cannot outrun the search (root can)
                resource.prlimit(process.pid, resource.RLIMIT_NPROC, (0, 0))
            except (OSError, ValueError):
                pass
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
