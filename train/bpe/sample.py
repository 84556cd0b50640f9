"""A sample of a corpus that is balanced by language, in two passes and a bounded memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from opencoder.errors import DataError, UserError
from train.bpe.documents import CHINESE, Text, find_files, read_texts
from train.tokens.bytelevel import without_surrogates

ALPHA = 0.3
"""Exponent over the sizes of the languages: 0.3 as in XLM-R (arXiv 1911.02116, section 3.1), where
multilingual BERT has 0.7. At 0 all languages get as much, at 1 they keep their shares."""
CHINESE_SHARE = 0.05
"""Least share of Chinese text where the corpus has it; the figure is ours."""
KEPT_BYTES = 256 << 10
"""Text of each language that is kept for the report of fertility."""
_LARGEST = 1 << 20
"""Bytes of one document that are used: no single file makes up a language."""


class Taken(msgspec.Struct, kw_only=True):
    """What was taken of one language, in documents and bytes of UTF-8.

    Attributes:
        documents: Documents of the corpus.
        bytes: Their bytes, of each document no more than a mebibyte.
        target: Bytes that were wanted.
        taken_documents: Documents of the sample.
        taken_bytes: Their bytes.
    """

    documents: int = 0
    bytes: int = 0
    target: int = 0
    taken_documents: int = 0
    taken_bytes: int = 0


@dataclass(kw_only=True, slots=True)
class Sample:
    """A sample of texts, drawn while it is read.

    Attributes:
        files: What is read.
        seed: Decides which documents are drawn.
        languages: What there is and what was taken, by language, the largest first.
        kept: Texts of the sample by language, up to :data:`KEPT_BYTES` each.
    """

    files: Sequence[Path]
    seed: int
    languages: dict[str, Taken]
    kept: dict[str, list[str]] = field(default_factory=dict)

    @property
    def target(self) -> int:
        """Bytes that were wanted of all languages."""
        return sum(taken.target for taken in self.languages.values())

    def texts(self) -> Iterator[Text]:
        """Yield the texts of the sample (the second pass).

        A document is drawn with the chance target / size of its language, from a hash of the seed and its
        number; nothing is drawn any more once the language has its target.
        """
        self.kept = {}
        for taken in self.languages.values():
            taken.taken_documents = taken.taken_bytes = 0
        kept: Counter[str] = Counter()
        for number, (language, whole) in enumerate(read_texts(self.files)):
            taken = self.languages[language]
            if taken.taken_bytes >= taken.target or not self._draws(number, taken):
                continue
            text, size = cut(whole, min(_LARGEST, taken.target - taken.taken_bytes))
            if not text:
                continue
            taken.taken_documents += 1
            taken.taken_bytes += size
            if kept[language] < KEPT_BYTES:
                part, part_size = cut(text, KEPT_BYTES - kept[language])
                self.kept.setdefault(language, []).append(part)
                kept[language] += max(part_size, 1)
            yield Text(language, text)

    def _draws(self, number: int, taken: Taken) -> bool:
        if taken.target >= taken.bytes:
            return True
        digest = hashlib.blake2b(f"{self.seed}:{number}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") * taken.bytes < taken.target << 64


def plan_sample(
    inputs: Sequence[Path],
    *,
    budget: int,
    alpha: float = ALPHA,
    chinese_share: float = CHINESE_SHARE,
    seed: int = 0,
) -> Sample:
    """Measure a corpus (the first pass) and decide how much of each language is taken.

    Args:
        inputs: Files and folders (see :func:`train.bpe.documents.find_files`).
        budget: Bytes of the sample.
        alpha: Exponent over the sizes of the languages.
        chinese_share: Least share of Chinese.
        seed: Decides which documents are drawn.

    Raises:
        DataError: There is no text.
        UserError: A setting is out of range.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"--alpha must be from 0 to 1, not {alpha}")
    if not 0 <= chinese_share < 1:
        raise UserError(f"--chinese-share must be from 0 to below 1, not {chinese_share}")
    files = find_files(inputs)
    found: dict[str, Taken] = {}
    for language, text in read_texts(files):
        taken = found.setdefault(language, Taken())
        taken.documents += 1
        taken.bytes += min(utf8_size(text), _LARGEST)
    if not found:
        raise DataError("there is no text in it", path=inputs[0] if inputs else None)
    for language, target in targets(
        {name: taken.bytes for name, taken in found.items()}, budget, alpha, chinese_share
    ).items():
        found[language].target = target
    ranked = sorted(found.items(), key=lambda item: (-item[1].bytes, item[0]))
    return Sample(files=files, seed=seed, languages=dict(ranked))


def targets(sizes: Mapping[str, int], budget: int, alpha: float, chinese_share: float) -> dict[str, int]:
    """Return the bytes to take of each language.

    Shares are proportional to ``size ** alpha``; what a language does not have goes to the others.

    Args:
        sizes: Bytes of each language.
        budget: Bytes of all.
        alpha: Exponent.
        chinese_share: Least share of :data:`~train.bpe.documents.CHINESE`.
    """
    shares = _fill(sizes, budget, alpha)
    least = min(sizes.get(CHINESE, 0), int(budget * chinese_share))
    if shares.get(CHINESE, 0) < least:
        others = {name: size for name, size in sizes.items() if name != CHINESE}
        shares = {**_fill(others, budget - least, alpha), CHINESE: least}
    return shares


def _fill(sizes: Mapping[str, int], budget: int, alpha: float) -> dict[str, int]:
    whole: dict[str, int] = {}
    while True:
        left = budget - sum(whole.values())
        weights = {name: size**alpha for name, size in sizes.items() if name not in whole}
        total = sum(weights.values())
        shares = {name: int(left * weight / total) for name, weight in weights.items()}
        full = {name: sizes[name] for name, share in shares.items() if share >= sizes[name]}
        if not full:
            return whole | shares
        whole |= full


def utf8_size(text: str) -> int:
    """Return the bytes of a text in UTF-8; a lone surrogate counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def cut(text: str, most: int) -> tuple[str, int]:
    """Return the start of a text of at most so many bytes of UTF-8, in whole characters, and its bytes."""
    if len(text) <= most and (size := utf8_size(text)) <= most:
        return text, size
    # A lone surrogate cannot be encoded; it becomes the replacement character, which has as many bytes.
    raw = without_surrogates(text[:most]).encode()[:most]
    part = raw.decode("utf-8", "ignore")
    return part, utf8_size(part)
