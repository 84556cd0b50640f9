"""The checker role: runs the test code of a benchmark, in a boundary of its own.

The solution lives in another boundary and is reached by calls on the channel; nothing of it is loaded here,
so nothing it does to its interpreter reaches a comparison. Frames: ``q`` a request for the solution, ``v`` the
verdict for the supervisor. Options:

``setup``        trusted code to run first, such as the helper functions that a prompt defines
``entry_point``  the function that ``check`` is called with; empty when the code is a list of assertions
``names``        names that the test code takes from the solution
"""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable
from typing import Any

from . import plain, wire
from .solution import ANSWER, REQUEST

VERDICT = b"v"


class RemoteError(Exception):
    """An exception of the solution whose type is none of Python's own."""


class ChannelClosed(BaseException):
    """The solution ended; not an ``Exception``, so that test code does not swallow it."""


class Remote:
    """Calls functions of the solution."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._frames = wire.Frames()
        self._ready: list[tuple[bytes, bytes]] = []

    def function(self, target: object) -> Callable[..., Any]:
        """Return a stand-in for the solution's ``target``, a name or a handle."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self._call(target, list(arguments), keywords)

        call.__name__ = str(target)
        return call

    def _call(self, target: object, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        request = _encode_request([_reference(target), _reference(arguments), _reference(keywords)])
        view = memoryview(wire.frame(REQUEST, request))
        while view:
            view = view[os.write(self._channel, view) :]
        kind, payload = self._receive()
        if kind != ANSWER:
            raise _exception(payload.decode("utf-8", "replace"))
        size = int.from_bytes(payload[:4], "little")
        value = plain.decode(payload[4 : 4 + size])
        if payload[4 + size :]:
            _update(arguments, plain.decode(payload[4 + size :]))
        return value

    def _receive(self) -> tuple[bytes, bytes]:
        while not self._ready:
            data = os.read(self._channel, 1 << 16)
            if not data:
                raise ChannelClosed
            self._ready = self._frames.feed(data)
        return self._ready.pop(0)


def _reference(value: Any) -> Any:
    """Write handles so that the other side finds its objects again."""
    kind = type(value)
    if kind is plain.Handle:
        return plain.handle(value.number, value.type_name)
    if kind in (list, tuple, set, frozenset):
        return kind(_reference(item) for item in value)
    if kind is dict:
        return {_reference(k): _reference(v) for k, v in value.items()}
    return value


def _encode_request(request: list[Any]) -> bytes:
    return plain.encode(request)


def _update(arguments: list[Any], after: Any) -> None:
    """Repeat on this side what the call did to its mutable arguments."""
    for before, now in zip(arguments, after):
        if type(before) is type(now) and before != now:
            if isinstance(before, list):
                before[:] = now
            elif isinstance(before, (dict, set)):
                before.clear()
                before.update(now)


def _exception(text: str) -> BaseException:
    name, _, message = text.partition(": ")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:  # UnicodeDecodeError and the like want more arguments
            return RemoteError(text)
    return RemoteError(text)


def run(job: dict[str, Any], channel: int) -> None:
    """Run the test code and send the verdict."""
    options = job["options"]
    remote = Remote(channel)
    passed, detail, kind = False, "", "failed"
    try:
        namespace: dict[str, Any] = {"__name__": "checker", "__builtins__": builtins}
        if options.get("setup"):
            exec(compile(options["setup"], "<setup>", "exec", dont_inherit=True), namespace)
        for name in options.get("names", ()):
            namespace[name] = remote.function(name)
        exec(compile(job["source"], "<tests>", "exec", dont_inherit=True), namespace)
        if options.get("entry_point"):
            namespace["check"](remote.function(options["entry_point"]))
        passed = True
    except ChannelClosed:
        kind, detail = "closed", "the solution ended before the tests did"
    except AssertionError as error:
        detail = f"AssertionError: {error}"
    except BaseException as error:  # noqa: BLE001  (whatever the tests or the solution raise is a failure)
        kind, detail = "error", f"{type(error).__name__}: {error}"
    verdict = json.dumps({"passed": passed, "kind": kind, "detail": detail[:2000]})
    os.write(channel, wire.frame(VERDICT, verdict.encode()))
