"""The trials role: many programs under the same tests, in forks of one warm interpreter.

The programs are copies of one solution with faults in them, stubs, and repetitions, so a fork's cost is what
counts: those of a group share one, until one of them does not come back. The forks are made before anything
is known of the tests and are told of them when a program is loaded, so nothing that is expected lies in the
memory of a program that is only called. A program that tests run beside could rewrite them all the same; what
stands against that is what stands against it in ``cooperative``, and that copies with faults in them must
fail.

The payload is a JSON object:

``tests``     a list of tests, each with ``code`` and what ``sandbox.assertions.outline`` found in it
``prelude``   code that runs before each program, in its namespace
``trials``    a list of ``source``, ``order`` (indices of tests), ``seed`` (of ``random``), ``clock`` (Unix
              seconds at which the clock stands still, or null), ``stop`` (it is expected to fail; a group
              is of one kind),
              ``trace`` (which lines and branches are reached), ``joined`` (shares the fork of the one before
              it, in a namespace of its own) and ``calls`` (plain data, in hexadecimal: made before the tests)
``cpu_s``     CPU seconds of each trial of the first group; the others get ten times what these took, or less
``wall_s``    seconds of each trial, for those that wait
``memory_bytes``  of data of each trial

``job["options"]["forks"]`` is how many groups there are. After a first group that fails, none is tried.
Frames: ``r`` the record of a trial, in their order.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections import deque
from typing import Any

from . import kernel, tried, wire

RECORD = b"r"
_CHUNK = 1 << 16
_POLL_S = 0.01
_TOKEN_BYTES = 16
# From the kernel's posix-timers.h: the CPU clock of a whole process is ~pid << 3 | CPUCLOCK_SCHED.
_CPU_CLOCK = 2
_SLOWER = 10.0
_SLACK_S = 0.03


def run(job: dict[str, Any], channel: int, payload: int) -> None:
    """Carry out all trials of the payload."""
    forks = deque(_Fork() for _ in range(int(job["options"]["forks"])))
    kernel.set_dumpable(False)  # from here on no fork may look into this process
    with open(payload, "rb", closefd=False) as file:
        plan = json.loads(file.read())
    trials, longest, done = plan["trials"], plan["cpu_s"], 0
    while done < len(trials):
        end = done + 1
        while end < len(trials) and trials[end]["joined"]:
            end += 1
        while done < end:
            fork = forks.popleft() if forks and not trials[done]["joined"] else _Fork()
            records = fork.carry_out(plan, trials[done:end], longest)
            # All at once: each write wakes up two processes outside.
            _write(channel, b"".join(wire.frame(RECORD, json.dumps(one).encode()) for one in records))
            if done == 0:
                if not all(_passed(one, len(plan["tests"])) for one in records):
                    return  # of what does not pass itself, copies with faults in them tell nothing
                # A fault can make a loop endless; what takes so much longer than the program has failed.
                # The least of the group: the first of a fork pays for the fork.
                longest = min(longest, _SLOWER * min(one["cpu_s"] for one in records) + _SLACK_S)
            done += len(records)


def _passed(record: dict[str, Any], num_tests: int) -> bool:
    tests = record.get("tests", [])
    return len(tests) == num_tests and not any(test[3] for test in tests)


class _Fork:
    """A fork that tries programs (``tried``), and what it says, frame by frame."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                handle = theirs.fileno()
                os.closerange(3, handle)
                os.closerange(handle + 1, kernel.HIGHEST_FD)
                os.setsid()
                tried.serve(theirs)
            finally:
                os._exit(0)
        theirs.close()
        self._frames = wire.Frames(1 << 26)
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def carry_out(
        self, plan: dict[str, Any], trials: list[dict[str, Any]], cpu_s: float
    ) -> list[dict[str, Any]]:
        """Return records of the programs, up to the first that did not come back; then the fork is gone."""
        start = {
            "classes": any(test["classes"] for test in plan["tests"]),
            "cpu_s": int(cpu_s * len(trials)) + 2,
            "memory_bytes": plan["memory_bytes"],
            "prelude": plan["prelude"],
        }
        records: list[dict[str, Any]] = []
        began, used = time.monotonic(), 0.0
        faulty = trials[0]["stop"]
        try:
            self._say(tried.START, start)
            if faulty:
                sources = [trial["source"] for trial in trials]
                self._say(tried.FAULTY, {"sources": sources, "tests": plan["tests"]})
        except EOFError:
            pass  # it is gone, as the wait for its first word tells
        for number, trial in enumerate(trials):
            end = began + plan["wall_s"], used + cpu_s
            if faulty:
                said, how = self._verdict(*end)
            else:
                said, how = self._tried(trial, plan["tests"], number == 0, *end)
            now, spent = time.monotonic(), _cpu_s(self.pid)
            record = {
                "how": how or "verdict",
                "wall_s": round(now - began, 6),
                "cpu_s": round(spent - used, 6),
            }
            records.append({**said, **record})
            began, used = now, spent
            if how:
                break
        status = self._end()
        if records[-1]["how"] == "ended" and os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            records[-1]["how"] = f"signal {os.WTERMSIG(status)}"
        return records

    def _verdict(self, end: float, cpu_s: float) -> tuple[dict[str, Any], str]:
        """Return what is said of a program that is expected to fail, or nothing and why."""
        try:
            kind, data = self._wait(end, cpu_s)
            said = json.loads(data)
            return (
                ({"tests": said["tests"], "load": said["load"]}, "")
                if kind == tried.VERDICT
                else ({}, "forged")
            )
        except TimeoutError:
            return {}, "timeout"
        except EOFError:
            return {}, "ended"
        except (OSError, ValueError, TypeError, KeyError):
            return {}, "forged"

    def _tried(
        self, trial: dict[str, Any], tests: list[Any], is_first: bool, end: float, cpu_s: float
    ) -> tuple[dict[str, Any], str]:
        """Return what is said of a program, or nothing and why."""
        token = os.urandom(_TOKEN_BYTES).hex()
        order = trial["order"] or list(range(len(tests)))
        answers: list[str] = []
        try:
            self._say(tried.PROGRAM, {key: trial[key] for key in ("source", "seed", "clock", "trace")})
            if self._wait(end, cpu_s)[0] != tried.LOADED:
                return {}, "forged"
            for call in trial["calls"]:
                self._ours.sendall(wire.frame(tried.CALL, bytes.fromhex(call)))
                kind, data = self._wait(end, cpu_s)
                if kind != tried.ANSWER:
                    return {}, "forged"
                answers.append(data.hex())
            self._say(tried.TESTS, {"token": token, "order": order, "tests": tests if is_first else None})
            kind, data = self._wait(end, cpu_s)
            said = json.loads(data)
            is_ours = kind == tried.VERDICT and said.pop("token", "") == token
            return ({**said, "answers": answers}, "") if is_ours else ({}, "forged")
        except TimeoutError:
            return {}, "timeout"
        except EOFError:
            return {}, "ended"
        except (OSError, ValueError, AttributeError, TypeError):
            return {}, "forged"

    def _wait(self, end: float, cpu_s: float) -> tuple[bytes, bytes]:
        """Return the next frame.

        Raises:
            TimeoutError: The clock on the wall shows ``end``, or the fork has used ``cpu_s``.
            EOFError: The fork is gone.
        """
        while (frame := self._next()) is None:
            if time.monotonic() > end or _cpu_s(self.pid) > cpu_s:
                raise TimeoutError
        return frame

    def _say(self, kind: bytes, what: dict[str, Any]) -> None:
        try:
            self._ours.sendall(wire.frame(kind, json.dumps(what).encode()))
        except BrokenPipeError:
            raise EOFError from None

    def _next(self) -> tuple[bytes, bytes] | None:
        """Return a frame, None where none has come for a while; raises EOFError at the end."""
        if not self._waiting:
            ready, _, _ = select.select([self._ours], [], [], _POLL_S)
            if not ready:
                return None
            try:
                data = self._ours.recv(_CHUNK)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._waiting.extend(self._frames.feed(data))
        return self._waiting.popleft() if self._waiting else None

    def _end(self) -> int:
        """Kill it and what it started in its session; returns how it ended."""
        self._ours.close()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return os.waitpid(self.pid, 0)[1]


def _cpu_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0


def _write(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]
