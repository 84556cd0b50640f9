"""Inputs and expected answers of a solution, in the form that is compared as bytes.

The driver in the sandbox answers with frames (``sandbox.guard.solution``). A :class:`CaseSet` holds the very
bytes that right answers produce, so that a chunk of thousands of answers is judged by one comparison; only an
answer whose bytes differ is decoded and given to ``compare``.
"""

from __future__ import annotations

import bisect
import marshal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sandbox.guard import plain, wire
from sandbox.guard.solution import ANSWER

Compare = Callable[[int, object, object], bool]
"""``compare(index, answer, expected)``: whether an answer that differs in bytes is right all the same."""


def encode_inputs(inputs: Iterable[Sequence[object]]) -> bytes:
    """Return the payload of a solution: the argument list of each call, each behind its length."""
    parts: list[bytes] = []
    for arguments in inputs:
        data = marshal.dumps(list(arguments), plain.VERSION)
        parts += (len(data).to_bytes(4, "little"), data)
    return b"".join(parts)


def answer_frame(value: object) -> bytes:
    """Return the frame of a right answer; a long one travels as a digest."""
    return wire.frame(ANSWER, plain.seal(value))


def exactly_equal(left: object, right: object) -> bool:
    """Compare plain values by exact type as well as by value (NaN equals NaN, True is not 1)."""
    return plain.encode(_ordered(left)) == plain.encode(_ordered(right))


def _ordered(value: object) -> object:
    """Give sets and dicts an order that depends on their content only."""
    if isinstance(value, (list, tuple)):
        return type(value)(_ordered(item) for item in value)
    if isinstance(value, (set, frozenset)):
        return ("set", type(value).__name__, sorted(plain.encode(_ordered(item)) for item in value))
    if isinstance(value, dict):
        pairs = ((plain.encode(_ordered(k)), plain.encode(_ordered(v))) for k, v in value.items())
        return ("dict", sorted(pairs))
    return value


@dataclass(frozen=True, slots=True)
class CaseSet:
    """Inputs with expected answers.

    Args:
        payload: The inputs (see :func:`encode_inputs`).
        expected: The frames of the right answers, one after the other.
        offsets: Where each frame starts in ``expected``; one more entry for the end.
        compare: Decides on an answer whose bytes differ.
        call_limit_s: CPU seconds that each call may take; None for no limit per call.
        slow_calls: Other limits for single calls, by index.
        fetch: Gets the encoding of an answer of which only the digest is kept.
    """

    payload: bytes
    expected: bytes
    offsets: Sequence[int]
    compare: Compare
    call_limit_s: float | None = None
    slow_calls: dict[int, float] = field(default_factory=dict)
    fetch: Callable[[int], Awaitable[bytes]] | None = None

    async def whole(self, index: int, expected: bytes) -> bytes:
        """Return the encoding of the right answer ``index`` when only its digest is kept."""
        if expected[:1] != plain.DIGEST_MARK:
            return expected
        if self.fetch is None:
            raise LookupError(f"the right answer {index} is kept as a digest only")
        return await self.fetch(index)

    @classmethod
    def of(
        cls, inputs: Sequence[Sequence[object]], expected: Sequence[object], *, compare: Compare | None = None
    ) -> CaseSet:
        """Build a set from values; answers must be exactly equal unless ``compare`` says otherwise."""
        frames = [answer_frame(value) for value in expected]
        offsets = [0]
        for frame in frames:
            offsets.append(offsets[-1] + len(frame))
        encoded = [plain.encode(value) for value in expected]

        async def fetch(index: int) -> bytes:
            return encoded[index]

        return cls(
            encode_inputs(inputs),
            b"".join(frames),
            offsets,
            compare or (lambda _, answer, right: exactly_equal(answer, right)),
            fetch=fetch,
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def index_at(self, position: int) -> int:
        """Return the index of the answer that the byte at ``position`` belongs to."""
        return bisect.bisect_right(self.offsets, position) - 1

    def expected_frame(self, index: int) -> bytes:
        """Return the frame of the right answer ``index``."""
        return self.expected[self.offsets[index] : self.offsets[index + 1]]

    def limit_s(self, index: int) -> float | None:
        """Return the CPU seconds that call ``index`` may take."""
        return self.slow_calls.get(index, self.call_limit_s)
