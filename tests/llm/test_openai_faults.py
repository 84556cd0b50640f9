"""What goes wrong between a client and a server, and what becomes of it."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DependencyError, InfraError, UserError
from opencoder.llm import Request, RequestError, Sampling, breaker, open_model
from opencoder.llm.flow import each
from opencoder.llm.journal import Journal, read_entries
from opencoder.llm.journaled import JournaledModel
from opencoder.llm.openai_model import OpenAIModel

REQUEST = Request(tag="HumanEval/7", prompt="x", sampling=Sampling(max_tokens=8, temperature=1.0, seed=1))


def connect(server: Any, name: str = "tiny-llama", **options: Any) -> OpenAIModel:
    options = {"backoff_s": 0.005, "retries": 3, **options}
    model = open_model(f"openai/{name}", base_url=server.url, **options)
    assert isinstance(model, OpenAIModel)
    return model


async def attempt(server: Any, **options: Any) -> Any:
    model = connect(server, **options)
    try:
        return await model.complete(REQUEST)
    finally:
        await model.aclose()


@pytest.mark.parametrize(
    "fault",
    [
        *({"kind": "status", "status": status} for status in (408, 409, 429, 500, 502, 503, 504)),
        {"kind": "truncate"},
        {"kind": "garbage"},
        {"kind": "empty"},
        {"kind": "drop"},
        {"kind": "slow", "delay_s": 1.2},
    ],
    ids=lambda fault: f"{fault['kind']}{fault.get('status', '')}",
)
async def test_faults_that_pass_leave_no_trace_but_the_count(
    model_server: Any, fault: dict[str, Any]
) -> None:
    expected = (await attempt(model_server)).choices
    model_server.set(reset=True, faults=[{**fault, "count": 2}])
    response = await attempt(model_server, timeout_s=0.8 if fault["kind"] == "slow" else 60.0)
    assert response.choices == expected
    assert response.attempts == 3
    assert len(model_server.seen()["requests"]) == 3


async def test_faults_that_stay_are_infrastructure_errors(model_server: Any) -> None:
    model_server.set(faults=[{"kind": "status", "status": 500, "message": "out of\n memory", "count": 99}])
    with pytest.raises(InfraError, match=r"^HumanEval/7: .*failed 4 times, .*HTTP 500 \(out of memory\)"):
        await attempt(model_server)
    assert len(model_server.seen()["requests"]) == 4


async def test_no_retries_when_none_are_wanted(model_server: Any) -> None:
    model_server.set(faults=[{"kind": "drop"}])
    with pytest.raises(InfraError, match="failed 1 times, last with: Server disconnected"):
        await attempt(model_server, retries=0)
    model_server.set(faults=[{"kind": "slow", "delay_s": 1.0}])
    with pytest.raises(InfraError, match="last with: no answer in time"):
        await attempt(model_server, retries=0, timeout_s=0.3)


async def test_a_server_that_is_down_for_a_while_costs_no_request(
    model_server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_S", 0.1)
    model_server.set(faults=[{"kind": "status", "status": 500, "message": "no GPU", "count": 40}])
    model = connect(model_server, backoff_s=0.2, concurrency=16, patience_s=60)
    requests = [Request(tag=f"t{seed}", prompt="x", sampling=Sampling(max_tokens=2)) for seed in range(30)]
    responses = await asyncio.gather(*(model.complete(request) for request in requests))
    assert len(responses) == 30
    assert model.limiter.in_flight == 0
    # Once the breaker is open, one call at a time looks whether the server is back.
    assert len(model_server.seen()["requests"]) == 70
    assert "calls in a row failed, last with: HTTP 500 (no GPU)" in caplog.text
    await model.aclose()


async def test_patience_has_an_end(model_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE_S", 0.05)
    model_server.set(faults=[{"kind": "drop", "count": 999}])
    begin = time.perf_counter()
    with pytest.raises(InfraError, match="failed"):
        await attempt(model_server, retries=20, patience_s=0.5)
    assert time.perf_counter() - begin >= 0.5


async def test_retry_after_is_kept_and_load_is_cut(model_server: Any) -> None:
    model_server.set(faults=[{"kind": "status", "status": 429, "retry_after": 0.3}])
    model = connect(model_server, concurrency=8)
    begin = time.perf_counter()
    response = await model.complete(REQUEST)
    assert time.perf_counter() - begin >= 0.3
    assert response.attempts == 2
    assert model.limiter.limit == 6.0
    assert model.limiter.in_flight == 0
    await model.aclose()


async def test_a_crowd_gets_through_an_overloaded_server(model_server: Any) -> None:
    model_server.set(faults=[{"kind": "status", "status": 503, "count": 10}])
    model = connect(model_server, concurrency=16, retries=8)
    answers = await asyncio.gather(*(model.complete(REQUEST) for _ in range(60)))
    assert len({answer.choices[0].text for answer in answers}) == 1
    assert sum(answer.attempts for answer in answers) == 70
    assert model.limiter.limit < 16
    await model.aclose()


async def test_a_run_completes_on_a_server_that_fails_often(model_server: Any, tmp_path: Path) -> None:
    """Each tenth call is turned away with Retry-After and each twentieth loses its connection."""
    faults: list[dict[str, Any]] = []
    for number in range(600):
        if number % 10 == 3:
            faults.append({"kind": "status", "status": 429, "retry_after": 0.01})
        elif number % 20 == 7:
            faults.append({"kind": "drop"})
        else:
            faults.append({"kind": "none"})
    model_server.set(faults=faults, script=[{"contains": "row", "answers": ["fine"]}])
    found: list[str] = []
    with Journal(tmp_path) as journal:
        model = JournaledModel(connect(model_server, concurrency=32, retries=8), journal)

        async def work(number: int) -> None:
            request = Request(tag=f"t{number}", prompt=f"row {number}", sampling=Sampling(max_tokens=8))
            found.append((await model.complete(request)).choices[0].text)

        await each(range(300), work, 32)
        await model.aclose()
    num_calls = len(model_server.seen()["requests"])
    entries = list(read_entries(tmp_path))
    assert found == ["fine"] * 300
    assert {entry.status for entry in entries} == {"answered"}
    assert len({entry.key for entry in entries}) == len(entries) == 300
    attempts = [entry.response.attempts for entry in entries if entry.response]
    assert sum(attempts) == model.usage.attempts == num_calls > 330
    assert max(attempts) > 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_request_is_not_sent_again(model_server: Any, status: int) -> None:
    model_server.set(faults=[{"kind": "status", "status": status, "message": "too long"}])
    with pytest.raises(RequestError, match=rf"^HumanEval/7: .*HTTP {status}: too long") as caught:
        await attempt(model_server)
    assert caught.value.tag == "HumanEval/7"
    assert len(model_server.seen()["requests"]) == 1


async def test_a_prompt_beyond_the_context(model_server: Any) -> None:
    model = connect(model_server)
    long = Request(tag="long", prompt="x" * 5000, sampling=Sampling(max_tokens=8))
    results = await asyncio.gather(model.complete(long), model.complete(REQUEST), return_exceptions=True)
    await model.aclose()
    assert isinstance(results[0], RequestError)
    assert "maximum context length is 4096" in str(results[0])
    assert not isinstance(results[1], BaseException)


async def test_one_bad_part_ends_all_parts(model_server: Any) -> None:
    model_server.set(max_n=1, faults=[{"kind": "slow"}, {"kind": "status", "status": 400, "message": "no"}])
    model = connect(model_server)
    with pytest.raises(RequestError, match="no"):
        await model.complete(
            Request(tag="t", prompt="x", sampling=Sampling(n=6, temperature=1.0, max_tokens=4))
        )
    assert model.limiter.in_flight == 0
    await model.aclose()


async def test_a_wrong_key_ends_the_run_and_is_not_shown(model_server: Any) -> None:
    model_server.set(api_key="right")
    with pytest.raises(UserError, match="set OPENAI_API_KEY") as caught:
        await attempt(model_server, api_key="sk-secret")
    assert not isinstance(caught.value, RequestError)
    assert "sk-secret" not in str(caught.value)
    assert (await attempt(model_server, api_key="right")).choices


async def test_the_key_comes_from_the_environment(model_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model_server.set(api_key="from-env")
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    model = open_model("openai/tiny-llama")
    assert (await model.complete(REQUEST)).choices
    await model.aclose()


async def test_an_unknown_model_ends_the_run_and_names_the_known_ones(model_server: Any) -> None:
    for asking in ("complete", "style"):
        model = connect(model_server, "huge-llama")
        with pytest.raises(UserError, match="no model 'huge-llama'; it offers tiny-llama") as caught:
            await (model.complete(REQUEST) if asking == "complete" else model.style())
        assert not isinstance(caught.value, RequestError)
        await model.aclose()


async def test_a_used_up_quota_is_not_waited_for(model_server: Any) -> None:
    fault = {"kind": "status", "status": 429, "code": "insufficient_quota", "message": "You exceeded it."}
    model_server.set(faults=[fault])
    with pytest.raises(UserError, match=r"quota .*You exceeded it"):
        await attempt(model_server)
    assert len(model_server.seen()["requests"]) == 1


async def test_a_server_that_moved_is_followed(model_server: Any) -> None:
    expected = await attempt(model_server)
    model_server.set(faults=[{"kind": "moved", "to": f"{model_server.url}/completions"}])
    assert (await attempt(model_server)).choices == expected.choices


async def test_a_wrong_path_hints_at_the_base_url(model_server: Any) -> None:
    model = open_model("openai/tiny-llama", base_url=model_server.url.removesuffix("/v1"))
    with pytest.raises(UserError, match="usually ends with /v1"):
        await model.complete(REQUEST)
    await model.aclose()


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        model = open_model("openai/org/name", base_url=f"http://127.0.0.1:{port}/v1")
        for asking in ("complete", "style"):
            with pytest.raises(DependencyError) as caught:
                await (model.complete(REQUEST) if asking == "complete" else model.style())
            assert f"http://127.0.0.1:{port}/v1" in str(caught.value)
            assert str(caught.value).endswith(f"run: vllm serve org/name --port {port}")
            assert "\n" not in str(caught.value)
        await model.aclose()


async def test_a_server_that_dies_halfway(own_model_server: Any) -> None:
    """Finished answers stay finished; the others fail after a bounded number of tries."""
    own_model_server.set(die_after=3)
    model = connect(own_model_server, concurrency=1)
    results = await asyncio.gather(*(model.complete(REQUEST) for _ in range(6)), return_exceptions=True)
    await model.aclose()
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 3
    assert {type(error) for error in failed} == {InfraError}
    assert own_model_server.url in str(failed[0])
    assert "\n" not in str(failed[0])


async def test_cancelling_gives_all_places_back(model_server: Any) -> None:
    model_server.set(delay_s=1.5)
    model = connect(model_server, concurrency=2)
    tasks = [asyncio.create_task(model.complete(REQUEST)) for _ in range(6)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert model.limiter.in_flight == 0
    model_server.set(delay_s=0.0)
    assert (await asyncio.wait_for(model.complete(REQUEST), 5)).choices
    await model.aclose()


async def test_a_request_needs_exactly_one_form(model_server: Any) -> None:
    model = connect(model_server)
    with pytest.raises(UserError, match="t: a request needs either"):
        await model.complete(Request(tag="t"))
    await model.aclose()


async def test_log_probabilities_that_are_not_given_are_told(model_server: Any) -> None:
    model_server.set(script=[{"contains": "x", "answers": ["5"]}])
    model = connect(model_server)
    with pytest.raises(RequestError, match="no log-probabilities"):
        await model.complete(msgspec.structs.replace(REQUEST, top_logprobs=3))
    await model.aclose()
