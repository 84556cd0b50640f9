"""Writing token shards: whole files or none."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opencoder.errors import UserError
from opencoder.files import atomic
from opencoder.store import write_json
from train.tokens.format import SHARDS, Manifest, Shard

Dtype = Literal["uint16", "uint32"]

_FLUSH_BYTES = 4 << 20


def dtype_for(vocab: int) -> Dtype:
    """Return the narrowest format for ids below ``vocab``."""
    return "uint16" if vocab <= 1 << 16 else "uint32"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a folder of shards whole: its manifest is written when all shards are there."""
    write_json(folder / SHARDS, manifest)


class ShardWriter:
    """Writes the files of one shard, which appear when the block has ended well. Use as a context manager.

    The same documents give the same bytes. Memory does not grow with the tokens, only by 8 bytes for each
    document.

    Attributes:
        shard: What was written; there after the block.

    Args:
        folder: Where the files go; must exist.
        name: Of the files, without the ending.
        dtype: Format of a token.
        source: The file that the documents are from, for the manifest.
        masked: Each document comes with a mask (dialogues).
    """

    shard: Shard

    def __init__(self, folder: Path, name: str, *, dtype: Dtype, source: str, masked: bool = False) -> None:
        self._folder, self._name, self._source, self._masked = folder, name, source, masked
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._largest = np.iinfo(dtype).max
        self._ends: list[int] = []
        self._tokens = 0
        self._stack = ExitStack()
        self._files: dict[str, _Checked] = {}

    @property
    def tokens(self) -> int:
        """Tokens added so far."""
        return self._tokens

    def add(self, tokens: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Add a document.

        Args:
            tokens: Its ids, the ending one included; at least one.
            mask: 0 or 1 for each token; exactly where the shard is ``masked``.

        Raises:
            UserError: There are none, an id does not fit the format, or the mask is missing, too much or of
                another length.
        """
        ids = np.asarray(tokens)
        if not ids.size:
            raise UserError(f"{self._name}: a document without tokens; each has at least its end")
        if int(ids.max()) > self._largest or int(ids.min()) < 0:
            raise UserError(f"{self._name}: an id does not fit {self._dtype.name}; choose a wider format")
        if (mask is not None) != self._masked or (mask is not None and np.size(mask) != ids.size):
            raise UserError(f"{self._name}: mask and tokens differ in length, or one of them is missing")
        self._files["tokens"].write(ids.astype(self._dtype))
        if mask is not None:
            self._files["mask"].write(np.asarray(mask).astype(np.uint8))
        self._tokens += ids.size
        self._ends.append(self._tokens)

    def __enter__(self) -> Self:
        for ending in ("tokens", "ends", *(("mask",) if self._masked else ())):
            file = self._stack.enter_context(atomic(self._folder / f"{self._name}.{ending}"))
            self._files[ending] = _Checked(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._files["ends"].write(np.asarray(self._ends, dtype="<i8"))
            sums = {ending: file.finish() for ending, file in self._files.items()}
        self.shard = Shard(
            name=self._name,
            tokens=self._tokens,
            documents=len(self._ends),
            source=self._source,
            crc32=sums,
        )


class _Checked:
    """Gathers arrays into large writes and sums them up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: list[NDArray[Any]] = []
        self._bytes = 0
        self._sum = 0

    def write(self, array: NDArray[Any]) -> None:
        self._waiting.append(array)
        self._bytes += array.nbytes
        if self._bytes >= _FLUSH_BYTES:
            self._flush()

    def finish(self) -> int:
        """Write the rest and return the sum of all."""
        self._flush()
        return self._sum

    def _flush(self) -> None:
        data = _joined(self._waiting)
        self._sum = zlib.crc32(data, self._sum)
        self._file.write(data)
        self._waiting, self._bytes = [], 0


def _joined(arrays: Sequence[NDArray[Any]]) -> bytes:
    return b"".join(array.tobytes() for array in arrays)
