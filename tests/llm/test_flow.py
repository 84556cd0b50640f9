"""Flow control and pauses: the limiter and the retry policy."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from time import time

import pytest

from opencoder.llm.breaker import FIRST_PAUSE_S, OPENS_AFTER, Breaker
from opencoder.llm.limiter import GROW_AFTER, Limiter
from opencoder.llm.retry import MAX_RETRY_AFTER_S, RetryPolicy, retry_after_s


async def test_never_more_in_flight_than_the_limit() -> None:
    limiter = Limiter(3)
    seen = []

    async def work() -> None:
        await limiter.acquire()
        seen.append(limiter.in_flight)
        await asyncio.sleep(0.001)
        limiter.release()

    await asyncio.gather(*(work() for _ in range(30)))
    assert len(seen) == 30
    assert max(seen) == 3
    assert limiter.in_flight == 0


async def test_a_burst_cuts_once_and_answers_grow_it_again() -> None:
    limiter = Limiter(16)
    started = [await limiter.acquire() for _ in range(8)]
    await asyncio.sleep(0.002)
    for moment in started:
        limiter.overloaded(moment, None)
        limiter.release()
    assert limiter.limit == 12.0
    later = await limiter.acquire()
    limiter.overloaded(later, None)
    assert limiter.limit == 9.0
    for _ in range(GROW_AFTER):
        limiter.answered()
    assert limiter.limit == 10.0
    for _ in range(GROW_AFTER * 20):
        limiter.answered()
    assert limiter.limit == 16.0


async def test_the_limit_stays_at_least_one() -> None:
    limiter = Limiter(2)
    for _ in range(10):
        moment = await asyncio.wait_for(limiter.acquire(), 1)
        await asyncio.sleep(0.001)
        limiter.overloaded(moment, None)
        limiter.release()
    assert limiter.limit == 1.0


async def test_quiet_asked_for_by_the_server_holds_everybody() -> None:
    limiter = Limiter(4)
    moment = await limiter.acquire()
    limiter.overloaded(moment, 0.05)
    assert await limiter.acquire() - moment >= 0.05


async def test_a_cancelled_waiter_hands_its_place_on() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    limiter.release()  # the place is promised to the first waiter ...
    first.cancel()  # ... who does not live to take it
    await asyncio.wait_for(second, 1)
    with pytest.raises(asyncio.CancelledError):
        await first
    limiter.release()
    assert limiter.in_flight == 0


def test_pauses_double_up_to_the_cap_with_jitter() -> None:
    policy = RetryPolicy(base_s=1.0, cap_s=8.0)
    for attempt, longest in ((1, 1.0), (2, 2.0), (4, 8.0), (9, 8.0), (5000, 8.0)):
        pauses = [policy.pause_s(attempt, None) for _ in range(50)]
        assert longest / 2 <= min(pauses)
        assert max(pauses) <= longest
        assert len(set(pauses)) > 10


def test_the_servers_wish_is_kept_within_reason() -> None:
    policy = RetryPolicy(base_s=0.5)
    assert 7.0 < policy.pause_s(1, 7.0) <= 7.5
    assert policy.pause_s(1, 1e9) <= MAX_RETRY_AFTER_S + 0.5


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": formatdate(time() - 100, usegmt=True)}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers) == expected


def test_retry_after_as_a_date() -> None:
    wait_s = retry_after_s({"retry-after": formatdate(time() + 60, usegmt=True)})
    assert wait_s is not None
    assert 57 < wait_s < 61


def test_a_breaker_opens_after_a_row_of_failures_and_closes_with_an_answer() -> None:
    breaker = Breaker(100.0)
    assert [breaker.failed(0.0) for _ in range(OPENS_AFTER - 1)] == [None] * (OPENS_AFTER - 1)
    assert breaker.failed(1.0) == (FIRST_PAUSE_S, True)
    assert breaker.failed(1.5) == (FIRST_PAUSE_S - 0.5, False)
    assert breaker.failed(4.0) == (2 * FIRST_PAUSE_S, True)
    breaker.answered()
    assert breaker.failed(9.0) is None
    assert breaker.num_failed == 1


def test_a_breaker_pauses_no_longer_than_it_has_patience() -> None:
    breaker = Breaker(3.0)
    pauses = [breaker.failed(0.1 * number) for number in range(OPENS_AFTER)]
    assert pauses[-1] == (pytest.approx(3.0 - 0.1 * (OPENS_AFTER - 1)), True) or pauses[-1] == (2.0, True)
    assert breaker.failed(2.95) == (pytest.approx(0.05), True)
    assert not breaker.gave_up
    assert breaker.failed(3.0) is None
    assert breaker.gave_up
    assert all(Breaker(0.0).failed(float(number)) is None for number in range(50))


async def test_a_limiter_that_probes_lets_one_pass_until_there_is_an_answer() -> None:
    limiter = Limiter(8)
    limiter.probe_after(0.02)
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(5)]
    await asyncio.sleep(0.1)
    assert limiter.in_flight == 1
    limiter.release()
    await asyncio.sleep(0)
    assert limiter.in_flight == 1
    limiter.answered()
    await asyncio.gather(*waiting)
    assert limiter.in_flight == 4
