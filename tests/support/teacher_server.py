"""An OpenAI-compatible server with the teacher of the tests behind it, quick and full of faults on demand.

Started as a program; writes its port on the first line of stdout. ``POST /admin`` sets values of ``Settings``
(``{"reset": true}`` puts all back), ``GET /admin`` tells what was asked so far.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import teacher
from aiohttp import web

MODEL = "teacher"


@dataclass
class Settings:
    """What can be set.

    Shares are of 1. ``share_busy`` (429 with Retry-After) and ``share_dropped`` go by the number of the
    request, ``share_refused`` (400) by the text of the prompt, so that the same rows are refused in each run.
    ``share_broken`` (500) goes by the text too. ``jitter_s``: a pause that differs from request to request.
    ``faults``: of each kind of prompt, ``[fault, share]``, by the text as well.
    """

    delay_s: float = 0.0
    share_busy: float = 0.0
    retry_after_s: float = 0.05
    share_dropped: float = 0.0
    share_refused: float = 0.0
    share_broken: float = 0.0
    jitter_s: float = 0.0
    num_tasks: int = 0
    die_after: int = -1
    api_key: str = ""
    faults: dict[str, list[Any]] = field(default_factory=dict)


class State:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.settings = Settings()
        self.num_requests = self.num_answered = self.in_flight = self.max_in_flight = 0
        self.prompts: set[bytes] = set()


STATE = State()


def share_of(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / (1 << 48)


async def chat(request: web.Request) -> web.StreamResponse:
    settings = STATE.settings
    body = msgspec.json.decode(await request.read())
    STATE.num_requests += 1
    number = STATE.num_requests
    if 0 <= settings.die_after < number:
        os._exit(9)
    STATE.in_flight += 1
    STATE.max_in_flight = max(STATE.max_in_flight, STATE.in_flight)
    try:
        await asyncio.sleep(settings.delay_s + settings.jitter_s * share_of(f"pause {number}"))
        return respond(request, body, number)
    finally:
        STATE.in_flight -= 1


def respond(request: web.Request, body: dict[str, Any], number: int) -> web.StreamResponse:
    settings = STATE.settings
    if settings.api_key and request.headers.get("Authorization") != f"Bearer {settings.api_key}":
        return problem(401, "wrong key", "invalid_api_key")
    if body["model"] != MODEL:
        return problem(404, f"The model `{body['model']}` does not exist.", "model_not_found")
    luck = share_of(f"request {number}")
    if luck < settings.share_busy:
        headers = {"Retry-After": str(settings.retry_after_s)}
        return problem(429, "too many requests", "rate_limit", headers)
    if luck > 1 - settings.share_dropped:
        assert request.transport is not None
        request.transport.close()
        return web.Response()
    prompt = "\n".join(turn["content"] for turn in body["messages"])
    STATE.prompts.add(hashlib.sha256(prompt.encode() + str(body.get("seed")).encode()).digest())
    if share_of(f"refused {body['messages'][-1]['content']}") < settings.share_refused:
        return problem(400, "this prompt is not taken", "invalid_request_error")
    if share_of(f"broken {body['messages'][-1]['content']}") < settings.share_broken:
        return problem(500, "out of order", "server_error")
    name = ""

    def chosen(kind: str) -> str:
        nonlocal name
        fault, share = settings.faults.get(kind, ("", 0))
        if share_of(f"fault {body['messages'][-1]['content']}") < share:
            name = fault
        return name

    text = teacher.answer(prompt, body.get("seed") or 0, chosen, num_tasks=settings.num_tasks)
    STATE.num_answered += 1
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "length" if name == "cut_off" else "stop",
    }
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4 + 1}
    return web.Response(
        body=msgspec.json.encode({"id": "x", "model": MODEL, "choices": [choice], "usage": usage}),
        content_type="application/json",
    )


def problem(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> web.Response:
    error = {"error": {"message": message, "type": code, "code": code}}
    return web.json_response(error, status=status, headers=headers)


async def models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": MODEL}]})


async def admin(request: web.Request) -> web.Response:
    if request.method == "POST":
        changes = await request.json()
        if changes.pop("reset", False):
            STATE.reset()
        for name, value in changes.items():
            if name not in asdict(STATE.settings):
                raise web.HTTPBadRequest(text=f"no setting {name}")
            setattr(STATE.settings, name, value)
    return web.json_response(
        {
            "num_requests": STATE.num_requests,
            "num_answered": STATE.num_answered,
            "num_distinct": len(STATE.prompts),
            "max_in_flight": STATE.max_in_flight,
        }
    )


async def serve() -> None:
    app = web.Application(client_max_size=1 << 26)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat),
            web.get("/v1/models", models),
            web.route("*", "/admin", admin),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
