"""The HTTP client under the ``openai`` package, against servers that answer with given bytes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from opencoder.errors import InfraError, UserError
from opencoder.llm import Request, open_model
from opencoder.llm.openai_http import Answer, LeanClient

TIMEOUT = httpx2.Timeout(5.0)
BODY = b'{"choices": [{"text": "packed"}]}'


@asynccontextmanager
async def server(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Give the answers in turn, one a connection; yields the address and what was received."""
    received: list[bytes] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
        received.append(head + await reader.readexactly(size))
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", received


def answer(status: str, content: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def post(url: str, content: bytes = b"{}") -> httpx2.Response:
    client = LeanClient(connections=2, timeout=TIMEOUT)
    request = client.build_request(
        "POST", url, headers=[("Authorization", "Bearer k")], content=content, timeout=TIMEOUT
    )
    try:
        return await client.send(request)
    finally:
        await client.aclose()


async def test_a_packed_answer_is_unpacked() -> None:
    packed = answer("200 OK", gzip.compress(BODY), "Content-Encoding: gzip")
    async with server(packed) as (url, received):
        response = await post(f"{url}/v1/completions", b'{"a": 1}')
    assert isinstance(response, Answer)
    assert (response.status_code, response.body, await response.aread()) == (200, BODY, BODY)
    assert received[0].startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert b"Authorization: Bearer k\r\n" in received[0]
    assert received[0].endswith(b'\r\n\r\n{"a": 1}')


async def test_an_error_keeps_its_headers() -> None:
    packed = answer("429 Too Many", gzip.compress(b"wait"), "Content-Encoding: gzip", "Retry-After: 7")
    async with server(packed) as (url, _):
        response = await post(url)
    assert (response.status_code, response.headers["retry-after"], response.content) == (429, "7", b"wait")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", httpx2.ReadError),
        (b"nonsense\r\n\r\n", httpx2.ReadError),
        (answer("200 OK", BODY)[:-5], httpx2.ReadError),
    ],
)
async def test_broken_answers(content: bytes, expected: type[Exception]) -> None:
    async with server(content) as (url, _):
        with pytest.raises(expected):
            await post(url)


async def test_nobody_listens(unused_tcp_port_factory: Callable[[], int]) -> None:
    with pytest.raises(httpx2.ConnectError):
        await post(f"http://127.0.0.1:{unused_tcp_port_factory()}")


@pytest.mark.parametrize("excepted", [False, True])
async def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, excepted: bool) -> None:
    async with server(answer("200 OK", b"proxied")) as (proxy, received):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "nowhere.invalid" if excepted else "")
        if excepted:
            with pytest.raises(httpx2.ConnectError):
                await post("http://nowhere.invalid/v1")
        else:
            assert (await post("http://nowhere.invalid/v1")).status_code == 200
            assert received[0].startswith(b"POST http://nowhere.invalid/v1 HTTP/1.1\r\n")


async def test_a_model_sees_them_as_failures() -> None:
    silent = answer("404 Not Found", b"{}")
    async with server(silent, b"", answer("200 OK", b"{}")) as (url, _):
        model = open_model("openai/m", base_url=url, retries=1, backoff_s=0.01)
        with pytest.raises(InfraError, match=r"failed 2 times, last with: an answer that cannot be read"):
            await model.complete(Request(tag="t", prompt="x"))
        await model.aclose()


def test_passwords_in_addresses_are_refused() -> None:
    with pytest.raises(UserError, match="is no address"):
        open_model("openai/m", base_url="http://user:word@127.0.0.1/v1")
