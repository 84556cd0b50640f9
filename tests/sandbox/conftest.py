"""The attack battery: programs that try to get out, to hurt the machine or to forge a verdict.

A test with an ``attack_id`` argument runs once per row; ``check_row`` runs a row in an open sandbox and checks
what is expected of it. Without the file such a test is skipped.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.api import Program, Sandbox, Verdict, run
from sandbox.rows import BatchRow, OutRow, run_row

ATTACKS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "sandbox-attacks.jsonl"
RSS_GROWTH_KB = 64 << 10
# Sets of verdicts name the coarse kind only.
COARSE = {Verdict.SIGNAL: "error", Verdict.COMPILE_ERROR: "error"}
CheckRow = Callable[[Sandbox, dict[str, Any]], Awaitable[None]]


def read_attacks() -> list[dict[str, Any]]:
    if not ATTACKS.exists():
        return []
    return [json.loads(line) for line in ATTACKS.read_text(encoding="utf-8").splitlines() if line]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attack_id" in metafunc.fixturenames:
        ids = [row["id"] for row in read_attacks()]
        missing = pytest.param(
            "none", marks=pytest.mark.skip(reason="no ../shared/reference with the attack battery")
        )
        metafunc.parametrize("attack_id", ids or [missing])


@pytest.fixture(scope="session")
def attacks() -> dict[str, dict[str, Any]]:
    """The rows of the battery by id."""
    rows = read_attacks()
    if not rows:
        pytest.skip("no ../shared/reference with the attack battery")
    return {row["id"]: row for row in rows}


@pytest.fixture
def check_row(monkeypatch: pytest.MonkeyPatch, planted: list[Path]) -> CheckRow:
    """Runs one row in a sandbox and checks verdict, output and what can be seen from outside."""

    async def check(sandbox: Sandbox, row: dict[str, Any]) -> None:
        plant(row["setup"], monkeypatch, planted)
        invariants = row["expect"]["invariants"]
        parsed = BatchRow(**{**row, "limits": to_limits(row["limits"])}) if False else decode(row)
        resident = own_resident_kb()
        began = time.monotonic()
        neighbour = asyncio.ensure_future(run(sandbox, NEIGHBOUR)) if NEIGHBOURLY in invariants else None
        for judge in ("cases", "tests") if row["mode"] == "solution" else (None,):
            for _ in range(2 if "run_twice" in invariants else 1):
                check_answer(row, await run_row(sandbox, parsed, judge))
        assert own_resident_kb() - resident < RSS_GROWTH_KB
        if neighbour is not None:
            assert (await neighbour).stdout == b"alive\n"
        check_outside(invariants, began)

    return check
