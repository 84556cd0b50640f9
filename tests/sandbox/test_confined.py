"""The ``confined`` backend: programs without namespaces, for machines that refuse them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

import sandbox as package
from opencoder.errors import DependencyError
from sandbox import process
from sandbox.api import Guarantee, Limits, Program, Verdict, run
from sandbox.guard import landlock
from sandbox.launcher import is_open_to_all, own_python
from sandbox.process import ConfinedSandbox
from tests.support.processes import fresh_mark, marked

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give each program its own user")

# Rows whose rules need namespaces, or a cap that no program can outrun.
UNCLAIMED = {
    "s-ctl-localhost": "there are no sockets",
    "s-net-ifaces": "the list of interfaces is the machine's",
    "s-mem-children": "the peak may pass the cap before the watcher sees it",
}
# Besides, where programs share a user: what they leave where all may write could not be told from others'.
UNCLAIMED_SHARED = {
    "s-ctl-mp-pool": "semaphores are files in /dev/shm",
    "s-cross-run-plant": "/tmp seems open, and is not",
}
REPO = Path(package.__file__).resolve().parents[1]
PACKAGES = Path(msgspec.__file__).resolve().parents[1]
SYSTEM_PYTHON = Path("/usr/bin/python3")


def python(source: str, **options: Any) -> Program:
    return Program(language="python", source=source, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[ConfinedSandbox]:
    async with ConfinedSandbox() as opened:
        yield opened


@needs_root
async def test_the_battery(
    sandbox: ConfinedSandbox, attacks: dict[str, dict[str, Any]], attack_id: str, check_row: Any
) -> None:
    if attack_id in UNCLAIMED:
        pytest.skip(f"not claimed: {UNCLAIMED[attack_id]}")
    if attack_id == "s-host-files" and not landlock.version():
        pytest.skip("not claimed without Landlock: names in folders that all may read can be listed")
    await check_row(sandbox, attacks[attack_id])


@needs_root
async def test_each_program_is_a_user_of_its_own(sandbox: ConfinedSandbox) -> None:
    source = "import os, time\nprint(*os.getresuid(), *os.getresgid(), os.getgroups())\ntime.sleep(0.3)"
    results = await asyncio.gather(*(run(sandbox, python(source)) for _ in range(3)))
    seen = {result.stdout for result in results}
    assert len(seen) == 3
    assert all(re.fullmatch(rb"(\d+) \1 \1 \1 \1 \1 \[\]\n", line) for line in seen), seen
    assert {result.guarantee for result in results} == {Guarantee.CONFINED}


@needs_root
async def test_programs_cannot_touch_each_other(sandbox: ConfinedSandbox) -> None:
    victim = "import time\nopen('secret', 'w').write('s3cret')\ntime.sleep(3)"
    running = await sandbox.start(python(victim, fetch=("secret",)))
    await asyncio.sleep(0.5)
    source = (
        "import glob, os, signal\n"
        "for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]:\n"
        "    if pid != os.getpid():\n"
        "        for attempt in (lambda: os.kill(pid, signal.SIGKILL),\n"
        "                        lambda: os.listdir(f'/proc/{pid}/cwd/'),\n"
        "                        lambda: open(f'/proc/{pid}/environ', 'rb').read(),\n"
        "                        lambda: open(f'/proc/{pid}/mem', 'rb')):\n"
        "            try: attempt(); print('ESCAPED', pid, open(f'/proc/{pid}/cmdline').read())\n"
        "            except OSError: pass\n"
        "print(glob.glob(os.path.dirname(os.getcwd()) + '/../*/work/secret'))"
    )
    assert (await run(sandbox, python(source))).stdout == b"[]\n"
    result = await running.wait()
    assert (result.verdict, result.files) == (Verdict.OK, {"secret": b"s3cret"})


@needs_root
async def test_children_can_be_signalled_and_pools_work(sandbox: ConfinedSandbox) -> None:
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '9'])\nchild.kill()\nprint(child.wait())"
    assert (await run(sandbox, python(source))).stdout == b"-9\n"


@needs_root
async def test_what_it_leaves_where_all_may_write_is_removed(sandbox: ConfinedSandbox) -> None:
    mark = fresh_mark()
    source = (
        f"import os\nfor folder in ('/tmp', '/var/tmp', '/dev/shm'):\n"
        f"    os.makedirs(folder + '/{mark}/a/b')\n    open(folder + '/{mark}/a/b/c', 'w').close()\n"
        f"    open(folder + '/{mark}.file', 'w').close()\nprint('left')"
    )
    result = await run(sandbox, python(source))
    assert result.stdout == b"left\n", result
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        assert not list(Path(folder).glob(f"{mark}*"))


async def test_caps_are_watched(sandbox: ConfinedSandbox) -> None:
    grow = "x = []\nwhile True: x.append(b'x' * (1 << 20))"
    many = (
        "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        x = b'x' * (60 << 20)\n"
        "        time.sleep(9)\n        os._exit(0)\nos.wait()"
    )
    shared = "import os, time\nx = b'x' * (100 << 20)\nfor _ in range(5):\n    os.fork() or time.sleep(1)"
    files = "for n in range(400): open(str(n), 'wb').write(b'x' * (1 << 20))\nprint('wrote')"
    empty = "for n in range(4000): open(str(n), 'wb').close()\nprint('wrote')"
    outside = "for n in range(400): open(f'/dev/shm/{n}', 'wb').write(b'x' * (1 << 20))\nprint('wrote')"
    cases = [
        (grow, Verdict.MEMORY, "memory_limit_hit"),
        (many, Verdict.MEMORY, "memory_limit_hit"),
        (shared, Verdict.OK, ""),
        (files, Verdict.DISK, ""),
        (empty, Verdict.DISK, ""),
    ]
    if os.geteuid() == 0:
        cases.append((outside, Verdict.DISK, ""))
    limits = Limits(memory_mb=256, disk_mb=64, inodes=500, wall_s=8)
    for source, verdict, flag in cases:
        result = await run(sandbox, python(source, limits=limits))
        assert result.verdict is verdict, (source, result)
        assert not flag or flag in result.flags
        assert result.memory_bytes > 0
    fork = "import os, time\ntry:\n    while True: os.fork()\nexcept OSError: time.sleep(0.5)"
    flood = await run(sandbox, python(fork, limits=Limits(pids=8, wall_s=8)))
    assert (flood.verdict, flood.flags) == (Verdict.OK, ["pids_limit_hit"])


async def test_cpu_time_counts_what_has_ended(sandbox: ConfinedSandbox) -> None:
    child = "    if os.fork() == 0:\n        sum(range(3_000_000))\n        os._exit(0)\n    os.wait()"
    source = f"import os\nfor _ in range(4):\n{child}"
    result = await run(sandbox, python(source))
    assert 0.05 < result.cpu_s < 10
    loop = "import os\nos.fork()\nwhile True: pass"
    stopped = await run(sandbox, python(loop, limits=Limits(wall_s=20, cpu_s=0.5)))
    assert stopped.verdict is Verdict.TIMEOUT
    assert stopped.cpu_s < 3


async def test_a_killed_zygote_takes_its_programs_with_it() -> None:
    mark = fresh_mark()
    async with ConfinedSandbox() as own:
        sleeper = Program(language="bash", source=f"setsid bash -c 'exec -a {mark} sleep 60' & wait")
        running = await own.start(sleeper)
        while not marked(mark):
            await asyncio.sleep(0.02)
        os.kill(own.agent_pid, signal.SIGKILL)
        assert (await running.wait()).verdict is Verdict.SANDBOX_ERROR
        for _ in range(500):
            if not marked(mark):
                break
            await asyncio.sleep(0.02)
        assert not marked(mark)
        assert (await run(own, python("print(1)"))).stdout == b"1\n"


@needs_root
@pytest.mark.skipif(is_open_to_all(Path(own_python())), reason="this interpreter is open to all users")
async def test_no_program_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "python_for_all", own_python)
    with pytest.raises(DependencyError, match="no program may be root"):
        async with ConfinedSandbox():
            pass


def in_container(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the rows of ``folder`` in an ordinary container: the engine's own filter and capabilities."""
    from sandbox.images import image_reference

    version = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if version.stdout.strip() != str(sys.version_info[:2]):
        pytest.skip(f"{SYSTEM_PYTHON} is not of the version of this environment")
    folder.chmod(0o777)
    mounts = {"/usr": "/usr", str(REPO): "/repo", str(PACKAGES): "/packages"}
    shown = [word for source, target in mounts.items() for word in ("-v", f"{source}:{target}:ro")]
    command = f"{SYSTEM_PYTHON} -P -m opencoder sandbox batch /rows/in.jsonl -o /rows/out.jsonl"
    full = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "-e",
        "PYTHONPATH=/packages:/repo",
        "-e",
        "HOME=/rows",
    ]
    full += ["-e", "TMPDIR=/rows", "--tmpfs", "/sandbox:mode=777", *shown, "-v", f"{folder}:/rows", *options]
    return subprocess.run(
        [*full, image_reference("python"), "sh", "-c", f"mkdir -m 1777 /sandbox/tmp; {command}"],
        capture_output=True,
        text=True,
        check=False,
    )


def wrong_rows(folder: Path, rows: dict[str, dict[str, Any]], unclaimed: set[str]) -> list[str]:
    out = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in out] == list(rows)
    wrong = []
    for row in out:
        assert (row["backend"], row["guarantee"]) == ("confined", "confined")
        expect = rows[row["id"]]["expect"]
        verdicts = {row["verdict"], {"signal": "error", "compile_error": "error"}.get(row["verdict"])}
        said = row["stdout"] + row["stderr"]
        lacks = [text for text in expect["stdout_has"] if text not in row["stdout"]]
        leaks = [text for text in expect["stdout_lacks"] if text in said]
        if row["id"] not in unclaimed and (lacks or leaks or not verdicts & set(expect["verdict_any_of"])):
            wrong.append(f"{row['id']}: {row['verdict']} {row['detail']} {said[-500:]}")
    return wrong


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "unclaimed"), [("root", {*UNCLAIMED}), ("1234:1234", {*UNCLAIMED, *UNCLAIMED_SHARED})]
)
async def test_the_battery_in_an_ordinary_container(
    python_image: str, attacks: dict[str, dict[str, Any]], tmp_path: Path, user: str, unclaimed: set[str]
) -> None:
    lines = [json.dumps(row) for row in attacks.values()]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    # Nothing is named: it is what is left where namespaces are refused and no daemon answers.
    done = await asyncio.to_thread(in_container, tmp_path, "--user", user)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("backend confined, which is weaker") == 1
    assert wrong_rows(tmp_path, attacks, unclaimed) == []
    assert not list(tmp_path.glob("opencoder-root-*"))


@pytest.mark.docker
async def test_root_that_may_not_change_its_user_is_refused(python_image: str, tmp_path: Path) -> None:
    row = {"id": "a", "language": "python", "program": "print(1)"}
    (tmp_path / "in.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = await asyncio.to_thread(in_container, tmp_path, "--user", "root", "--cap-drop", "ALL")
    assert done.returncode == 4
    assert "no program may be root" in done.stderr
    shutil.rmtree(tmp_path, ignore_errors=True)
