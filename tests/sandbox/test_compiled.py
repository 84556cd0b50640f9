"""Compiled programs: one build per source, kept on disk, and what a compiler may leave behind."""

import asyncio
import os
import shutil
from dataclasses import replace

import pytest

from sandbox.api import Limits, Program, Result, Verdict, run
from sandbox.compiled import Build, Builds, Store, build_key, compiler_limits
from sandbox.guard import artefact
from sandbox.namespace import NamespaceSandbox

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed here")


def c(source: str, **fields) -> Program:
    return Program(language="c", source=source, **fields)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENCODER_CACHE", str(tmp_path))
    return tmp_path / "compiled"


@needs_gcc
async def test_a_build_is_kept_and_stands_for_every_limit(cache):
    async with NamespaceSandbox() as sandbox:
        first = await run(sandbox, c(HELLO))
        (kept,) = cache.iterdir()
        made = kept.stat()
        again = await run(sandbox, c(HELLO, limits=Limits(memory_mb=16, disk_mb=1, wall_s=1, pids=2)))
        assert first.stdout == again.stdout == b"hello\n", (first, again)
        (kept,) = cache.iterdir()
        assert kept.stat().st_ino == made.st_ino
    async with NamespaceSandbox() as sandbox:  # another owner finds it too
        os.truncate(kept, made.st_size - 1)
        assert (await run(sandbox, c(HELLO))).stdout == b"hello\n"
        (kept,) = cache.iterdir()
        assert kept.stat().st_size == made.st_size, "a damaged build was used"


@needs_gcc
async def test_what_fails_to_build_is_not_kept(cache):
    async with NamespaceSandbox() as sandbox:
        broken = await run(sandbox, c("int main(void) {"))
        assert broken.verdict is Verdict.COMPILE_ERROR
        assert b"error" in broken.stderr
        slow = c('#include "/dev/zero"\nint main(void) {}', limits=Limits(compile_wall_s=0.3))
        assert (await run(sandbox, slow)).verdict in (Verdict.TIMEOUT, Verdict.COMPILE_ERROR, Verdict.MEMORY)
    assert not list(cache.glob("*"))


@needs_gcc
async def test_the_limits_of_a_program_hold_for_it_alone(cache):
    eater = (
        "#include <stdlib.h>\n"
        "int main(void) { volatile char *p = malloc(99 << 20); for (int i = 0; i < 99 << 20; i++) p[i] = 1; }"
    )
    async with NamespaceSandbox() as sandbox:
        result = await run(sandbox, c(eater, limits=Limits(memory_mb=24)))
        assert result.verdict is Verdict.MEMORY, result
        spin = await run(sandbox, c("int main(void) { for (;;); }", limits=Limits(cpu_s=0.3, wall_s=20)))
        assert spin.verdict is Verdict.TIMEOUT
        assert spin.wall_s < 5
        large = "char a[3 << 20] = {1};\nint main(void) { return 0; }"
        assert (await run(sandbox, c(large, limits=Limits(disk_mb=1)))).verdict is Verdict.DISK


@needs_gcc
async def test_programs_that_are_alike_are_compiled_once(cache):
    async with NamespaceSandbox() as sandbox:
        results = await asyncio.gather(*(run(sandbox, c(HELLO)) for _ in range(8)))
    assert [result.stdout for result in results] == [b"hello\n"] * 8
    assert len(list(cache.iterdir())) == 1


@needs_gcc
async def test_a_header_and_a_variable_make_another_build(cache):
    source = '#include "n.h"\n#include <stdio.h>\nint main(void) { printf("%d", N); }'
    async with NamespaceSandbox() as sandbox:
        for number in (1, 2):
            program = c(source, files={"n.h": f"#define N {number}".encode()})
            assert (await run(sandbox, program)).stdout == str(number).encode()
    assert len(list(cache.iterdir())) == 2


def test_a_key_depends_on_all_that_the_compiler_sees():
    base = c(HELLO)
    others = [
        c(HELLO + " "),
        replace(base, language="cpp"),
        replace(base, files={"a": b"b"}),
        replace(base, files={"a": b"", "b": b""}),
        replace(base, env={"a": "b"}),
    ]
    keys = [build_key(program, "gcc 1") for program in [base, *others]] + [build_key(base, "gcc 2")]
    assert len(set(keys)) == len(keys)
    same = replace(base, limits=Limits(wall_s=1), args=("x",), stdin=b"y", fetch=("z",))
    assert build_key(same, "gcc 1") == keys[0]


async def test_a_waiter_that_leaves_takes_no_build_with_it(cache):
    calls = []
    go = asyncio.Event()

    async def make(program: Program) -> Build:
        calls.append(program)
        await go.wait()
        return Build(result=Result(verdict=Verdict.OK), artefact=b"made")

    builds = Builds(make, lambda row: "compiler")
    first, second = (asyncio.create_task(builds.get(c(HELLO))) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert (await second).artefact == b"made"
    assert len(calls) == 1
    assert (await builds.get(c(HELLO))).artefact == b"made"
    assert len(calls) == 1
    await builds.aclose()


def test_the_store_gives_up_what_was_used_longest_ago(tmp_path):
    store = Store(tmp_path, limit=500)
    for number, key in enumerate("abcd"):
        store.put(key, bytes(100))
        os.utime(tmp_path / key, (number, number))
    assert store.get("a") == bytes(100)
    store.put("e", bytes(100))
    assert store.get("a") == bytes(100)
    assert store.get("b") == b""
    assert store.get("e") == bytes(100)


def test_a_store_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "below")
    store.put("a", b"b")
    assert store.get("a") == b""


def test_the_compiler_has_limits_of_its_own():
    limits = compiler_limits(Limits(wall_s=1, cpu_s=1, memory_mb=16, disk_mb=1, pids=1, compile_wall_s=7))
    assert (limits.wall_s, limits.cpu_s) == (7, None)
    assert limits.memory_mb > 1000


def test_an_artefact_comes_back_as_it_was(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep" / "er").mkdir(parents=True)
    target.mkdir()
    (source / "deep" / "er" / "file").write_bytes(b"data")
    (source / "tool").write_bytes(b"#!/bin/sh\n")
    (source / "tool").chmod(0o755)
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    folder = os.open(source, os.O_RDONLY)
    with (tmp_path / "blob").open("w+b") as blob:
        artefact.pack(folder, blob.fileno(), 1 << 20)
        blob.seek(0)
        artefact.unpack(blob.fileno(), str(target))
        with pytest.raises(artefact.TooLargeError):
            artefact.pack(folder, blob.fileno(), 13)
    os.close(folder)
    assert (target / "deep" / "er" / "file").read_bytes() == b"data"
    assert os.access(target / "tool", os.X_OK)
    assert (target / "link").is_symlink()
    assert sorted(path.name for path in target.iterdir()) == ["deep", "link", "tool"]
