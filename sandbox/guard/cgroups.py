"""Caps on memory and processes, and the CPU clock, of one program: cgroup v1, v2 and the hybrid of both.

Folders are reached through descriptors that were opened before the root changed, so that nothing of
``/sys/fs/cgroup`` has to be visible behind the boundary.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from . import kernel

_V1 = ("memory", "pids", "cpuacct")


@dataclass
class _Mount:
    point: str
    root: str
    controllers: frozenset[str]
    unified: bool


@dataclass
class Usage:
    """What the processes of a group used, and which caps they ran into."""

    cpu_s: float = 0.0
    memory_bytes: int = 0
    oom_kills: int = 0
    pids_hits: int = 0


def _mounts() -> list[_Mount]:
    out = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            kind, _, options = right.split()[:3]
            fields = left.split()
            if kind == "cgroup":
                out.append(_Mount(fields[4], fields[3], frozenset(options.split(",")), unified=False))
            elif kind == "cgroup2":
                out.append(_Mount(fields[4], fields[3], frozenset(), unified=True))
    return out


def _own_paths() -> dict[str, str]:
    """Map each v1 controller, and "" for v2, to the group that this process is in."""
    out = {}
    with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                out[name] = path
    return out


def _candidates(mount: _Mount, own: str) -> list[str]:
    """Folders to try, nearest the process first for v1, nearest the root first for v2."""
    inside = own.removeprefix(mount.root) if mount.root != "/" else own
    parts = [part for part in inside.split("/") if part]
    folders = ["/".join([mount.point, *parts[:depth]]) for depth in range(len(parts), -1, -1)]
    return folders[::-1] if mount.unified else folders


def folders() -> list[str]:
    """Return every folder in which :class:`Cgroups` may make its own, for whoever looks for leftovers."""
    own = _own_paths()
    out: list[str] = []
    for mount in _mounts():
        for name in ("",) if mount.unified else mount.controllers.intersection(_V1):
            out += _candidates(mount, own.get(name, "/"))
    return out


def points() -> list[str]:
    """Return where the hierarchies are mounted that :class:`Cgroups` may use."""
    return [mount.point for mount in _mounts() if mount.unified or mount.controllers.intersection(_V1)]


def _read(fd: int, name: str) -> str:
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=fd)
    try:
        return os.read(handle, 4096).decode()
    finally:
        os.close(handle)


def _write(fd: int, name: str, text: str) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=fd)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _keyed(text: str, key: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


@dataclass
class Group:
    """The group of one program.

    ``procs`` are descriptors of ``cgroup.procs``: a process joins by writing ``0`` to each.
    """

    name: str
    parents: dict[str, int]
    folders: dict[str, int]
    max_pids: int
    procs: list[int] = field(default_factory=list)
    clock: int = -1

    def join(self) -> None:
        """Move the calling process into the group."""
        for fd in self.procs:
            os.write(fd, b"0")

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far."""
        text = os.pread(self.clock, 512, 0)
        if b"usage_usec" in text:
            return int(text.split(b"usage_usec ", 1)[1].split(b"\n", 1)[0]) / 1e6
        return int(text) / 1e9

    def hold(self) -> None:
        """Refuse every further fork in the group."""
        _write(self.folders[self._pids_folder()], "pids.max", "0")

    def release(self) -> None:
        """Allow forks again, up to the cap."""
        _write(self.folders[self._pids_folder()], "pids.max", str(self.max_pids))

    def _pids_folder(self) -> str:
        return "unified" if "unified" in self.folders else "pids"

    def usage(self) -> Usage:
        """Return the totals; call it when all processes have ended."""
        if "unified" in self.folders:
            fd = self.folders["unified"]
            peak = int(_read(fd, "memory.peak")) if _has(fd, "memory.peak") else 0
            oom = _keyed(_read(fd, "memory.events"), "oom_kill")
            hits = _keyed(_read(fd, "pids.events"), "max")
            return Usage(self.cpu_s(), peak, oom, hits)
        memory = self.folders["memory"]
        return Usage(
            self.cpu_s(),
            int(_read(memory, "memory.max_usage_in_bytes")),
            _keyed(_read(memory, "memory.oom_control"), "oom_kill"),
            _keyed(_read(self.folders["pids"], "pids.events"), "max"),
        )

    def close(self) -> None:
        """Close the descriptors; the folders stay."""
        for fd in (*self.procs, self.clock, *self.folders.values()):
            os.close(fd)
        self.procs, self.folders, self.clock = [], {}, -1

    def remove(self) -> bool:
        """Close and remove the folders; False when the kernel still counts a process in one."""
        names = list(self.folders)
        self.close()
        removed = [_remove(self.parents[name], self.name) for name in names]
        return all(removed)


def _has(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd)
    except FileNotFoundError:
        return False
    return True


def _remove(parent: int, name: str) -> bool:
    for _ in range(50):
        try:
            os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(0.002)  # the last process is a zombie for a moment
        else:
            return True
    return False


def own_group() -> Group | None:
    """Return the group that this process is in, to be read only; None where its files cannot be seen."""
    mounts, own = _mounts(), _own_paths()
    group = Group("", {}, {}, max_pids=0)
    try:
        if any("cpuacct" in mount.controllers for mount in mounts):
            for controller in _V1:
                group.folders[controller] = _open_own(mounts, controller, own.get(controller, "/"))
            group.clock = os.open(
                "cpuacct.usage", os.O_RDONLY | os.O_CLOEXEC, dir_fd=group.folders["cpuacct"]
            )
        else:
            group.folders["unified"] = _open_own(mounts, "", own.get("", "/"))
            group.clock = os.open("cpu.stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=group.folders["unified"])
        group.usage()
    except OSError:
        return None
    return group


def _open_own(mounts: list[_Mount], controller: str, own: str) -> int:
    for mount in mounts:
        if controller in mount.controllers or (not controller and mount.unified):
            inside = own.removeprefix(mount.root) if mount.root != "/" else own
            return os.open(f"{mount.point}/{inside}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    raise OSError(f"no group of the {controller or 'unified'} controller is visible")


class Cgroups:
    """One folder per hierarchy, with a group per program below it.

    Raises:
        OSError: No hierarchy lets this process cap memory and processes; the message says what was tried.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._parents: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        own = _own_paths()
        mounts = _mounts()
        errors: list[str] = []
        try:
            for controller in _V1:
                found = [m for m in mounts if not m.unified and controller in m.controllers]
                if not found:
                    raise OSError(f"no cgroup v1 {controller} controller")
                self._make(controller, _candidates(found[0], own.get(controller, "/")))
        except OSError as error:
            errors.append(str(error))
            self.close()
            self._try_unified(mounts, own, errors)

    def _try_unified(self, mounts: list[_Mount], own: dict[str, str], errors: list[str]) -> None:
        unified = [m for m in mounts if m.unified]
        if unified:
            try:
                self._make("unified", _candidates(unified[0], own.get("", "/")))
                _write(self._folders["unified"], "cgroup.subtree_control", "+memory +pids")
            except OSError as error:
                errors.append(str(error))
                self.close()
        if not self._folders:
            raise OSError("; ".join(errors))

    def _make(self, controller: str, candidates: list[str]) -> None:
        error: OSError | None = None
        for folder in candidates:
            try:
                parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.mkdir(self.name, dir_fd=parent)
                    self._folders[controller] = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=parent)
                    self._parents[controller] = parent
                except OSError:
                    os.close(parent)
                    raise
            except OSError as failed:
                error = failed
            else:
                return
        raise error or OSError(f"no folder for the {controller} controller")

    def create(self, name: str, limits: dict[str, Any], *, more: int = 0) -> Group:
        """Make the group of one program with its caps set; ``more`` processes in it are not the program's."""
        folders: dict[str, int] = {}
        for controller, parent in self._folders.items():
            os.mkdir(name, dir_fd=parent)
            folders[controller] = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=parent)
        group = Group(name, dict(self._folders), folders, max_pids=int(limits["pids"]) + more)
        memory, pids = str(int(limits["memory_mb"]) << 20), str(group.max_pids)
        if "unified" in folders:
            fd = folders["unified"]
            _write(fd, "memory.max", memory)
            _write(fd, "pids.max", pids)
            if _has(fd, "memory.swap.max"):
                _write(fd, "memory.swap.max", "0")
            group.clock = os.open("cpu.stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=fd)
        else:
            _write(folders["memory"], "memory.limit_in_bytes", memory)
            if _has(folders["memory"], "memory.memsw.limit_in_bytes"):
                _write(folders["memory"], "memory.memsw.limit_in_bytes", memory)
            _write(folders["pids"], "pids.max", pids)
            group.clock = os.open("cpuacct.usage", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folders["cpuacct"])
        for fd in folders.values():
            group.procs.append(os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=fd))
        return group

    def close(self) -> None:
        """Remove everything that is empty and close."""
        for controller, parent in self._parents.items():
            folder = self._folders.pop(controller, -1)
            if folder != -1:
                os.close(folder)
            _remove(parent, self.name)
            os.close(parent)
        self._parents = {}
        self._folders = {}


def make_writable() -> None:
    """Let a container make groups below its own: engines show it the hierarchies read-only.

    On cgroup v2 a group with groups below it holds no process, so this one moves into one of its own.

    Raises:
        OSError: That is refused.
    """
    for mount in _mounts():
        if mount.unified or mount.controllers.intersection(_V1):
            flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
            kernel.mount("none", mount.point, None, flags)
        if mount.unified and os.path.exists(f"{mount.point}/cgroup.subtree_control"):
            os.makedirs(f"{mount.point}/agent", exist_ok=True)
            kernel.write_file(f"{mount.point}/agent/cgroup.procs", "0")
            try:
                kernel.write_file(f"{mount.point}/cgroup.subtree_control", "+memory +pids")
            except OSError:
                pass  # a hybrid, whose controllers are on version 1


def try_open(name: str) -> tuple[Cgroups | None, str]:
    """Return the groups called ``name``, or None and why there are none."""
    try:
        return Cgroups(name), ""
    except OSError as error:
        return None, str(error)
