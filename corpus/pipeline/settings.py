"""What decides the outcome of a build. How many workers there are, and how much memory, does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from corpus.dedup.profiles import PROFILES, Profile
from corpus.judge import Mode
from corpus.languages import default_languages, load_table
from corpus.languages.default_set import hidden_languages
from corpus.readers.shard import DEFAULT_SHARD_BYTES, MAX_DOCUMENT_BYTES
from opencoder.errors import UserError

Level = Literal["file", "none"]
Notebooks = Literal["script", "markdown", "both", "drop"]

_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20}
_UNITS |= {"gib": 1 << 30, "tib": 1 << 40, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a build.

    Attributes:
        sources: Inputs, as ``corpus.readers.plan`` takes them.
        stars: Side table of the stars of repositories.
        skip_bad: Go on without inputs that cannot be read.
        shard_bytes: Bytes that one worker takes at a time.
        max_bytes: Largest document.
        notebooks: What notebooks become.
        languages: ``default``, ``all``, or names joined by commas.
        level: What is deduplicated.
        profile: How near-duplicates are found.
        verify: Least Jaccard similarity of what is dropped as a near-duplicate; None to trust the bands.
        redact: Remove copyright headers and personal data.
        filter: Apply the filter rules.
        mode: Mode of the rules.
        caps: Most bytes of a language; None for the paper's, scaled to the input.
        seed: Decides which documents of a language with too many stay.
    """

    sources: tuple[str, ...]
    stars: str | None = None
    skip_bad: bool = False
    shard_bytes: int = DEFAULT_SHARD_BYTES
    max_bytes: int = MAX_DOCUMENT_BYTES
    notebooks: Notebooks = "script"
    languages: str = "default"
    level: Level = "file"
    profile: Profile = PROFILES["paper"]
    verify: float | None = None
    redact: bool = True
    filter: bool = True
    mode: Mode = "default"
    caps: dict[str, int] | None = None
    seed: int = 0


def chosen_languages(names: str) -> frozenset[str] | None:
    """Return the languages that ``--languages`` names, None for all.

    The default is the set of the paper and what its look-ups hide (``corpus.languages.default_set``).

    Raises:
        UserError: A name is not known.
    """
    if names == "all":
        return None
    if names == "default":
        return default_languages() | hidden_languages()
    table = load_table()
    return frozenset(table.language(name.strip()).name for name in names.split(",") if name.strip())


def parse_bytes(text: str) -> int:
    """Return the bytes of ``200``, ``64MB`` (10^6) or ``4GiB`` (2^30).

    Raises:
        UserError: It is no size.
    """
    lowered = text.strip().lower()
    number = lowered.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = lowered[len(number) :].strip()
    try:
        size = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise UserError(f"{text!r} is no size; write it as in 500MB, 4GB or 4GiB") from None
    if not 1 <= size < 2**62:
        raise UserError(f"{text!r} is no possible size; it must be from 1 byte on")
    return int(size)


def parse_caps(pairs: Mapping[str, str] | None) -> dict[str, int] | None:
    """Return caps in bytes by language, in the names of the table.

    Raises:
        UserError: A language is not known, or a size is none.
    """
    if pairs is None:
        return None
    table = load_table()
    return {table.language(name).name: parse_bytes(size) for name, size in pairs.items()}
