"""Scoring of single solutions in a real sandbox, on tasks small enough to read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from eval.benchmarks.base import Cases, Dataset, Suites, TestCode
from eval.oracle import Oracles, TaskOracle
from eval.presets import PRESETS, CaseRules, Preset, TestRules
from eval.score import Scorer
from opencoder.errors import DataError
from opencoder.records import Outcome, Task
from sandbox.calibrate import TimedSandbox
from sandbox.namespace import NamespaceSandbox

SQUARE = "def square(x):\n    return x * x\n"
DEFAULT = PRESETS["default"]
FAST = replace(
    DEFAULT, cases=CaseRules(min_time_limit_s=0.5, suite_limit_s=2.0), tests=TestRules(wall_limit_s=1.0)
)


class Toy:
    """A benchmark of one task."""

    name = "toy"

    def __init__(self, suites: Suites) -> None:
        self._suites = suites

    def suites(self, task: Task) -> Suites:
        return self._suites


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENCODER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
async def sandbox() -> AsyncIterator[NamespaceSandbox]:
    async with NamespaceSandbox() as opened:
        yield opened


def toy(suites: Suites, reference: str = SQUARE) -> tuple[Toy, Dataset, Task]:
    task = Task(task_id="Toy/0", benchmark="toy", prompt="", entry_point="square", reference=reference)
    dataset = Dataset(
        benchmark="toy",
        version="1",
        tasks=(task,),
        path=Path("toy"),
        sha256="0" * 64,
        md5="",
        origin="folder",
    )
    return Toy(suites), dataset, task


def cases(base: list[list[object]], plus: list[list[object]], atol: float = 0.0) -> Cases:
    return Cases(entry_point="square", inputs={"base": base, "plus": plus}, atol=atol, oracle_kind="plain")


NUMBERS = cases([[1], [2]], [[number] for number in range(300)])
ASSERTIONS = TestCode(entry_point="square", code="assert square(3) == 9\nassert square(-1) == 1")
CHECK = TestCode(
    entry_point="square", code="def check(candidate):\n    assert candidate(3) == 9\n", calls_check=True
)


async def judge(
    sandbox: NamespaceSandbox | TimedSandbox,
    suites: Suites,
    solution: str,
    preset: Preset = DEFAULT,
    reference: str = SQUARE,
) -> Outcome:
    benchmark, dataset, task = toy(suites, reference)
    return await Scorer(sandbox, benchmark, dataset, preset).score(task, 0, solution)  # type: ignore[arg-type]


async def test_the_reference_passes(sandbox: NamespaceSandbox) -> None:
    outcome = await judge(sandbox, NUMBERS, SQUARE)
    assert (outcome.status, outcome.base_status, outcome.plus_status) == ("passed", "passed", "passed")
    assert outcome.backend == "namespace"
    assert outcome.cpu_s > 0


SPIN = """
import time
def square(x):
    end = time.process_time() + {}
    while time.process_time() < end: pass
    return x * x
"""


async def test_a_slow_machine_gets_more_time_for_each_call(sandbox: NamespaceSandbox) -> None:
    suites = cases([[1]], [[2]])
    assert (await judge(sandbox, suites, SPIN.format(1.2), FAST)).status == "timeout"
    async with TimedSandbox(NamespaceSandbox(), 4.0) as slow:
        assert (await judge(slow, suites, SPIN.format(1.2), FAST)).status == "passed"


async def test_what_the_reference_took_is_not_stretched() -> None:
    """It was measured on this machine: four times of it is as much as on any other."""
    suites, reference = cases([[1]], [[2]]), SPIN.format(0.4)
    rules = replace(FAST, cases=replace(FAST.cases, min_time_limit_s=0.1))
    async with TimedSandbox(NamespaceSandbox(), 4.0) as slow:
        assert (await judge(slow, suites, SPIN.format(1.0), rules, reference)).status == "passed"
        assert (await judge(slow, suites, SPIN.format(3.5), rules, reference)).status == "timeout"


async def test_suites_are_judged_apart(sandbox: NamespaceSandbox) -> None:
    outcome = await judge(sandbox, NUMBERS, "def square(x):\n    return x * x if x < 200 else 0\n")
    assert (outcome.status, outcome.base_status, outcome.plus_status) == ("failed", "passed", "failed")
    assert outcome.detail == "call 200: wrong answer"


@pytest.mark.parametrize(
    ("solution", "status"),
    [
        ("", "no_code"),
        ("def square(x) return", "failed"),
        ("def circle(x): return x", "failed"),
        ("import os; os._exit(0)", "failed"),
        ("import sys\ndef square(x): sys.exit(0)", "failed"),
        ("class Y:\n  def __eq__(s, o): return True\ndef square(x): return Y()", "failed"),
        ("def square(x):\n  while True: pass", "timeout"),
        ("while True: pass", "timeout"),
        ("import time\ndef square(x): time.sleep(60)", "timeout"),
        ("def square(x): return bytearray(20 << 30)", "memory"),
        ("def square(x):\n  while True: print('x' * 100000)", "output"),
        ("import sys\ndef square(x):\n  print('noise'); sys.stderr.write('more'); return x * x", "passed"),
        ("if __name__ == '__main__': raise SystemExit(1)\ndef square(x): return x * x", "passed"),
        ("def square(x): return float(x * x)", "passed"),
    ],
)
@pytest.mark.parametrize("suites", [NUMBERS, ASSERTIONS, CHECK], ids=["cases", "assertions", "check"])
async def test_every_kind_of_end_has_its_status(
    sandbox: NamespaceSandbox, suites: Suites, solution: str, status: str
) -> None:
    outcome = await judge(sandbox, suites, solution, FAST)
    assert outcome.status == status, outcome.detail
    assert (outcome.detail == "") == (status == "passed")


async def test_long_answers_are_compared_by_digest_and_noise_is_looked_at(sandbox: NamespaceSandbox) -> None:
    reference = "def square(n):\n    return [i / 3 for i in range(n)]\n"
    suites = cases([[3]], [[20_000], [2_000]])
    noisy = "def square(n):\n    return [i / 3 + 1e-9 for i in range(n)]\n"
    wrong = "def square(n):\n    return [i / 3 + (1 if i == 1500 else 0) for i in range(n)]\n"
    assert (await judge(sandbox, suites, reference, reference=reference)).status == "passed"
    assert (await judge(sandbox, suites, noisy, reference=reference)).status == "passed"
    assert (await judge(sandbox, suites, wrong, reference=reference)).plus_status == "failed"


async def test_a_slow_reference_widens_the_limit(sandbox: NamespaceSandbox) -> None:
    slow = "import time\ndef square(x):\n    end = time.process_time() + 0.6 * (x == 7)\n"
    slow += "    while time.process_time() < end: pass\n    return x * x\n"
    suites = cases([[1]], [[number] for number in range(10)])
    assert (await judge(sandbox, suites, slow, FAST, reference=slow)).status == "passed"


async def test_a_time_limit_is_looked_at_again_only_where_it_was_hit(sandbox: NamespaceSandbox) -> None:
    benchmark, dataset, task = toy(NUMBERS)
    scorer = Scorer(sandbox, benchmark, dataset, DEFAULT)  # type: ignore[arg-type]
    first = Outcome(
        task_id="Toy/0",
        sample_id=0,
        status="timeout",
        base_status="failed",
        plus_status="timeout",
        detail="old",
    )
    again = await scorer.score(task, 0, SQUARE, first=first)
    assert (again.status, again.base_status, again.plus_status) == ("failed", "failed", "passed")


async def test_evalplus_takes_open_away_and_ours_outside_the_sets_does_not(sandbox: NamespaceSandbox) -> None:
    writes = "def square(x):\n    open('note', 'w').write('x')\n    return x * x\n"
    assert (await judge(sandbox, NUMBERS, writes)).status == "failed"
    assert (await judge(sandbox, ASSERTIONS, writes)).status == "passed"


async def test_find_zero_never_passes_as_in_evalplus_0_3_1(sandbox: NamespaceSandbox) -> None:
    suites = Cases(
        entry_point="find_zero",
        inputs={"base": [[[-1.0, 1.0]]], "plus": []},
        atol=1e-4,
        oracle_kind="find_zero",
    )
    reference = "def find_zero(xs):\n    return -xs[0] / xs[1]\n"
    assert (await judge(sandbox, suites, reference, reference=reference)).status == "passed"
    old = await judge(sandbox, suites, reference, PRESETS["evalplus-0.3.1"], reference=reference)
    assert old.status == "failed"


async def test_a_broken_reference_is_a_fault_of_the_data(sandbox: NamespaceSandbox) -> None:
    with pytest.raises(DataError, match="reference solution fails"):
        await judge(sandbox, NUMBERS, SQUARE, reference="def square(x): return 1 / x\n")


async def test_oracles_are_made_once_and_kept(sandbox: NamespaceSandbox, tmp_path: Path) -> None:
    inputs = {"base": [[2]], "plus": [[3], [4]]}
    made = await Oracles(sandbox, "toy", "a" * 64).get("Toy/0", SQUARE, "square", inputs)
    kept = list((tmp_path / "cache").rglob("Toy-0.msgpack"))
    assert len(kept) == 1
    # A reference that would now answer otherwise is not asked again ...
    again = await Oracles(sandbox, "toy", "a" * 64).get("Toy/0", "def square(x): return 0", "square", inputs)
    assert again == made
    # ... but for other data, or when the file is broken.
    other = await Oracles(sandbox, "toy", "b" * 64).get("Toy/0", "def square(x): return 0", "square", inputs)
    assert isinstance(other, TaskOracle)
    assert other != made
    kept[0].write_bytes(b"torn")
    assert await Oracles(sandbox, "toy", "a" * 64).get("Toy/0", SQUARE, "square", inputs) == made
