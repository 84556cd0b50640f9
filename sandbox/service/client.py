"""Rows on services of other machines (see ``opencoder sandbox serve``)."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2 as httpx
import msgspec

from opencoder.errors import UserError
from sandbox.fleet import FailedError, Fleet, FullError, longest_s, read_answer
from sandbox.rows import BatchRow, Judge, OutRow

_PROBE_S = 10.0
_BUSY = 429


class _Health(msgspec.Struct):
    slots: int
    time_factor: float = 1.0


class Service:
    """One service, a :class:`sandbox.fleet.Unit`.

    Args:
        url: Its base URL.
        client: The way to it; others may use the same.
        judge: How solutions are judged; None for by cases where a row has any.
    """

    def __init__(self, url: str, client: httpx.AsyncClient, *, judge: Judge | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise UserError(f"endpoint {url!r} is no URL; use one as http://127.0.0.1:8080")
        self.name = url.rstrip("/")
        self._params = {"judge": judge} if judge else {}
        self._client = client
        self._time_factor = 1.0

    async def health(self) -> int:
        """Ask for its slots (see :class:`sandbox.fleet.Unit`)."""
        try:
            answer = await self._client.get(f"{self.name}/health", timeout=_PROBE_S)
            answer.raise_for_status()
            said = msgspec.json.decode(answer.content, type=_Health)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise FailedError(str(error) or type(error).__name__) from None
        self._time_factor = said.time_factor
        return said.slots

    async def run(self, row: BatchRow) -> OutRow:
        """Have it run ``row`` (see :class:`sandbox.fleet.Unit`)."""
        try:
            answer = await self._client.post(
                f"{self.name}/run_batch",
                params=self._params,
                content=msgspec.json.encode(row),
                timeout=httpx.Timeout(longest_s(row, self._time_factor), connect=_PROBE_S),
            )
        except httpx.HTTPError as error:
            raise FailedError(f"{type(error).__name__} {error}".strip()) from None
        if answer.status_code == _BUSY:
            raise FullError(_seconds(answer.headers.get("retry-after", "")))
        if answer.status_code >= 500:
            raise FailedError(f"HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise UserError(f"{self.name} refuses row {row.id!r}: {answer.text[:300]}")
        return read_answer(answer.content, row)

    async def aclose(self) -> None:
        """Close the client; the second time does nothing."""
        await self._client.aclose()


def service_fleet(urls: Sequence[str], *, token: str = "", judge: Judge | None = None) -> Fleet:
    """Return the services at ``urls`` as one.

    Args:
        urls: Their base URLs.
        token: What they want in ``Authorization``, or empty.
        judge: How solutions are judged.

    Raises:
        UserError: One is no URL.
    """
    client = httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}"} if token else {},
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        trust_env=False,
    )
    units = [Service(url, client, judge=judge) for url in dict.fromkeys(urls)]
    return Fleet(units, kind="endpoint", repair="opencoder sandbox serve")


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 1.0
