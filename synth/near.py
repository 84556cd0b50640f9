"""Texts that were seen before: equal words, or nearly so by MinHash (Broder, 1997), in little memory."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from opencoder.errors import DependencyError
from opencoder.place_index import PlaceIndex

NUM_PERM = 64
BANDS = 8
"""Of ``NUM_PERM / BANDS`` rows each: texts of similarity .8 share one with a chance of .77, of .9 of .99."""

SHINGLE = 3
"""Words in a shingle."""

MIN_WORDS = 8
"""Shorter texts have too few shingles to be called alike; they repeat if their words are equal."""

_WORD = re.compile(r"\w+|[^\w\s]")
_ID_BYTES = 32


class NearIndex:
    """Remembers texts, about 350 bytes each.

    Args:
        threshold: Least similarity of a repetition; 1 looks for equal words only.

    Raises:
        DependencyError: The package datasketch is missing.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._exact = PlaceIndex()
        self._bands = PlaceIndex(bits=32)  # a band that only begins alike is told by the signature
        self._ids = bytearray()
        self._signatures = bytearray()  # the low byte of each minimum: enough to estimate, a quarter to keep
        self._sketch = _sketcher() if threshold < 1 else None

    def add(self, text: str, row_id: str) -> str | None:
        """Remember a text, unless it repeats one.

        Args:
            text: The text.
            row_id: 64 hexadecimal digits.

        Returns:
            The id of the text that it repeats, or None.
        """
        words = _WORD.findall(text.lower())
        key = hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).hexdigest()
        for equal in self._exact.places(key):
            return self._id(equal)
        signature, bands = b"", list[str]()
        if self._sketch is not None and len(words) >= MIN_WORDS:
            signature, bands = self._sketch(words)
            if (place := self._nearest(signature, bands)) is not None:
                return self._id(place)
        self._keep(key, row_id, signature, bands)
        return None

    def _nearest(self, signature: bytes, bands: list[str]) -> int | None:
        """Return the most similar of the texts that share a band, if it is similar enough."""
        places = {place for band in bands for place in self._bands.places(band)}
        best = max(places, key=lambda place: (self._similarity(place, signature), -place), default=None)
        if best is not None and self._similarity(best, signature) >= self._threshold:
            return best
        return None

    def _similarity(self, place: int, signature: bytes) -> float:
        start = (place - 1) * NUM_PERM
        kept = self._signatures[start : start + NUM_PERM]
        share = sum(a == b for a, b in zip(kept, signature, strict=True)) / NUM_PERM
        return (share - 1 / 256) / (1 - 1 / 256)  # bytes of different minima are equal once in 256

    def _keep(self, key: str, row_id: str, signature: bytes, bands: list[str]) -> None:
        self._ids += bytes.fromhex(row_id)
        place = len(self._ids) // _ID_BYTES
        self._exact.add(key, place)
        if self._sketch is not None:
            self._signatures += signature or bytes(NUM_PERM)
            for band in bands:
                self._bands.add(band, place)

    def _id(self, place: int) -> str:
        return self._ids[(place - 1) * _ID_BYTES : place * _ID_BYTES].hex()


def _sketcher() -> Any:
    """Return what makes the low bytes and the band keys of words.

    Raises:
        DependencyError: The package datasketch is missing.
    """
    try:
        import numpy as np
        from datasketch import MinHash
    except ImportError as error:
        message = "near-duplicates need the packages datasketch and numpy"
        raise DependencyError(message, repair="pip install 'opencoder[synth]'") from error
    empty = MinHash(num_perm=NUM_PERM, seed=1)
    rows = NUM_PERM // BANDS

    def sketch(words: list[str]) -> tuple[bytes, list[str]]:
        shingles = {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}
        made = empty.copy()
        made.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in sorted(shingles)])
        values = np.asarray(made.hashvalues, dtype=np.uint64)
        low = (values & np.uint64(255)).astype(np.uint8).tobytes()
        keys = [
            hashlib.blake2b(bytes([band]) + values[band * rows : (band + 1) * rows].tobytes(), digest_size=8)
            for band in range(BANDS)
        ]
        return low, [key.hexdigest() for key in keys]

    return sketch
