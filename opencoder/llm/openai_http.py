"""The HTTP client that is handed to the ``openai`` package: its interface is httpx2's, its work aiohttp's.

A run makes millions of small calls, and of their CPU time httpx2 takes most: it parses and merges the same
address, headers and cookies anew for each. Here a call keeps what the package hands over and goes straight
to a session of aiohttp. Uploads, which are few and may be larger than memory, go the usual way.
"""

from __future__ import annotations

import functools
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

KEEP_ALIVE_S = 4.0
"""An idle connection is closed after this: before the server does it, which is 5 s for vLLM (uvicorn)."""

_parsed = functools.lru_cache(maxsize=64)(httpx2.URL)


class _Call(httpx2.Request):
    """A request with all that is needed to send it; what is done to its ``headers`` later is not sent."""

    def __init__(self, method: str, url: str, headers: Any, body: bytes, timeout: httpx2.Timeout) -> None:
        super().__init__(method, _parsed(url), headers=headers, stream=httpx2.ByteStream(body))
        self.given_headers = headers
        self.body = body
        self.timeout = aiohttp.ClientTimeout(
            total=None, connect=timeout.pool, sock_connect=timeout.connect, sock_read=timeout.read
        )


class Answer(httpx2.Response):
    """What came back for a call that worked: its body, already read and unpacked, without its headers."""

    def __init__(self, status: int, body: bytes, request: httpx2.Request) -> None:
        super().__init__(status, stream=httpx2.ByteStream(body), request=request)
        self.body = body


class LeanClient(httpx2.AsyncClient):
    """An ``httpx2.AsyncClient`` for many small calls; belongs to one event loop.

    Cookies are not kept. A call that worked gives an :class:`Answer`.

    Args:
        connections: The most connections at a time; each is kept for the next call.
        timeout: For calls that do not bring their own.
    """

    def __init__(self, *, connections: int, timeout: httpx2.Timeout) -> None:
        self._ssl = httpx2.create_ssl_context()
        super().__init__(timeout=timeout, follow_redirects=True, verify=self._ssl)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """Make a request of what the package hands over.

        Args:
            method: ``GET``, ``POST``, ...
            url: The whole address.
            parts: See ``httpx2.AsyncClient.build_request``.
        """
        body = parts.get("content") or b""
        timeout = parts.get("timeout")
        rest = ("data", "files", "json", "params", "cookies", "extensions")
        if isinstance(body, bytes) and isinstance(timeout, httpx2.Timeout) and not any(map(parts.get, rest)):
            return _Call(method, str(url), parts.get("headers"), body, timeout)
        return super().build_request(method, url, **parts)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and read the answer.

        Raises:
            httpx2.TransportError: It did not work; its cause is aiohttp's error.
        """
        if not isinstance(request, _Call):
            return await super().send(request, **options)
        if options.get("stream"):
            return await super().send(self._usual(request), **options)
        try:
            status, headers, content = await self._exchange(request)
        except aiohttp.ClientError as error:
            raise _translated(error) from error
        if status < 300:
            return Answer(status, content, request)
        if status < 400:  # rare, and full of rules that httpx2 knows
            return await super().send(self._usual(request), **options)
        return httpx2.Response(status, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        await super().aclose()

    async def _exchange(self, call: _Call) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers (empty where it worked) and body, which aiohttp has unpacked."""
        if self._session is None:
            # aiohttp's own look for proxies and passwords costs a thread for each call.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=KEEP_ALIVE_S, ssl=self._ssl
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=_proxy(call.url),
            )
        async with self._session.request(
            call.method,
            str(call.url),
            data=call.body or None,
            headers=call.given_headers,
            allow_redirects=False,
            timeout=call.timeout,
        ) as answer:
            content = await answer.read()
            if answer.status < 300:
                return answer.status, [], content
            packed = "content-encoding"
            headers = [(name, value) for name, value in answer.headers.items() if name.lower() != packed]
            return answer.status, headers, content

    def _usual(self, call: _Call) -> httpx2.Request:
        timeout = call.timeout
        return super().build_request(
            call.method,
            call.url,
            headers=call.headers,
            content=call.body,
            timeout=httpx2.Timeout(
                timeout.sock_read, connect=timeout.sock_connect, pool=timeout.connect, write=timeout.sock_read
            ),
        )


def _proxy(url: httpx2.URL) -> str | None:
    """Return the proxy that the environment names for an address."""
    if proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def _translated(error: aiohttp.ClientError) -> httpx2.TransportError:
    """Put an error of aiohttp into the words of httpx2, which the package ``openai`` knows."""
    said = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout(said)
    if isinstance(error, aiohttp.ServerTimeoutError):
        return httpx2.ReadTimeout(said)
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx2.ConnectError(said)
    return httpx2.ReadError(said)
