"""Who may ask at all: the token, the name that was asked for, pages in a browser, and how much may come."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What a load balancer asks, which has no token.
_OPEN = frozenset({"/health"})


class TooLargeError(Exception):
    """The body goes on beyond what is taken; raised where the application reads it."""


async def refuse(send: Send, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
    """Answer with an error in one line."""
    body = json.dumps({"error": message}).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": code, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def host_of(header: str) -> str:
    """Return the name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


class Gate:
    """ASGI middleware in front of everything.

    Without a token, only requests to a loopback name pass: a page of another site that has its name resolve
    to 127.0.0.1 is told from a local client by that. Pages in a browser never pass.

    Args:
        app: What is behind.
        token: What must stand in ``Authorization: Bearer``, or empty.
        max_bytes: Longest body.
    """

    def __init__(self, app: ASGIApp, *, token: str, max_bytes: int) -> None:
        self._app = app
        self._token = token.encode()
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._problem(scope["path"], headers):
            await refuse(send, *problem)
            return
        await self._app(scope, self._counted(receive), send)

    def _problem(self, path: str, headers: Headers) -> tuple[int, str] | None:
        if "origin" in headers:
            return 403, "requests from web pages are refused"
        if not self._token and host_of(headers.get("host", "")) not in LOOPBACK:
            return (
                403,
                f"host {headers.get('host', '')!r} is not local; ask for 127.0.0.1, or serve with a token",
            )
        if self._token and path not in _OPEN:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._token):
                return 401, "wrong token; send it as 'Authorization: Bearer TOKEN'"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._max_bytes:
            return 413, f"the body is longer than {self._max_bytes} bytes; send fewer programs at once"
        return None

    def _counted(self, receive: Receive) -> Receive:
        """Count the bytes of a body whose length was not told."""
        left = self._max_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLargeError(f"the body is longer than {self._max_bytes} bytes")
            return message

        return counted
