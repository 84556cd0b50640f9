"""Which failures of a server are worth another try, and when."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

RETRYABLE_STATUS = frozenset({408, 409, 425, 429})
"""Client errors that pass; every 5xx is worth another try as well."""

OVERLOAD_STATUS = frozenset({429, 503})
"""The server has too many calls; others are slowed down too."""

MAX_RETRY_AFTER_S = 300.0
"""A server that asks for more patience than this is asked again after this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is repeated.

    Attributes:
        retries: Repetitions after the first call.
        base_s: Pause before the first repetition; each later one is twice as long.
        cap_s: The longest pause that is not asked for by the server.
        patience_s: How long a server may fail every call before failures count (see ``Breaker``); 0 for not.
    """

    retries: int = 6
    base_s: float = 0.5
    cap_s: float = 30.0
    patience_s: float = 0.0

    def pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Say how long to wait after a failed call.

        Args:
            attempt: Number of calls made, from 1 on.
            retry_after_s: What the server asked for, if it did.

        Returns:
            Seconds: at least what the server asked for, otherwise exponential with jitter, so that calls
            that failed together do not come back together.
        """
        spread = 0.5 + random.random() / 2  # noqa: S311 - spreads load, decides nothing
        own_s = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30)) * spread
        if retry_after_s is None:
            return own_s
        return min(retry_after_s, MAX_RETRY_AFTER_S) + self.base_s * spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A call that failed and may be repeated: why, and what the server asked for."""

    reason: str
    overload: bool = False
    retry_after_s: float | None = None


class Refused(Exception):
    """The server answered that it will not do it.

    Args:
        status: HTTP status.
        message: What the server said.
        code: Its error code or type, if any.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read the server's wish for quiet from ``retry-after-ms`` or ``retry-after`` (seconds or a date).

    Returns:
        Seconds from now, 0 for a date that has passed; None where there is no wish, or not one to be read.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            wait_s = float(text) * unit_s
        except ValueError:
            wait_s = _seconds_until(text)
        if math.isfinite(wait_s):
            return max(0.0, wait_s)
    return None


def _seconds_until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return math.nan
