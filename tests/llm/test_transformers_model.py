"""A tiny real Llama in this process: greedy as ``generate`` does it, draws that repeat, stop strings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("transformers", reason="needs the extra `train`")

import torch

from opencoder.errors import InfraError, UserError
from opencoder.llm import Request, RequestError, Response, Sampling, open_model
from opencoder.llm.transformers_model import TransformersModel
from opencoder.records import Message
from tests.support.tiny_folder import make_folder

PROMPTS = ("def f(a):", "x", "while True: print(a + b)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model(folder: Path) -> TransformersModel:
    made = open_model(f"transformers/{folder}", concurrency=8)
    assert isinstance(made, TransformersModel)
    return made


def generated(folder: Path, prompt: str, max_tokens: int) -> str:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    given = tokenizer(prompt, return_tensors="pt")
    made = loaded.generate(**given, max_new_tokens=max_tokens, do_sample=False, pad_token_id=1)
    text: str = tokenizer.decode(made[0, given["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


def asked(prompt: str = PROMPTS[0], **sampling: Any) -> Request:
    return Request(tag="t", prompt=prompt, sampling=Sampling(**{"max_tokens": 40, **sampling}))


async def test_greedy_equals_generate_alone_and_in_company(model: TransformersModel, folder: Path) -> None:
    wanted = [generated(folder, prompt, 40) for prompt in PROMPTS]
    alone = [(await model.complete(asked(prompt))).choices[0].text for prompt in PROMPTS]
    together = await asyncio.gather(*(model.complete(asked(prompt)) for prompt in PROMPTS))
    assert alone == wanted
    assert [answer.choices[0].text for answer in together] == wanted
    assert len(set(wanted)) == 3
    assert (await model.style(), len(model.revision)) == ("completion", 16)
    assert together[1].tokens_in == 1
    await model.aclose()


async def test_seeds_repeat_and_differ(model: TransformersModel) -> None:
    drawn = asked(temperature=1.0, n=3, seed=5)
    first = [choice.text for choice in (await model.complete(drawn)).choices]
    again, other, *_ = await asyncio.gather(
        model.complete(drawn),
        model.complete(asked(temperature=1.0, n=3, seed=6)),
        model.complete(asked(PROMPTS[2], temperature=0.7, n=2)),
    )
    assert len(set(first)) == 3
    assert [choice.text for choice in again.choices] == first
    assert {choice.text for choice in other.choices}.isdisjoint(first)
    unseeded = [await model.complete(asked(temperature=1.0)) for _ in range(2)]
    assert unseeded[0].choices[0].text != unseeded[1].choices[0].text
    await model.aclose()


async def test_a_small_nucleus_is_greedy(model: TransformersModel) -> None:
    greedy = await model.complete(asked())
    narrow = await model.complete(asked(temperature=1.5, top_p=1e-6, seed=1, n=2))
    assert {choice.text for choice in narrow.choices} == {greedy.choices[0].text}
    await model.aclose()


async def test_a_stop_string_cuts_and_ends(model: TransformersModel) -> None:
    whole = (await model.complete(asked())).choices[0]
    assert whole.finish_reason == "length"
    stop = whole.text[7:10]
    answer = await model.complete(asked(stop=(stop, "never there")))
    assert answer.choices[0].text == whole.text[: whole.text.index(stop)]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.tokens_out < 15
    await model.aclose()


async def test_the_end_token_ends(folder: Path, model: TransformersModel) -> None:
    whole = await model.complete(asked())
    await model.aclose()
    again = open_model(f"transformers/{folder}")
    assert isinstance(again, TransformersModel)
    writer = await again._start()
    token = writer.tokenizer.encode(whole.choices[0].text)[4]
    writer.ends = frozenset({token})
    ended = await again.complete(asked())
    cut = writer.tokenizer.encode(whole.choices[0].text).index(token)
    assert (ended.tokens_out, ended.choices[0].finish_reason) == (cut, "stop")
    assert whole.choices[0].text.startswith(ended.choices[0].text)
    await again.aclose()


async def test_candidates_of_the_first_token(model: TransformersModel) -> None:
    request = Request(tag="t", prompt="x", sampling=Sampling(max_tokens=2), top_logprobs=3)
    choice = (await model.complete(request)).choices[0]
    assert choice.top_logprobs is not None
    values = list(choice.top_logprobs.values())
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    assert values[0] < 0.0
    assert choice.text.startswith(next(iter(choice.top_logprobs)))
    await model.aclose()


async def test_prompts_that_leave_no_room(model: TransformersModel) -> None:
    with pytest.raises(RequestError, match="t: the prompt has 96 tokens, the model sees 96"):
        await model.complete(asked("x" * 96))
    with pytest.raises(RequestError, match="no token"):
        await model.complete(asked(""))
    short = await model.complete(asked("x" * 90, max_tokens=1000))
    assert (short.tokens_out, short.choices[0].finish_reason) == (6, "length")
    await model.aclose()


async def test_chats_go_through_the_template(tmp_path: Path) -> None:
    model = open_model(f"transformers/{make_folder(tmp_path / 'chat', chat=True)}")
    assert await model.style() == "chat"
    turns = (Message("user", "Add."),)
    sampling = Sampling(max_tokens=10)
    chat = await model.complete(Request(tag="t", messages=turns, sampling=sampling, prefill="def"))
    rendered = "<|im_start|>user\nAdd.<|im_end|>\n<|im_start|>assistant\ndef"
    plain = await model.complete(Request(tag="t", prompt=rendered, sampling=sampling))
    assert chat.choices[0].text == plain.choices[0].text
    assert chat.prefilled
    await model.aclose()


async def test_folders_that_hold_no_model(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="transformers cannot load"):
        await open_model(f"transformers/{tmp_path}").style()
    broken = make_folder(tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match="transformers cannot load"):
        await open_model(f"transformers/{broken}").complete(asked())


async def test_too_little_memory_halves_the_batch(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows beyond two fail like a GPU that is full; the draws stay what they were."""
    wanted = [(await model.complete(asked(temperature=1.0, seed=seed))).choices[0].text for seed in range(5)]
    writer = await model._start()
    write, sizes = writer.write, []

    def small(rows: Any, stopped: Any) -> None:
        sizes.append(len(rows))
        if len(rows) > 2:
            rows[0].made.append(3)
            raise torch.OutOfMemoryError("full")
        write(rows, stopped)

    monkeypatch.setattr(writer, "write", small)
    found = await asyncio.gather(*(model.complete(asked(temperature=1.0, seed=seed)) for seed in range(5)))
    assert [answer.choices[0].text for answer in found] == wanted
    assert sizes == [5, 2, 2, 1]
    await model.aclose()


async def test_closing_ends_what_is_being_written(model: TransformersModel) -> None:
    task = asyncio.create_task(model.complete(asked(max_tokens=80)))
    await model.style()
    while not model._waiting and model._runner is None:
        await asyncio.sleep(0)
    await model.aclose()
    done = await asyncio.gather(task, return_exceptions=True)
    # It may have been done before, on a quick machine.
    assert isinstance(done[0], InfraError | Response)
