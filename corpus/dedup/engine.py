"""Which units of a corpus go, and which one stays for each: exact copies, then near-duplicates.

1. Keys of all units to files; the best of each group of exact copies stays (``exact``).
2. Band keys of what is left, in threads, to files (``minhash``); clusters (``near``).
3. Of each cluster, the best stays, and what is not near enough to it where that is asked for (``verify``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from corpus.dedup.exact import find_copies_in
from corpus.dedup.keys import write_bands, write_keys
from corpus.dedup.near import Clusters, find_near_in
from corpus.dedup.verify import Dropped, settle
from opencoder.log import Progress, logger, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.levels import Units
    from corpus.dedup.minhash import BandHasher

_CHUNK = 64
"""Units that a thread takes at once."""
_BANDS = 1 << 15
"""Units of a file of band keys: 32 MiB for 128 bands."""
_KEYS = 1 << 20
"""Units of a file of keys."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was found, units by their numbers.

    Attributes:
        copy_of: For each unit the best of its exact copies, or itself.
        stays: For each unit the one that stays for it, or itself.
        near: What goes as a near-duplicate.
        clusters: The clusters before any comparison.
    """

    copy_of: NDArray[np.int64]
    stays: NDArray[np.int64]
    near: dict[int, Dropped]
    clusters: Clusters

    @property
    def num_copies(self) -> int:
        """Units that go as exact copies."""
        return int((self.copy_of != np.arange(self.copy_of.size)).sum())


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Finds the duplicates among units.

    Attributes:
        hasher: Makes band keys.
        shingles: Returns the shingle hashes of a unit.
        least: Least similarity of a near-duplicate to the unit that stays.
        folder: Where keys and what does not fit into memory go.
        memory_mb: Most memory of the database, in MiB.
        threads: Threads.
    """

    hasher: BandHasher
    shingles: Callable[[int], NDArray[np.uint32]]
    least: float
    folder: Path
    memory_mb: int
    threads: int

    def find(self, units: Units) -> Outcome:
        """Find them.

        Raises:
            UserError: The memory limit is too low.
            DependencyError: The disk is full.
        """
        files = self._write_keys(units)
        copies = self.folder / "copies.parquet"
        copy_of = find_copies_in(
            files, copies, folder=self.folder, memory_mb=self.memory_mb, threads=self.threads
        )
        unique = np.flatnonzero(copy_of == np.arange(copy_of.size))
        logger.info("%d exact copies", copy_of.size - unique.size)
        clusters = find_near_in(
            self._write_bands(unique),
            files,
            self.folder / "near.parquet",
            folder=self.folder,
            memory_mb=self.memory_mb,
            threads=self.threads,
        )
        near = self._settle(clusters)
        stays = np.arange(copy_of.size)
        for number, gone in near.items():
            stays[number] = gone.kept
        return Outcome(copy_of=copy_of, stays=stays[copy_of], near=near, clusters=clusters)

    def _write_keys(self, units: Units) -> list[Path]:
        files = []
        for first in range(0, len(units.ids), _KEYS):
            part = slice(first, first + _KEYS)
            files.append(self.folder / f"keys-{first}.parquet")
            write_keys(
                files[-1],
                first=first,
                digests=units.digests[32 * first : 32 * (first + _KEYS)],
                stars=units.stars[part],
                times=units.times[part],
                ids=units.ids[part],
            )
        return files

    def _write_bands(self, unique: NDArray[np.int64]) -> list[Path]:
        files = []
        with progress("hashing", unique.size) as shown:
            for first in range(0, unique.size, _BANDS):
                files.append(self.folder / f"bands-{first}.parquet")
                self._write_some_bands(files[-1], unique[first : first + _BANDS], shown)
        return files

    def _write_some_bands(self, path: Path, numbers: NDArray[np.int64], shown: Progress) -> None:
        keys = np.empty((numbers.size, self.hasher.profile.bands), np.uint64)
        found = np.zeros(numbers.size, np.bool_)

        def fill(first: int) -> int:
            end = min(first + _CHUNK, numbers.size)
            for at in range(first, end):
                mine = self.hasher.keys_of(self.shingles(int(numbers[at])))
                # Without shingles there are no keys that could be shared.
                if mine is not None:
                    found[at] = True
                    keys[at] = mine
            return end - first

        for done in self._in_threads(fill, range(0, numbers.size, _CHUNK)):
            shown.advance(done)
        write_bands(path, numbers[found], keys[found])

    def _settle(self, clusters: Clusters) -> dict[int, Dropped]:
        def one(members: NDArray[np.int64]) -> list[Dropped]:
            return settle(members.tolist(), self.shingles, least=self.least)

        near: dict[int, Dropped] = {}
        if not clusters.sizes.size:
            return near
        with progress("comparing", int(clusters.sizes.sum())) as shown:
            for size, part in zip(clusters.sizes.tolist(), self._in_threads(one, clusters), strict=True):
                near.update({gone.number: gone for gone in part})
                shown.advance(size)
        return near

    def _in_threads(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        if self.threads == 1:
            yield from map(work, items)
            return
        pool = ThreadPoolExecutor(self.threads)
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)
