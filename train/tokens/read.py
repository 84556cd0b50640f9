"""Reading token shards: memory maps over all files of a folder, and where each document lies in them."""

from __future__ import annotations

import mmap
import resource
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import DataError, UserError
from opencoder.files import crc32_file, reading_from, sha256_file
from opencoder.store import read_json
from train.tokens.format import SCHEMA, SHARDS, Manifest, Shard

Ints: TypeAlias = NDArray[np.int64]

_SPARE_FILES = 256


class Places(NamedTuple):
    """Where documents, or parts of them, lie in the shards: ``(n,)`` each.

    Attributes:
        shard: Number of the shard.
        start: First token in the shard.
        length: Tokens.
    """

    shard: Ints
    start: Ints
    length: Ints


class TokenShards:
    """The shards of a folder as one list of documents, numbered from 0 in the order of the manifest.

    Files are memory-mapped: processes of one machine share them, and what is read stays in the page cache.
    Opening reads one page of each file of ends, nothing else. Each file needs a descriptor; the soft limit of
    the process is raised where that is allowed.

    Attributes:
        folder: The folder.
        manifest: What it holds.
        views: Tokens of each shard, ``(tokens,)`` of uint16 or uint32, read-only.

    Raises:
        DataError: The manifest is missing or of another version; a file is missing, cut, or of another size
            than the manifest says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / SHARDS).is_file():
            raise DataError(
                f"no {SHARDS}: not token shards, or not finished; run `opencoder train tokenize` to its end",
                path=folder,
            )
        self.manifest = read_json(folder / SHARDS, Manifest)
        if self.manifest.schema != SCHEMA:
            raise DataError(f"schema {self.manifest.schema}, not {SCHEMA}", path=folder / SHARDS)
        shards = self.manifest.shards
        _allow_files(3 * len(shards))
        self.views: list[NDArray[Any]] = [self._map(shard, "tokens", shard.tokens) for shard in shards]
        self._ends: list[Ints] = [self._map(shard, "ends", shard.documents) for shard in shards]
        masked = self.manifest.kind == "dialogues"
        self._masks = [self._map(shard, "mask", shard.tokens) for shard in shards] if masked else []
        for shard, ends in zip(shards, self._ends, strict=True):
            if (int(ends[-1]) if ends.size else 0) != shard.tokens:
                raise self._damaged(shard, "ends", "its last document does not end with the tokens")
        self._first = np.concatenate(([0], np.cumsum([shard.documents for shard in shards]))).astype(np.int64)

    @property
    def tokens(self) -> int:
        """Tokens of all shards."""
        return self.manifest.tokens

    @property
    def documents(self) -> int:
        """Documents of all shards."""
        return int(self._first[-1])

    def locate(self, documents: Ints) -> Places:
        """Return where documents lie.

        Args:
            documents: Global numbers, ``(n,)``, in any order.
        """
        shard = self._first.searchsorted(documents, "right") - 1
        place = documents - self._first[shard]
        start, stop = np.empty_like(place), np.empty_like(place)
        order = np.argsort(shard, kind="stable") if len(self._ends) > 1 else np.arange(shard.size)
        borders = np.flatnonzero(np.diff(shard[order])) + 1
        for group in np.split(order, borders) if order.size else ():
            ends, inside = self._ends[int(shard[group[0]])], place[group]
            stop[group] = ends[inside]
            # The document before the first one ends at 0.
            start[group] = np.where(inside > 0, ends[inside - 1], 0)
        return Places(shard, start, stop - start)

    def document(self, number: int) -> NDArray[Any]:
        """Return the tokens of a document, a view of the map.

        Raises:
            IndexError: There is no such document.
        """
        shard, span = self._span(number)
        return self.views[shard][span]

    def mask(self, number: int) -> NDArray[np.uint8]:
        """Return the mask of a dialogue (see ``format``), a view of the map.

        Raises:
            IndexError: There is no such dialogue.
            DataError: The folder holds documents, which have none.
        """
        if not self._masks:
            raise DataError("holds documents, not dialogues; there are no masks", path=self.folder)
        shard, span = self._span(number)
        mask: NDArray[np.uint8] = self._masks[shard][span]
        return mask

    def verify(self) -> None:
        """Read every file and compare its CRC-32 with the manifest.

        Raises:
            DataError: A file is damaged; the message names it.
        """
        for shard in self.manifest.shards:
            for ending, expected in shard.crc32.items():
                if crc32_file(self.folder / f"{shard.name}.{ending}") != expected:
                    raise self._damaged(shard, ending, "its bytes are not those that were written")

    def check_tokenizer(self, tokenizer: Path) -> None:
        """Refuse a tokenizer that did not make these shards.

        Args:
            tokenizer: Folder with ``tokenizer.json``.

        Raises:
            UserError: It is another one.
            DataError: There is no ``tokenizer.json``.
        """
        check_tokenizer(self.folder, self.manifest, tokenizer)

    def _span(self, number: int) -> tuple[int, slice]:
        if not 0 <= number < self.documents:
            raise IndexError(f"{self.folder} has no document {number}")
        shard = int(self._first.searchsorted(number, "right")) - 1
        ends, place = self._ends[shard], number - int(self._first[shard])
        return shard, slice(int(ends[place - 1]) if place else 0, int(ends[place]))

    def _map(self, shard: Shard, ending: str, items: int) -> NDArray[Any]:
        kinds = {
            "tokens": np.dtype(self.manifest.dtype),
            "ends": np.dtype(np.int64),
            "mask": np.dtype(np.uint8),
        }
        kind = kinds[ending].newbyteorder("<")
        path = self.folder / f"{shard.name}.{ending}"
        with reading_from(path), path.open("rb") as file:
            size = file.seek(0, 2)
            if size != items * kind.itemsize:
                what = "cut" if size < items * kind.itemsize else "too long"
                raise self._damaged(shard, ending, f"it is {what}: {size} bytes, not {items * kind.itemsize}")
            # A plain array over the map: slices of np.memmap cost several times as much.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        return np.frombuffer(data, dtype=kind)

    def _damaged(self, shard: Shard, ending: str, why: str) -> DataError:
        return DataError(
            f"the shard is damaged: {why}; copy it again, or tokenize again with --no-resume",
            path=self.folder / f"{shard.name}.{ending}",
        )


def check_tokenizer(folder: Path, manifest: Manifest, tokenizer: Path) -> None:
    """Refuse a tokenizer that did not make a folder's shards (see :meth:`TokenShards.check_tokenizer`)."""
    found = sha256_file(tokenizer / "tokenizer.json")
    if found != manifest.tokenizer.sha256:
        raise UserError(
            f"the token shards in {folder} were made with another tokenizer than {tokenizer} "
            f"(sha256 {manifest.tokenizer.sha256[:12]}, not {found[:12]}); give --tokenizer that one, or "
            "tokenize again"
        )


def _allow_files(num: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = num + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
