"""One solution against one set of cases: its answers are compared here, outside of its process."""

from __future__ import annotations

import asyncio
import bisect
import itertools
from collections.abc import Sequence
from dataclasses import replace

from sandbox.api import Running, Sandbox, Verdict
from sandbox.calibrate import time_factor
from sandbox.cases import CaseSet
from sandbox.guard import plain, solution, wire
from sandbox.judgement import WALL_EXTRA_S, WALL_FACTOR, Judgement, Solution, ended_early, solution_program

_STALL_S = 0.25
# A call that uses less than this part of a CPU sleeps or waits; it is not the machine that keeps it.
_IDLE_FRAC = 0.1
# Room in a frame for what is no answer: the text of an exception.
_FRAME_SLACK_BYTES = 8192


class _Timeout(Exception):
    """A call took more than its share. ``position`` says how many bytes were right before it."""

    position = 0


class _Answers:
    """The frames of one running solution, with a watch on calls that do not return."""

    def __init__(self, running: Running, limit: int, factor: float) -> None:
        self._running = running
        self._factor = factor
        self._frames = wire.Frames(limit=limit)
        self.ready: list[tuple[bytes, bytes]] = []

    async def chunk(self, limit: float | None) -> bytes:
        """Return the next bytes while a call of ``limit`` CPU seconds, of an ordinary machine, is under way.

        Raises:
            _Timeout: The call had its CPU seconds, or far more wall time than they need.
        """
        if limit is None:
            return await self._running.receive()
        limit *= self._factor
        loop = asyncio.get_running_loop()
        receiving = asyncio.ensure_future(self._running.receive())
        began, first_cpu = loop.time(), None
        try:
            while True:
                done, _ = await asyncio.wait((receiving,), timeout=_STALL_S)
                if done:
                    return receiving.result()
                used = await self._running.cpu_s()
                first_cpu = used if first_cpu is None else first_cpu
                if used - first_cpu > limit:
                    raise _Timeout(f"more than {limit:g} CPU seconds")
                wall = loop.time() - began
                if wall > limit and used - first_cpu < wall * _IDLE_FRAC:
                    raise _Timeout(f"waiting for more than {limit:g} s")
                if wall > limit * WALL_FACTOR + WALL_EXTRA_S:
                    raise _Timeout(f"no answer within {limit * WALL_FACTOR + WALL_EXTRA_S:g} s")
        finally:
            receiving.cancel()

    async def frame(self, limit: float | None) -> tuple[bytes, bytes] | None:
        """Return the next frame, None at the end of the stream."""
        while not self.ready:
            data = await self.chunk(limit)
            if not data:
                return None
            self.ready = self._frames.feed(data)
        return self.ready.pop(0)

    def push(self, data: bytes) -> None:
        """Take bytes that have been received but not yet judged."""
        self.ready += self._frames.feed(data)


class CaseRun:
    """One solution against one set of cases."""

    def __init__(self, sandbox: Sandbox, item: Solution, cases: CaseSet) -> None:
        self._sandbox = sandbox
        self._item = item
        self._cases = cases
        self._index = 0

    async def judge(self) -> Judgement:
        """Run the solution, a second time where a long answer must be seen whole."""
        judgement, closer = await self._attempt(full_from=None)
        if closer:  # a wrong answer that travelled as a digest: run again to see it whole
            judgement, _ = await self._attempt(full_from=self._index)
        return judgement

    async def _attempt(self, full_from: int | None) -> tuple[Judgement, bool]:
        """Judge once; also returns whether whole answers from ``self._index`` on could change the verdict."""
        options: dict[str, object] = {
            "entry_point": self._item.entry_point,
            "slow_calls": sorted(self._cases.slow_calls),
        }
        if full_from is not None:
            options["full_from"] = full_from
        running = await self._sandbox.start(solution_program(self._item, options, self._cases.payload))
        # Before a closer look, an honest driver sends long answers as digests: believe no longer frame.
        longest = plain.INLINE_BYTES if full_from is None else self._item.limits.result_bytes
        answers = _Answers(running, longest + _FRAME_SLACK_BYTES, time_factor(self._sandbox))
        self._index = 0
        verdict: Verdict | None = None
        detail = ""
        closer = False
        try:
            position = await self._match_bytes(answers)
            self._index = self._cases.index_at(position)
            verdict, detail, closer = await self._match_frames(answers)
        except _Timeout as error:
            verdict, detail = Verdict.TIMEOUT, f"call {self._index}: {error}"
        except (wire.FrameError, plain.NotPlain) as error:
            verdict, detail = Verdict.ERROR, f"broken answer: {error}"
        except BaseException:  # cancelled, or a fault of ours: nothing may go on running
            running.kill()
            await running.wait()
            raise
        if verdict is not Verdict.PASS:
            running.kill()
        result = await running.wait()
        if verdict is None:
            verdict, detail = ended_early(result)
        elif result.verdict is Verdict.SANDBOX_ERROR:
            verdict, detail = Verdict.SANDBOX_ERROR, result.detail
        elif verdict is not Verdict.PASS and result.verdict is Verdict.OUTPUT:
            verdict, detail = Verdict.OUTPUT, result.detail
        wrong_at = None if verdict is Verdict.PASS else self._index
        judgement = Judgement(
            verdict=verdict, result=result, detail=detail, index=wrong_at, answered=self._index
        )
        return judgement, closer and verdict is Verdict.WRONG and full_from is None

    async def _match_bytes(self, answers: _Answers) -> int:
        """Compare whole chunks; returns where the first byte differs and leaves the rest in ``answers``."""
        expected, position = self._cases.expected, 0
        while True:
            data = await answers.chunk(self._cases.limit_s(self._index))
            if data and expected.startswith(data, position):
                position += len(data)
                self._index = self._cases.index_at(position)
                continue
            # Go on frame by frame from the start of the frame that the difference lies in.
            start = self._cases.offsets[self._cases.index_at(position)]
            answers.push(expected[start:position] + data)
            return start

    async def _match_frames(self, answers: _Answers) -> tuple[Verdict | None, str, bool]:
        """Judge frame by frame; returns (verdict, detail, whether whole answers are needed)."""
        while (frame := await answers.frame(self._cases.limit_s(self._index))) is not None:
            kind, payload = frame
            if kind == solution.DONE and self._index == len(self._cases):
                return Verdict.PASS, "", False
            if kind == solution.LOAD_FAILURE:
                text = payload.decode("utf-8", "replace")
                verdict = Verdict.MEMORY if text.startswith("MemoryError") else Verdict.ERROR
                return verdict, f"loading: {text}", False
            if kind == solution.EXCEPTION:
                text = payload.decode("utf-8", "replace")
                verdict = Verdict.MEMORY if text.startswith("MemoryError") else Verdict.ERROR
                return verdict, f"call {self._index}: {text}", False
            if kind != solution.ANSWER or self._index >= len(self._cases):
                return Verdict.ERROR, "broken answer: an unexpected frame", False
            expected = self._cases.expected_frame(self._index)
            if wire.frame(kind, payload) != expected:
                hidden = payload[:1] == plain.DIGEST_MARK
                if hidden or not await self._accepts(payload, expected[wire.HEADER.size :]):
                    return Verdict.WRONG, f"call {self._index}: wrong answer", hidden
            self._index += 1
        return None, "", False

    async def _accepts(self, payload: bytes, expected: bytes) -> bool:
        if expected[:1] == plain.DIGEST_MARK and plain.seal(plain.decode(payload)) == expected:
            return True
        whole = await self._cases.whole(self._index, expected)
        if whole[:1] == plain.DIGEST_MARK:
            return False  # too long to be looked at, and its digest differs
        return self._cases.compare(self._index, plain.decode(payload), plain.decode(whole))


class SharedRun:
    """Several sets of cases behind one boundary, a fresh process each.

    It only looks for answers that are right to the byte, as those of a right solution nearly always are: one
    start then serves all sets. At the first difference it ends, and the sets from there on are judged one by
    one.
    """

    def __init__(self, sandbox: Sandbox, item: Solution, suites: Sequence[CaseSet]) -> None:
        self._sandbox = sandbox
        self._item = item
        self._suites = suites
        done, following = wire.frame(solution.DONE), wire.frame(solution.NEXT)
        self._expected = (done + following).join(cases.expected for cases in suites) + done
        lengths = [len(cases.expected) + len(done) + len(following) for cases in suites]
        self._starts = list(itertools.accumulate(lengths, initial=0))

    async def judge(self) -> list[Judgement]:
        """Return the judgements of the first sets, as far as this run can tell."""
        limits = self._item.limits
        num = len(self._suites)
        wide = replace(
            limits, wall_s=num * limits.wall_s, cpu_s=None if limits.cpu_s is None else num * limits.cpu_s
        )
        options = {
            "entry_point": self._item.entry_point,
            "suites": [len(cases.payload) for cases in self._suites],
            "slow_calls": [sorted(cases.slow_calls) for cases in self._suites],
        }
        payload = b"".join(cases.payload for cases in self._suites)
        item = replace(self._item, limits=wide)
        running = await self._sandbox.start(solution_program(item, options, payload))
        position, timeout = 0, ""
        try:
            answers = _Answers(running, limits.result_bytes, time_factor(self._sandbox))
            position = await self._match(answers)
        except _Timeout as error:
            position, timeout = error.position, str(error)
        finally:
            if position < len(self._expected):
                running.kill()
            result = await running.wait()
        suite = len(self._suites) if position == len(self._expected) else self._suite_at(position)
        out = [Judgement(verdict=Verdict.PASS, result=result) for _ in range(suite)]
        if timeout:
            index = self._suites[suite].index_at(position - self._starts[suite])
            detail = f"call {index}: {timeout}"
            out.append(Judgement(verdict=Verdict.TIMEOUT, result=result, detail=detail, index=index))
        # What the boundary used is told once; the other sets came with it.
        return [one if place == 0 else _free(one) for place, one in enumerate(out)]

    def _suite_at(self, position: int) -> int:
        """Return the suite that the byte at ``position`` belongs to."""
        return bisect.bisect_right(self._starts, position) - 1

    async def _match(self, answers: _Answers) -> int:
        """Return how many bytes are right."""
        position = 0
        while position < len(self._expected):
            suite = self._suite_at(position)
            cases = self._suites[suite]
            try:
                data = await answers.chunk(cases.limit_s(cases.index_at(position - self._starts[suite])))
            except _Timeout as error:
                error.position = position
                raise
            if not data or not self._expected.startswith(data, position):
                break
            position += len(data)
        return position


def _free(judgement: Judgement) -> Judgement:
    return replace(judgement, result=replace(judgement.result, wall_s=0.0, cpu_s=0.0))
