"""What calls cost. Prices are the user's: they change too often to be kept in a program."""

from __future__ import annotations

from dataclasses import dataclass

from opencoder.errors import UserError

_MILLION = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars per million tokens.

    Attributes:
        tokens_in: Of the prompt.
        tokens_out: Of the answer.
        tokens_cached: Of the prompt, where the provider had it in its prefix cache.
    """

    tokens_in: float
    tokens_out: float
    tokens_cached: float

    def dollars(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """Return the price of so many tokens; ``tokens_cached`` are among ``tokens_in``."""
        fresh = tokens_in - tokens_cached
        spent = fresh * self.tokens_in + tokens_cached * self.tokens_cached + tokens_out * self.tokens_out
        return spent / _MILLION


def parse_price(text: str) -> Price:
    """Read ``IN/OUT`` or ``IN/OUT/CACHED``, as in ``0.15/0.60``.

    Without a price of its own, what was cached costs as much as what was not.

    Raises:
        UserError: It is no such thing.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= number < float("inf") for number in numbers):
        raise UserError(f"price {text!r} is none; give dollars per million tokens, IN/OUT or IN/OUT/CACHED")
    return Price(tokens_in=numbers[0], tokens_out=numbers[1], tokens_cached=numbers[-1 if numbers[2:] else 0])
