"""Plain data on the wire: the subset of ``marshal`` version 2 that holds nothing but values.

Writing is done by :func:`marshal.dumps`, which is C code and refuses every type but the exact built-in ones.
Reading what an untrusted process wrote is done here, byte by byte: ``marshal.loads`` may crash on hostile
input, this reader raises :class:`NotPlain`. What marshal refuses (subclasses, iterators, foreign objects) is
turned into plain data first where Python's ``==`` would not see a difference, and into a :class:`Handle`
otherwise, which equals nothing.
"""

from __future__ import annotations

import collections
import hashlib
import marshal
import struct
import types
from collections.abc import Callable, Mapping
from typing import Any

VERSION = 2
MAX_DEPTH = 400
DIGEST_BYTES = 16
# Encodings longer than this travel as a digest; both sides of a comparison use the same limits.
INLINE_BYTES = 4096
# Longer lists are hashed by slices of this many items: the encoding of a whole one may be gigabytes.
SLICE_ITEMS = 4096
DIGEST_MARK = b"#"

_ITERATOR_TAG = "\0iterator"
_HANDLE_TAG = "\0handle"


class NotPlain(ValueError):
    """Bytes that no writer of plain data produces, or a value that is not plain."""


class Handle:
    """Stands for an object that cannot leave its process; equal to nothing but itself."""

    __slots__ = ("number", "type_name")

    def __init__(self, number: int, type_name: str) -> None:
        self.number = number
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"<{self.type_name} object #{self.number}>"


def seal(value: Any, dumps: Callable[[Any, int], bytes] = marshal.dumps) -> bytes:
    """Return the encoding of ``value``, or the mark and digest that stand for it if it is long.

    Args:
        value: Any object; equal plain values of equal types give equal bytes (but for the order of sets and
            dicts).
        dumps: For a caller whose modules may be tampered with.
    """
    kind = type(value)
    if kind in (list, tuple) and len(value) > SLICE_ITEMS:
        return _seal_slices(value, dumps)
    if kind is str and len(value) > INLINE_BYTES:  # spares a copy of what may be megabytes
        text = value.encode("utf-8", "surrogatepass")
        return DIGEST_MARK + hashlib.sha256(b"str " + text).digest()[:DIGEST_BYTES]
    try:
        data = dumps(value, VERSION)
    except (ValueError, RecursionError):
        data = encode(value)
    return data if len(data) <= INLINE_BYTES else DIGEST_MARK + hashlib.sha256(data).digest()[:DIGEST_BYTES]


def _seal_slices(value: Any, dumps: Callable[[Any, int], bytes]) -> bytes:
    hasher = hashlib.sha256(f"{type(value).__name__} {len(value)} ".encode())
    for start in range(0, len(value), SLICE_ITEMS):
        part = value[start : start + SLICE_ITEMS]
        try:
            data = dumps(part, VERSION)
        except (ValueError, RecursionError):
            data = encode(part)
        hasher.update(data)
    return DIGEST_MARK + hasher.digest()[:DIGEST_BYTES]


def encode(value: Any, keep: Callable[[object], int] | None = None) -> bytes:
    """Encode ``value``; anything that is not plain goes through :func:`simplify`.

    Args:
        value: Any object.
        keep: Stores an object that cannot be sent and returns its handle number; 0 for all when not given.
    """
    try:
        return marshal.dumps(value, VERSION)
    except (ValueError, RecursionError):
        pass
    try:
        return marshal.dumps(simplify(value, keep), VERSION)
    except (TypeError, ValueError, RecursionError):  # a set of handles, a lying subclass, endless nesting
        return marshal.dumps(_handle(value, keep), VERSION)


_ITERATORS: tuple[type, ...] = (
    type(iter(())), type(iter([])), type(iter({})), type(iter({}.values())), type(iter({}.items())),
    type(iter("")), type(iter(range(0))), type(iter(set())), type(reversed([])), types.GeneratorType,
    map, filter, zip, enumerate, reversed,
)  # fmt: skip
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_MAX_ITEMS = 1_000_000


# How to reach the exact built-in value below an instance of a subclass, whatever the subclass overrides.
_BASES: dict[Any, Callable[[Any], object]] = {
    int: lambda value: int.__add__(value, 0),
    float: lambda value: float.__add__(value, 0.0),
    complex: lambda value: complex.__add__(value, 0),
    str: str.__str__,
    bytes: lambda value: bytes.__add__(value, b""),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}


def simplify(value: Any, keep: Callable[[object], int] | None = None, depth: int = 0) -> Any:
    """Turn ``value`` into exact plain types.

    ``Counter``, ``OrderedDict`` and every subclass that kept its base's ``==`` (named tuples, ``IntEnum``,
    ``defaultdict``) become the base; NumPy scalars become Python numbers; iterators are spent into a tagged
    list. A class with an ``==`` of its own is never trusted to stand for its base: it becomes a handle.
    """
    kind = type(value)
    if depth > MAX_DEPTH:
        return _handle(value, keep)
    if kind in (type(None), bool, int, float, complex, str, bytes):
        return value
    below = depth + 1
    if kind in (list, tuple, set, frozenset):
        return kind(simplify(item, keep, below) for item in value)
    if kind in (dict, collections.Counter, collections.OrderedDict):
        return {simplify(k, keep, below): simplify(v, keep, below) for k, v in dict.items(value)}
    if kind in (bytearray, memoryview):
        return bytes(value)
    if kind is collections.deque:
        return {"\0deque": [simplify(item, keep, below) for item in value]}
    if kind is range:
        return {"\0range": [value.start, value.stop, value.step]}
    if kind in _ITERATORS or kind in _VIEWS:
        items = []
        for item in value:
            items.append(simplify(item, keep, below))
            if len(items) > _MAX_ITEMS:
                return _handle(value, keep)
        return {_ITERATOR_TAG: items}
    if kind.__module__ == "numpy":
        return _from_numpy(value, keep, below)
    for base, convert in _BASES.items():
        if issubclass(kind, base) and kind.__eq__ is base.__eq__:
            return simplify(convert(value), keep, below)
    return _handle(value, keep)


def _from_numpy(value: Any, keep: Callable[[object], int] | None, depth: int) -> object:
    """NumPy scalars equal Python numbers; arrays are tagged, for an array is no list."""
    if type(value).__name__ == "ndarray":
        return {"\0ndarray": simplify(value.tolist(), keep, depth)}
    item = value.item() if hasattr(value, "item") else value
    return item if type(item) in (bool, int, float, complex, str, bytes) else _handle(value, keep)


def handle(number: int, type_name: str) -> Any:
    """Return the plain form of a handle."""
    return {_HANDLE_TAG: [number, type_name[:200]]}


def _handle(value: object, keep: Callable[[object], int] | None) -> Any:
    return handle(keep(value) if keep else 0, type(value).__name__)


def _revive(value: dict[Any, Any]) -> object:
    """Give tagged data its shape back on the reading side."""
    if len(value) == 1:
        (tag, content), *_ = value.items()
        if tag == _HANDLE_TAG and isinstance(content, list) and len(content) == 2:
            return Handle(int(content[0]), str(content[1]))
        if tag == _ITERATOR_TAG and isinstance(content, list):
            return iter(content)
        if tag == "\0deque" and isinstance(content, list):
            return collections.deque(content)
        if tag == "\0range" and isinstance(content, list) and len(content) == 3:
            return range(*content)
    return value


class _Reader:
    """Decodes one value; every length is checked before it is used."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise NotPlain("truncated value")
        self.at += count
        return self.data[self.at - count : self.at]

    def length(self) -> int:
        value = int(struct.unpack("<i", self.take(4))[0])
        if value < 0 or value > len(self.data):
            raise NotPlain("impossible length")
        return value

    def value(self, depth: int) -> object:
        if depth > MAX_DEPTH + 100:
            raise NotPlain("too deeply nested")
        reader = _READERS.get(self.take(1))
        if reader is None:
            raise NotPlain("unknown type code")
        return reader(self, depth + 1)

    def items(self, depth: int) -> list[object]:
        return [self.value(depth) for _ in range(self.length())]

    def big(self) -> int:
        digits = int(struct.unpack("<i", self.take(4))[0])
        raw = self.take(2 * abs(digits))
        # Marshal writes 15 bits in each 16: join them as text of base 2**15 by halves to stay near-linear.
        parts = list(struct.unpack(f"<{abs(digits)}H", raw))
        width = 15
        while len(parts) > 1:
            parts = [
                parts[i] | (parts[i + 1] << width) if i + 1 < len(parts) else parts[i]
                for i in range(0, len(parts), 2)
            ]
            width *= 2
        number = parts[0] if parts else 0
        return -number if digits < 0 else number

    def hashable(self, depth: int, kind: type[set[object]] | type[frozenset[object]]) -> object:
        try:
            return kind(self.items(depth))
        except TypeError:
            raise NotPlain("unhashable item") from None

    def mapping(self, depth: int) -> object:
        out: dict[object, object] = {}
        while self.data[self.at : self.at + 1] != b"0":
            key = self.value(depth)
            try:
                out[key] = self.value(depth)
            except TypeError:
                raise NotPlain("unhashable key") from None
        self.at += 1
        return _revive(out)

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8", "surrogatepass")


_READERS: Mapping[bytes, Callable[[_Reader, int], object]] = {
    b"N": lambda reader, depth: None,
    b"T": lambda reader, depth: True,
    b"F": lambda reader, depth: False,
    b"i": lambda reader, depth: struct.unpack("<i", reader.take(4))[0],
    b"l": lambda reader, depth: reader.big(),
    b"g": lambda reader, depth: struct.unpack("<d", reader.take(8))[0],
    b"y": lambda reader, depth: complex(*struct.unpack("<dd", reader.take(16))),
    b"s": lambda reader, depth: reader.take(reader.length()),
    b"u": lambda reader, depth: reader.text(),
    b"(": lambda reader, depth: tuple(reader.items(depth)),
    b"[": lambda reader, depth: reader.items(depth),
    b"<": lambda reader, depth: reader.hashable(depth, set),
    b">": lambda reader, depth: reader.hashable(depth, frozenset),
    b"{": lambda reader, depth: reader.mapping(depth),
}


def decode(data: bytes) -> Any:
    """Read one value written by :func:`encode`.

    Raises:
        NotPlain: The bytes are anything else.
    """
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except (RecursionError, UnicodeDecodeError, struct.error, ValueError, TypeError, OverflowError) as error:
        raise NotPlain(str(error)[:200]) from None
    if reader.at != len(data):
        raise NotPlain("bytes after the value")
    return value
