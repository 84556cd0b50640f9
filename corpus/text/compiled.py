"""Inner loops over characters: compiled by numba, or run as the Python that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opencoder.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable


def _compiler() -> Callable[[Any], Any]:
    try:
        import numba
    # A numba that does not fit the installed numpy refuses with the same error as one that is not there.
    except ImportError as error:
        logger.warning("signals go at a hundredth of their speed: %s; pip install 'opencoder[corpus]'", error)
        return lambda function: function
    compiler: Callable[[Any], Any] = numba.njit(nogil=True, cache=True)
    return compiler


compiled = _compiler()
"""Decorator of a loop. Its Python form is ``py_func``, which tests hold to equal results."""
