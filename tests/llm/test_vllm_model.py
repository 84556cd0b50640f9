"""The in-process engine, on a stand-in for vLLM that is held to the names in its wheel."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from opencoder.errors import InfraError, UserError
from opencoder.llm import Request, RequestError, Sampling, open_model
from opencoder.llm.vllm_offline import VllmOptions
from opencoder.records import Message

FACTS: dict[str, Any] = json.loads(Path(__file__).with_name("vllm_signatures.json").read_text())
CHAT = (Message("user", "Add."),)


class Recorded:
    """Takes the fields that the class of that name has in the wheel, by name, and no others."""

    def __init__(self, **fields: Any) -> None:
        unknown = fields.keys() - set(FACTS["fields"][type(self).__name__])
        assert not unknown, f"{type(self).__name__} has no {unknown}"
        self.__dict__.update(fields)


class SamplingParams(Recorded):
    pass


class StructuredOutputsParams(Recorded):
    pass


class AsyncEngineArgs(Recorded):
    pass


class Logprob(Recorded):
    pass


class CompletionOutput(Recorded):
    pass


class RequestOutput(Recorded):
    pass


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    FINAL_ONLY = 2


class VLLMClientError(Exception):
    pass


class VLLMServerError(Exception):
    pass


def tokens_input(prompt_token_ids: list[int], *, prompt: str | None = None) -> list[int]:
    return prompt_token_ids


class Tokenizer:
    """A token is a character; a chat is its turns in a row."""

    chat_template = "given"

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [ord(char) for char in text]

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
        return "|".join(turn["content"] for turn in messages)


@dataclass
class Engines:
    """What the engine was made of and asked, and how it behaves."""

    args: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    error: Exception | None = None
    silent: bool = False
    num_stopped: int = 0
    in_flight: int = 0
    max_in_flight: int = 0


class AsyncLLM:
    seen: Engines

    def __init__(self) -> None:
        self.model_config = SimpleNamespace(hf_config=SimpleNamespace(_commit_hash="abc"))

    @classmethod
    def from_engine_args(cls, engine_args: Any) -> AsyncLLM:
        if engine_args.model == "broken":
            raise ValueError("no such folder")
        cls.seen.args.append(engine_args)
        return cls()

    def get_tokenizer(self) -> Tokenizer:
        return Tokenizer()

    def shutdown(self, timeout: float | None = None) -> None:
        self.seen.num_stopped += 1

    async def generate(
        self, prompt: list[int], sampling_params: Any, request_id: str, *, priority: int = 0
    ) -> AsyncIterator[RequestOutput]:
        seen = self.seen
        seen.asked.append(sampling_params)
        seen.ids.append(request_id)
        seen.in_flight += 1
        seen.max_in_flight = max(seen.max_in_flight, seen.in_flight)
        await asyncio.sleep(0.001)
        seen.in_flight -= 1
        if seen.error is not None:
            raise seen.error
        if seen.silent:
            return
        text = "".join(map(chr, prompt))
        likely = {
            7: Logprob(logprob=-3.0, decoded_token="c"),
            8: Logprob(logprob=-0.1, decoded_token="a"),
            9: Logprob(logprob=-2.0, decoded_token="b"),
        }
        outputs = [
            CompletionOutput(
                index=index,
                text=f"{index}:{text}",
                token_ids=[1, 2],
                finish_reason="length",
                logprobs=[likely] if sampling_params.logprobs else None,
            )
            for index in reversed(range(sampling_params.n))
        ]
        yield RequestOutput(outputs=outputs, num_cached_tokens=3)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Put the stand-in where vLLM would be."""
    AsyncLLM.seen = Engines()
    contents: dict[str, Any] = {
        name: value for name, value in globals().items() if inspect.isclass(value) or name == "tokens_input"
    }
    for package, names in FACTS["exports"].items():
        for part in ("vllm", "vllm.v1", "vllm.v1.engine", package):
            if part not in sys.modules or part == package:
                monkeypatch.setitem(sys.modules, part, sys.modules.get(part) or ModuleType(part))
        for name in names:
            monkeypatch.setattr(sys.modules[package], name, contents[name], raising=False)
    return AsyncLLM.seen


@pytest.mark.parametrize("name", FACTS["functions"])
def test_the_stand_in_is_called_like_the_real_one(name: str) -> None:
    owners = {"AsyncLLM": AsyncLLM, "TokenizerLike": Tokenizer}
    owner, _, own = name.rpartition(".")
    function = getattr(owners[owner], own) if owner else tokens_input
    facts = FACTS["functions"][name]
    found = [row for row in inspect.signature(function).parameters.values() if row.name != "self"]
    for row in found:
        if row.kind is row.POSITIONAL_OR_KEYWORD:
            assert row.name in facts["positional"]
        elif row.kind is row.KEYWORD_ONLY:
            assert row.name in facts["keyword"]
        else:
            assert facts["open"]
    required = [row.name for row in found if row.default is row.empty and row.kind is not row.VAR_KEYWORD]
    assert required == facts["required"]
    assert inspect.isasyncgenfunction(function) == facts["yields"]


async def test_every_field_of_a_request_arrives(engines: Engines) -> None:
    options = VllmOptions(revision="main", max_model_len=512)
    model = open_model("vllm/org/name", vllm=options)
    shape: dict[str, object] = {"type": "object"}
    sampling = Sampling(n=2, temperature=0.7, top_p=0.9, max_tokens=50, stop=("END",), seed=5)
    request = Request(tag="t", messages=CHAT, sampling=sampling, schema=shape, top_logprobs=2)
    response = await model.complete(request)
    assert [choice.text for choice in response.choices] == ["0:Add.", "1:Add."]
    assert {choice.finish_reason for choice in response.choices} == {"length"}
    assert response.choices[0].top_logprobs == {"a": -0.1, "b": -2.0}
    assert (response.tokens_in, response.tokens_cached, response.tokens_out) == (4, 3, 4)
    asked = engines.asked[0]
    assert asked.structured_outputs.json == shape
    assert asked.output_kind is RequestOutputKind.FINAL_ONLY
    assert (asked.n, asked.temperature, asked.top_p, asked.max_tokens) == (2, 0.7, 0.9, 50)
    assert (asked.stop, asked.seed, asked.logprobs) == (["END"], 5, 2)
    assert (engines.args[0].model, engines.args[0].revision) == ("org/name", "main")
    assert (model.name, model.revision, await model.style()) == ("vllm/org/name", "abc", "chat")
    await model.aclose()
    await model.aclose()
    assert engines.num_stopped == 1


async def test_plain_requests_ask_for_nothing_more(engines: Engines) -> None:
    response = await open_model("vllm/m").complete(Request(tag="t", prompt="x", prefill="y"))
    assert (engines.asked[0].structured_outputs, engines.asked[0].logprobs) == (None, None)
    assert (response.choices[0].text, response.choices[0].top_logprobs) == ("0:xy", None)
    assert response.prefilled


async def test_rows_run_side_by_side_on_one_engine(engines: Engines) -> None:
    model = open_model("vllm/m", concurrency=4)
    same = Request(tag="t", prompt="x")
    await asyncio.gather(*(model.complete(same) for _ in range(12)))
    assert len(engines.args) == 1
    assert engines.max_in_flight == 4
    assert len(set(engines.ids)) == 12


@pytest.mark.parametrize(
    ("error", "silent", "expected", "words"),
    [
        (VLLMClientError("too long"), False, RequestError, "t: vLLM refused the request .too long"),
        (VLLMServerError("dead"), False, InfraError, "t: the vLLM engine failed .dead"),
        (None, True, InfraError, "t: the vLLM engine ended without an answer"),
    ],
)
async def test_failures_are_sorted(
    engines: Engines, error: Exception | None, silent: bool, expected: type[Exception], words: str
) -> None:
    engines.error, engines.silent = error, silent
    with pytest.raises(expected, match=words):
        await open_model("vllm/m").complete(Request(tag="t", prompt="x"))


async def test_an_engine_that_does_not_start_is_told(engines: Engines) -> None:
    with pytest.raises(UserError, match=r"cannot start 'broken' .no such folder"):
        await open_model("vllm/broken").style()
