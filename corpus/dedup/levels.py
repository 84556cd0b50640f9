"""What is compared with what: files, chunks of files or whole repositories.

The paper's ablation (arXiv:2411.04905, tables 9 and 13) compares deduplication of files, of repositories and
of chunks of 4096 tokens. All three run through one engine as *units*: a file; a chunk, here 4096 words (those
of ``corpus.dedup.shingles``, which need no tokenizer); a repository, which is the set of all its files.

Of a repository, the exact digest is over the sorted digests of its files, so that names and order do not
matter, and the shingles are those of all files together. The MinHash signature of such a union is the
lane-wise least of the signatures, so it can be had without the contents (``merge_signatures``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from corpus.dedup.shingles import word_starts
from corpus.dedup.spool import WHOLE
from opencoder.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.catalog import Catalog
    from corpus.dedup.spool import Spool

Level = Literal["file", "chunk", "repo"]

CHUNK_WORDS = 4096
"""Words of a chunk; the paper's chunks are as many tokens."""


@dataclass(slots=True)
class Units:
    """Units in the order of their ids; of the same ids, in that of their chunks.

    Attributes:
        ids: Of a file, its id; of a repository, its name; of a chunk, the file's id with ``#`` and its place.
        stars: Stars of the repository, the most that any of its files names.
        times: Commit time, the latest of its files.
        digests: SHA-256 of each, 32 bytes each, one after the other.
        parts: The documents of each, by their numbers, and which bytes of them.
    """

    ids: list[str] = field(default_factory=list)
    stars: list[int | None] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    digests: bytearray = field(default_factory=bytearray)
    parts: list[tuple[tuple[int, slice], ...]] = field(default_factory=list)


def make_units(level: Level, catalog: Catalog, spool: Spool) -> Units:
    """Return the units of a corpus.

    Raises:
        UserError: Repositories are asked for, and a document has none.
    """
    if level == "repo":
        return _repos(catalog)
    if level == "chunk":
        return _chunks(catalog, spool)
    return Units(
        ids=catalog.ids,
        stars=catalog.stars,
        times=catalog.times,
        digests=catalog.digests,
        parts=[((number, WHOLE),) for number in range(len(catalog.ids))],
    )


def chunks_of(content: bytes, num_words: int = CHUNK_WORDS) -> list[slice]:
    """Return the chunks of a document: each begins with a word and has so many, the last one the rest.

    Put together they are the document. One without words is one chunk.
    """
    cuts = word_starts(content)[num_words::num_words].tolist()
    return [slice(first, end) for first, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def keep_chunks(content: bytes, kept: Iterable[slice]) -> bytes:
    """Return what is left of a document of which some chunks go."""
    return b"".join(content[part] for part in kept)


def repo_digest(digests: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of a repository, given those of its files in any order."""
    return hashlib.sha256(b"".join(sorted(digests))).digest()


def merge_signatures(signatures: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Return the MinHash signature of the union of several files."""
    merged: NDArray[np.uint32] = np.minimum.reduce(np.asarray(signatures))
    return merged


def merge_shingles(parts: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Return the shingle hashes of several files together, distinct and in rising order."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def _chunks(catalog: Catalog, spool: Spool) -> Units:
    units = Units()
    for number, name in enumerate(catalog.ids):
        content = spool.read(catalog.places[number])
        chunks = chunks_of(content)
        # As many digits as the last one needs, so that text sorts as numbers do.
        digits = len(str(len(chunks) - 1))
        for place, part in enumerate(chunks):
            units.ids.append(f"{name}#{place:0{digits}}")
            units.stars.append(catalog.stars[number])
            units.times.append(catalog.times[number])
            units.digests += hashlib.sha256(content[part]).digest()
            units.parts.append(((number, part),))
    return units


def _repos(catalog: Catalog) -> Units:
    members: dict[str, list[int]] = {}
    for number, repo in enumerate(catalog.repos):
        if repo is None:
            raise UserError(
                f"--level repo needs a `repo` of every document; {catalog.ids[number]!r} has none"
            )
        members.setdefault(repo, []).append(number)
    units = Units()
    for repo in sorted(members):
        numbers = members[repo]
        units.ids.append(repo)
        units.stars.append(_most(catalog.stars, numbers))
        units.times.append(_most(catalog.times, numbers))
        units.digests += repo_digest(map(catalog.digest, numbers))
        units.parts.append(tuple((number, WHOLE) for number in numbers))
    return units


def _most(values: Sequence[int | None], numbers: Sequence[int]) -> int | None:
    return max((value for number in numbers if (value := values[number]) is not None), default=None)
