"""The inner half of the trials role: a fork that loads programs and runs tests on them (see ``trials``).

Frames from outside, each a JSON object but for ``c``:

``s``  how to be: ``classes`` (tests use ``unittest``), ``cpu_s``, ``memory_bytes``, ``prelude``
``p``  a program: ``source``, ``seed``, ``clock``, ``trace``
``c``  a call: the plain list ``[function, arguments, keywords]``
``t``  what to run on it: ``token``, ``order``, and the first time ``tests``
``f``  programs that are expected to fail: ``sources``, and ``tests``; each ends at the first test that fails

Frames to the outside: ``o`` loaded, ``a`` the answer of a call (plain; empty where it raised), ``v`` the
verdict with the token.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import random
import resource
import socket
import sys
import time
import types
from collections.abc import Callable
from typing import Any

from . import cooperative, plain, wire
from .reach import Trace

START, PROGRAM, CALL, TESTS, FAULTY = b"s", b"p", b"c", b"t", b"f"
LOADED, ANSWER, VERDICT = b"o", b"a", b"v"

_CHUNK = 1 << 16


def serve(channel: socket.socket) -> None:
    """Try programs until nobody asks any more."""
    for number in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    fork = _Tried(channel)
    while fork.next():
        pass


class _Tried:
    """The state of a fork. Everything it needs is bound before a program is loaded."""

    def __init__(self, channel: socket.socket) -> None:
        self._send, self._receive = channel.sendall, channel.recv
        self._frames = wire.Frames()
        self._ready: list[tuple[bytes, bytes]] = []
        self._loads, self._dumps, self._frame = json.loads, json.dumps, wire.frame
        self._encode, self._simplify, self._decode = plain.encode, plain.simplify, plain.decode
        start = self._take()
        how = json.loads(start[1]) if start else {}
        self._saved = cooperative.Saved(classes=how.get("classes", False))
        self._prelude = how.get("prelude", "")
        self._runs: cooperative.Runs | None = None
        self._make_runs = cooperative.Runs
        self._is_first = True
        if start:
            resource.setrlimit(resource.RLIMIT_CPU, (how["cpu_s"], how["cpu_s"]))
            resource.setrlimit(resource.RLIMIT_DATA, (how["memory_bytes"], how["memory_bytes"]))

    def next(self) -> bool:
        """Do what is asked next; returns whether anything was."""
        asked = self._take()
        if asked is None:
            return False
        what = self._loads(asked[1])
        if asked[0] == FAULTY:
            for source in what["sources"]:
                self._faulty(source, what["tests"])
            return True
        return self._program(what)

    def _faulty(self, source: str, tests: list[dict[str, Any]] | None) -> None:
        """Try a program that is expected to fail. It may say what it likes, so it needs no token."""
        if self._runs is None:
            self._runs = self._make_runs(tests or [])
        self._begin(0)
        load, records = "", []
        try:
            namespace = _load(self._prelude, source, None)
        except BaseException as error:  # noqa: BLE001  (SystemExit and the like included)
            load = cooperative.told(error)
        else:
            records = self._runs.run(namespace, range(self._runs.num_tests), stop=True)
        self._send(self._frame(VERDICT, self._dumps({"tests": records, "load": load}).encode()))

    def _program(self, program: dict[str, Any]) -> bool:
        self._begin(program["seed"])
        go_on = _stop_clock(program["clock"]) if program["clock"] is not None else None
        trace = Trace() if program["trace"] else None
        load, namespace = "", None
        try:
            namespace = _load(self._prelude, program["source"], trace)
        except BaseException as error:  # noqa: BLE001  (SystemExit and the like included)
            load = cooperative.told(error)
        tampered = self._saved.restore()
        self._send(self._frame(LOADED))
        said: dict[str, Any] = {"tests": [], "load": load, "tampered": tampered}
        while (asked := self._take()) is not None:
            if asked[0] == CALL:
                self._send(self._frame(ANSWER, self._called(namespace, asked[1])))
                continue
            what = self._loads(asked[1])
            if self._runs is None:
                self._runs = self._make_runs(what["tests"])
            if namespace is not None:
                said["tests"] = self._runs.run(namespace, what["order"], stop=False)
                if trace is not None:
                    said["trace"] = trace.told()
            if go_on is not None:
                go_on()
            self._send(self._frame(VERDICT, self._dumps({**said, "token": what["token"]}).encode()))
            return True
        return False

    def _begin(self, seed: int) -> None:
        random.seed(seed)
        if not self._is_first:
            self._saved.restore()  # what the program before it has done
        self._is_first = False

    def _called(self, namespace: dict[str, Any] | None, request: bytes) -> bytes:
        """Return what a call gave, as plain data; nothing where it raised."""
        try:
            name, arguments, keywords = self._decode(request)
            value = (namespace or {})[name](*arguments, **keywords)
            if "numpy" in sys.modules:  # its numbers pass for byte strings when dumped directly
                value = self._simplify(value)
            return self._encode(value)
        except BaseException:  # noqa: BLE001  (whatever it is: the tests will tell)
            return b""

    def _take(self) -> tuple[bytes, bytes] | None:
        while not self._ready:
            data = self._receive(_CHUNK)
            if not data:
                return None
            self._ready = self._frames.feed(data)
        return self._ready.pop(0)


def _load(prelude: str, source: str, trace: Trace | None) -> dict[str, Any]:
    module = types.ModuleType("solution")
    module.__dict__.update(__builtins__=builtins)
    tree = ast.parse(source)
    if trace is not None:
        tree = trace.into(tree, module.__dict__)
    exec(compile(prelude, "<prelude>", "exec", dont_inherit=True), module.__dict__)
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
