"""Ridge regression over hashed character n-grams and the shape of lines."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from opencoder.errors import DataError
from opencoder.files import atomic, reading_from
from synth.scorer.features import LENGTHS, NUM_BUCKETS, SHAPES, VERSION, Batch, batches
from synth.scorer.labels import HIGHEST, LOWEST, Label, split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PENALTIES = (3.0, 1.0, 0.3)
"""Tried on a part of the training texts; the best by squared error is taken for all of them."""

_SHAPE_SCALE = 0.1
"""Against n-grams, whose vector has length 1 per text; a column of shapes has deviation 1 before this."""

_ARRAYS = ("weights", "rarity", "centre", "spread")
_CLIP = 4.0
_MAX_STEPS = 200
_TOLERANCE = 1e-3


class _Matrix(NamedTuple):
    """Texts by features: n-grams in compressed rows, shapes as they are."""

    starts: NDArray[np.int64]
    buckets: NDArray[np.int32]
    values: NDArray[np.float32]
    dense: NDArray[np.float32]
    num_buckets: int

    def times(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply with a weight per feature: a value per text."""
        import numpy as np

        out = np.empty(len(self.dense))
        for low, high in self._parts():
            begin, end = self.starts[low], self.starts[high]
            terms = self.values[begin:end] * weights[self.buckets[begin:end]]
            out[low:high] = np.add.reduceat(terms, self.starts[low:high] - begin)
        return out + _product(self.dense, weights[self.num_buckets :])

    def transposed(self, residual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply the transposed matrix with a value per text: a value per feature."""
        import numpy as np

        out = np.zeros(self.num_buckets)
        for low, high in self._parts():
            begin, end = self.starts[low], self.starts[high]
            repeated = np.repeat(residual[low:high], np.diff(self.starts[low : high + 1]))
            out += np.bincount(self.buckets[begin:end], self.values[begin:end] * repeated, self.num_buckets)
        return np.concatenate([out, _product(self.dense.T, residual)])

    def _parts(self, size: int = 2048) -> list[tuple[int, int]]:
        num = len(self.dense)
        return [(low, min(low + size, num)) for low in range(0, num, size)]


class NgramModel:
    """Scores texts by hashed n-grams and the shape of their lines.

    Attributes:
        weights: Per bucket, then per shape and its square.
        rarity: Inverse document frequency per bucket; 0 for what fewer than two texts have.
        centre: Mean of each shape.
        spread: Deviation of each shape.
        intercept: Mean label.
        penalty: Of the ridge.
    """

    FILE: ClassVar[str] = "ngram.npz"
    VERSION: ClassVar[int] = VERSION

    def __init__(
        self,
        *,
        weights: NDArray[np.float32],
        rarity: NDArray[np.float32],
        centre: NDArray[np.float32],
        spread: NDArray[np.float32],
        intercept: float,
        penalty: float,
    ) -> None:
        self.weights = weights
        self.rarity = rarity
        self.centre = centre
        self.spread = spread
        self.intercept = intercept
        self.penalty = penalty

    @classmethod
    def train(cls, labels: Sequence[Label], *, seed: int) -> Self:
        """Fit the ridge, with the penalty that does best on a fifth of the labels.

        Memory: about 80 bytes per byte of text that is looked at (measured).

        Raises:
            UserError: The labels cannot be split in two.
        """
        fit, check = split(labels, held_out=0.2, seed=seed + 1)
        texts, targets = [label.text for label in check], [label.label for label in check]

        def error(model: Self) -> float:
            pairs = zip(model.score(texts), targets, strict=True)
            return sum((score - target) ** 2 for score, target in pairs)

        best = min(cls._fit(fit, PENALTIES), key=error)
        return cls._fit(labels, [best.penalty])[0]

    @classmethod
    def _fit(cls, labels: Sequence[Label], penalties: Sequence[float]) -> list[Self]:
        """Fit one model for each penalty."""
        import numpy as np

        parts = list(batches([label.text for label in labels]))
        seen_by = np.zeros(NUM_BUCKETS, np.int64)
        for part in parts:
            seen_by += np.bincount(part.buckets, minlength=NUM_BUCKETS)
        rarity = np.where(seen_by > 1, np.log((1 + len(labels)) / (1 + seen_by)) + 1, 0).astype(np.float32)
        shapes = np.concatenate([part.shapes for part in parts])
        centre, spread = shapes.mean(axis=0), shapes.std(axis=0)
        spread = np.where(spread > 0, spread, 1).astype(np.float32)
        matrix = _matrix(parts, rarity, centre, spread)
        target = np.array([label.label for label in labels])
        mean = float(target.mean())
        # Most buckets are empty; solved is for the others alone.
        columns = np.flatnonzero(rarity > 0)
        place = (np.cumsum(rarity > 0) - 1).astype(np.int32)
        matrix = matrix._replace(buckets=place[matrix.buckets], num_buckets=len(columns))
        columns = np.concatenate([columns, NUM_BUCKETS + np.arange(2 * len(SHAPES))])
        models, solution = [], np.zeros(len(columns))
        for penalty in penalties:
            solution = _ridge(matrix, target - mean, penalty, solution)
            weights = np.zeros(NUM_BUCKETS + 2 * len(SHAPES), np.float32)
            weights[columns] = solution
            model = cls(
                weights=weights,
                rarity=rarity,
                centre=centre,
                spread=spread,
                intercept=mean,
                penalty=penalty,
            )
            models.append(model)
        return models

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text."""
        import numpy as np

        scores: list[float] = []
        weights = self.weights.astype(np.float64)
        for batch in batches(texts):
            matrix = _matrix([batch], self.rarity, self.centre, self.spread)
            found = matrix.times(weights) + self.intercept
            scores += np.clip(found, LOWEST, HIGHEST).tolist()
        return scores

    def save(self, folder: Path) -> str:
        """Write the model into a folder and return the name of its file."""
        import numpy as np

        with atomic(folder / self.FILE) as file:
            np.savez(
                file,
                weights=self.weights,
                rarity=self.rarity,
                centre=self.centre,
                spread=self.spread,
                scalars=np.array([self.intercept, self.penalty]),
            )
        return self.FILE

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: It cannot be read or is broken.
        """
        import numpy as np

        path = folder / cls.FILE
        try:
            with reading_from(path), path.open("rb") as opened:
                file = np.load(opened, allow_pickle=False)
                arrays = {name: file[name] for name in (*_ARRAYS, "scalars")}
            intercept, penalty = arrays.pop("scalars").tolist()
            model = cls(**arrays, intercept=intercept, penalty=penalty)
        except (ValueError, TypeError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"broken model ({error}); train the scorer again", path=path) from error
        expected = (NUM_BUCKETS + 2 * len(SHAPES), NUM_BUCKETS, len(SHAPES), len(SHAPES))
        if (model.weights.size, model.rarity.size, model.centre.size, model.spread.size) != expected:
            raise DataError("the model has other sizes than its features; train it again", path=path)
        return model

    def facts(self) -> dict[str, float | str]:
        """Return what describes the model in ``scorer.json``."""
        return {
            "version": VERSION,
            "lengths": "-".join(map(str, LENGTHS)),
            "buckets": NUM_BUCKETS,
            "shapes": len(SHAPES),
            "penalty": self.penalty,
        }


def _matrix(
    parts: Sequence[Batch],
    rarity: NDArray[np.float32],
    centre: NDArray[np.float32],
    spread: NDArray[np.float32],
) -> _Matrix:
    """Weigh n-grams (logarithm of the count by rarity, length 1 per text) and standardise shapes."""
    import numpy as np

    # No row ends up empty: all texts share the grams of the gap between them.
    known = [rarity[part.buckets] > 0 for part in parts]
    sizes = np.concatenate(
        [
            np.add.reduceat(here, part.starts[:-1], dtype=np.int64)
            for here, part in zip(known, parts, strict=True)
        ]
    )
    starts = np.concatenate([[0], np.cumsum(sizes)])
    buckets = np.concatenate([part.buckets[here] for here, part in zip(known, parts, strict=True)])
    counts = np.concatenate([part.counts[here] for here, part in zip(known, parts, strict=True)])
    values = (1 + np.log(counts)) * rarity[buckets]
    lengths = np.sqrt(np.add.reduceat(values * values, starts[:-1]))
    values /= np.repeat(np.maximum(lengths, 1e-9), sizes)
    shapes = np.concatenate([part.shapes for part in parts])
    level = np.clip((shapes - centre) / spread, -_CLIP, _CLIP)
    dense = np.concatenate([level, level * level - 1], axis=1) * np.float32(_SHAPE_SCALE)
    return _Matrix(starts, buckets, values, dense, NUM_BUCKETS)


def _ridge(
    matrix: _Matrix, target: NDArray[np.float64], penalty: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise the squared error plus ``penalty`` times the squared weights, by conjugate gradients."""

    def normal(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return matrix.transposed(matrix.times(vector)) + penalty * vector

    return _conjugate_gradients(normal, matrix.transposed(target), start)


def _conjugate_gradients(
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    right: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve ``apply(x) = right`` for a symmetric positive definite ``apply``, from a first guess."""
    import numpy as np

    solution = start.copy()
    residual = right - apply(start)
    direction = residual.copy()
    size = float(np.sum(residual * residual))
    enough = float(np.sum(right * right)) * _TOLERANCE**2
    for _ in range(_MAX_STEPS):
        if size <= enough:
            break
        image = apply(direction)
        step = size / float(np.sum(direction * image))
        solution += step * direction
        residual -= step * image
        before, size = size, float(np.sum(residual * residual))
        direction = residual + (size / before) * direction
    return solution


def _product(matrix: NDArray[np.float32], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply without BLAS, whose sums differ with the number of threads."""
    import numpy as np

    out: NDArray[np.float64] = np.einsum("ij,j->i", matrix, vector)
    return out
