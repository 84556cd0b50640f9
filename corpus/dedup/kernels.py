"""Which inner loops run: compiled ones where numba is installed, else those of numpy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

from opencoder.log import logger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Kernels(Protocol):
    """The functions of ``kernels_numba`` and ``kernels_numpy``, which give equal results."""

    def hash_words(
        self, data: NDArray[np.uint8], word_byte: NDArray[np.bool_], width: int
    ) -> NDArray[np.uint32]:
        """Hash each run of ``width`` words."""
        ...

    def hash_characters(self, data: NDArray[np.uint8], width: int) -> NDArray[np.uint32]:
        """Hash each run of ``width`` characters."""
        ...

    def signature(
        self, hashes: NDArray[np.uint32], a: NDArray[np.uint32], b: NDArray[np.uint32]
    ) -> NDArray[np.uint32]:
        """Return the MinHash signature of a set of hashes."""
        ...

    def band_keys(self, lanes: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
        """Return one key for each band of a signature."""
        ...

    def join(self, parent: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        """Unite the trees at both ends of each edge."""
        ...


@functools.cache
def best_kernels() -> Kernels:
    """Return the quickest loops that this environment can run, and warn where those are the slow ones."""
    try:
        from corpus.dedup import kernels_numba
    # A numba that does not fit the installed numpy refuses with the same error as one that is not there.
    except ImportError as error:
        from corpus.dedup import kernels_numpy

        logger.warning("hashing goes at a tenth of its speed: %s; pip install 'opencoder[corpus]'", error)
        return kernels_numpy
    return kernels_numba
