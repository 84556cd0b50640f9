"""The Batch API: gathered, sent once, picked up again, and nothing paid for twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DataError, InfraError, UserError
from opencoder.llm import Model, Request, RequestError, Sampling, open_model
from opencoder.llm.batch_files import BatchLog, BatchOptions, BatchState, RequestFile
from opencoder.llm.journal import Journal
from opencoder.llm.journaled import JournaledModel
from opencoder.records import Message
from opencoder.store import read_jsonl

ROOT = Path(__file__).parents[2]
NEVER = 1000


def connect(server: Any, folder: Path, **options: Any) -> Model:
    batch = BatchOptions(folder=folder, **{"gather_s": 0.02, "poll_s": 0.01, **options})
    return open_model("batch/tiny-llama", base_url=server.url, batch=batch, retries=1)


def ask(number: int, **options: Any) -> Request:
    sampling = Sampling(max_tokens=8, temperature=1.0, seed=number)
    turns = (Message("user", f"row {number}."),)
    return msgspec.structs.replace(Request(tag=f"t{number}", messages=turns, sampling=sampling), **options)


async def answers(model: Model, count: int) -> list[Any]:
    try:
        results = await asyncio.gather(
            *(model.complete(ask(number)) for number in range(count)), return_exceptions=True
        )
    finally:
        await model.aclose()
    return results


def states(folder: Path) -> dict[int, BatchState]:
    return {state.number: state for state in read_jsonl(folder / "batches.jsonl", BatchState)}


async def test_answers_are_those_of_single_calls(model_server: Any, tmp_path: Path) -> None:
    single = open_model("openai/tiny-llama", base_url=model_server.url)
    expected = [row.choices for row in await answers(single, 7)]
    model_server.set(reset=True, batch_looks=3)
    model = connect(model_server, tmp_path, max_requests=3)
    assert model.name == single.name
    assert [row.choices for row in await answers(model, 7)] == expected
    requests = model_server.seen()["requests"]
    assert len(requests) == 7
    assert all(row["batched"] and "max_tokens" not in row["body"] for row in requests)
    assert sorted(states(tmp_path)) == [1, 2, 3]
    assert all(state.done and state.batch_id for state in states(tmp_path).values())
    assert not list(tmp_path.glob("0*.jsonl"))
    # The same once more, from the journal: no call.
    again = await answers(connect(model_server, tmp_path), 7)
    assert [row.choices for row in again] == expected
    assert len(model_server.seen()["requests"]) == 7


async def test_chats_and_texts_go_into_files_of_their_own(model_server: Any, tmp_path: Path) -> None:
    model_server.set(script=[{"contains": "", "answers": ["one\u2028two", "three"]}])
    model = connect(model_server, tmp_path)
    several = Sampling(max_tokens=8, temperature=1.0, n=2)
    text = Request(tag="a", prompt="def f(", prefill="x", sampling=several)
    first, second = await asyncio.gather(model.complete(text), model.complete(ask(1)))
    await model.aclose()
    assert [choice.text for choice in first.choices] == ["one\u2028two", "three"]
    assert (first.prefilled, second.prefilled, len(second.choices)) == (True, False, 1)
    assert {state.endpoint for state in states(tmp_path).values()} == {
        "/v1/completions",
        "/v1/chat/completions",
    }
    assert first.tokens_out > 0


async def test_what_expired_is_asked_again_and_only_that(model_server: Any, tmp_path: Path) -> None:
    fault = {"status": "expired", "unanswered": 4}
    model_server.set(batch_faults=[fault, {"refused": "token_limit_exceeded"}])
    results = await answers(connect(model_server, tmp_path), 10)
    assert [len(row.choices) for row in results] == [1] * 10
    assert sorted(row.attempts for row in results) == [1] * 6 + [3] * 4
    assert len(model_server.seen()["requests"]) == 10
    assert sorted(states(tmp_path)) == [1, 2, 3]


async def test_errors_concern_their_requests(model_server: Any, tmp_path: Path) -> None:
    errors = [["row 3.", 400], ["row 5.", 500]]
    model_server.set(batch_faults=[{"errors": errors}, {"errors": errors}])
    results = await answers(connect(model_server, tmp_path, rounds=2), 8)
    kinds = [type(row).__name__ for row in results]
    assert kinds == ["Response"] * 3 + ["RequestError", "Response", "InfraError"] + ["Response"] * 2
    assert str(results[3]).startswith("t3: ")
    assert "2 batches brought no answer, last: HTTP 500 (made to fail)" in str(results[5])
    # A refusal is final, a failure is not.
    model = connect(model_server, tmp_path)
    with pytest.raises(RequestError, match=r"^t3: .*made to fail"):
        await model.complete(ask(3))
    assert (await model.complete(ask(5))).choices
    await model.aclose()


async def test_a_batch_that_is_refused_ends_the_run(model_server: Any, tmp_path: Path) -> None:
    model_server.set(batch_faults=[{"refused": "model_not_found"}])
    results = await answers(connect(model_server, tmp_path), 3)
    assert {type(row) for row in results} == {UserError}
    assert "refused the batch batch-1 (made to fail: model_not_found)" in str(results[0])
    assert [len(row.choices) for row in await answers(connect(model_server, tmp_path), 3)] == [1] * 3


async def test_a_lost_answer_begins_no_second_batch(model_server: Any, tmp_path: Path) -> None:
    model_server.set(batch_faults=[{"lost": True}])
    assert [len(row.choices) for row in await answers(connect(model_server, tmp_path), 5)] == [1] * 5
    assert len(model_server.seen()["requests"]) == 5


async def test_a_wrong_key_costs_no_batch(model_server: Any, tmp_path: Path) -> None:
    model_server.set(batch_looks=NEVER)
    model = connect(model_server, tmp_path)
    waiting = asyncio.create_task(model.complete(ask(1)))
    while not states(tmp_path).get(1, BatchState(number=1, endpoint="")).batch_id:
        await asyncio.sleep(0.01)
    model_server.set(api_key="changed")
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        await waiting
    await model.aclose()
    model_server.set(api_key="", batch_looks=0)
    assert (await answers(connect(model_server, tmp_path), 2))[1].choices
    assert len(model_server.seen()["requests"]) == 2


@pytest.mark.parametrize("known", ["batch", "file"])
async def test_a_killed_run_goes_on_with_its_batch(model_server: Any, tmp_path: Path, known: str) -> None:
    """Killed while it waits; in one case before it could note that the batch was begun."""
    model_server.set(batch_looks=NEVER)
    code = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_batch import answers, connect\n"
        "class Server: url = sys.argv[2]\n"
        "async def main(): await answers(connect(Server, Path(sys.argv[3])), 20)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), model_server.url, str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as child:
        end = time.monotonic() + 60
        while not any(s.batch_id for s in _noted(tmp_path)) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    notes = tmp_path / "batches.jsonl"
    lines = notes.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    notes.write_bytes(b"".join(lines[: {"batch": 3, "file": 2}[known]]))
    model_server.set(batch_looks=0)
    results = await answers(connect(model_server, tmp_path), 25)
    assert [len(row.choices) for row in results] == [1] * 25
    assert len(model_server.seen()["requests"]) == 25
    assert all(state.done for state in states(tmp_path).values())


def _noted(folder: Path) -> list[BatchState]:
    path = folder / "batches.jsonl"
    return list(read_jsonl(path, BatchState)) if path.exists() and path.stat().st_size else []


async def test_a_run_above_it_journals_each_answer(model_server: Any, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        model = JournaledModel(connect(model_server, tmp_path / "batch"), journal)
        # Equal requests at once are one request.
        both = await asyncio.gather(model.complete(ask(1)), model.complete(ask(1, tag="other")))
        await model.aclose()
    assert both[0] == both[1]
    replay = open_model(f"replay:{tmp_path}")
    assert await replay.complete(ask(1)) == both[0]
    await replay.aclose()
    assert len(model_server.seen()["requests"]) == 1


async def test_a_server_without_batches_is_told(model_server: Any, tmp_path: Path) -> None:
    model = open_model(
        "batch/tiny-llama",
        base_url=f"{model_server.url}/none",
        batch=BatchOptions(folder=tmp_path, gather_s=0.01),
        retries=0,
    )
    with pytest.raises(UserError, match="HTTP 404") as caught:
        await model.complete(ask(1))
    assert not isinstance(caught.value, RequestError)
    await model.aclose()
    with pytest.raises(UserError, match="needs a folder"):
        open_model("batch/tiny-llama", base_url=model_server.url)


async def test_a_server_that_fails_is_an_infrastructure_error(own_model_server: Any, tmp_path: Path) -> None:
    own_model_server.set(batch_looks=NEVER)
    model = connect(own_model_server, tmp_path)
    waiting = asyncio.create_task(model.complete(ask(1)))
    while not any(state.batch_id for state in _noted(tmp_path)):
        await asyncio.sleep(0.01)
    own_model_server.process.kill()
    with pytest.raises(InfraError, match="the Batch API failed"):
        await waiting
    await model.aclose()
    assert not states(tmp_path)[1].done


async def test_a_damaged_file_of_requests_is_told(model_server: Any, tmp_path: Path) -> None:
    with closing(BatchLog(tmp_path / "batches.jsonl")) as log:
        log.add(BatchState(number=1, endpoint="/v1/completions", file_id="file-1", batch_id="batch-1"))
    (tmp_path / "00001.jsonl").write_bytes(b'{"custom_id": 1}\n')
    model = connect(model_server, tmp_path)
    with pytest.raises(DataError, match=r"00001\.jsonl:1: no request of a batch"):
        await model.complete(ask(1))
    await model.aclose()


def test_a_file_takes_as_much_as_it_may(tmp_path: Path) -> None:
    file = RequestFile(tmp_path / "f", "/v1/completions", max_requests=3, max_bytes=10)
    assert file.takes(b"x" * 99)  # alone, since no other file would take it
    file.add("a", b"x" * 6)
    assert file.takes(b"x" * 4)
    assert not file.takes(b"x" * 5)
    file.add("b", b"x")
    file.add("c", b"x")
    assert not file.takes(b"x")
    file.close()
