"""Expected answers of the EvalPlus sets, computed once by the reference solution and kept small.

EvalPlus keeps every expected object in one pickle (255 MB for HumanEval+, 793 MB for MBPP+). Here each task
has a file of its own with the answer frames of ``sandbox.cases``: short answers whole, long ones as a digest,
which is all that a right solution needs. The one answer of which more must be known (a wrong one's
neighbour, a float list with noise) is computed again when it is asked for.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from eval.tolerance import Rule
from opencoder.errors import DataError, InfraError
from opencoder.files import make_folder, write_bytes
from opencoder.folders import cache_folder
from sandbox.api import Limits, Program, Sandbox, Verdict
from sandbox.cases import CaseSet, encode_inputs
from sandbox.guard import solution, wire

FORMAT = 2
# The reference may be slow and needs no protection from itself, only an end.
_LIMITS = Limits(wall_s=600.0, cpu_s=300.0, memory_mb=8192, result_bytes=1 << 30)
# Calls of the reference shorter than this never raise a limit: every preset allows four times as much.
_NOTABLE_S = 0.2


class SuiteOracle(msgspec.Struct, frozen=True, kw_only=True):
    """Expected answers of one suite of one task.

    Attributes:
        frames: Answer frames, one after the other.
        offsets: Starts of the frames and the end, 64-bit little-endian.
        first_float: Index of the first answer that is floats.
        slow: CPU seconds of the reference's notable calls, by index.
        cpu_s: CPU seconds of all calls.
    """

    frames: bytes
    offsets: bytes
    first_float: int | None
    slow: dict[int, float]
    cpu_s: float


class TaskOracle(msgspec.Struct, frozen=True, kw_only=True):
    """Expected answers of one task, by suite."""

    format: int
    suites: dict[str, SuiteOracle]


class Oracles:
    """The oracles of one version of a benchmark, from the cache or made in ``sandbox``."""

    def __init__(self, sandbox: Sandbox, benchmark: str, dataset_sha256: str) -> None:
        self._sandbox = sandbox
        self._folder = cache_folder() / "oracles" / f"{benchmark}-{dataset_sha256[:16]}-v{FORMAT}"
        self._made: dict[str, asyncio.Task[TaskOracle]] = {}
        self._kept: dict[str, TaskOracle | None] = {}

    def cost_s(self, task_id: str) -> float:
        """Return the CPU seconds that the reference needs for a task; 0 when that is not known yet."""
        kept = self._load(task_id)
        return 0.0 if kept is None else sum(suite.cpu_s for suite in kept.suites.values())

    def _path(self, task_id: str) -> Path:
        return self._folder / f"{task_id.replace('/', '-')}.msgpack"

    def _load(self, task_id: str) -> TaskOracle | None:
        if task_id not in self._kept:
            self._kept[task_id] = _load(self._path(task_id))
        return self._kept[task_id]

    async def get(
        self, task_id: str, reference: str, entry_point: str, suites: Mapping[str, Sequence[Sequence[Any]]]
    ) -> TaskOracle:
        """Return the oracle of a task; tasks asked for side by side are made once.

        Raises:
            DataError: The reference solution fails on an input: the data file is broken.
            InfraError: The sandbox failed.
        """
        if task_id not in self._made:
            making = self._load_or_make(task_id, reference, entry_point, suites)
            self._made[task_id] = asyncio.ensure_future(making)
        return await asyncio.shield(self._made[task_id])

    async def _load_or_make(
        self, task_id: str, reference: str, entry_point: str, suites: Mapping[str, Sequence[Sequence[Any]]]
    ) -> TaskOracle:
        kept = self._load(task_id)
        if kept is not None:
            return kept
        made = {
            name: await _answer(self._sandbox, task_id, reference, entry_point, inputs)
            for name, inputs in suites.items()
        }
        oracle = TaskOracle(format=FORMAT, suites=made)
        make_folder(self._folder)
        write_bytes(self._path(task_id), msgspec.msgpack.encode(oracle))
        return oracle

    def fetcher(
        self, reference: str, entry_point: str, inputs: Sequence[Sequence[Any]]
    ) -> Callable[[int], Awaitable[bytes]]:
        """Return what computes the encoding of one answer again."""

        async def fetch(index: int) -> bytes:
            one = inputs[index : index + 1]
            return (await _run_reference(self._sandbox, reference, entry_point, one, whole=True))[0].encoded

        return fetch


def _load(path: Path) -> TaskOracle | None:
    """Read a kept oracle; one that cannot be read is made again."""
    try:
        oracle = msgspec.msgpack.decode(path.read_bytes(), type=TaskOracle)
    except (OSError, msgspec.MsgspecError):
        return None
    return oracle if oracle.format == FORMAT else None


async def _answer(
    sandbox: Sandbox, task_id: str, reference: str, entry_point: str, inputs: Sequence[Sequence[Any]]
) -> SuiteOracle:
    try:
        answers = await _run_reference(sandbox, reference, entry_point, inputs)
    except DataError as error:
        raise DataError(f"{task_id}: {error}") from None
    frames: list[bytes] = []
    offsets = array("Q", [0])
    first_float: int | None = None
    for index, answer in enumerate(answers):
        if first_float is None and answer.is_floats:
            first_float = index
        frames.append(wire.frame(solution.ANSWER, answer.encoded))
        offsets.append(offsets[-1] + len(frames[-1]))
    slow = {index: answer.cpu_s for index, answer in enumerate(answers) if answer.cpu_s > _NOTABLE_S}
    return SuiteOracle(
        frames=b"".join(frames),
        offsets=offsets.tobytes(),
        first_float=first_float,
        slow=slow,
        cpu_s=sum(answer.cpu_s for answer in answers),
    )


class _ReferenceAnswer(NamedTuple):
    encoded: bytes
    cpu_s: float
    is_floats: bool


async def _run_reference(
    sandbox: Sandbox,
    reference: str,
    entry_point: str,
    inputs: Sequence[Sequence[Any]],
    *,
    whole: bool = False,
) -> list[_ReferenceAnswer]:
    """Return the encoded answer of each call, a digest of the long ones unless they are wanted whole."""
    program = Program(
        language="python",
        source=reference,
        role="solution",
        options={"entry_point": entry_point, "times": True, **({"full_from": 0} if whole else {})},
        payload=encode_inputs(inputs),
        limits=_LIMITS,
    )
    running = await sandbox.start(program)
    frames = wire.Frames()
    answers: list[_ReferenceAnswer] = []
    cpu_s, is_floats = 0.0, False
    failure = ""
    while data := await running.receive():
        for kind, payload in frames.feed(data):
            if kind == solution.CALL_TIME:
                seconds, flag = payload.decode().split()
                cpu_s, is_floats = float(seconds), flag == "1"
            elif kind == solution.ANSWER:
                answers.append(_ReferenceAnswer(payload, cpu_s, is_floats))
            elif kind in (solution.EXCEPTION, solution.LOAD_FAILURE):
                failure = payload.decode("utf-8", "replace")
    result = await running.wait()
    if result.verdict is Verdict.SANDBOX_ERROR:
        raise InfraError(f"the sandbox failed on a reference solution: {result.detail}")
    if failure or len(answers) != len(inputs):
        why = failure or f"{result.verdict} after {len(answers)} of {len(inputs)} inputs"
        raise DataError(f"the reference solution fails on its own inputs ({why}); the data file is broken")
    return answers


def case_set(
    oracle: SuiteOracle,
    inputs: Sequence[Sequence[Any]],
    *,
    kind: str,
    atol: float,
    call_limit_s: float,
    factor: float,
    fetch: Callable[[int], Awaitable[bytes]],
) -> CaseSet:
    """Return the cases of one suite.

    Args:
        oracle: The expected answers.
        inputs: The argument lists, in the oracle's order.
        kind: The comparison rule (``eval.tolerance.ORACLES`` or ``plain``).
        atol: The task's tolerance.
        call_limit_s: CPU seconds allowed for each call ...
        factor: ... or this many times the reference's, where that is more.
        fetch: Computes one expected answer again.
    """
    offsets = array("Q")
    offsets.frombytes(oracle.offsets)
    slow = {index: factor * used for index, used in oracle.slow.items() if factor * used > call_limit_s}
    return CaseSet(
        encode_inputs(inputs),
        oracle.frames,
        offsets,
        Rule(kind, atol, oracle.first_float, inputs.__getitem__),
        call_limit_s=call_limit_s,
        slow_calls=slow,
        fetch=fetch,
    )
