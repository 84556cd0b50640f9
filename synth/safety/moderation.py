"""What a source says of its own rows: the moderation columns of WildChat and of data sets like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from synth.record import Flags

_DETOXIFY = 0.5
"""Score from which a turn counts; Detoxify gives the probability of each label."""

_UNSAFE = {
    "self_harm": "self_harm",
    "sexual_minors": "sexual",
    "illicit": "illicit",
    "illicit_violent": "illicit",
    "hate": "hate",
    "hate_threatening": "hate",
    "harassment_threatening": "hate",
    "identity_attack": "hate",
    "self_harm_intent": "self_harm",
    "self_harm_instructions": "self_harm",
}
_NSFW = frozenset({"sexual", "sexual_minors", "sexual_explicit", "violence_graphic"})


def moderation_flags(data: Mapping[str, Any]) -> Flags:
    """Return the flags that the moderation columns of a row of a source imply.

    Only ``openai_moderation``, ``detoxify_moderation``, ``toxic`` and ``redacted`` are read. Other columns
    of such rows (hashed addresses, request headers, places) are personal data and are never copied.

    Args:
        data: The row as it was read; columns of other types than these data sets have count as absent.
    """
    labels = {*_openai(data.get("openai_moderation")), *_detoxify(data.get("detoxify_moderation"))}
    unsafe = {_UNSAFE[label] for label in labels if label in _UNSAFE}
    if data.get("toxic") is True:
        unsafe.add("toxic")
    return Flags(
        nsfw=bool(labels & _NSFW),
        unsafe=sorted(unsafe),
        pii=["redacted"] if data.get("redacted") is True else [],
    )


def _openai(turns: object) -> Iterator[str]:
    """Yield the categories that are true of any turn; both spellings, ``a-b/c`` and ``a_b_c``, are one."""
    for turn in turns if isinstance(turns, list) else []:
        categories = turn.get("categories") if isinstance(turn, Mapping) else None
        if isinstance(categories, Mapping):
            yield from (_label(name) for name, holds in categories.items() if holds is True)


def _detoxify(turns: object) -> Iterator[str]:
    for turn in turns if isinstance(turns, list) else []:
        if isinstance(turn, Mapping):
            for name, score in turn.items():
                if isinstance(score, int | float) and score >= _DETOXIFY:
                    yield _label(name)


def _label(name: object) -> str:
    return str(name).replace("-", "_").replace("/", "_")
