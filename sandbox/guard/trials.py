"""The trials role: many programs under the same tests, in forks of one warm interpreter.

The programs are copies of one solution with faults in them, stubs, and repetitions, so a fork's cost is what
counts: those that are expected to fail can share one, until one of them does not come back. The forking
process loads none of them. A program runs beside its tests and could rewrite them; what stands against that
is what stands against it in ``cooperative``, and that copies with faults in them must fail: a program that
passes whatever it does is told by its copies. Who needs more asks for a judgement too.

The payload is a JSON object:

``tests``     a list of tests, each with ``code`` and what ``sandbox.assertions.outline`` found in it
``setup``     code that runs before each program, in its namespace
``trials``    a list of ``source``, and optionally ``order`` (indices of tests), ``seed`` (of ``random``),
              ``clock`` (Unix seconds at which the clock stands still), ``stop`` (at the first test that
              fails), ``trace`` (which lines and branches are reached) and ``joined`` (runs in the fork of
              the one before it, in a namespace of its own)
``cpu_s``     CPU seconds of the first trial; the others get ten times what it took, up to that
``wall_s``    seconds of each trial, for those that wait
``memory_bytes``  of data of each trial

Frames: ``r`` the record of a trial, in the order of the trials.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import random
import resource
import select
import signal
import socket
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from . import cooperative, wire

RECORD = b"r"
_VERDICT = b"v"
_LOADED = b"o"
_CHUNK = 1 << 16
_POLL_S = 0.02
_TOKEN_BYTES = 16
# From the kernel's posix-timers.h: the CPU clock of a whole process is ~pid << 3 | CPUCLOCK_SCHED.
_CPU_CLOCK = 2
_SLOWER = 10.0
_SLACK_S = 0.1


def run(job: dict[str, Any], channel: int, payload: int) -> None:
    """Carry out all trials of the payload."""
    with open(payload, "rb", closefd=False) as file:
        plan = json.loads(file.read())
    saved = cooperative.Saved(classes=any(test["classes"] for test in plan["tests"]))
    tests = cooperative.Runs(plan["tests"])
    trials = plan["trials"]
    longest = plan["cpu_s"]
    done = 0
    while done < len(trials):
        end = done + 1
        while end < len(trials) and trials[end].get("joined"):
            end += 1
        said = b""
        for record in _carry_out(plan, trials[done:end], saved, tests, channel):
            if done == 0:
                # A fault can make a loop endless; what takes so much longer than the program has failed.
                longest = min(longest, _SLOWER * record["cpu_s"] + _SLACK_S)
            plan["cpu_s"] = longest
            said += wire.frame(RECORD, json.dumps(record).encode())
            done += 1
        _write(channel, said)  # at once: each write wakes up two processes outside


def _carry_out(
    plan: dict[str, Any],
    trials: list[dict[str, Any]],
    saved: cooperative.Saved,
    tests: cooperative.Runs,
    channel: int,
) -> Iterator[dict[str, Any]]:
    """Fork, and yield what the fork says of each program; the first that says nothing of use ends it."""
    ours, theirs = socket.socketpair()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            os.close(channel)
            os.setsid()
            _be_tried(plan, trials, saved, tests, theirs)
        finally:
            os._exit(0)
    theirs.close()
    line, used = _Line(ours), 0.0
    last: dict[str, Any] = {}
    for number in range(len(trials)):
        said, how = _listen(line, pid, plan, used)
        now, cpu_s = time.monotonic(), _cpu_s(pid)
        last = {
            "how": how or "verdict",
            "wall_s": round(now - began, 6),
            "cpu_s": round(cpu_s - used, 6),
            **said,
        }
        began, used = now, cpu_s
        if how or number == len(trials) - 1:
            break
        yield last
    ours.close()
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status, spent = os.wait4(pid, 0)
    if last["how"] == "ended" and os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        last["how"] = f"signal {os.WTERMSIG(status)}"
    if len(trials) == 1:
        last["cpu_s"] = round(spent.ru_utime + spent.ru_stime, 6)  # with what it waited for
    yield last


class _Line:
    """What a fork says, frame by frame; several may come at once."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours
        self._frames = wire.Frames(1 << 24)
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def next(self) -> tuple[bytes, bytes] | None:
        """Return a frame that is there, None where none has come for a while; raises EOFError at the end."""
        if not self._waiting:
            ready, _, _ = select.select([self._ours], [], [], _POLL_S)
            if not ready:
                return None
            data = self._ours.recv(_CHUNK)
            if not data:
                raise EOFError
            self._waiting.extend(self._frames.feed(data))
        return self._waiting.popleft() if self._waiting else None

    def say(self, text: str) -> None:
        """Tell the fork something."""
        self._ours.sendall(text.encode())


def _listen(line: _Line, pid: int, plan: dict[str, Any], used_s: float) -> tuple[dict[str, Any], str]:
    """Return what is said of the next program, or nothing and why; ``used_s``: CPU seconds before it."""
    token = os.urandom(_TOKEN_BYTES).hex()
    asked = False
    end = time.monotonic() + plan["wall_s"]
    try:
        while True:
            frame = line.next()
            if frame is None:
                if time.monotonic() > end or _cpu_s(pid) - used_s > plan["cpu_s"]:
                    return {}, "timeout"
            elif frame[0] == _LOADED and not asked:
                asked = True
                line.say(token)
            elif frame[0] == _VERDICT:
                said = json.loads(frame[1])
                return (said, "") if said.pop("token", "") == token else ({}, "forged")
    except EOFError:
        return {}, "ended"
    except (OSError, ValueError, AttributeError):
        return {}, "forged"


def _cpu_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0


def _be_tried(
    plan: dict[str, Any],
    trials: list[dict[str, Any]],
    saved: cooperative.Saved,
    tests: cooperative.Runs,
    channel: socket.socket,
) -> None:
    """In the fork: load each program, run the tests, tell what became of them."""
    for number in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    seconds = int(plan["cpu_s"] * len(trials)) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (plan["memory_bytes"], plan["memory_bytes"]))
    for trial in trials:
        _be_tried_once(plan, trial, saved, tests, channel)


def _be_tried_once(
    plan: dict[str, Any],
    trial: dict[str, Any],
    saved: cooperative.Saved,
    tests: cooperative.Runs,
    channel: socket.socket,
) -> None:
    send, receive, frame, dumps = channel.sendall, channel.recv, wire.frame, json.dumps
    random.seed(trial.get("seed", 0))
    go_on = _stop_clock(trial["clock"]) if trial.get("clock") is not None else None
    if trial.get("joined"):
        saved.restore()  # what the program before it has done
    said: dict[str, Any] = {"tests": [], "load": ""}
    trace = Trace() if trial.get("trace") else None
    try:
        namespace = _load(plan["setup"], trial["source"], trace)
    except BaseException as error:  # noqa: BLE001  (SystemExit and the like included)
        said["load"] = cooperative.told(error)
        namespace = None
    # What a copy with a fault in it has changed does not matter: it is to fail, however it does.
    said["tampered"] = [] if trial.get("stop") else saved.restore()
    send(frame(_LOADED))
    token = receive(_CHUNK).decode()
    if namespace is not None:
        order = trial.get("order") or range(len(plan["tests"]))
        said["tests"] = tests.run(namespace, order, stop=bool(trial.get("stop")))
        if trace is not None:
            said["trace"] = trace.told()
    if go_on is not None:
        go_on()
    send(frame(_VERDICT, dumps({**said, "token": token}).encode()))


def _load(setup: str, source: str, trace: Trace | None) -> dict[str, Any]:
    module = types.ModuleType("solution")
    module.__dict__.update(__builtins__=builtins)
    tree = ast.parse(source)
    if trace is not None:
        tree = trace.into(tree, module.__dict__)
    exec(compile(setup, "<setup>", "exec", dont_inherit=True), module.__dict__)
    exec(compile(tree, "solution.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def _stop_clock(at: float) -> Callable[[], None]:
    """Have the clock stand still for programs that ask ``time`` or ``datetime``; returns what undoes it."""
    import datetime

    went = time.time, time.time_ns, datetime.datetime

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(at, tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(at, datetime.UTC).replace(tzinfo=None)

    time.time, time.time_ns = lambda: at, lambda: int(at * 1e9)
    datetime.datetime = Stopped  # type: ignore[misc]

    def go_on() -> None:
        time.time, time.time_ns, datetime.datetime = went  # type: ignore[misc]

    return go_on


class Trace:
    """Which statements and branches a program reaches, by calls that are put into its tree.

    Cheaper than a trace function, and it tells both outcomes of a condition in one line apart.
    """

    def __init__(self) -> None:
        self._lines: set[int] = set()
        self._branches: set[tuple[int, bool]] = set()
        self._all_lines: set[int] = set()
        self._num_conditions = 0

    def into(self, tree: ast.Module, namespace: dict[str, Any]) -> ast.Module:
        """Put the calls in, and what they call into the namespace."""
        reached, note = self._lines.add, self._branches.add

        def branch(number: int, value: Any) -> Any:
            note((number, bool(value)))
            return value

        namespace["@line"], namespace["@branch"] = reached, branch
        for node in list(ast.walk(tree)):
            self._watch_conditions(node)
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    setattr(node, name, [part for row in block for part in self._watched(row)])
        return ast.fix_missing_locations(tree)

    def told(self) -> dict[str, int]:
        """Return counts: statements and outcomes, those reached and all."""
        return {
            "lines": len(self._lines),
            "all_lines": len(self._all_lines),
            "branches": len(self._branches),
            "all_branches": 2 * self._num_conditions,
        }

    def _watched(self, statement: ast.stmt) -> list[ast.stmt]:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            return [statement]
        self._all_lines.add(statement.lineno)
        call = ast.Expr(_call("@line", ast.Constant(statement.lineno)))
        return [ast.copy_location(call, statement), statement]

    def _watch_conditions(self, node: ast.AST) -> None:
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, ast.Constant):
            node.test = self._condition(node.test)
        elif isinstance(node, ast.comprehension):
            node.ifs = [self._condition(test) for test in node.ifs]

    def _condition(self, test: ast.expr) -> ast.expr:
        self._num_conditions += 1
        return ast.copy_location(_call("@branch", ast.Constant(self._num_conditions), test), test)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _write(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]
