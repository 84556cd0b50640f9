"""Reads the interface of packages by loading them: compiled modules, and names made at run time.

Loading a package runs its code. So it happens in the namespace sandbox, which is given the files of the
package and of what it requires; only where the caller trusts the package may it be a plain child process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from opencoder.errors import DependencyError, InfraError
from sandbox.api import Limits, Program, Result, Verdict, run
from sandbox.backends import open_backend
from synth.packages.interpreter import Installed, Interpreter
from synth.packages.store import ApiParameter

WALL_S = 180.0
MEMORY_MB = 4096
MOST_BYTES = 400 << 20
"""Packages with more files than this, of their requirements too, are not loaded in the sandbox."""

_PACKAGES = "packages"
_NEVER_NEEDED = (
    ".pyi",
    ".h",
    ".hpp",
    ".c",
    ".cpp",
    ".pyx",
    ".pxd",
    ".a",
    ".lib",
    ".pyc",
    ".md",
    ".rst",
    ".html",
)
_NEVER_NEEDED_FOLDERS = {"tests", "test", "__pycache__", "include", "docs", "share", ".."}


class LiveObject(msgspec.Struct, kw_only=True):
    """A name of a loaded module or class.

    Attributes:
        path: The dotted name that leads to it; within a class, the last part alone.
        id: The same for all names of one object.
        kind: What it is.
        public: Whether it is meant for users.
        inherited: Whether a base class defines it.
        signature: Where only the text of one is known.
        parameters: None where it has no signature.
        exact: See ``ApiEntry.exact``.
        deprecated: What ``warnings.deprecated`` left on it.
        warned: The warning of disuse that comes with this path to it, not with others.
        members: Names below a class.
        open: See ``ApiEntry.open``.
        objects: Methods and properties of a class.
    """

    path: str
    id: int
    kind: Literal["class", "function", "method", "property", "attribute"]
    public: bool = True
    inherited: bool = False
    doc: str = ""
    signature: str = ""
    parameters: list[ApiParameter] | None = None
    returns: str = ""
    exact: bool = False
    deprecated: str = ""
    warned: str = ""
    members: list[str] = []
    open: bool = False
    objects: list[LiveObject] = []


class LiveModule(msgspec.Struct, kw_only=True):
    """A module as it looks when loaded; ``error`` says why it could not be."""

    module: str
    error: str = ""
    doc: str = ""
    members: list[str] = []
    open: bool = False
    objects: list[LiveObject] = []


class NotLoadedError(Exception):
    """The packages could not be loaded; the message says why. What their sources say still holds."""


def extract_live(
    interpreter: Interpreter,
    names: list[str],
    modules: Collection[str],
    roots: Collection[str],
    *,
    trust: bool,
) -> list[LiveModule]:
    """Load modules of installed packages and describe them.

    Args:
        interpreter: Where they are installed.
        names: The distributions.
        modules: What to load.
        roots: The packages whose names are wanted; what these import from elsewhere is not.
        trust: Load them in a plain child process of that interpreter, with the rights of this one.

    Raises:
        NotLoadedError: There is no sandbox here, it does not fit, or nothing could be loaded.
    """
    worker = Path(__file__).with_name("live_worker.py").read_bytes()
    request: dict[str, Any] = {"modules": sorted(modules), "roots": sorted(roots), "limits": {}, "paths": []}
    if trust:
        raw = _run_plainly(interpreter, worker, request)
    else:
        if interpreter.version != sys.version_info[:2]:
            wanted, here = (".".join(map(str, one)) for one in (interpreter.version, sys.version_info[:2]))
            raise NotLoadedError(f"the sandbox runs Python {here}, the package is installed for {wanted}")
        request["paths"] = [_PACKAGES]
        files = _files(interpreter.closure(names))
        raw = _run_in_sandbox(worker, {**files, "request.json": json.dumps(request).encode()})
    decoder = msgspec.json.Decoder(LiveModule)
    try:
        return [decoder.decode(line) for line in raw.splitlines()]
    except msgspec.DecodeError as error:
        raise NotLoadedError(f"what came back cannot be read: {error}") from error


def _files(installed: Iterable[Installed]) -> dict[str, bytes]:
    """Return what must be there to load distributions, by path in the sandbox.

    Raises:
        NotLoadedError: That is too much.
    """
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    for one in installed:
        for name in one.files:
            if not is_needed(name):
                continue
            path = one.site / name
            try:
                left -= path.stat().st_size
                if left < 0:
                    raise NotLoadedError(
                        f"its files are more than {MOST_BYTES >> 20} MiB with all that it requires; "
                        "--trust loads it without a sandbox"
                    )
                found[f"{_PACKAGES}/{name}"] = path.read_bytes()
            except OSError:
                continue  # listed and not there: the loading will tell whether it matters
    return found


def is_needed(name: str) -> bool:
    """Tell whether a file of a distribution, by its path, is needed to load its packages."""
    path = Path(name)
    if path.is_absolute() or _NEVER_NEEDED_FOLDERS.intersection(path.parts[:-1]):
        return False
    if path.parts[0].endswith(".dist-info"):
        return path.name in ("METADATA", "entry_points.txt", "top_level.txt")
    return path.suffix not in _NEVER_NEEDED


def _run_in_sandbox(worker: bytes, files: dict[str, bytes]) -> bytes:
    limits = Limits(
        wall_s=WALL_S,
        memory_mb=MEMORY_MB,
        disk_mb=(MOST_BYTES >> 20) + 128,
        inodes=2 * len(files) + 4096,
        result_bytes=256 << 20,
    )
    program = Program(
        language="python",
        source=worker.decode(),
        files=files,
        fetch=("live.jsonl",),
        limits=limits,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )

    async def run_it() -> Result:
        async with open_backend("namespace", concurrency=1) as sandbox:
            return await run(sandbox, program)

    try:
        result = asyncio.run(run_it())
    except (DependencyError, InfraError) as error:
        raise NotLoadedError(f"no sandbox to load it in: {error}") from error
    if result.verdict is not Verdict.OK or "live.jsonl" not in result.files:
        said = result.stderr.decode(errors="replace").strip().splitlines()
        why = result.detail or (said[-1] if said else "")
        raise NotLoadedError(f"loading ended with {result.verdict.value}{f': {why[:200]}' if why else ''}")
    return result.files["live.jsonl"]


def _run_plainly(interpreter: Interpreter, worker: bytes, request: dict[str, Any]) -> bytes:
    request["limits"] = {"RLIMIT_CPU": int(WALL_S), "RLIMIT_CORE": 0, "RLIMIT_FSIZE": 1 << 30}
    request["paths"] = list(interpreter.path)
    with tempfile.TemporaryDirectory(prefix="opencoder-api-") as folder:
        place = Path(folder)
        (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
        (place / "worker.py").write_bytes(worker)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        environment = {**kept, "HOME": folder, "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"}
        said: list[str] = []
        try:
            done = subprocess.run(
                [interpreter.python, "-s", "-B", "worker.py"],
                cwd=place, env=environment, capture_output=True, check=False, timeout=WALL_S,
            )  # fmt: skip
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return (place / "live.jsonl").read_bytes()
        except subprocess.TimeoutExpired as error:
            raise NotLoadedError(f"loading took more than {WALL_S:.0f} s") from error
        except OSError as error:
            raise NotLoadedError(f"loading failed: {said[-1][:200] if said else error}") from error
