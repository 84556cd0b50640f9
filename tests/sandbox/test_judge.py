import asyncio
import math

import pytest
import pytest_asyncio

from opencoder.errors import DependencyError, InfraError, UserError
from sandbox import judge
from sandbox.api import Limits, Program, Verdict
from sandbox.cases import CaseSet
from sandbox.judge import Solution, TestCode, free_names, judge_cases, judge_script, judge_tests
from sandbox.namespace import NamespaceSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    try:
        async with NamespaceSandbox() as opened:
            yield opened
    except DependencyError as error:
        pytest.skip(str(error))


def solution(source, entry_point="f", **limits):
    return Solution(source=source, entry_point=entry_point, limits=Limits(**{"wall_s": 10.0, **limits}))


def close(index, answer, expected):
    if isinstance(expected, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(expected)
            and all(close(index, *pair) for pair in zip(answer, expected, strict=True))
        )
    return isinstance(answer, float) and math.isclose(answer, expected, rel_tol=1e-6)


DOUBLE = ([[1], [2], [3]], [2, 4, 6])


@pytest.mark.parametrize(
    ("source", "verdict", "index"),
    [
        ("def f(x): return 2 * x", Verdict.PASS, None),
        ("def f(x): return 2 * x if x < 3 else 0", Verdict.WRONG, 2),
        ("def f(x): return 2.0 * x", Verdict.WRONG, 0),
        ("def f(x): return str(2 * x)", Verdict.WRONG, 0),
        ("def f(x): pass", Verdict.WRONG, 0),
        ("def f(x): return 2 * x if x < 2 else 1 / 0", Verdict.ERROR, 1),
        ("def f(x): raise SystemExit(0)", Verdict.ERROR, 0),
        ("def f(x): raise MemoryError", Verdict.MEMORY, 0),
        ("def g(x): return 2 * x", Verdict.ERROR, 0),
        ("def f(x) return", Verdict.ERROR, 0),
        ("1 / 0", Verdict.ERROR, 0),
        ("import os\ndef f(x): os._exit(0)", Verdict.ERROR, 0),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", Verdict.ERROR, 0),
        ("import os\nos.closerange(0, 100)\ndef f(x): return 2 * x", Verdict.ERROR, 0),
        ("import sys\nsys.stdout.close(); sys.stderr.close()\ndef f(x): return 2 * x", Verdict.PASS, None),
        ("import os\nos.close(0); os.close(1); os.close(2)\ndef f(x): return 2 * x", Verdict.PASS, None),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(.1,)).start()\n"
         "def f(x): return 2 * x", Verdict.PASS, None),
        ("def f(x):\n    print('noise' * 10)\n    return 2 * x", Verdict.PASS, None),
        ("def f(x): return ().__class__.__base__", Verdict.WRONG, 0),
        ("def f(x): return f", Verdict.WRONG, 0),
    ],
)  # fmt: skip
async def test_verdicts_by_cases(sandbox, source, verdict, index):
    got = await judge_cases(sandbox, solution(source), CaseSet.of(*DOUBLE))
    assert (got.verdict, got.index) == (verdict, index), got
    if index is not None:
        assert got.answered == index


async def test_the_detail_says_which_call_and_why(sandbox):
    source = "def f(x):\n    if x == 2: raise ValueError('not two')\n    return 2 * x"
    got = await judge_cases(sandbox, solution(source), CaseSet.of(*DOUBLE))
    assert got.detail == "call 1: ValueError: not two"
    broken = await judge_cases(sandbox, solution("import nothing_of_this_name"), CaseSet.of(*DOUBLE))
    assert broken.detail.startswith("loading: ModuleNotFoundError")


async def test_no_cases_are_passed_by_what_loads(sandbox):
    assert (await judge_cases(sandbox, solution("def f(): 1"), CaseSet.of([], []))).verdict is Verdict.PASS
    assert (await judge_cases(sandbox, solution("g"), CaseSet.of([], []))).verdict is Verdict.ERROR


async def test_limits_decide(sandbox):
    cases = CaseSet.of([[1]], [2])
    endless = await judge_cases(sandbox, solution("def f(x):\n    while 1: pass", wall_s=0.5), cases)
    assert endless.verdict is Verdict.TIMEOUT
    large = "def f(x): return len(b'x' * (300 << 20))"
    assert (await judge_cases(sandbox, solution(large, memory_mb=64), cases)).verdict is Verdict.MEMORY
    flood = "def f(x):\n    while 1: print('x' * 1000)"
    assert (await judge_cases(sandbox, solution(flood, output_bytes=1000), cases)).verdict is Verdict.OUTPUT


LONG = [float(n) for n in range(3000)]


@pytest.mark.parametrize(
    ("source", "compare", "verdict"),
    [
        ("def f(n): return [float(i) for i in range(n)]", None, Verdict.PASS),
        ("def f(n): return [float(i) for i in range(n - 1)] + [0.0]", None, Verdict.WRONG),
        ("def f(n): return [i * (1 + 1e-12) for i in range(n)]", None, Verdict.WRONG),
        ("def f(n): return [i * (1 + 1e-12) for i in range(n)]", close, Verdict.PASS),
        ("def f(n): return [i * (1 + 1e-3) for i in range(n)]", close, Verdict.WRONG),
        ("def f(n): return 1.0", close, Verdict.WRONG),
        ("class F(list): pass\ndef f(n): return F(float(i) for i in range(n))", None, Verdict.PASS),
    ],
)
async def test_long_answers_travel_as_digests_and_are_seen_whole_when_it_matters(
    sandbox, source, compare, verdict
):
    cases = CaseSet.of([[5], [3000], [2]], [LONG[:5], LONG, LONG[:2]], compare=compare)
    got = await judge_cases(sandbox, solution(source), cases)
    assert got.verdict is verdict, got


async def test_a_very_long_answer_is_compared_by_slices(sandbox):
    cases = CaseSet.of([[100_000]], [list(range(100_000))])
    assert (
        await judge_cases(sandbox, solution("def f(n): return list(range(n))"), cases)
    ).verdict is Verdict.PASS
    off = "def f(n): return list(range(n - 1)) + [0]"
    assert (await judge_cases(sandbox, solution(off), cases)).verdict is Verdict.WRONG


async def test_an_answer_beyond_the_cap_is_wrong_and_not_sent(sandbox):
    cases = CaseSet.of([[1]], [[0.0] * 5000], compare=close)
    source = "def f(x): return [1e-30] * 3_000_000"
    got = await judge_cases(sandbox, solution(source, result_bytes=1 << 20), cases)
    assert got.verdict is Verdict.WRONG


def limited(call_limit_s, **more):
    cases = CaseSet.of([[0], [1], [2]], [0, 1, 2])
    return CaseSet(
        cases.payload, cases.expected, cases.offsets, cases.compare, call_limit_s=call_limit_s, **more
    )


async def test_a_call_has_its_own_cpu_limit(sandbox):
    source = "import time\ndef f(x):\n    while x == 1: pass\n    time.sleep(.05)\n    return x"
    got = await judge_cases(sandbox, solution(source, wall_s=60), limited(0.3))
    assert (got.verdict, got.index) == (Verdict.TIMEOUT, 1)
    assert "more than 0.3 CPU seconds" in got.detail
    assert got.result.wall_s < 10


async def test_a_call_that_sleeps_gets_no_more_than_its_limit(sandbox):
    source = "import time\ndef f(x):\n    time.sleep({} * (x == 1) + .05)\n    return x"
    slow = await judge_cases(sandbox, solution(source.format(0.5), wall_s=60), limited(2.0))
    assert slow.verdict is Verdict.PASS
    stuck = await judge_cases(sandbox, solution(source.format(50), wall_s=60), limited(0.3))
    assert (stuck.verdict, stuck.index) == (Verdict.TIMEOUT, 1)
    assert "waiting for more than 0.3 s" in stuck.detail
    assert stuck.result.wall_s < 10


async def test_single_calls_may_have_other_limits(sandbox):
    source = (
        "import time\ndef f(x):\n    end = time.process_time() + .8 * (x == 1)\n"
        "    while time.process_time() < end: pass\n    return x"
    )
    cases = limited(0.1, slow_calls={1: 5.0})
    assert (await judge_cases(sandbox, solution(source, wall_s=60), cases)).verdict is Verdict.PASS


# Finds the descriptor of the channel, writes to it what the format puts in, and leaves.
GARBAGE = """
import os, socket, stat
def f(x): pass
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.write(fd, {data!r})
    except OSError:
        pass
os._exit(0)
"""


def frame(kind, payload=b""):
    return kind + len(payload).to_bytes(4, "little") + payload


@pytest.mark.parametrize(
    "data",
    [
        b"garbage" * 1000,
        b"\xff" * 5,
        frame(b"z", b"what"),
        frame(b"d"),
        frame(b"d") * 3,
        frame(b"a", b"not marshal"),
        frame(b"a", b"["),
        frame(b"a", b"[" + b"\x01\0\0\0[" * 3000),
        frame(b"a", b"[\x01\0\0\0" * 300 + b"N"),
        frame(b"a", b"l\xff\xff\xff\x7f"),
        frame(b"a", b"#" + bytes(16)),
        frame(b"a", b"i\x02\0\0\0") + frame(b"d"),
        frame(b"a", b"i\x02\0\0\0") * 5,
        frame(b"v", b'{"passed": true, "kind": "failed", "detail": ""}'),
        frame(b"a", b"i\x02\0\0\0")[:-1],
        b"",
    ],
)
async def test_garbage_on_the_channel_is_no_answer(sandbox, data):
    item = solution(GARBAGE.format(data=data))
    by_cases = await judge_cases(sandbox, item, CaseSet.of(*DOUBLE))
    assert by_cases.verdict in (Verdict.ERROR, Verdict.WRONG), by_cases
    by_tests = await judge_tests(sandbox, item, TestCode(code="def check(f):\n    assert f(1) == 2"))
    assert by_tests.verdict in (Verdict.ERROR, Verdict.WRONG), by_tests


async def test_right_answers_on_the_channel_are_right(sandbox):
    """What comes over the channel is a claim about outputs: one that is right in all is a pass."""
    answers = b"".join(frame(b"a", b"i" + n.to_bytes(4, "little")) for n in (2, 4, 6)) + frame(b"d")
    got = await judge_cases(sandbox, solution(GARBAGE.format(data=answers)), CaseSet.of(*DOUBLE))
    assert got.verdict is Verdict.PASS


async def test_cancelling_ends_the_solution(sandbox):
    item = solution("def f(x):\n    while 1: pass", wall_s=60)
    for judging in (
        judge_cases(sandbox, item, limited(30.0)),
        judge_tests(sandbox, item, TestCode(code="def check(f): f(1)")),
    ):
        task = asyncio.ensure_future(judging)
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            if not sandbox.running:
                break
            await asyncio.sleep(0.02)
        assert not sandbox.running


async def check(sandbox, source, tests, **more):
    return await judge_tests(sandbox, solution(source), TestCode(code=tests, **more))


@pytest.mark.parametrize(
    ("source", "tests", "verdict"),
    [
        ("def f(x): return x", "assert f(1) == 1", Verdict.PASS),
        ("def f(x): return x", "assert f(1) == 2", Verdict.WRONG),
        ("def f(x): raise KeyError('k')", "f(1)", Verdict.ERROR),
        ("def f(x): raise MemoryError", "f(1)", Verdict.MEMORY),
        ("def f(x): x.append(1)", "a = []\n    f(a)\n    assert a == [1]", Verdict.PASS),
        ("def f(x): x['k'] = {1}", "a = {}\n    f(a)\n    assert a == {'k': {1}}", Verdict.PASS),
        ("def f(x, y): x.clear()", "a, b = [1], {2}\n    f(a, y=b)\n    assert a == []", Verdict.PASS),
        ("def f(x): x[0] = True", "a = [1]\n    f(a)\n    assert a[0] is True", Verdict.PASS),
        ("def f(n): return (i for i in range(n))", "assert list(f(3)) == [0, 1, 2]", Verdict.PASS),
        ("def f(n): return map(str, range(n))", "assert next(f(3)) == '0'", Verdict.PASS),
        ("def f(n): return range(n)", "assert f(3) == range(3)", Verdict.PASS),
        ("from collections import deque\ndef f(): return deque([1])", "assert f()[0] == 1", Verdict.PASS),
        ("import collections as c\ndef f(): return c.Counter('aa')", "assert f()['a'] == 2", Verdict.PASS),
        ("def f(): return float('nan')", "x = f()\n    assert x != x", Verdict.PASS),
        ("def f(): return 10 ** 400", "assert f() == 10 ** 400", Verdict.PASS),
        ("def f(): return 'é\\ud800'", "assert f() == 'é\\ud800'", Verdict.PASS),
        ("def f(*a, **k): return a, k", "assert f(1, b=2) == ((1,), {'b': 2})", Verdict.PASS),
        ("class A: pass\nf = A", "assert f() == f()", Verdict.WRONG),
        (
            "class A:\n    n = 0\ndef f(): return A()\ndef g(a): a.n += 1; return a.n",
            "a = f()\n    g(a)\n    assert g(a) == 2 and g(f()) == 1",
            Verdict.PASS,
        ),
        (
            "def f(): return object()\ndef g(items): return len(set(map(id, items[0])))",
            "a = f()\n    assert g([[a, a, f()]]) == 2",
            Verdict.PASS,
        ),
        (
            "def f(): raise ValueError('v')",
            "try: f()\n    except ValueError as e: assert str(e) == 'v'\n    else: assert 0",
            Verdict.PASS,
        ),
        (
            "class Own(Exception): pass\ndef f(): raise Own('o')",
            "try: f()\n    except Exception as e: assert 'Own: o' in str(e), e\n    else: assert 0",
            Verdict.PASS,
        ),
        ("def f(): raise UnicodeDecodeError('utf-8', b'', 0, 1, 'r')",
         "try: f()\n    except Exception as e: assert 'UnicodeDecodeError' in str(e)", Verdict.PASS),
        ("import sys\ndef f(): sys.exit(0)", "f()", Verdict.ERROR),
        ("import os\ndef f(): os._exit(0)", "f()", Verdict.ERROR),
        ("import os\ndef f(): os._exit(0)", "try: f()\n    except BaseException: pass", Verdict.ERROR),
        ("1 / 0", "pass", Verdict.ERROR),
        ("import time\ntime.sleep(.3)\n1 / 0", "pass", Verdict.ERROR),
        ("def f(x): x[0] = float('nan')", "a = [1]\n    f(a)\n    assert a[0] != a[0]", Verdict.PASS),
        ("def f(): return f", "assert f() == 1", Verdict.WRONG),
    ],
)  # fmt: skip
async def test_verdicts_by_tests(sandbox, source, tests, verdict):
    got = await check(sandbox, source, f"def check(candidate):\n    {tests}\n")
    assert got.verdict is verdict, got


async def test_numbers_of_numpy_are_numbers(sandbox):
    pytest.importorskip("numpy")
    source = "import numpy as np\ndef f(x): return np.float64(x * 2), [np.int64(x)], np.bool_(True)"
    tests = "def check(c):\n    assert c(2) == (4.0, [2], True)"
    assert (await check(sandbox, source, tests)).verdict is Verdict.PASS
    cases = CaseSet.of([[2]], [(4.0, [2], True)])
    assert (await judge_cases(sandbox, solution(source), cases)).verdict is Verdict.PASS


async def test_assertions_without_a_function(sandbox):
    got = await check(sandbox, "def f(x): return x", "assert f(1) == 1\nassert f(2) == 3", call_check=False)
    assert got.verdict is Verdict.WRONG
    right = await check(sandbox, "def f(x): return x", "assert f(1) == 1", call_check=False)
    assert right.verdict is Verdict.PASS


async def test_setup_is_the_tests_own(sandbox):
    setup = "import math\ndef helper(x): return math.floor(x)"
    tests = "def check(candidate):\n    assert helper(candidate(1.5)) == 1"
    source = "def f(x): return x\ndef helper(x): return 99"
    assert (await check(sandbox, source, tests, setup=setup)).verdict is Verdict.PASS


async def test_a_check_of_the_solution_is_not_the_check(sandbox):
    source = "def check(candidate): pass\nassert_ = None\ndef f(x): return 0"
    assert (await check(sandbox, source, "def check(c):\n    assert c(1) == 1")).verdict is Verdict.WRONG


async def test_tests_that_never_end_are_a_timeout(sandbox):
    item = solution("def f(x): return x", wall_s=0.5)
    got = await judge_tests(sandbox, item, TestCode(code="def check(c):\n    while c(1): pass"))
    assert got.verdict is Verdict.TIMEOUT


async def test_free_names():
    code = (
        "import math as m\nfrom os import path\nx = len(y)\n"
        "def g(a, *b, **c):\n    return a + b + c + h(candidate)\n"
        "try: pass\nexcept OSError as e: print(e)\n[q for q in range(3)]\n"
    )
    assert free_names(code) == ["h", "y"]
    with pytest.raises(SyntaxError):
        free_names("def (")


class Flaky(NamespaceSandbox):
    """A sandbox that fails a number of times before it hands programs to another one."""

    def __init__(self, sandbox, num_failures):
        super().__init__()
        self._sandbox = sandbox
        self.left = num_failures

    async def start(self, program):
        if self.left:
            self.left -= 1
            raise InfraError("out of order")
        return await self._sandbox.start(program)


async def test_what_the_sandbox_spoiled_is_tried_again(sandbox, monkeypatch):
    monkeypatch.setattr(judge, "_BACKOFF_S", 0.01)
    program = Program(language="python", source="print(1)")
    again = await judge_script(Flaky(sandbox, 2), program)
    assert (again.verdict, again.result.attempts) == (Verdict.OK, 3)
    never = await judge_script(Flaky(sandbox, 9), program)
    assert (never.verdict, never.result.attempts) == (Verdict.SANDBOX_ERROR, 3)
    assert never.detail == "out of order"
    item = solution("def f(x): return 2 * x")
    assert (await judge_cases(Flaky(sandbox, 1), item, CaseSet.of(*DOUBLE))).verdict is Verdict.PASS
    tests = TestCode(code="def check(c):\n    assert c(1) == 2")
    assert (await judge_tests(Flaky(sandbox, 1), item, tests)).verdict is Verdict.PASS


async def test_a_solution_in_another_language_is_refused(sandbox):
    with pytest.raises(UserError, match="only Python"):
        await sandbox.start(Program(language="c", source="", role="solution"))
