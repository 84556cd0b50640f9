"""Programs that need a compiler: each is compiled once, in a job of its own, and what it left is kept."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from opencoder.folders import cache_folder
from sandbox.api import Limits, Program, Result, Verdict
from sandbox.jobs import text_bytes
from sandbox.languages import Language, language

_VERSION = b"1"
_DIGEST_BYTES = 32
_MAX_ENTRY_BYTES = 32 << 20
_MAX_TOTAL_BYTES = 2 << 30
# A compiler's needs are its own, not those of the program: so a build that is kept stands for all limits.
_LEAST = Limits(memory_mb=2048, disk_mb=256, inodes=16384, pids=128)


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What became of a compiler.

    Args:
        result: How it ended.
        artefact: Its working folder (see ``sandbox.guard.artefact``), empty unless it ended well.
    """

    result: Result
    artefact: bytes = b""


Compile = Callable[[Program], Awaitable[Build]]


def compiler_limits(limits: Limits) -> Limits:
    """Return the limits of the compiler of a program with ``limits``."""
    return replace(
        limits,
        wall_s=limits.compile_wall_s,
        cpu_s=None,
        address_space_mb=None,
        memory_mb=max(limits.memory_mb, _LEAST.memory_mb),
        disk_mb=max(limits.disk_mb, _LEAST.disk_mb),
        inodes=max(limits.inodes, _LEAST.inodes),
        pids=max(limits.pids, _LEAST.pids),
    )


class Builds:
    """Compiles programs, each at most once at a time and, if that went well, once for all.

    Args:
        make: Runs the compiler of a program.
        toolchain: Names the compilers that it runs.
        folder: Where artefacts are kept.
    """

    def __init__(
        self, make: Compile, toolchain: Callable[[Language], str], folder: Path | None = None
    ) -> None:
        self._compile = make
        self._toolchain = toolchain
        self._store = Store(folder or cache_folder() / "compiled")
        self._flights: dict[tuple[str, Limits], asyncio.Task[Build]] = {}

    async def get(self, program: Program) -> Build:
        """Return the build of ``program``, kept or made now."""
        key = build_key(program, self._toolchain(language(program.language)))
        if kept := self._store.get(key):
            return Build(result=Result(verdict=Verdict.OK), artefact=kept)
        flight = (key, compiler_limits(program.limits))
        task = self._flights.get(flight)
        if task is None:
            task = self._flights[flight] = asyncio.create_task(self._make(key, program))
            task.add_done_callback(lambda _: self._flights.pop(flight, None))
        build = await asyncio.shield(task)
        return replace(build, result=replace(build.result))

    async def _make(self, key: str, program: Program) -> Build:
        build = await self._compile(program)
        if build.artefact:
            self._store.put(key, build.artefact)
        return build

    async def aclose(self) -> None:
        """Stop what is being compiled."""
        tasks = list(self._flights.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def host_toolchain(row: Language) -> str:
    """Name the compiler of ``row`` on this host by the state of its file, and of the libraries it links."""
    compiler = Path(shutil.which(row.needs) or row.needs).resolve()
    words = [str(compiler)]
    for path in (compiler, Path("/etc/ld.so.cache")):
        with suppress(OSError):
            state = path.stat()
            words += [str(state.st_mtime_ns), str(state.st_size)]
    return " ".join(words)


def build_key(program: Program, toolchain: str) -> str:
    """Return what names the build of ``program``: everything that its compiler sees."""
    row = language(program.language)
    digest = hashlib.sha256()
    words = [_VERSION, toolchain.encode(), row.file.encode(), text_bytes(program.source)]
    words += [word.encode() for word in row.compile or ()]
    for name, content in sorted(program.files.items()):
        words += [b"file", name.encode(), content]
    for name, value in sorted(program.env.items()):
        words += [b"env", name.encode(), value.encode()]
    for word in words:
        digest.update(len(word).to_bytes(8, "little") + word)
    return digest.hexdigest()


class Store:
    """Files named by key, each with its digest behind it; the ones used longest ago go first.

    A store that cannot be written to keeps nothing; one that was damaged gives nothing back.
    """

    def __init__(self, folder: Path, *, limit: int = _MAX_TOTAL_BYTES) -> None:
        self._folder = folder
        self._limit = limit
        self._size: int | None = None

    def get(self, key: str) -> bytes:
        """Return what is kept under ``key``, or nothing."""
        path = self._folder / key
        try:
            data = path.read_bytes()
        except OSError:
            return b""
        content = data[:-_DIGEST_BYTES]
        if hashlib.sha256(content).digest() != data[-_DIGEST_BYTES:]:
            path.unlink(missing_ok=True)
            return b""
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep ``content`` under ``key``."""
        if len(content) > _MAX_ENTRY_BYTES:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = self._folder / f".new-{os.urandom(8).hex()}"
            try:
                fresh.write_bytes(content + hashlib.sha256(content).digest())
                fresh.replace(self._folder / key)
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
            self._make_room(len(content))

    def _make_room(self, added: int) -> None:
        if self._size is not None:
            self._size += added
            if self._size <= self._limit:
                return
        found = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size
        self._size = total
