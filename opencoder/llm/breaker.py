"""A circuit breaker: tells a server that is down from a call that fails."""

from __future__ import annotations

from typing import NamedTuple

OPENS_AFTER = 10
"""So many failed calls in a row, of all requests together, mean that the server is down."""

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


class Pause(NamedTuple):
    """For how many seconds no call should be made, and whether it begins with this failure."""

    seconds: float
    begins: bool


class Breaker:
    """Counts failed calls between answers and says how long to leave the server alone.

    While it is open a failed call says nothing about its request, so it should not count against it.

    Args:
        patience_s: How long a server may be down; 0 never opens the breaker.

    Attributes:
        gave_up: The server has been down for longer than that.
    """

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self.gave_up = False
        self._streak = 0
        self._since = 0.0
        self._until = 0.0
        self._pause_s = FIRST_PAUSE_S

    def answered(self) -> None:
        """Note an answer: the server is up."""
        self.gave_up = False
        self._streak = 0
        self._pause_s = FIRST_PAUSE_S

    def failed(self, now: float) -> Pause | None:
        """Note a failed call.

        Args:
            now: The time of a clock that never goes back, in seconds.

        Returns:
            The pause that is to be kept; None while the call counts against its request.
        """
        if not self._streak:
            self._since = now
        self._streak += 1
        self.gave_up = 0 < self.patience_s <= now - self._since and self._streak >= OPENS_AFTER
        if self._streak < OPENS_AFTER or now - self._since >= self.patience_s:
            return None
        begins = now >= self._until  # the others of a burst join its pause
        if begins:
            self._until = now + min(self._pause_s, self._since + self.patience_s - now)
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        return Pause(self._until - now, begins)

    @property
    def num_failed(self) -> int:
        """Failed calls since the last answer."""
        return self._streak
