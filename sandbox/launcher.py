"""Where an agent runs: the way to start one on this host, and what it says of itself once it is up."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from opencoder.errors import DependencyError
from sandbox import reaper
from sandbox.guard.trees import remove_tree
from sandbox.guard.warm import MALLOC

_READY_S = 60.0
_CHUNK = 1 << 16
# Importable by programs beside the standard library, where the host has them.
_PACKAGES = ("numpy",)
# Prints where the standard library is, if the guard can run on it.
_WHERE = (
    "import os, sys; sys.version_info >= (3, 11) and print(os.path.realpath(os.path.dirname(os.__file__)))"
)
# Who started us may have blocked signals (Ray does so with SIGINT); no program is to inherit that.
_BOOT = (
    "import signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, ()); "
    "sys.path.insert(0, {parent!r}); from guard.{module} import main; main()"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """An agent that takes jobs.

    Args:
        control: The packet socket to it.
        capped: Whether a cgroup caps memory and processes.
        note: Why not, or empty.
        staging: A folder of this host that goes with the agent.
    """

    control: socket.socket
    capped: bool
    note: str
    staging: Path


class Launcher(Protocol):
    """Starts one agent at a time."""

    async def launch(self) -> Ready:
        """Start an agent.

        Raises:
            DependencyError: It cannot run here.
            InfraError: It should, and did not.
        """
        ...

    def release(self, *, kill: bool = False) -> None:
        """Clear away what was launched, once its socket is closed; ``kill`` if it may not end by itself."""


def own_python() -> str:
    """Return the interpreter that runs this, without its virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def python_for_all() -> str:
    """Return an interpreter of which any user of this machine may read all, or '' where there is none."""
    for python in (own_python(), "/usr/bin/python3", "/usr/local/bin/python3"):
        if not Path(python).exists():
            continue
        done = subprocess.run(
            [python, "-I", "-S", "-c", _WHERE], capture_output=True, text=True, check=False, cwd="/"
        )
        where = done.stdout.strip()
        if where and is_open_to_all(Path(python).resolve()) and is_open_to_all(Path(where)):
            return python
    return ""


def is_open_to_all(path: Path) -> bool:
    """Tell whether any user may read ``path`` and enter every folder on the way to it."""
    readable = path.stat().st_mode & 0o5 == 0o5
    return readable and all(parent.stat().st_mode & 0o1 for parent in path.parents)


def host_view() -> dict[str, object]:
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


def _importable(folder: Path) -> dict[str, str]:
    """Return what lies in a folder of packages, by name."""
    return {path.name: str(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


async def read_ready(control: socket.socket) -> dict[str, Any]:
    """Return the first message of an agent; it says why there will be no other, if ``ready`` is not in it."""
    loop = asyncio.get_running_loop()
    try:
        return dict(json.loads(await asyncio.wait_for(loop.sock_recv(control, _CHUNK), _READY_S) or b"{}"))
    except TimeoutError:
        return {"error": f"the launcher did not answer within {_READY_S:.0f} s"}
    except OSError as error:
        return {"error": f"the launcher ended: {error}"}


class HostLauncher:
    """Starts an agent as a child process.

    Args:
        module: The module of ``sandbox.guard`` whose ``main`` is the agent.
        refused: What it means when it cannot run here.
        python: The interpreter of agent and programs; the one that runs this if not given.
        packages: A folder of further packages that programs can import.
    """

    def __init__(
        self,
        module: str,
        *,
        refused: str = "no namespaces here",
        python: str = "",
        packages: Path | None = None,
    ) -> None:
        self._module = module
        self._more = packages
        self._refused = refused
        self._python = python or own_python()
        self._process: subprocess.Popen[bytes] | None = None
        self._group = ""
        self._staging = Path()

    @property
    def pid(self) -> int:
        """The process id of the agent, 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    async def launch(self) -> Ready:
        """Start the agent (see :class:`Launcher`)."""
        control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._staging = reaper.new_folder()
        self._group = f"{reaper.GROUP_PREFIX}{reaper.owner()}-{os.urandom(4).hex()}"
        parent = str(Path(__file__).parent)
        config: dict[str, Any] = {
            "control": inner.fileno(),
            "group": self._group,
            "staging": str(self._staging),
            "guard": parent,
            **host_view(),
        }
        if self._python != own_python():
            config["packages"] = {}  # made for another interpreter
        if self._more is not None:
            config["packages"] |= _importable(self._more)
        boot = _BOOT.format(parent=parent, module=self._module)
        self._process = subprocess.Popen(
            [self._python, "-I", "-S", "-c", boot, json.dumps(config)],
            pass_fds=[inner.fileno()],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", **MALLOC},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        inner.close()
        control.setblocking(False)
        ready = await read_ready(control)
        if not ready.get("ready"):
            control.close()
            self.release(kill=True)
            raise DependencyError(
                f"{self._refused}: {ready.get('error', 'the launcher ended')}",
                repair="opencoder sandbox doctor",
            )
        return Ready(control=control, capped=bool(ready["capped"]), note=ready["note"], staging=self._staging)

    def release(self, *, kill: bool = False) -> None:
        """Wait for the agent's end (see :class:`Launcher`)."""
        if self._process is None:
            return
        if kill:
            self._process.kill()
        if self._process.wait() != 0:
            reaper.remove_group(self._group)  # it could not do so itself
        self._process = None
        remove_tree(self._staging)
