"""The attack battery: programs that try to get out, to hurt the machine or to forge a verdict.

A test with an ``attack_id`` argument runs once per row; ``check_row`` runs a row in an open sandbox and
checks what is expected of it. Where the file is not there, such a test is skipped.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from sandbox import reaper
from sandbox.api import Limits, Program, Sandbox, Verdict, run
from sandbox.images import connect
from sandbox.rows import BatchRow, OutRow, run_row
from tests.support.processes import fresh_mark, marked

ATTACKS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "sandbox-attacks.jsonl"
MISSING = "no ../shared/reference with the attack battery"
RSS_GROWTH_KB = 64 << 10
# Programs that leave processes behind give them such names.
MARKER = "sbxmark-"
# The file names the coarse kind of these only.
COARSE = {Verdict.SIGNAL: "error", Verdict.COMPILE_ERROR: "error"}
# What a row may ask for; checked in ``check_answer``, ``check_machine``, ``Machine`` or by how it is run.
INVARIANTS = {
    "agent_binary_unchanged",
    "concurrent_neighbour_unharmed",
    "fetched_lacks",
    "group_memory_peak<=limit",
    "host_disk_growth<=limit",
    "max_wall_s",
    "no_host_file",
    "no_host_file_named",
    "no_leftover_process",
    "no_process",
    "reports_flag",
    "reports_signal",
    "result_bytes<=limit",
    "run_twice",
    "sandbox_healthy",
    "supervisor_rss_growth<=64MB",
    "workdir_removed",
}
# Other programs of this machine write too; the rows write a hundred times as much where nothing stops them.
DISK_SLACK_BYTES = 256 << 20
HEALTHY = Program(language="python", source="print('healthy')")
NEIGHBOUR = Program(language="python", source="import time; time.sleep(1); print('alive')")

OWNER_LABEL = "io.opencoder.owner"

CheckRow = Callable[[Sandbox, dict[str, Any]], Awaitable[None]]


def read_attacks() -> list[dict[str, Any]]:
    if not ATTACKS.exists():
        return []
    return [json.loads(line) for line in ATTACKS.read_text(encoding="utf-8").splitlines() if line]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attack_id" in metafunc.fixturenames:
        ids = [row["id"] for row in read_attacks()]
        metafunc.parametrize(
            "attack_id", ids or [pytest.param("none", marks=pytest.mark.skip(reason=MISSING))]
        )


@pytest.fixture(scope="session")
def attacks() -> dict[str, dict[str, Any]]:
    """The rows of the battery by id."""
    rows = {row["id"]: row for row in read_attacks()}
    if not rows:
        pytest.skip(MISSING)
    return rows


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Plants on this machine what a row tries to find."""
    planted: list[Path] = []

    def act(setup: dict[str, Any]) -> None:
        for name, value in setup.get("runner_env", {}).items():
            monkeypatch.setenv(name, value)
        if file := setup.get("host_file"):
            path = Path(file["path"])
            path.write_text(file["content"], encoding="utf-8")
            planted.append(path)

    yield act
    for path in planted:
        path.unlink()


@pytest.fixture
def check_row(plant: Callable[[dict[str, Any]], None]) -> CheckRow:
    """Runs one row in a sandbox and checks verdict, output, files and what can be seen from outside."""

    async def check(sandbox: Sandbox, row: dict[str, Any]) -> None:
        plant(row["setup"])
        mark = fresh_mark()  # another worker may run the same row at the same time
        row = {**row, "program": row["program"].replace(MARKER, mark)}
        invariants = row["expect"]["invariants"]
        unknown = {invariant.partition(":")[0] for invariant in invariants} - INVARIANTS
        assert not unknown, "nothing here looks at these"
        resident, before = resident_kb(), Machine.look()
        began = time.time()
        neighbour = None
        if "concurrent_neighbour_unharmed" in invariants:
            neighbour = asyncio.ensure_future(run(sandbox, NEIGHBOUR))
        judges: tuple[Literal["cases", "tests"] | None, ...] = (None,)
        if row["mode"] == "solution":
            judges = ("cases", "tests")
        for judge in judges:
            for _ in range(2 if "run_twice" in invariants else 1):
                out = await run_row(sandbox, msgspec.convert(row, BatchRow), judge)
                check_answer(row, out)
        if neighbour is not None:
            assert (await neighbour).stdout == b"alive\n"
        assert resident_kb() - resident < RSS_GROWTH_KB
        limit_mb = row["limits"].get("disk_mb", Limits().disk_mb)
        for _ in range(500):  # folders without a mount of their own are removed in the background
            if Machine.look().folders <= before.folders:
                break
            await asyncio.sleep(0.02)
        Machine.look().compare(before, disk_bytes=(limit_mb << 20) + DISK_SLACK_BYTES)
        assert (await run(sandbox, HEALTHY)).stdout == b"healthy\n"
        assert marked(mark) == []
        check_machine(invariants, began)

    return check


@dataclass(frozen=True)
class Machine:
    """What of this machine no program may change."""

    disk_bytes: int
    interpreter: str
    folders: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def look(cls) -> Machine:
        temporary = Path(tempfile.gettempdir())
        mine = f"{reaper.FOLDER_PREFIX}{reaper.owner()}-"
        own = [path for path in temporary.iterdir() if path.name.startswith(mine)]
        # A fork server's own folder stays while it does; those of its programs go with them.
        below = [child for path in own for child in path.glob("job-*")]
        name = f"{reaper.GROUP_PREFIX}{reaper.owner()}-*"
        # Not by glob, which stumbles over folders that vanish meanwhile.
        walked = (Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup"))
        groups = [str(path) for path in walked if path.match(f"{name}/job-*")]
        return cls(
            disk_bytes=shutil.disk_usage(temporary).used,
            interpreter=hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest(),
            folders=frozenset(str(path) for path in below),
            groups=frozenset(groups),
        )

    def compare(self, before: Machine, *, disk_bytes: int) -> None:
        assert self.disk_bytes - before.disk_bytes < disk_bytes
        assert self.interpreter == before.interpreter
        assert self.folders <= before.folders
        assert self.groups <= before.groups


def check_answer(row: dict[str, Any], out: OutRow) -> None:
    expect, limits = row["expect"], row["limits"]
    seen = f"{out.verdict}: {out.detail}\n{out.stdout[:2000]}\n{out.stderr[:2000]}"
    allowed = expect["verdict_any_of"]
    assert out.verdict in allowed or COARSE.get(out.verdict) in allowed, seen
    assert [text for text in expect["stdout_has"] if text not in out.stdout] == [], seen
    assert [text for text in expect["stdout_lacks"] if text in out.stdout + out.stderr] == [], seen
    files = {name: base64.b64decode(data) for name, data in out.files.items()}
    assert set(files) <= set(row["fetch_files"])
    for invariant in expect["invariants"]:
        name, _, value = invariant.partition(":")
        if name == "max_wall_s":
            wall_s = (
                limits.get("wall_s", Limits().wall_s) + float(value.removeprefix("limit+"))
                if "limit" in value
                else float(value)
            )
            assert out.wall_s <= wall_s
        elif name == "group_memory_peak<=limit":
            assert 0 < out.memory_bytes <= limits["memory_mb"] << 20
        elif name == "result_bytes<=limit":
            assert max(len(out.stdout), len(out.stderr)) <= limits["output_bytes"]
        elif name == "reports_flag":
            assert value in out.flags
        elif name == "reports_signal":
            assert out.signal == signal.Signals[value]
        elif name == "fetched_lacks":
            assert [name for name, data in files.items() if value.encode() in data] == []


def check_machine(invariants: list[str], began: float) -> None:
    for invariant in invariants:
        name, _, value = invariant.partition(":")
        if name == "no_host_file":
            # Another program of this machine may write there, but not now.
            assert not Path(value).exists() or Path(value).stat().st_mtime < began
        elif name == "no_host_file_named":
            here = Path.cwd()
            assert not any((folder / value).exists() for folder in (here, *here.parents, Path("/tmp")))


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.fixture(scope="session")
def containers() -> Callable[[str], list[str]]:
    """Lists the containers that an owner has left or still uses, by id."""

    def find(owner: str) -> list[str]:
        client: Any = connect()
        try:
            found = client.api.containers(all=True, filters={"label": [f"{OWNER_LABEL}={owner}"]})
        finally:
            client.close()
        return [row["Id"] for row in found]

    return find
