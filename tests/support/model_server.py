"""A model server for tests: a tiny Llama behind OpenAI's protocol, with faults on demand.

Started as a program; writes its port on the first line of stdout. ``POST /admin`` changes the settings
(see ``Settings``; ``{"reset": true}`` puts all back), ``GET /admin`` tells what was asked so far. Faults are
used up one per generation request, in order: ``{"kind": KIND, "count": 2, ...}`` with KIND one of

* ``status``: answer ``status`` with ``message``, ``code`` and ``retry_after`` (seconds), if given;
* ``slow``: wait ``delay_s`` before answering;
* ``truncate``: announce the whole body, send half of it, close;
* ``garbage``: a whole body that is half of a JSON text;
* ``empty``: an answer without choices;
* ``moved``: answer 307 with the address ``to``;
* ``none``: no fault, for this request;
* ``drop``: close the connection without a word;
* ``die``: end the process.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from model_batches import Batches
from tiny_llama import MAX_LENGTH, Draw, Sequence, TinyLlama, encode

MODEL = "tiny-llama"
NO_TEMPLATE = (
    "As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat "
    "template if the tokenizer does not define one."
)


@dataclass
class Settings:
    """What ``POST /admin`` can change."""

    chat_template: bool = True  # false: a base model, as vLLM serves it
    chat_endpoint: bool = True  # false: 404
    completion_endpoint: bool = True
    models_endpoint: bool = True
    max_n: int = 1000  # a server that ignores n gives 1
    max_tokens_name: str = "max_tokens"
    seeds: bool = True  # false: a server that ignores seeds
    logprobs: bool = True
    schemas: str = "ignored"  # "refused": 400; "followed": an answer that follows the schema
    api_key: str = ""
    die_after: int = -1  # end the process at this generation request, from 0 on
    delay_s: float = 0.0
    batch_looks: int = 1  # a batch has ended when it has been looked at so often
    # one for each batch that is begun, in order: {"status": "expired", "unanswered": 3}, {"refused": code},
    # {"lost": true} (begun, and the connection closed), {"errors": [[part of the prompt, status], ...]}
    batch_faults: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    # [{"contains": part of the prompt, "answers": [text of sample 0, 1, ...]}]; first match wins
    script: list[dict[str, Any]] = field(default_factory=list)


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model = TinyLlama()
        self.round = 0
        self.reset()

    def reset(self) -> None:
        self.settings = Settings()
        self.requests: list[dict[str, Any]] = []
        self.batches = Batches()
        self.round += 1  # a request of an earlier test may still sleep; it counts no more
        self.in_flight = 0
        self.max_in_flight = 0

    def admin(self, changes: dict[str, Any]) -> None:
        with self.lock:
            if changes.pop("reset", False):
                self.reset()
            known = {row.name for row in fields(Settings)}
            for name, value in changes.items():
                if name not in known:
                    raise ValueError(f"no setting {name}")
                setattr(self.settings, name, value)

    def next_fault(self) -> dict[str, Any]:
        with self.lock:
            if self.settings.die_after == 0:
                os._exit(9)
            self.settings.die_after -= 1
            for fault in self.settings.faults:
                if fault.get("count", 1) > 0:
                    fault["count"] = fault.get("count", 1) - 1
                    return fault
        return {}


STATE = State()


class Problem(Exception):
    def __init__(self, status: int, message: str, code: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_GET(self) -> None:
        if self.path == "/admin":
            with STATE.lock:
                report = {"requests": STATE.requests, "max_in_flight": STATE.max_in_flight}
                self.reply(200, {**report, "settings": asdict(STATE.settings)})
        elif self.path == "/v1/models" and STATE.settings.models_endpoint:
            if self.allowed():
                self.reply(200, {"object": "list", "data": [{"id": MODEL, "root": "tiny/llama-seed-0"}]})
        elif self.path.startswith(("/v1/files", "/v1/batches")):
            if self.allowed():
                self.batches(None)
        else:
            self.refuse(Problem(404, "Not Found", ""))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path in ("/v1/files", "/v1/batches"):
            if self.allowed():
                self.batches(content)
            return
        if "multipart" in self.headers.get("Content-Type", ""):
            self.refuse(Problem(404, "Not Found", ""))
            return
        body = json.loads(content)
        if self.path == "/admin":
            STATE.admin(body)
            self.reply(200, {})
            return
        if not self.allowed():
            return
        with STATE.lock:
            STATE.requests.append({"path": self.path, "body": body})
            STATE.in_flight += 1
            STATE.max_in_flight = max(STATE.max_in_flight, STATE.in_flight)
            own_round = STATE.round
        try:
            self.generation(body)
        finally:
            with STATE.lock:
                STATE.in_flight -= own_round == STATE.round

    def batches(self, content: bytes | None) -> None:
        with STATE.lock:
            try:
                answer = STATE.batches.answer(self.path, content, STATE.settings, batched_answer)
            except LookupError:
                self.refuse(Problem(404, "No such thing.", "not_found"))
                return
        if answer is None:
            self.close_connection = True
        else:
            self.reply(200, answer)

    def generation(self, body: dict[str, Any]) -> None:
        fault = STATE.next_fault()
        time.sleep(STATE.settings.delay_s + fault.get("delay_s", 0.0))
        kind = fault.get("kind", "")
        if kind == "die":
            os._exit(9)
        if kind == "drop":
            self.close_connection = True
            return
        if kind == "moved":
            self.reply(307, {}, location=fault["to"])
            return
        if kind == "status":
            problem = Problem(fault["status"], fault.get("message", "made to fail"), fault.get("code", ""))
            self.refuse(problem, fault.get("retry_after"))
            return
        try:
            answer = answer_of(self.path, body)
        except Problem as problem:
            self.refuse(problem)
            return
        if kind == "empty":
            answer["choices"] = []
        self.reply(200, answer, damage=kind)

    def allowed(self) -> bool:
        key = STATE.settings.api_key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.refuse(Problem(401, f"wrong key {self.headers.get('Authorization')}", "invalid_api_key"))
            return False
        return True

    def refuse(self, problem: Problem, retry_after: float | None = None) -> None:
        error = {"message": problem.message, "type": problem.code, "code": problem.code or problem.status}
        self.reply(problem.status, {"error": error}, retry_after=retry_after)

    def reply(
        self,
        status: int,
        body: object,
        *,
        retry_after: float | None = None,
        damage: str = "",
        location: str = "",
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if damage == "garbage":
            content = content[: len(content) // 2]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        if damage == "truncate":
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)


def batched_answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    STATE.requests.append({"path": path, "body": body, "batched": True})
    try:
        return 200, answer_of(path, {**body, "max_tokens": body.get("max_completion_tokens", 16)})
    except Problem as problem:
        return problem.status, {"error": {"message": problem.message, "code": problem.code}}


def answer_of(path: str, body: dict[str, Any]) -> dict[str, Any]:
    settings = STATE.settings
    if path == "/v1/chat/completions" and settings.chat_endpoint:
        prompts, chat = [chat_text(body)], True
    elif path == "/v1/completions" and settings.completion_endpoint:
        prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
        chat = False
    else:
        raise Problem(404, "Not Found", "")
    if body["model"] != MODEL:
        raise Problem(404, f"The model `{body['model']}` does not exist.", "NotFoundError")
    wrong_names = {"max_tokens", "max_completion_tokens"} - {settings.max_tokens_name}
    if settings.max_tokens_name == "max_completion_tokens" and wrong_names & body.keys():
        raise Problem(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
        )
    if settings.schemas == "refused" and "response_format" in body:
        raise Problem(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported.")
    n, temperature = body.get("n", 1), body.get("temperature", 1.0)
    if temperature == 0 and n > 1:
        raise Problem(400, f"n must be 1 when using greedy sampling, got {n}.")
    choices: list[dict[str, Any]] = []
    num_in = num_out = 0
    for prompt in prompts:
        num_in += len(encode(prompt))
        for index in range(min(n, settings.max_n)):
            made = sample(prompt, body, index)
            num_out += len(made.tokens)
            choices.append(choice_of(made, len(choices), body, chat=chat))
    usage = {"prompt_tokens": num_in, "completion_tokens": num_out, "total_tokens": num_in + num_out}
    return {"id": "x", "object": "completion", "model": MODEL, "choices": choices, "usage": usage}


def chat_text(body: dict[str, Any]) -> str:
    if not STATE.settings.chat_template:
        raise Problem(400, NO_TEMPLATE)
    turns = [f"<|{turn['role']}|>\n{turn['content']}" for turn in body["messages"]]
    text = "\n".join(turns)
    if body.get("continue_final_message"):
        if body.get("add_generation_prompt", True):
            raise Problem(400, "continue_final_message and add_generation_prompt exclude each other")
        return text
    return text + "\n<|assistant|>\n"


def sample(prompt: str, body: dict[str, Any], index: int) -> Sequence:
    stop = body.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    for rule in STATE.settings.script:
        if rule["contains"] in prompt:
            text = rule["answers"][index % len(rule["answers"])]
            end = min((text.index(mark) for mark in stop if mark in text), default=len(text))
            return Sequence(tokens=list(text[:end].encode()), text=text[:end], finish_reason="stop")
    if STATE.settings.schemas == "followed" and "response_format" in body:
        names = body["response_format"]["json_schema"]["schema"]["properties"]
        text = json.dumps(dict.fromkeys(names, "x"))
        return Sequence(tokens=list(text.encode()), text=text, finish_reason="stop")
    seed = body.get("seed") if STATE.settings.seeds else None
    draw = Draw(
        temperature=float(body.get("temperature", 1.0)),
        top_p=float(body.get("top_p", 1.0)),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens") or 16,
        stop=stop,
        seed=[random.getrandbits(31) if seed is None else seed, index],
    )
    length = len(encode(prompt)) + draw.max_tokens
    if length > MAX_LENGTH:
        raise Problem(400, f"This model's maximum context length is {MAX_LENGTH} tokens, not {length}.")
    return STATE.model.generate(prompt, draw)


def choice_of(made: Sequence, index: int, body: dict[str, Any], *, chat: bool) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "finish_reason": made.finish_reason, "logprobs": None}
    top = (body.get("top_logprobs", 0) if body.get("logprobs") else None) if chat else body.get("logprobs")
    if top is not None and made.logprobs and STATE.settings.logprobs:
        choice["logprobs"] = logprobs_of(made, top, chat=chat)
    if chat:
        choice["message"] = {"role": "assistant", "content": made.text}
    else:
        choice["text"] = made.text
    return choice


def logprobs_of(made: Sequence, top: int, *, chat: bool) -> dict[str, Any]:
    own = [float(row[token]) for token, row in zip(made.tokens, made.logprobs, strict=True)]
    best = [{chr(i): float(row[i]) for i in np.argsort(-row)[:top]} for row in made.logprobs]
    tokens = [chr(token) for token in made.tokens]
    if not chat:
        return {"tokens": tokens, "token_logprobs": own, "top_logprobs": best}
    rows = zip(tokens, own, best, strict=True)
    content = [
        {"token": t, "logprob": p, "top_logprobs": [{"token": k, "logprob": v} for k, v in b.items()]}
        for t, p, b in rows
    ]
    return {"content": content}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients that gave up are part of the tests
            super().handle_error(request, client_address)


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
