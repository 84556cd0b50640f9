"""What dead owners left behind: control groups, temporary folders, containers.

Everything that a sandbox makes on the machine bears its owner: process id, start time and PID namespace.
An owner of another PID namespace cannot be judged from here, so its things are left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from opencoder.errors import DependencyError
from sandbox.guard import cgroups, descendants
from sandbox.guard.trees import remove_tree

GROUP_PREFIX = "opencoder-"
FOLDER_PREFIX = "opencoder-root-"

_OWNER = re.compile(r"(\d+)-(\d+)-(\d+)")
_GROUP = re.compile(rf"{GROUP_PREFIX}{_OWNER.pattern}-[0-9a-f]{{8}}")
_FOLDER = re.compile(rf"{FOLDER_PREFIX}{_OWNER.pattern}-\w+")
_EMPTY_S = 5.0


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def owner() -> str:
    """Return what names this process and, ever again, no other one of this machine."""
    process = descendants.read(os.getpid())
    return f"{os.getpid()}-{process.started if process else 0}-{_namespace()}"


def new_folder() -> Path:
    """Make a temporary folder that bears this owner.

    Raises:
        DependencyError: There is no place for one.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{owner()}-"))
    except OSError as error:
        raise DependencyError(
            f"no temporary folder can be made: {error}",
            repair="export TMPDIR=FOLDER",
        ) from None


def is_dead(name: str) -> bool:
    """Tell whether the owner (see :func:`owner`) has ended; False when it cannot be told."""
    match = _OWNER.fullmatch(name)
    if match is None or int(match[3]) != _namespace():
        return False
    process = descendants.read(int(match[1]))
    return process is None or process.started != int(match[2])


def reap_groups(*, everywhere: bool = False) -> list[str]:
    """Remove the control groups of dead owners with what still runs in them; returns their paths.

    Args:
        everywhere: Search whole hierarchies, not just where this process would make its own groups.
    """
    removed = []
    for parent in _all_groups() if everywhere else map(Path, cgroups.folders()):
        for path in _list(parent):
            match = _GROUP.fullmatch(path.name)
            if match and is_dead("-".join(match.groups())) and _remove_group(path):
                removed.append(str(path))
    return sorted(removed)


def remove_group(name: str) -> None:
    """Kill what runs in the groups called ``name`` and remove them."""
    for parent in map(Path, cgroups.folders()):
        if (parent / name).is_dir():
            _remove_group(parent / name)


def _all_groups() -> Iterator[Path]:
    for point in cgroups.points():
        for folder, _, _ in os.walk(point):
            yield Path(folder)


def _list(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in folder.iterdir() if path.name.startswith((GROUP_PREFIX, FOLDER_PREFIX))]
    return []


def _remove_group(path: Path) -> bool:
    """Kill the members of a group and of those below it, and remove them; False when that is refused."""
    with contextlib.suppress(OSError):
        below = [child for child in path.iterdir() if child.is_dir()]
        return min([_empty(group) for group in (*below, path)])
    return False


def _empty(group: Path) -> bool:
    deadline = time.monotonic() + _EMPTY_S
    while time.monotonic() < deadline:
        try:
            for line in (group / "cgroup.procs").read_text(encoding="ascii").split():
                if int(line) > 0:  # 0 stands for a process of another PID namespace
                    os.kill(int(line), signal.SIGKILL)
            group.rmdir()
        except FileNotFoundError:
            return True
        except PermissionError:
            return False
        except OSError:
            time.sleep(0.005)  # what was killed is still on its way out
        else:
            return True
    return False


def reap_containers() -> int:
    """Remove the containers of dead owners; returns how many, 0 where no daemon answers.

    Raises:
        InfraError: The daemon refused.
    """
    from sandbox.engine import Api, ContainerEngine
    from sandbox.images import connect

    try:
        client = connect()
    except DependencyError:
        return 0
    try:
        return ContainerEngine(cast(Api, client.api), "", dict).remove_abandoned()
    finally:
        client.close()


def clean_all() -> dict[str, int]:
    """Remove all that dead owners left on this machine; returns how many of each kind there were."""
    return {
        "containers": reap_containers(),
        "groups": len(reap_groups(everywhere=True)),
        "folders": len(reap_folders()),
    }


def reap_folders() -> list[str]:
    """Remove the temporary folders of dead owners; returns their paths."""
    removed = []
    for path in _list(Path(tempfile.gettempdir())):
        match = _FOLDER.fullmatch(path.name)
        if match and is_dead("-".join(match.groups())) and remove_tree(path):
            removed.append(str(path))
    return sorted(removed)
