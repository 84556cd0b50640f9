"""Runs of ten words that a text shares with held-out texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opencoder.errors import DependencyError
from synth.decontam.words import is_content

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTH = 10
"""Words of a gram (paper, section 4: 10-gram overlap with test sets)."""

LEAST_CONTENT = 2
"""A gram with fewer different words of content says nothing: ``for i in range 0 n for j in range``.

Of the MBPP and HumanEval solutions with their function renamed, grams with at least 0, 1, 2 and 3 such words
find 88, 79, 68 and 59 %; of 1,140 BigCodeBench tasks they hit 51, 0, 0 and 0.
"""

LARGEST_SHARE = 3
"""A gram of more tasks than that is the form of a benchmark and not the content of a task."""

_SEED = 0x9E3779B97F4A7C15


class Run(NamedTuple):
    """Words ``start`` to ``end`` (exclusive) of a searched text are those of held-out text ``text``."""

    text: int
    start: int
    end: int


class GramIndex:
    """The grams of held-out texts.

    A gram is found by a 64-bit hash and then compared word by word. The index takes about 20 bytes a gram.

    Args:
        texts: The words of each text.
        tasks: The task ids of each text: one task may be in several benchmarks, with several texts.
        plain: Count every gram, as the paper does. Otherwise grams of numbers and common words
            (:data:`LEAST_CONTENT`) and those of many tasks (:data:`LARGEST_SHARE`) are left out.

    Attributes:
        silent: Numbers of the texts without a gram that counts.
    """

    def __init__(
        self, texts: Sequence[Sequence[str]], tasks: Sequence[Iterable[str]], *, plain: bool
    ) -> None:
        np = self._np = _numpy()
        self._numbers: dict[str, int] = {}
        stream = [self._numbers.setdefault(word, len(self._numbers) + 1) for text in texts for word in text]
        self._stream = np.array(stream, dtype=np.int32)
        self._mixed = _scatter(np, len(self._numbers) + 1)
        owners, places = self._grams_of(texts)
        keys = self._hashes(self._stream)[places] if len(places) else np.zeros(0, dtype=np.uint64)
        if not plain and len(places):
            counts = self._has_content(places) & self._is_rare(keys, owners, tasks)
            owners, places, keys = owners[counts], places[counts], keys[counts]
        order = np.argsort(keys, kind="stable")
        self._owners, self._places = owners[order], places[order].astype(np.int32)
        self._keys = keys[order]
        self.silent = sorted(set(range(len(texts))) - set(self._owners.tolist()))

    def find(self, words: Sequence[str]) -> list[Run]:
        """Return the longest run that a text shares with each held-out text."""
        get = self._numbers.get
        numbers = [get(word, 0) for word in words]
        hits = list(self._hits(numbers))
        longest: dict[int, Run] = {}
        growing: dict[int, Run] = {}
        for text, start in hits:
            run = growing.get(text)
            begin = run.start if run and run.end == start + LENGTH - 1 else start
            growing[text] = run = Run(text, begin, start + LENGTH)
            known = longest.get(text)
            if known is None or run.end - run.start > known.end - known.start:
                longest[text] = run
        return list(longest.values())

    def _hits(self, numbers: list[int]) -> Iterator[tuple[int, int]]:
        """Yield ``(text, start)`` of each gram of the searched words that a text has, by rising start."""
        np = self._np
        if len(numbers) < LENGTH or not len(self._keys):
            return
        stream = np.array(numbers, dtype=np.int32)
        gaps = np.concatenate(([0], np.cumsum(stream == 0)))
        starts = np.flatnonzero(gaps[LENGTH:] == gaps[:-LENGTH])
        if not len(starts):
            return
        keys = self._hashes(stream)[starts]
        left = np.searchsorted(self._keys, keys)
        found = self._keys[np.minimum(left, len(self._keys) - 1)] == keys
        right = np.searchsorted(self._keys, keys[found], side="right")
        for start, first, last in zip(
            starts[found].tolist(), left[found].tolist(), right.tolist(), strict=True
        ):
            wanted = numbers[start : start + LENGTH]
            texts = {
                int(self._owners[at])
                for at in range(first, last)
                if self._stream[self._places[at] : self._places[at] + LENGTH].tolist() == wanted
            }
            for text in sorted(texts):
                yield text, start

    def _hashes(self, stream: NDArray[np.int32]) -> NDArray[np.uint64]:
        np = self._np
        mixed = self._mixed[stream]
        size = len(stream) - LENGTH + 1
        total: NDArray[Any] = np.zeros(max(size, 0), dtype=np.uint64)
        factor = _SEED
        for offset in range(LENGTH):
            total += mixed[offset : offset + size] * np.uint64(factor)
            factor = factor * _SEED % 2**64
        return total

    def _grams_of(self, texts: Sequence[Sequence[str]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the text and the place in the stream of each gram."""
        np = self._np
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        begins = np.concatenate(([0], np.cumsum(lengths)))[:-1]
        grams = np.maximum(lengths - LENGTH + 1, 0)
        owners = np.repeat(np.arange(len(texts), dtype=np.int32), grams)
        within = np.arange(int(grams.sum())) - np.repeat(np.cumsum(grams) - grams, grams)
        return owners, np.repeat(begins, grams) + within

    def _has_content(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        np = self._np
        content = np.array([False, *map(is_content, self._numbers)])
        kept = np.where(content[self._stream], self._stream, 0)
        windows = np.sort(np.lib.stride_tricks.sliding_window_view(kept, LENGTH)[places], axis=1)
        fresh = (np.diff(windows, axis=1) != 0) & (windows[:, 1:] != 0)
        enough: NDArray[Any] = fresh.sum(axis=1) + (windows[:, 0] != 0) >= LEAST_CONTENT
        return enough

    def _is_rare(
        self, keys: NDArray[np.uint64], owners: NDArray[np.int32], tasks: Sequence[Iterable[str]]
    ) -> NDArray[np.bool_]:
        np = self._np
        numbers: dict[str, int] = {}
        first = [min((numbers.setdefault(task, len(numbers)) for task in held), default=-1) for held in tasks]
        task_of = np.array(first, dtype=np.int64)[owners]
        order = np.lexsort((task_of, keys))
        keys_in_order, tasks_in_order = keys[order], task_of[order]
        new_key = np.concatenate(([True], keys_in_order[1:] != keys_in_order[:-1]))
        new_pair = new_key | np.concatenate(([True], tasks_in_order[1:] != tasks_in_order[:-1]))
        group = np.cumsum(new_key) - 1
        shares = np.bincount(group, weights=new_pair)[group]
        rare: NDArray[Any] = np.empty(len(keys), dtype=np.bool_)
        rare[order] = shares <= LARGEST_SHARE
        return rare


def _scatter(np: Any, size: int) -> NDArray[np.uint64]:
    """Return ``size`` well mixed 64-bit numbers, the same in every process (SplitMix64)."""
    value = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(_SEED)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise DependencyError(
            "decontamination needs numpy", repair="pip install 'opencoder[synth]'"
        ) from error
    return np


class PhraseIndex:
    """Whole short texts, found by their rarest word and then compared.

    Args:
        texts: The words of each text, by its number.
    """

    def __init__(self, texts: Mapping[int, Sequence[str]]) -> None:
        counts: dict[str, int] = {}
        for text in texts.values():
            for word in set(text):
                counts[word] = counts.get(word, 0) + 1
        self._by_word: dict[str, list[tuple[int, str, int]]] = {}
        for number, text in texts.items():
            anchor = min(text, key=lambda word: (counts[word], -len(word), word))
            entry = (number, f" {' '.join(text)} ", len(text))
            self._by_word.setdefault(anchor, []).append(entry)

    def find(self, words: Sequence[str]) -> list[Run]:
        """Return the texts that the words hold whole."""
        anchors = self._by_word.keys() & set(words)
        if not anchors:
            return []
        joined = f" {' '.join(words)} "
        runs: list[Run] = []
        for anchor in sorted(anchors):
            for number, phrase, length in self._by_word[anchor]:
                if (at := joined.find(phrase)) >= 0:
                    start = joined.count(" ", 0, at)
                    runs.append(Run(number, start, start + length))
        return runs
