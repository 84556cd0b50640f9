"""Fast encoding and counting: ``tiktoken`` where it is proven to agree with the ``tokenizers`` library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.log import logger
from opencoder.store import read_json
from train.tokens.bytelevel import Unsuited, read_byte_level, token_bytes, without_surrogates
from train.tokens.probe import TEXTS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = NDArray[np.uint32]
_Encode = Callable[[str], Sequence[int]]

TOKENIZER = "tokenizer.json"

_log = logger.getChild("train")

_CHECKED_TOKENS = 20_000
_LONG_RUN = 100_000
_SPACES = re.compile(r"(?<!\s)\s{1000,}")
_ESCAPED = re.compile("([\udc80-\udcff]+)")


class FastTokenizer:
    """Encodes text of which nothing is special: what spells a special token stays text.

    Texts are encoded by ``tiktoken``. Where it cannot do what the tokenizer does, or a check when opening
    finds a difference, all is encoded by the ``tokenizers`` library instead, and a warning says so. A lone
    surrogate, which UTF-8 does not have, is encoded as U+FFFD.

    Attributes:
        folder: Where the tokenizer lies.
        vocab: Ids run from 0 to here, this one excluded.
        special: Ids of special tokens by their text.
        why_slow: Why the library is used; empty with ``tiktoken``.
    """

    def __init__(self, folder: Path, content: dict[str, Any], library: Tokenizer) -> None:
        self.folder = folder
        self.special = {token["content"]: int(token["id"]) for token in content.get("added_tokens", ())}
        self.vocab = max(library.get_vocab(with_added_tokens=True).values()) + 1
        self.why_slow = ""
        self._library = library
        self._bytes = token_bytes(content)
        self._ids = {raw: place for place, raw in (self._bytes or {}).items() if len(raw) == 1}
        self._encode: _Encode = self._slow

    @classmethod
    def open(cls, folder: Path, *, sample: Sequence[str] = ()) -> Self:
        """Open the tokenizer of a Hugging Face folder.

        Args:
            folder: Holds ``tokenizer.json``.
            sample: Texts of the user's to compare both libraries on, besides those that are built in and the
                tokens themselves.

        Raises:
            DataError: There is no tokenizer, or it is broken.
        """
        from tokenizers import Tokenizer

        path = folder / TOKENIZER
        content: dict[str, Any] = read_json(path, dict[str, Any])
        with reading_from(path):
            text = path.read_text(encoding="utf-8")
        try:
            library = Tokenizer.from_str(text)
        except Exception as error:
            raise DataError(f"not a tokenizer that `tokenizers` reads: {error}", path=path) from error
        # Without this the library makes special tokens of text that spells them.
        library.encode_special_tokens = True
        library.no_padding()
        library.no_truncation()
        opened = cls(folder, content, library)
        opened._choose(content, sample)
        return opened

    def encode(self, text: str) -> Ids:
        """Return the ids of a text, ``(tokens,)``."""
        return np.array(self._safe(text), dtype=np.uint32)

    def encode_batch(self, texts: Iterable[str]) -> list[Ids]:
        """Return the ids of each text."""
        return [self.encode(text) for text in texts]

    def count(self, texts: Iterable[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return [len(self._safe(text)) for text in texts]

    def encode_bytes(self, data: bytes) -> Ids:
        """Return the ids of any bytes: UTF-8 as text, every byte that is not as itself.

        Raises:
            UserError: The tokenizer is not byte-level.
        """
        self._need_bytes()
        parts = _ESCAPED.split(data.decode("utf-8", "surrogateescape"))
        ids: list[int] = []
        for place, part in enumerate(parts):
            if place % 2:
                ids += [self._ids[bytes([byte])] for byte in part.encode("utf-8", "surrogateescape")]
            elif part:
                ids += self._safe(part)
        return np.array(ids, dtype=np.uint32)

    def decode_bytes(self, ids: ArrayLike) -> bytes:
        """Return the bytes of ids; those of a special token are its text.

        Raises:
            UserError: The tokenizer is not byte-level, or an id is not of it.
        """
        table = self._need_bytes()
        try:
            return b"".join(table[int(place)] for place in np.asarray(ids).ravel())
        except KeyError as error:
            raise UserError(f"id {error.args[0]} is not of the tokenizer in {self.folder}") from error

    def decode(self, ids: ArrayLike) -> str:
        """Return the text of ids; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def _need_bytes(self) -> dict[int, bytes]:
        if self._bytes is None:
            raise UserError(f"the tokenizer in {self.folder} is not byte-level; it cannot encode bytes")
        return self._bytes

    def _safe(self, text: str) -> Sequence[int]:
        try:
            return self._encode(text)
        except UnicodeEncodeError:
            return self._encode(without_surrogates(text))

    def _slow(self, text: str) -> Sequence[int]:
        try:
            ids: list[int] = self._library.encode(text, add_special_tokens=False).ids
        except TypeError:
            # What the library says of a lone surrogate.
            text.encode()
            raise
        return ids

    def _choose(self, content: dict[str, Any], sample: Sequence[str]) -> None:
        try:
            fast = self._tiktoken(content)
            self._compare(fast, [*TEXTS, *self._token_texts(), *sample])
        except Unsuited as reason:
            self.why_slow = str(reason)
            _log.warning("%s is encoded without tiktoken, about seven times slower: %s", self.folder, reason)
        else:
            self._encode = fast

    def _tiktoken(self, content: dict[str, Any]) -> _Encode:
        pattern, ranks = read_byte_level(content)
        try:
            import tiktoken
        except ModuleNotFoundError as error:
            raise Unsuited("tiktoken is not installed") from error
        try:
            encoding = tiktoken.Encoding(
                str(self.folder), pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
            )
        except ValueError as error:
            raise Unsuited(f"its expression is not one of tiktoken's: {error}") from error

        def encode(text: str) -> Sequence[int]:
            if len(text) >= _LONG_RUN and any(_too_long(run) for run in _SPACES.finditer(text)):
                return self._slow(text)
            try:
                return encoding.encode_ordinary(text)
            except BaseException as error:
                # The engine of expressions gave up (a Rust panic, which is no Exception).
                if type(error).__name__ != "PanicException":
                    raise
                return self._slow(text)

        return encode

    def _token_texts(self) -> list[str]:
        table = self._bytes or {}
        step = len(table) // _CHECKED_TOKENS + 1
        return [raw.decode("utf-8", "ignore") for raw in list(table.values())[::step]]

    def _compare(self, fast: _Encode, texts: Sequence[str]) -> None:
        for text in texts:
            try:
                expected = self._slow(text)
            except UnicodeEncodeError:
                continue
            if list(fast(text)) != list(expected):
                raise Unsuited(f"the two libraries differ on the text {text[:60]!r}")


def _too_long(run: re.Match[str]) -> bool:
    # On a run of a million the engine runs out of its stack and writes a trace to stderr.
    return run.end() - run.start() >= _LONG_RUN
