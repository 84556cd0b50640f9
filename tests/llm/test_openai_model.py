"""A real (tiny) model behind a real server: sampling, stops, several samples, styles, keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DataError, UserError
from opencoder.llm import Choice, Model, Request, RequestError, Response, Sampling, open_model, row_seed
from opencoder.llm.journal import Entry, Journal
from opencoder.llm.journaled import JournaledModel
from opencoder.llm.openai_model import OpenAIModel
from opencoder.llm.server_traits import ServerTraits
from opencoder.records import Completion, Message

CHAT = (Message("system", "Be brief."), Message("user", "Write a function."))
WARM = Sampling(temperature=1.0, max_tokens=24, seed=3)

Open = Callable[..., Model]


@pytest.fixture
async def connect(model_server: Any) -> AsyncIterator[Open]:
    """Open models on the shared server; they are closed afterwards."""
    models: list[Model] = []

    def open_one(name: str = model_server.model, **options: Any) -> Model:
        models.append(open_model(f"openai/{name}", base_url=model_server.url, backoff_s=0.01, **options))
        return models[-1]

    yield open_one
    for model in models:
        await model.aclose()


def sampling(**changes: Any) -> Sampling:
    return Sampling(**{"temperature": 1.0, "max_tokens": 24, "seed": 3, **changes})


def texts(response: Response) -> list[str]:
    return [choice.text for choice in response.choices]


@pytest.mark.parametrize("form", [{"prompt": "def f("}, {"messages": CHAT}])
async def test_a_seed_repeats_and_another_does_not(connect: Open, form: dict[str, Any]) -> None:
    one, two = connect(), connect()
    first = await one.complete(Request(tag="t", sampling=sampling(n=3), **form))
    again = await two.complete(Request(tag="t", sampling=sampling(n=3), **form))
    other = await two.complete(Request(tag="t", sampling=sampling(n=3, seed=4), **form))
    assert texts(first) == texts(again)
    assert len(set(texts(first) + texts(other))) == 6
    assert {choice.form for choice in first.choices} == {"raw"}


async def test_greedy_needs_no_seed(connect: Open) -> None:
    request = Request(tag="t", prompt="def f(", sampling=Sampling(max_tokens=24))
    first, again = await asyncio.gather(*(connect().complete(request) for _ in range(2)))
    assert texts(first) == texts(again)
    with pytest.raises(UserError, match="temperature above 0"):
        await connect().complete(Request(tag="t", prompt="x", sampling=Sampling(n=2)))


async def test_response_counts(connect: Open) -> None:
    model = connect()
    response = await model.complete(Request(tag="t", prompt="abc", sampling=sampling(n=2)))
    num_out = sum(len(choice.text) + (choice.finish_reason == "stop") for choice in response.choices)
    assert (response.tokens_in, response.tokens_out) == (4, num_out)
    assert response.model == model.name == "openai/tiny-llama"
    assert model.revision == "tiny/llama-seed-0"
    assert response.attempts == 1
    assert 0 < response.latency_s < 10


async def test_limits_and_stops(connect: Open) -> None:
    model = connect()
    free = (await model.complete(Request(tag="t", prompt="x", sampling=sampling(max_tokens=60)))).choices[0]
    mark = free.text[30:32]
    stopped = await model.complete(
        Request(tag="t", prompt="x", sampling=sampling(max_tokens=60, stop=(mark,)))
    )
    assert stopped.choices[0].text == free.text[: free.text.index(mark)]
    assert stopped.choices[0].finish_reason == "stop"
    short = (await model.complete(Request(tag="t", prompt="x", sampling=sampling(max_tokens=5)))).choices[0]
    assert short.text == free.text[:5]
    assert short.finish_reason == "length"


@pytest.mark.parametrize("most", [1, 2])
async def test_a_server_that_gives_fewer_samples(connect: Open, model_server: Any, most: int) -> None:
    """The rest is asked for again, and what comes out does not depend on when the limit was found."""
    model_server.set(max_n=most)
    model = connect()
    request = Request(tag="t", sample_id=10, prompt="x", sampling=sampling(n=5))
    first = await model.complete(request)
    num_calls = len(model_server.seen()["requests"])
    again = await model.complete(request)
    assert texts(first) == texts(again)
    assert len(set(texts(first))) == 5
    assert first.attempts == 1
    bodies = [row["body"] for row in model_server.seen()["requests"]]
    assert bodies[0]["n"] == 5
    assert all(body["n"] <= most for body in bodies[num_calls:])
    seeds = {3} | {row_seed(3, "t", 10 + i) for i in range(most, 5, most)}
    assert {body["seed"] for body in bodies} == {body["seed"] for body in bodies[num_calls:]} == seeds


async def test_many_samples_are_cut_into_calls(connect: Open, model_server: Any) -> None:
    request = Request(tag="t", prompt="x", sampling=sampling(n=300, max_tokens=2))
    assert len((await connect().complete(request)).choices) == 300
    assert sorted(row["body"]["n"] for row in model_server.seen()["requests"]) == [44, 128, 128]


async def test_concurrency_is_bounded(connect: Open, model_server: Any) -> None:
    model_server.set(delay_s=0.02)
    model = connect(concurrency=3)
    requests = [Request(tag=str(i), prompt="x", sampling=sampling(max_tokens=1)) for i in range(12)]
    await asyncio.gather(*(model.complete(request) for request in requests))
    seen = model_server.seen()
    assert len(seen["requests"]) == 12
    assert seen["max_in_flight"] == 3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "chat"),
        ({"chat_template": False}, "completion"),
        ({"chat_endpoint": False}, "completion"),
        ({"models_endpoint": False}, "chat"),
        ({"max_tokens_name": "max_completion_tokens"}, "chat"),
        ({"faults": [{"kind": "status", "status": 503}]}, "chat"),
    ],
)
async def test_style_is_found_once(
    connect: Open, model_server: Any, settings: dict[str, Any], expected: str
) -> None:
    model_server.set(**settings)
    model = connect()
    assert set(await asyncio.gather(model.style(), model.style())) == {expected}
    num_calls = len(model_server.seen()["requests"])
    assert await model.style() == expected
    assert len(model_server.seen()["requests"]) == num_calls <= 2


async def test_style_given_asks_nothing(connect: Open, model_server: Any) -> None:
    assert await connect(style="completion").style() == "completion"
    assert model_server.seen()["requests"] == []


async def test_style_of_another_failure_is_an_error(connect: Open, model_server: Any) -> None:
    model_server.set(faults=[{"kind": "status", "status": 400, "message": "no idea"}])
    with pytest.raises(UserError, match="no idea"):
        await connect().style()


async def test_chats_for_a_base_model_end_the_run(connect: Open, model_server: Any) -> None:
    model_server.set(chat_template=False)
    with pytest.raises(UserError, match="ask for completion style") as caught:
        await connect().complete(Request(tag="t", messages=CHAT, sampling=sampling()))
    assert not isinstance(caught.value, RequestError)


async def test_prefill_only_where_asked_for(connect: Open, model_server: Any) -> None:
    request = Request(tag="t", messages=CHAT, prefill="```python\n", sampling=sampling())
    plain = await connect().complete(request)
    filled = await connect(prefill=True).complete(request)
    assert (plain.prefilled, filled.prefilled) == (False, True)
    assert texts(plain) != texts(filled)
    bodies = [row["body"] for row in model_server.seen()["requests"]]
    assert [len(body["messages"]) for body in bodies] == [2, 3]
    assert "continue_final_message" not in bodies[0]
    # The template writes the opened turn as it stands, so a raw prompt of that text goes on the same way.
    written = "<|system|>\nBe brief.\n<|user|>\nWrite a function.\n<|assistant|>\n"
    raw = await connect().complete(
        Request(tag="t", prompt=written, prefill="```python\n", sampling=sampling())
    )
    assert raw.prefilled
    assert texts(raw) == texts(filled)


async def test_the_other_name_of_the_limit_is_learned(connect: Open, model_server: Any) -> None:
    model_server.set(max_tokens_name="max_completion_tokens")
    model = connect()
    for _ in range(2):
        response = await model.complete(Request(tag="t", messages=CHAT, sampling=sampling(max_tokens=4)))
        assert len(texts(response)[0]) <= 4
    names = [
        set(row["body"]) & {"max_tokens", "max_completion_tokens"} for row in model_server.seen()["requests"]
    ]
    assert names == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


async def test_scripted_answers(connect: Open, model_server: Any) -> None:
    model_server.set(script=[{"contains": "Write a func", "answers": ["one END two", "three"]}])
    response = await connect().complete(
        Request(tag="t", messages=CHAT, sampling=sampling(n=2, stop=("END",)))
    )
    assert texts(response) == ["one ", "three"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schemas": "followed"}, ServerTraits(seed=True, logprobs=True, n=True, schema=True)),
        ({}, ServerTraits(seed=True, logprobs=True, n=True, schema=None)),
        ({"chat_template": False}, ServerTraits(seed=True, logprobs=True, n=True, schema=None)),
        (
            {"seeds": False, "logprobs": False, "max_n": 1, "schemas": "refused"},
            ServerTraits(seed=False, logprobs=False, n=False, schema=None),
        ),
        (
            {"script": [{"contains": "twelve", "answers": ["{}"]}]},
            ServerTraits(seed=False, logprobs=False, n=True, schema=False),
        ),
    ],
)
async def test_what_a_server_honours_is_found_once(
    connect: Open,
    model_server: Any,
    settings: dict[str, Any],
    expected: ServerTraits,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model_server.set(**settings)
    model = connect()
    assert isinstance(model, OpenAIModel)
    assert await model.probe() == expected
    missing = [name for name, found in msgspec.structs.asdict(expected).items() if found is False]
    assert ("does not honour " + ", ".join(missing) in caplog.text) == bool(missing)
    num_calls = len(model_server.seen()["requests"])
    assert await model.probe() == expected
    assert len(model_server.seen()["requests"]) == num_calls


async def test_a_server_without_schemas_is_asked_without_them(
    connect: Open, model_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model_server.set(schemas="refused")
    model = connect()
    asked = Request(tag="t", messages=CHAT, sampling=WARM, schema={"type": "object"})
    first = await model.complete(asked)
    assert texts(first) == texts(await model.complete(asked))
    formats = ["response_format" in row["body"] for row in model_server.seen()["requests"]]
    assert formats == [True, False, False]
    assert caplog.text.count("takes no JSON schemas") == 1


async def test_a_schema_that_is_wrong_is_the_requests_fault(connect: Open, model_server: Any) -> None:
    said = "Invalid schema for response_format 'answer': 'type' is missing."
    model_server.set(faults=[{"kind": "status", "status": 400, "message": said}])
    with pytest.raises(RequestError, match="Invalid schema"):
        await connect().complete(Request(tag="t", messages=CHAT, sampling=WARM, schema={}))


@pytest.mark.parametrize("inner", ["journal", ""])
async def test_a_run_replays_from_its_journal(connect: Open, tmp_path: Path, inner: str) -> None:
    requests = [Request(tag=f"t{i}", messages=CHAT, sampling=sampling(seed=i)) for i in range(4)]
    with Journal(tmp_path / inner) as journal:
        model = JournaledModel(connect(), journal)
        answers = [await model.complete(request) for request in requests]
    replay = open_model(f"replay:{tmp_path}")
    assert (replay.name, await replay.style()) == (model.name, "chat")
    assert [await replay.complete(request) for request in requests] == answers
    assert len(replay.revision) == 16
    with pytest.raises(UserError, match="has no answer to this request for t9"):
        await replay.complete(Request(tag="t9", messages=CHAT, sampling=sampling(seed=9)))
    await replay.aclose()
    assert await open_model(f"replay:{tmp_path}", style="completion").style() == "completion"


async def test_a_journal_of_several_models_is_not_replayed(connect: Open, tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number, name in enumerate(("openai/a", "openai/b")):
            response = Response(choices=[Choice(text="x")], model=name)
            journal.add(Entry(key=f"{number:064}", tag="t", status="answered", at=1.0, response=response))
    with pytest.raises(DataError, match="found: openai/a, openai/b"):
        open_model(f"replay:{tmp_path}")


async def test_a_run_replays_from_its_completions(connect: Open, tmp_path: Path) -> None:
    model = connect()
    requests = [
        Request(
            tag=f"task/{i}", prompt=f"def f{i}(", sampling=sampling(n=2, seed=row_seed(9, f"task/{i}", 0))
        )
        for i in range(4)
    ]
    lines = []
    answers = await asyncio.gather(*(model.complete(request) for request in requests))
    for request, answer in zip(requests, answers, strict=True):
        for i, choice in enumerate(answer.choices):
            row = Completion(
                task_id=request.tag,
                sample_id=request.sample_id + i,
                text=choice.text,
                finish_reason=choice.finish_reason,
                model=answer.model,
                request_hash=request.key(model.name),
            )
            lines.append(msgspec.json.encode(row))
    (tmp_path / "completions.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    replay = open_model(f"replay:{tmp_path}")
    assert replay.name == model.name
    for request, answer in zip(requests, answers, strict=True):
        assert (await replay.complete(request)).choices == answer.choices
    (tmp_path / "completions.jsonl").write_bytes(b"\n".join(lines)[:-9])
    with pytest.raises(DataError, match=r"completions\.jsonl:8: "):
        open_model(f"replay:{tmp_path}")
