"""The checker role: runs the test code of a benchmark, in a boundary of its own.

The solution lives in another boundary and is reached by calls on the channel; nothing of it is loaded here,
so nothing it does to its interpreter reaches a comparison. Frames: ``q`` a request for the solution, ``v``
the verdict for the supervisor. Options:

``setup``        trusted code to run first, such as the helper functions that a prompt defines
``entry_point``  the function that ``check`` is called with; empty when the code is a list of assertions
``names``        names that the test code takes from the solution
``modules``      modules that the test code uses without importing them
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
from collections.abc import Callable
from typing import Any

from . import plain, wire
from .solution import ANSWER, GETATTR, REQUEST, SETATTR

VERDICT = b"v"


class RemoteError(Exception):
    """An exception of the solution whose type is none of Python's own."""


class ChannelClosed(BaseException):
    """The solution ended; not an ``Exception``, so that test code does not swallow it."""


class RemoteObject:
    """Stands for an object that stays with the solution: attributes are fetched and set there.

    It has no ``==`` of its own, so that nothing but itself is ever equal to it.
    """

    def __init__(self, remote: Remote, handle: plain.Handle) -> None:
        self.__dict__.update(_remote=remote, _handle=handle)

    def __getattr__(self, name: str) -> Any:
        """Fetch an attribute; a method comes back as an object that can be called."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self._remote.function(GETATTR)(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute on the solution's side."""
        self._remote.function(SETATTR)(self, name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the object on the solution's side."""
        return self._remote.function(self._handle)(*arguments, **keywords)


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
        request = plain.encode([_reference(target), _reference(arguments), _reference(keywords)])
        view = memoryview(wire.frame(REQUEST, request))
        while view:
            view = view[os.write(self._channel, view) :]
        kind, payload = self._receive()
        if kind != ANSWER:
            raise _exception(payload.decode("utf-8", "replace"))
        size = int.from_bytes(payload[:4], "little")
        value = self._adopt(plain.decode(payload[4 : 4 + size]))
        if payload[4 + size :]:
            _update(arguments, self._adopt(plain.decode(payload[4 + size :])))
        return value

    def _adopt(self, value: Any) -> Any:
        """Put remote objects in the place of handles."""
        kind = type(value)
        if kind is plain.Handle:
            return RemoteObject(self, value)
        if kind in (list, tuple, set, frozenset):
            return kind(self._adopt(item) for item in value)
        if kind is dict:
            return {self._adopt(k): self._adopt(v) for k, v in value.items()}
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
    if kind is RemoteObject:
        value, kind = value._handle, plain.Handle
    if kind is plain.Handle:
        return plain.handle(value.number, value.type_name)
    if kind in (list, tuple, set, frozenset):
        return kind(_reference(item) for item in value)
    if kind is dict:
        return {_reference(k): _reference(v) for k, v in value.items()}
    return value


def _update(arguments: list[Any], after: Any) -> None:
    """Repeat on this side what the call did to its mutable arguments."""
    for before, now in zip(arguments, after, strict=False):
        # Compared as encoded: [True] == [1], and what holds NaN differs from itself.
        if type(before) is type(now) and plain.encode(before) != plain.encode(now):
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
        for name in options.get("modules", ()):
            namespace[name] = importlib.import_module(name)
        # Every solution that loads answers this; one that does not must not pass tests that never call it.
        remote.function(GETATTR)(0, "real")
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
