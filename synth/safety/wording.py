"""Flags that come from what is said: refusals, disclaimers, advice, sexual content, harmful requests.

Only prose is looked at, never code, and of an answer only its beginning and its end where a refusal or a
warning stands. The five flags that third parties set on the published data (refusal, unsolicited, nsfw,
pii, disclaimer) are the least that a row carries.
"""

from __future__ import annotations

import re

from synth.safety.patterns import patterns
from synth.safety.prose import has_code, prose_of

_HEAD, _TAIL = 400, 600
"""Characters of an answer that are its beginning and its end."""
_TOPICS = re.compile(
    r"ethic|legal|law|moral|consent|privacy|licen[cs]e|permission|responsib|copyright|harm|offens|professional"
    r"|doctor|lawyer|法律|道德|伦理|隐私|版权|合法|许可|医生|律师",
    re.IGNORECASE,
)


def is_refusal(answer: str) -> bool:
    """Whether an answer declines; one that has code does only if it says so outright."""
    head = _plain(prose_of(answer))[:_HEAD]
    found = patterns("refusal")
    return bool(found["declines"].search(head)) or (
        not has_code(answer) and bool(found["without code"].search(head))
    )


def has_disclaimer(answer: str) -> bool:
    """Whether an answer speaks of itself as a model, or of the end of its knowledge."""
    return _in_ends(patterns("disclaimer")[""], answer) is not None


def has_unsolicited(request: str, answer: str) -> bool:
    """Whether an answer warns or moralises, and the request is not about that."""
    found = _in_ends(patterns("unsolicited")[""], answer)
    return found is not None and not _TOPICS.search(prose_of(request))


def is_nsfw(text: str) -> bool:
    """Whether a turn has sexual or gory words."""
    return bool(patterns("nsfw")[""].search(_plain(prose_of(text))))


def unsafe_categories(request: str) -> list[str]:
    """Return the kinds of harm that a request asks for, sorted: ``malware``, ``exploit`` ..."""
    said = _plain(prose_of(request))
    found = [name for name, pattern in patterns("unsafe").items() if pattern.search(said)]
    if found and patterns("guard")[""].search(said):
        found = [name for name in found if name in {"sexual", "self_harm"}]
    return sorted(found)


def _in_ends(pattern: re.Pattern[str], answer: str) -> re.Match[str] | None:
    said = _plain(prose_of(answer))
    return pattern.search(said[:_HEAD]) or pattern.search(said[-_TAIL:])


def _plain(text: str) -> str:
    """Without the marks of Markdown, and with single blanks."""
    return " ".join(text.replace("*", "").replace("_", " ").split())
