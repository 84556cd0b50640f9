"""fastText over bands of labels; the score is the expected band."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from opencoder.errors import DataError, DependencyError, InfraError
from opencoder.files import reading_from, write_bytes
from synth.scorer.labels import HIGHEST, LOWEST, Label
from synth.scorer.tokens import VERSION, tokens, with_pairs

DIMENSIONS = 16
EPOCHS = 25
LEARNING_RATE = 0.2
MIN_COUNT = 3
"""Words and pairs that fewer training texts have are left out."""

MAX_VOCABULARY = 200_000
_BANDS = math.floor(HIGHEST) + 1
_END = "</s>"
_PREFIX = "__label__"
_BATCH = 256


class FastTextModel:
    """Scores texts by their words and pairs of words.

    Attributes:
        model: fastText's.
        num_words: In its vocabulary.
    """

    FILE: ClassVar[str] = "fasttext.bin"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, model: Any) -> None:
        self.model = model
        self.num_words = len(model.get_words())

    @classmethod
    def train(cls, labels: Sequence[Label], *, seed: int) -> Self:
        """Train on the labels, each rounded to a band from 0 to 5.

        fastText fills only the first tenth of its input matrix when it runs on one thread (a block per
        thread, of ten), and leaves the rest to what is in memory; on more threads it trains without locks.
        So pairs of words are words here, not hashed into buckets, and every word is given its first vector:
        then nothing is left unset, and one thread gives the same bytes for the same seed.

        Raises:
            DependencyError: fastText is not installed.
            InfraError: The training diverged.
        """
        fasttext = _fasttext()
        bags = [with_pairs(tokens(label.text)) for label in labels]
        words = _vocabulary(bags)
        known = set(words)
        lines = (
            " ".join([f"{_PREFIX}{math.floor(label.label + 0.5)}", *filter(known.__contains__, bag)])
            for label, bag in zip(labels, bags, strict=True)
        )
        with tempfile.TemporaryDirectory(prefix="opencoder-scorer-") as folder:
            texts, vectors = Path(folder) / "labels.txt", Path(folder) / "first.vec"
            write_bytes(texts, "".join(f"{line}\n" for line in lines).encode())
            write_bytes(vectors, "".join(_first_vectors([*words, _END], seed)).encode())
            try:
                model = fasttext.train_supervised(
                    input=str(texts),
                    pretrainedVectors=str(vectors),
                    dim=DIMENSIONS,
                    epoch=EPOCHS,
                    lr=LEARNING_RATE,
                    minCount=1,
                    thread=1,
                    seed=seed,
                    verbose=0,
                )
            except RuntimeError as error:
                raise InfraError(f"fastText's training diverged ({error}); try another --seed") from error
        return cls(model)

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score from 0 to 5 for each text: the mean of the bands, each by its probability."""
        scores: list[float] = []
        for low in range(0, len(texts), _BATCH):
            lines = [" ".join(with_pairs(tokens(text))) for text in texts[low : low + _BATCH]]
            for bands, shares in zip(*self.model.predict(lines, k=_BANDS), strict=True):
                scores.append(_expected(bands, shares.tolist()))
        return scores

    def save(self, folder: Path) -> str:
        """Write the model into a folder and return the name of its file."""
        self.model.save_model(str(folder / self.FILE))
        return self.FILE

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: It cannot be read or is broken.
            DependencyError: fastText is not installed.
        """
        path = folder / cls.FILE
        with reading_from(path), path.open("rb"):
            pass  # fastText's own message does not say why
        try:
            return cls(_fasttext().load_model(str(path)))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise DataError(f"broken model ({error}); train the scorer again", path=path) from error

    def facts(self) -> dict[str, float | str]:
        """Return what describes the model in ``scorer.json``."""
        return {"version": VERSION, "words": self.num_words, "dimensions": DIMENSIONS, "epochs": EPOCHS}


def _vocabulary(bags: Iterable[Sequence[str]]) -> list[str]:
    """Return the words of enough texts, the most frequent first, equal ones by name."""
    seen_by = Counter(word for bag in bags for word in set(bag))
    words = sorted(
        (word for word, num in seen_by.items() if num >= MIN_COUNT), key=lambda w: (-seen_by[w], w)
    )
    return words[:MAX_VOCABULARY]


def _first_vectors(words: Sequence[str], seed: int) -> Iterable[str]:
    """Yield the lines of a file of vectors: uniform, as large as those that fastText draws."""
    import numpy as np

    yield f"{len(words)} {DIMENSIONS}\n"
    drawn = np.random.default_rng(seed).uniform(-1 / DIMENSIONS, 1 / DIMENSIONS, (len(words), DIMENSIONS))
    for word, vector in zip(words, drawn.tolist(), strict=True):
        yield f"{word} {' '.join(f'{value:.6f}' for value in vector)}\n"


def _expected(bands: Sequence[str], shares: Sequence[float]) -> float:
    """Return the mean band; its parts do not quite add up to 1."""
    whole = math.fsum(shares)
    mean = math.fsum(
        int(band.removeprefix(_PREFIX)) * share for band, share in zip(bands, shares, strict=True)
    )
    return min(HIGHEST, max(LOWEST, mean / whole)) if whole else LOWEST


def _fasttext() -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise DependencyError("fastText is not installed", repair="pip install 'opencoder[synth]'") from error
    return fasttext
