"""All that the rules see in a file, and what they decide."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from corpus.filters.base import Hit, Verdict, apply
from corpus.filters.registry import rules_for
from corpus.languages.compat import detect_compat
from corpus.languages.detect import detect
from corpus.languages.doc_type import Detected
from corpus.natural import natural_language
from corpus.signals.base import measure
from corpus.signals.registry import signals_for
from corpus.signals.source import Source

Mode = Literal["compat", "default"]
NOT_JUDGED = ("excluded", "unknown")


def explain(
    content: Path | bytes, filename: str, mode: Mode = "compat", *, detected: Detected | None = None
) -> dict[str, Any]:
    """Compute signals and rules of one file.

    Args:
        content: Its bytes, or where they are.
        filename: Base name with its extension.
        mode: ``compat`` reproduces the released filter, ``default`` isolates failing signals.
        detected: Language and type, where they are known already.

    Returns:
        A record as ``opencoder corpus explain`` writes it, all but the path.
    """
    raw = content if isinstance(content, bytes) else content.read_bytes()
    found = detected or (detect_compat(filename) if mode == "compat" else detect(filename, raw))
    language, doc_type = found.language, found.doc_type
    record: dict[str, Any] = {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "language": language,
        "doc_type": doc_type,
        "natural_language": None,
        "signals": {},
        "hits": [],
        "random_hits": [],
        "decision": "drop",
        "errors": {},
    }
    try:
        text = raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        return record | {"errors": {"text": f"not UTF-8 at byte {error.start}"}}
    natural = natural_language(text)
    record["natural_language"] = natural
    if doc_type in NOT_JUDGED:
        return record
    source = Source(text, filename=filename, size_bytes=len(raw), language=language, natural_language=natural)
    measured = measure(source, signals_for(doc_type, language), isolate=mode == "default")
    verdict = apply(rules_for(doc_type, language, natural), measured.values)
    return record | {"signals": measured.values, "errors": measured.errors} | _report(verdict)


def _report(verdict: Verdict) -> dict[str, Any]:
    return {
        "hits": [_hit(hit) for hit in verdict.hits],
        "random_hits": [_hit(hit) | {"chance": hit.rule.chance} for hit in verdict.random_hits],
        "decision": verdict.decision,
    }


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "rule": hit.rule.name,
        "signal": hit.rule.signal,
        "value": hit.value,
        "threshold": hit.threshold,
    }
