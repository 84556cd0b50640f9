"""The solution role: load a solution, then answer calls with plain data.

It runs in the interpreter of the solution, which may rewrite all of it: what it sends are claims about
outputs, and the supervisor, which holds the expected values, treats them so.

Frames sent on the channel: ``a`` an answer, ``t`` what is known of the call (when asked for),
``x`` an exception in a call, ``l`` a failure to load, ``d`` the end of the payload, ``n`` the end of a
suite's process. Options:

``entry_point``  the function to call with each record of the payload; empty to serve requests instead
``full_from``    the first record whose answer is sent whole (up to the limit ``result_bytes``); those before,
                 if long, travel as a digest
``suites``       sizes of the payload's parts in bytes, each served by a process of its own; ``slow_calls`` is
                 then a list for each
``slow_calls``   records whose call may take long: answers before it must not wait for it
``times``        send, before each answer, the CPU seconds of the call and whether the answer is floats
``disabled``     dotted names to set to None before the solution loads
``guarded_modules``  modules whose import fails
``refuse_stdin`` reading stdin raises OSError, as the original scorers have it
``prelude``      code to run in the solution's namespace first
"""

from __future__ import annotations

import builtins
import importlib
import io
import marshal
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any, BinaryIO

from . import plain, wire

ANSWER = b"a"
CALL_TIME = b"t"
EXCEPTION = b"x"
LOAD_FAILURE = b"l"
DONE = b"d"
NEXT = b"n"
REQUEST = b"q"

# Targets of a request that act on an object of the solution instead of calling one of its functions.
GETATTR = "\0getattr"
SETATTR = "\0setattr"

_FLUSH_S = 0.02
_FLUSH_BYTES = 1 << 16
_CALL_FRAMES = 40


class _RefusingStdin(io.TextIOBase):
    """Stands in for stdin where reading it is an error."""

    def readable(self) -> bool:
        return False

    def read(self, *args: object) -> str:
        raise OSError("stdin is closed")

    readline = readlines = read  # type: ignore[assignment]


class Sender:
    """Buffers frames; what the supervisor sees is never older than ``_FLUSH_S`` while calls end."""

    def __init__(self, fd: int) -> None:
        self.parts: list[bytes] = []
        self._size = 0
        self._fd = fd
        self._write = os.write
        self._clock = time.monotonic
        self._due = self._clock() + _FLUSH_S

    def send(self, data: bytes) -> None:
        """Buffer frames."""
        self.parts.append(data)
        self._size += len(data)
        if self._size > _FLUSH_BYTES or self._clock() > self._due:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        view = memoryview(b"".join(self.parts))
        while view:
            view = view[self._write(self._fd, view) :]
        self.parts.clear()
        self._size = 0
        self._due = self._clock() + _FLUSH_S


def load(job: dict[str, Any]) -> dict[str, Any]:
    """Execute the solution as a module and return its namespace."""
    options = job["options"]
    module = types.ModuleType("solution")
    module.__dict__.update(__builtins__=builtins, __file__=f"{os.getcwd()}/{job['filename']}")
    sys.modules["solution"] = module
    if options.get("refuse_stdin"):
        sys.stdin = _RefusingStdin()
    if options.get("disabled"):
        _load_first(job["source"])
        disable(options["disabled"])
    for name in options.get("guarded_modules", ()):
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
    for text, name in ((options.get("prelude", ""), "<prelude>"), (job["source"], job["filename"])):
        if text:
            exec(compile(text, name, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def _load_first(source: bytes) -> None:
    """Import what needs the names that are about to go; the original scorers load it at the start."""
    if b"numpy" in source:
        try:
            importlib.import_module("numpy")
        except ImportError:
            pass  # the solution will say so


def disable(names: list[str]) -> None:
    """Set dotted names such as ``os.system`` to None; names that do not exist here are left out."""
    for name in names:
        module_name, _, attribute = name.rpartition(".")
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        if hasattr(module, attribute):
            setattr(module, attribute, None)


def serve(job: dict[str, Any], channel: int, payload: int) -> None:
    """Load the solution, then call it with each record of the payload, or serve requests."""
    options = job["options"]
    sender = Sender(channel)
    if "suites" in options:
        _serve_suites(job, payload, sender)
        return
    # Opened before the solution, or the options, can take ``open`` away.
    _serve_one(job, channel, open(payload, "rb", buffering=1 << 16, closefd=False), sender)


def _serve_suites(job: dict[str, Any], payload: int, sender: Sender) -> None:
    """Serve each suite in a process of its own, so that none sees what another left behind.

    The last one needs no fork: nothing comes after it.
    """
    options = job["options"]
    start = 0
    for place, (size, slow) in enumerate(zip(options["suites"], options["slow_calls"], strict=True), start=1):
        pid = os.fork() if place < len(options["suites"]) else 0
        if pid == 0:
            records = io.BytesIO(os.pread(payload, size, start))
            _serve_one({**job, "options": {**options, "slow_calls": slow}}, -1, records, sender)
            return
        _, status = os.waitpid(pid, 0)
        sender.send(wire.frame(NEXT, b"" if status == 0 else str(status).encode()))
        sender.flush()
        start += size


def _serve_one(job: dict[str, Any], channel: int, records: BinaryIO, sender: Sender) -> None:
    options = job["options"]
    try:
        namespace = load(job)
        entry_point = options.get("entry_point")
        function = namespace[entry_point] if entry_point else None
    except BaseException as error:  # noqa: BLE001  (SystemExit and the like included)
        sender.send(wire.frame(LOAD_FAILURE, _describe(error)))
        sender.flush()
        return
    if function is None:
        _Requests(namespace, channel, sender).serve()
    else:
        _call_all(function, records, sender, job)


def _call_all(function: Callable[..., Any], records: BinaryIO, sender: Sender, job: dict[str, Any]) -> None:
    """Call ``function`` with each record; stop at the first exception.

    Everything that the loop needs is bound to a local name first: the solution may replace what it finds.
    """
    options = job["options"]
    full_from = int(options.get("full_from", 1 << 62))
    longest = int(job["limits"]["result_bytes"])
    times = bool(options.get("times"))
    encode, seal, simplify = plain.encode, plain.seal, plain.simplify
    loads, dumps, modules = marshal.loads, marshal.dumps, sys.modules
    pack, send, clock = wire.HEADER.pack, sender.send, time.process_time
    read = records.read
    slow = frozenset(options.get("slow_calls", ()))
    index = 0
    while header := read(4):
        arguments = loads(read(int.from_bytes(header, "little")))
        if index in slow:
            sender.flush()
        began = clock() if times else 0.0
        try:
            value = function(*arguments)
            if "numpy" in modules:  # its numbers pass for byte strings when dumped directly
                value = simplify(value)
            data = seal(value, dumps)
            if index >= full_from and data[:1] == plain.DIGEST_MARK:
                whole = encode(value)
                data = whole if len(whole) <= longest else data
        except BaseException as error:  # noqa: BLE001
            send(wire.frame(EXCEPTION, _describe(error)))
            break
        if times:
            send(wire.frame(CALL_TIME, f"{clock() - began!r} {int(_is_floats(value))}".encode()))
        send(pack(ANSWER, len(data)) + data)
        index += 1
    else:
        send(wire.frame(DONE))
    sender.flush()


def _is_floats(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


class _Requests:
    """Serves calls of the checker: one request in, one answer out.

    A request is the plain list ``[name or handle, arguments, keywords]``. The answer holds the value, or the
    exception, and the arguments again where the call changed them.
    """

    def __init__(self, namespace: dict[str, Any], channel: int, sender: Sender) -> None:
        self._namespace = namespace
        self._channel = channel
        self._sender = sender
        self._kept: list[object] = [None]
        self._read = os.read

    def _keep(self, value: object) -> int:
        self._kept.append(value)
        return len(self._kept) - 1

    def _resolve(self, value: Any) -> Any:
        """Put kept objects back where a request names their handle."""
        kind = type(value)
        if kind is plain.Handle:
            return self._kept[value.number]
        if kind in (list, tuple, set, frozenset):
            return kind(self._resolve(item) for item in value)
        if kind is dict:
            return {self._resolve(k): self._resolve(v) for k, v in value.items()}
        return value

    def _target(self, target: Any) -> Any:
        if type(target) is plain.Handle:
            return self._kept[target.number]
        return {GETATTR: getattr, SETATTR: setattr}.get(target) or self._namespace[target]

    def serve(self) -> None:
        frames = wire.Frames()
        read = self._read
        while data := read(self._channel, 1 << 16):
            for _, payload in frames.feed(data):
                self._sender.send(self._answer(payload))
                self._sender.flush()

    def _encode(self, value: object) -> bytes:
        if "numpy" in sys.modules:  # its numbers pass for byte strings when dumped directly
            try:
                value = plain.simplify(value, self._keep)
            except (TypeError, ValueError, RecursionError):
                pass  # ``encode`` meets the same and sends a handle
        return plain.encode(value, self._keep)

    def _answer(self, payload: bytes) -> bytes:
        target, arguments, keywords = plain.decode(payload)
        encode = self._encode
        before = encode(arguments)
        try:
            function = self._target(target)
            arguments = self._resolve(arguments)
            value = function(*arguments, **self._resolve(keywords))
            out = encode(value)
            after = encode(arguments)
        except BaseException as error:  # noqa: BLE001
            return wire.frame(EXCEPTION, _describe(error))
        changed = after if after != before else b""
        return wire.frame(ANSWER, len(out).to_bytes(4, "little") + out + changed)


def _describe(error: BaseException) -> bytes:
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  (a hostile __str__)
        text = "exception"
    return text[:2000].encode("utf-8", "replace")
