"""The verdict on one sample: a solution, the suites of its task, a sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eval.benchmarks.base import Benchmark, Cases, Dataset, TestCode
from eval.oracle import Oracles, case_set
from eval.presets import CaseRules, Preset, TestRules
from opencoder.records import Outcome, Status, Task
from sandbox import judge
from sandbox.api import Limits, Sandbox, Verdict
from sandbox.calibrate import time_factor
from sandbox.cases import CaseSet
from sandbox.judge import Judgement, Solution
from sandbox.judgement import WALL_EXTRA_S, WALL_FACTOR

STATUS_OF: Mapping[Verdict, Status] = {
    Verdict.PASS: "passed",
    Verdict.TIMEOUT: "timeout",
    Verdict.MEMORY: "memory",
    Verdict.OUTPUT: "output",
    Verdict.SANDBOX_ERROR: "infra_error",
}
"""Every other verdict (wrong, an exception, a signal, the disk or process limit) is ``failed``."""

# evalplus gives a suite one second beyond the sum of its limits.
_SUITE_EXTRA_S = 1.0
_OUTPUT_BYTES = 10_000_000
# A wrong answer longer than this is not looked at for float noise.
_RESULT_BYTES = 4 << 20
_DEFAULT_MEMORY_MB = 4096
_MAX_PIDS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """What one suite said."""

    status: Status
    detail: str
    wall_s: float
    cpu_s: float
    backend: str
    guarantee: str
    attempts: int

    @classmethod
    def of(cls, judgement: Judgement) -> _Verdict:
        result = judgement.result
        return cls(
            status=STATUS_OF.get(judgement.verdict, "failed"),
            detail=judgement.detail,
            wall_s=result.wall_s,
            cpu_s=result.cpu_s,
            backend=result.backend,
            guarantee=result.guarantee,
            attempts=result.attempts,
        )

    @classmethod
    def kept(cls, status: Status, outcome: Outcome) -> _Verdict:
        """A suite of an earlier outcome that is not judged again."""
        return cls(
            status=status,
            detail=outcome.detail,
            wall_s=0.0,
            cpu_s=0.0,
            backend=outcome.backend,
            guarantee=outcome.guarantee,
            attempts=0,
        )


class Scorer:
    """Scores solutions of one benchmark under one preset.

    Args:
        sandbox: Where solutions, tests and references run.
        benchmark: The benchmark.
        dataset: Its tasks.
        preset: The rules.
    """

    def __init__(self, sandbox: Sandbox, benchmark: Benchmark, dataset: Dataset, preset: Preset) -> None:
        self._sandbox = sandbox
        self._benchmark = benchmark
        self._preset = preset
        self._oracles = Oracles(sandbox, benchmark.name, dataset.sha256)
        self._sets: dict[str, Mapping[str, CaseSet]] = {}

    def cost_s(self, task: Task) -> float:
        """Return about how many CPU seconds a right solution takes; 0 when that is not known."""
        return self._oracles.cost_s(task.task_id)

    async def score(
        self, task: Task, sample_id: int, solution: str, *, first: Outcome | None = None
    ) -> Outcome:
        """Judge one solution.

        Args:
            task: The task.
            sample_id: Number of the sample.
            solution: The program.
            first: An earlier outcome of which only the suites that hit a time limit are judged again.

        Raises:
            DataError: The task's reference solution fails: the data file is broken.
            InfraError: The sandbox cannot be reached at all.
        """
        if not solution.strip():
            return Outcome(
                task_id=task.task_id, sample_id=sample_id, status="no_code", detail="no code found"
            )
        suites = self._benchmark.suites(task)
        if isinstance(suites, TestCode):
            verdict = await self._run_tests(suites, solution, task)
            return self._outcome(task, sample_id, {"": verdict})
        case_sets = await self._case_sets(task, suites)
        kept: dict[str, _Verdict] = {}
        if first is not None:
            earlier: dict[str, Status | None] = {"base": first.base_status, "plus": first.plus_status}
            for name, status in earlier.items():
                if status is not None and status != "timeout":
                    kept[name] = _Verdict.kept(status, first)
        judged = await self._run_cases(
            suites, {name: cases for name, cases in case_sets.items() if name not in kept}, solution
        )
        verdicts = {name: kept.get(name) or judged[name] for name in case_sets}
        return self._outcome(task, sample_id, verdicts)

    def _outcome(self, task: Task, sample_id: int, verdicts: Mapping[str, _Verdict]) -> Outcome:
        """Join the suites: passed if all are, infra_error if any is, else the first that did not pass."""
        all_of = list(verdicts.values())
        faults: list[Status] = [one.status for one in all_of if one.status != "passed"]
        status: Status = "infra_error" if "infra_error" in faults else faults[0] if faults else "passed"
        deciding = next((one for one in all_of if one.status == status), all_of[0])
        named: dict[str, Status] = {name: verdict.status for name, verdict in verdicts.items()}
        return Outcome(
            task_id=task.task_id,
            sample_id=sample_id,
            status=status,
            base_status=named.get("base"),
            plus_status=named.get("plus"),
            wall_s=round(sum(one.wall_s for one in all_of), 4),
            cpu_s=round(sum(one.cpu_s for one in all_of), 4),
            detail="" if status == "passed" else deciding.detail[:500],
            backend=deciding.backend,
            guarantee=deciding.guarantee,
            attempts=max(one.attempts for one in all_of),
        )

    async def _case_sets(self, task: Task, cases: Cases) -> Mapping[str, CaseSet]:
        """Return the task's case sets; those of the last few tasks are kept, as samples come by task."""
        if task.task_id not in self._sets:
            oracle = await self._oracles.get(task.task_id, task.reference, cases.entry_point, cases.inputs)
            rules = self._preset.cases
            self._sets[task.task_id] = {
                name: case_set(
                    oracle.suites[name],
                    inputs,
                    kind=cases.oracle_kind,
                    atol=cases.atol,
                    call_limit_s=rules.min_time_limit_s,
                    # What the reference took was measured here; limits are those of an ordinary machine.
                    factor=rules.time_factor / time_factor(self._sandbox),
                    fetch=self._oracles.fetcher(task.reference, cases.entry_point, inputs),
                )
                for name, inputs in cases.inputs.items()
            }
            while len(self._sets) > 16:
                del self._sets[next(iter(self._sets))]
        return self._sets[task.task_id]

    async def _run_cases(
        self, cases: Cases, case_sets: Mapping[str, CaseSet], solution: str
    ) -> dict[str, _Verdict]:
        rules = self._preset.cases
        item = Solution(
            source=solution,
            entry_point=cases.entry_point,
            limits=_case_limits(rules, list(case_sets.values())),
            options={**_guards(rules.disabled, rules.guarded_modules), "refuse_stdin": True},
        )
        judged = await judge.judge_suites(self._sandbox, item, list(case_sets.values()))
        verdicts = {name: _Verdict.of(one) for name, one in zip(case_sets, judged, strict=True)}
        if rules.find_zero_fails and cases.oracle_kind == "find_zero":
            detail = "evalplus 0.3.1 never passes this task"
            for name, verdict in verdicts.items():
                if verdict.status == "passed":
                    verdicts[name] = replace(verdict, status="failed", detail=detail)
        return verdicts

    async def _run_tests(self, tests: TestCode, solution: str, task: Task) -> _Verdict:
        rules = self._preset.tests
        code = f"{tests.after}\n{tests.code}" if tests.after else tests.code
        setup_first = tests.after if rules.setup_first else ""
        prompt_first = (
            f"{task.prompt.rstrip()}\n    pass\n" if rules.prompt_first and tests.calls_check else ""
        )
        item = Solution(
            source=solution,
            entry_point=tests.entry_point,
            limits=_test_limits(rules),
            options={
                **_guards(rules.disabled, rules.guarded_modules),
                "prelude": "\n".join(part for part in (rules.prelude, setup_first, prompt_first) if part),
            },
        )
        names = () if tests.calls_check else (tests.entry_point, *tests.candidate_names)
        test_code = judge.TestCode(code=code, setup=tests.setup, call_check=tests.calls_check, names=names)
        return _Verdict.of(await judge.judge_tests(self._sandbox, item, test_code))


def _guards(disabled: Sequence[str], modules: Sequence[str]) -> dict[str, Any]:
    return {"disabled": list(disabled), "guarded_modules": list(modules)}


def _case_limits(rules: CaseRules, suites: Sequence[CaseSet]) -> Limits:
    """Return the limits of one suite: the longest that any of them may take."""
    totals = [sum(cases.limit_s(index) or 0.0 for index in range(len(cases))) for cases in suites]
    return _limits(min(rules.suite_limit_s, max(totals)) + _SUITE_EXTRA_S, rules.memory_mb)


def _test_limits(rules: TestRules) -> Limits:
    return _limits(rules.wall_limit_s, rules.memory_mb or _DEFAULT_MEMORY_MB)


def _limits(cpu_s: float, memory_mb: int) -> Limits:
    """Limits of a solution: CPU seconds decide. The address space ends a greedy one with a MemoryError."""
    return Limits(
        cpu_s=cpu_s,
        wall_s=cpu_s * WALL_FACTOR + WALL_EXTRA_S,
        memory_mb=memory_mb,
        address_space_mb=memory_mb,
        output_bytes=_OUTPUT_BYTES,
        result_bytes=_RESULT_BYTES,
        pids=_MAX_PIDS,
    )
