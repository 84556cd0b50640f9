"""A model behind a journal: asked once, and never for what is known."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from opencoder.errors import InfraError, UserError
from opencoder.llm.api import Choice, Request, RequestError, Response, Sampling, Style
from opencoder.llm.flow import each
from opencoder.llm.journal import Journal, read_entries
from opencoder.llm.journaled import JournaledModel
from opencoder.llm.prices import Price, parse_price
from opencoder.records import Message


class Parrot:
    """Answers with the prompt, or as it was told."""

    name = "parrot"
    revision = "r1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.finish_reason = "stop"

    async def complete(self, request: Request) -> Response:
        self.asked.append(request.tag)
        await asyncio.sleep(0.01)
        if request.tag in self.errors:
            raise self.errors[request.tag]
        text = f"{len(self.asked)}: {request.messages[0].content}"
        choice = Choice(text=text, finish_reason=self.finish_reason)
        return Response(
            choices=[choice], model=self.name, tokens_in=10, tokens_cached=4, tokens_out=5, attempts=2
        )

    async def style(self) -> Style:
        return "chat"

    async def aclose(self) -> None:
        pass


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as opened:
        yield opened


def ask(tag: str, text: str = "hello", **options: object) -> Request:
    return msgspec.structs.replace(Request(tag=tag, messages=(Message("user", text),)), **options)


async def test_nothing_is_asked_twice(parrot: Parrot, journal: Journal) -> None:
    model = JournaledModel(parrot, journal)
    first = await model.complete(ask("a"))
    assert await model.complete(ask("a")) == first
    # The key does not depend on the unit: an equal request of another row is known too.
    assert await model.complete(ask("b")) == first
    assert parrot.asked == ["a"]
    assert (model.usage.asked, model.usage.replayed) == (1, 2)
    assert (model.usage.tokens_in, model.usage.tokens_cached, model.usage.tokens_out) == (10, 4, 5)
    assert model.usage.attempts == 2


async def test_equal_requests_at_once_are_sent_once(parrot: Parrot, journal: Journal) -> None:
    model = JournaledModel(parrot, journal)
    answers = await asyncio.gather(*(model.complete(ask(f"t{number}")) for number in range(20)))
    assert len(parrot.asked) == 1
    assert all(answer == answers[0] for answer in answers)


async def test_one_that_is_cancelled_leaves_the_request_to_the_next(parrot: Parrot, journal: Journal) -> None:
    model = JournaledModel(parrot, journal)
    first = asyncio.create_task(model.complete(ask("a")))
    second = asyncio.create_task(model.complete(ask("b")))
    await asyncio.sleep(0.002)
    first.cancel()
    assert (await second).choices[0].text == "2: hello"
    assert parrot.asked == ["a", "b"]


async def test_a_refusal_is_final_and_a_failure_is_not(parrot: Parrot, journal: Journal) -> None:
    parrot.errors = {"a": RequestError("too long", tag="a"), "b": InfraError("down")}
    model = JournaledModel(parrot, journal)
    for _ in range(2):
        with pytest.raises(RequestError, match=r"^a: too long$"):
            await model.complete(ask("a"))
        with pytest.raises(InfraError, match="down"):
            await model.complete(ask("b", "other"))
    assert parrot.asked == ["a", "b", "b"]
    assert [entry.status for entry in read_entries(journal.folder)] == ["refused", "failed", "failed"]
    assert (model.usage.refused, model.usage.failed, model.usage.replayed) == (1, 2, 1)


async def test_replay_asks_nobody(parrot: Parrot, journal: Journal) -> None:
    parrot.errors = {"a": RequestError("too long", tag="a")}
    model = JournaledModel(parrot, journal)
    answer = await model.complete(ask("b", "other"))
    with pytest.raises(RequestError):
        await model.complete(ask("a"))
    again = JournaledModel(None, journal, name="parrot")
    assert await again.complete(ask("b", "other")) == answer
    with pytest.raises(RequestError, match=r"^a: too long$"):
        await again.complete(ask("a"))
    with pytest.raises(UserError, match="has no answer to this request for c"):
        await again.complete(ask("c", "new"))


@pytest.mark.parametrize(
    ("reuse", "reason", "limit", "asked"),
    [(True, "stop", 64, 1), (True, "length", 64, 2), (True, "stop", 4, 2), (False, "stop", 64, 2)],
)
async def test_an_answer_that_ended_by_itself_holds_for_a_larger_limit(
    parrot: Parrot, journal: Journal, reuse: bool, reason: str, limit: int, asked: int
) -> None:
    parrot.finish_reason = reason
    model = JournaledModel(parrot, journal, reuse_stopped=reuse)
    request = ask("a", sampling=Sampling(max_tokens=16))
    await model.complete(request)
    larger = replace(request.sampling, max_tokens=limit)
    await model.complete(msgspec.structs.replace(request, sampling=larger))
    assert len(parrot.asked) == asked


def test_a_schema_and_logprobs_change_the_key_and_nothing_else_does() -> None:
    plain = ask("a")
    others = [ask("a", schema={"type": "integer"}), ask("a", top_logprobs=5), ask("a", "hello!")]
    assert len({request.key("m") for request in (plain, *others)}) == 4
    assert ask("z").key("m") == plain.key("m")
    larger = ask("a", sampling=Sampling(max_tokens=9))
    assert larger.loose_key("m") == plain.loose_key("m") != plain.key("m")
    assert larger.key("m") != plain.key("m")


async def test_a_source_without_end_is_drawn_from_as_it_is_used_up() -> None:
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        assert drawn - number < 4
        if number == 1000:
            raise InfraError("enough")

    with pytest.raises(InfraError, match="enough"):
        await each(numbers(), work, 4)
    assert drawn < 1010


def test_prices() -> None:
    assert parse_price("0.5/2") == Price(tokens_in=0.5, tokens_out=2.0, tokens_cached=0.5)
    assert parse_price("0.5/2/0.1").dollars(1_000_000, 500_000, 400_000) == pytest.approx(0.3 + 0.04 + 1.0)
    for text in ("", "1", "1/2/3/4", "a/b", "-1/2", "nan/1", "inf/1"):
        with pytest.raises(UserError, match="IN/OUT"):
            parse_price(text)
