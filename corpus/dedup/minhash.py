"""MinHash signatures and the band keys that are kept of them.

The family of hash functions is ``affine32`` of datasketch 2.0: the 32-bit finaliser of MurmurHash3 once per
shingle hash, then ``a * h + b`` mod 2^32 with odd ``a``, and the least value of each lane. Parameters come
from numpy's ``RandomState(seed)`` in datasketch's order, so signatures are equal to its own bit for bit.

A signature of 2048 lanes is 8 KiB; what is kept of it is one 64-bit key per band, 128 bytes for 16 bands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from corpus.dedup.kernels import Kernels, best_kernels
from corpus.dedup.shingles import shingle_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from corpus.dedup.profiles import Profile

SEED = 1
"""Seed of the family, datasketch's default."""


def parameters(num_perm: int, seed: int = SEED) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the factors ``a`` (odd) and the addends ``b`` of ``num_perm`` lanes."""
    random = np.random.RandomState(seed)
    a = random.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, random.randint(0, 1 << 32, num_perm, dtype=np.uint32)


class BandHasher:
    """Turns the bytes of a file into its band keys. May be shared by threads.

    Args:
        profile: Shingles, lanes and bands.
        kernels: Inner loops; the best there are if not given.
        seed: Seed of the family of hash functions.
    """

    def __init__(self, profile: Profile, *, kernels: Kernels | None = None, seed: int = SEED) -> None:
        self.profile = profile
        self._kernels = kernels or best_kernels()
        lanes = profile.bands * profile.rows
        # Lanes that belong to no band (6 of stack's 256) are not worth computing.
        self._a, self._b = (values[:lanes].copy() for values in parameters(profile.num_perm, seed))

    def shingles(self, content: bytes | memoryview) -> NDArray[np.uint32]:
        """Return the hashes of the distinct shingles of a file (see ``corpus.dedup.shingles``)."""
        return shingle_hashes(content, self.profile.shingle, self._kernels)

    def signature(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the lanes that belong to bands; all ones for no hashes."""
        return self._kernels.signature(hashes, self._a, self._b)

    def keys(self, content: bytes | memoryview) -> NDArray[np.uint64] | None:
        """Return one key per band, or None for a file without shingles, which is like nothing else."""
        return self.keys_of(self.shingles(content))

    def keys_of(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint64] | None:
        """Return one key per band of a set of shingle hashes, or None for an empty one."""
        if not hashes.size:
            return None
        return self._kernels.band_keys(self.signature(hashes), self.profile.bands, self.profile.rows)
