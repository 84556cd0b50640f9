"""Providers without a model: reference solutions, files of samples, former runs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from opencoder.errors import DataError, UserError
from opencoder.llm import Request, RequestError, Sampling, open_model
from opencoder.llm.samples import SamplesModel
from opencoder.records import Completion


def write(path: Path, *rows: object) -> Path:
    content = b"".join((row if isinstance(row, bytes) else msgspec.json.encode(row)) + b"\n" for row in rows)
    if path.name.endswith(".zst"):
        content = zstandard.compress(content)
    elif path.name.endswith(".gz"):
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


def ask(tag: str, sample_id: int = 0, n: int = 1) -> Request:
    return Request(tag=tag, prompt="p", sample_id=sample_id, sampling=Sampling(n=n, temperature=1.0))


async def test_reference_gives_the_whole_program_n_times() -> None:
    model = open_model("reference")
    response = await model.complete(
        Request(tag="t", reference="def f(): ...", sampling=Sampling(n=2, temperature=1.0))
    )
    assert [(c.text, c.form) for c in response.choices] == [("def f(): ...", "solution")] * 2
    assert await model.style() == "none"


async def test_reference_needs_one() -> None:
    with pytest.raises(RequestError, match=r"^t: .*no reference"):
        await open_model("reference").complete(ask("t"))


@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.gz", "s.jsonl.zst"])
async def test_samples_are_numbered_per_task(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name,
        {"task_id": "a", "completion": "a0"},
        {"task_id": "b", "raw": "b0", "whatever": 1},
        {"task_id": "a", "solution": "a1", "completion": "not this"},
        {"task_id": "b", "sample_id": 7, "solution": ""},
    )
    model = open_model(f"samples:{path}")
    assert isinstance(model, SamplesModel)
    found = {task: sorted(samples) for task, samples in model.samples.items()}
    assert found == {"a": [0, 1], "b": [0, 7]}
    response = await model.complete(ask("a", n=2))
    assert [(c.text, c.form) for c in response.choices] == [("a0", "completion"), ("a1", "solution")]
    raw = (await model.complete(ask("b"))).choices[0]
    assert (raw.text, raw.form) == ("b0", "raw")
    assert (await model.complete(ask("b", 7))).choices[0].text == ""
    assert await model.style() == "none"
    assert len(model.revision) == 16


async def test_missing_samples_concern_one_request(tmp_path: Path) -> None:
    model = open_model(f"samples:{write(tmp_path / 's.jsonl', {'task_id': 'a', 'raw': 'x'})}")
    with pytest.raises(RequestError, match=r"^z: .*no sample 0"):
        await model.complete(ask("z"))
    with pytest.raises(RequestError, match=r"^a: .*no sample 1"):
        await model.complete(ask("a", n=2))


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        (
            [{"task_id": "a", "raw": "x"}, {"task_id": "a", "sample_id": 0, "raw": "y"}],
            2,
            "on line 1 already",
        ),
        ([{"task_id": "a", "text": "x"}], 1, "no solution, completion or raw"),
        ([{"raw": "x"}], 1, "task_id"),
        ([{"task_id": "", "raw": "x"}], 1, "task_id is empty"),
        ([{"task_id": "a", "raw": 3}], 1, "raw"),
        ([{"task_id": "a", "sample_id": -1, "raw": "x"}], 1, "sample_id is -1"),
        ([{"task_id": "a", "raw": "x"}, b'{"task_id": "a", "raw": '], 2, "JSON"),
        ([b"[1, 2]"], 1, "object"),
    ],
)
def test_bad_samples_are_named_with_their_line(
    tmp_path: Path, rows: list[Any], line: int, words: str
) -> None:
    path = write(tmp_path / "s.jsonl", *rows)
    with pytest.raises(DataError) as caught:
        open_model(f"samples:{path}")
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_samples_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no samples"):
        open_model(f"samples:{write(tmp_path / 's.jsonl')}")
    with pytest.raises(DataError, match="no such file"):
        open_model(f"samples:{tmp_path / 'gone.jsonl'}")


def completion(request: Request, sample_id: int, **changes: Any) -> Completion:
    row = Completion(
        task_id=request.tag,
        sample_id=sample_id,
        text=f"text {sample_id}",
        finish_reason="length",
        tokens_in=5,
        tokens_out=3,
        model="openai/x",
        request_hash=request.key("openai/x"),
    )
    return msgspec.structs.replace(row, **changes)


async def test_replay_finds_answers_by_key(tmp_path: Path) -> None:
    request = ask("a", sample_id=2, n=2)
    write(tmp_path / "completions.jsonl", completion(request, 3), completion(request, 2))
    model = open_model(f"replay:{tmp_path}", style="completion")
    assert model.name == "openai/x"
    assert await model.style() == "completion"
    response = await model.complete(request)
    assert [c.text for c in response.choices] == ["text 2", "text 3"]
    assert (response.tokens_in, response.tokens_out) == (5, 6)
    assert response.choices[0].finish_reason == "length"


async def test_replay_says_what_differs(tmp_path: Path) -> None:
    write(tmp_path / "completions.jsonl", completion(ask("a"), 0))
    model = open_model(f"replay:{tmp_path}")
    for other in (ask("b"), ask("a", sample_id=1), ask("a", n=2)):
        with pytest.raises(UserError, match=r"no answer .*repeat its settings"):
            await model.complete(other)
    with pytest.raises(UserError, match="give the prompt style"):
        await model.style()


def test_replay_refuses_folders_that_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no completions\.jsonl"):
        open_model(f"replay:{tmp_path}")
    row = completion(ask("a"), 0)
    path = write(tmp_path / "completions.jsonl", row, msgspec.structs.replace(row, model="openai/y"))
    with pytest.raises(DataError, match="openai/x, openai/y"):
        open_model(f"replay:{tmp_path}")
    write(path, row, msgspec.structs.replace(row, request_hash=""))
    with pytest.raises(DataError, match=r"completions\.jsonl:2: no request_hash"):
        open_model(f"replay:{tmp_path}")
    write(path)
    with pytest.raises(DataError, match="found: none"):
        open_model(f"replay:{tmp_path}")
