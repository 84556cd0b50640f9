"""Byte-level BPE as ``tokenizer.json`` describes it: bytes of tokens, order of merges, how text is cut."""

from __future__ import annotations

from typing import Any, NamedTuple

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What ``ByteLevel(use_regex=True)`` cuts with (openai/gpt-2 ``encoder.py``)."""


def byte_alphabet() -> list[str]:
    """Return the character that stands for each byte in ``tokenizer.json``.

    Printable Latin-1 stands for itself, the others follow from U+0100 on in their order (GPT-2's table,
    openai/gpt-2 ``encoder.py``).
    """
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def without_surrogates(text: str) -> str:
    """Return a text with pairs of surrogates joined and lone ones, which UTF-8 does not have, as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class ByteLevel(NamedTuple):
    """A byte-level BPE.

    Attributes:
        pattern: Expression that cuts the text.
        ranks: Bytes of all tokens that text can become -> id; a smaller id is merged first.
    """

    pattern: str
    ranks: dict[bytes, int]


class Unsuited(Exception):
    """Why ``tiktoken`` cannot do what a tokenizer does."""


def read_byte_level(content: dict[str, Any]) -> ByteLevel:
    """Return a tokenizer as ``tiktoken`` needs it.

    ``tiktoken`` merges the two neighbours whose union has the smallest id, the library those whose pair was
    learned first. Both are the same where ids follow the order of the merges.

    Args:
        content: Of ``tokenizer.json``.

    Raises:
        Unsuited: The tokenizer does something else.
    """
    model = content["model"]
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise Unsuited(f"its model is {model.get('type')}, not BPE")
    if model.get("dropout") or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise Unsuited("its BPE has dropout, prefixes or suffixes")
    if content.get("normalizer"):
        raise Unsuited("it normalises text")
    if not all(token["special"] for token in content.get("added_tokens", ())):
        raise Unsuited("it has added tokens that are not special")
    return ByteLevel(_pattern(content.get("pre_tokenizer")), _ranks(model))


def token_bytes(content: dict[str, Any]) -> dict[int, bytes] | None:
    """Return the bytes of every id; those of a special token are its text. None if it is not byte-level."""
    values = {char: byte for byte, char in enumerate(byte_alphabet())}
    added = {token["id"]: token["content"].encode() for token in content.get("added_tokens", ())}
    vocab = content["model"].get("vocab")
    if not isinstance(vocab, dict) or not all(char in vocab for char in values):
        return None
    plain: dict[int, bytes] = {}
    for text, place in vocab.items():
        try:
            plain[place] = bytes(values[char] for char in text)
        except KeyError:
            plain[place] = text.encode()
    return plain | added


def _ranks(model: dict[str, Any]) -> dict[bytes, int]:
    values = {char: byte for byte, char in enumerate(byte_alphabet())}
    vocab: dict[str, int] = model["vocab"]
    try:
        ranks = {bytes([byte]): vocab[char] for char, byte in values.items()}
        last = max(ranks.values())
        for merge in model["merges"]:
            text = merge.replace(" ", "", 1) if isinstance(merge, str) else "".join(merge)
            raw, place = bytes(values[char] for char in text), vocab[text]
            if raw in ranks:
                # Another way to a token that is there.
                continue
            if place < last:
                raise Unsuited("its ids do not follow the order of its merges")
            ranks[raw] = last = place
    except KeyError as error:
        raise Unsuited(f"it is not byte-level: no token for {error.args[0]!r}") from error
    return ranks


def _pattern(steps: dict[str, Any] | None) -> str:
    parts = steps.get("pretokenizers", [steps]) if steps else []
    last = parts[-1] if parts else {}
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        raise Unsuited("its text is not cut into bytes at the end, or gets a leading space")
    if len(parts) == 1 and last.get("use_regex", True):
        return GPT2_PATTERN
    if len(parts) == 2 and not last.get("use_regex", True):
        split = parts[0]
        pattern = split.get("pattern", {}).get("Regex")
        if split.get("type") == "Split" and pattern and _keeps_matches(split):
            return str(pattern)
    raise Unsuited("its text is cut in several steps")


def _keeps_matches(split: dict[str, Any]) -> bool:
    # "Removed" with "invert" keeps the matches; the expressions in use match all text, so does "Isolated".
    return (split.get("behavior"), bool(split.get("invert"))) in {("Isolated", False), ("Removed", True)}
