"""All that the rules see in a file, and what they decide, as a record."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from corpus.filters.base import Hit, Verdict
from corpus.judge import NOT_JUDGED, Mode, judge
from corpus.languages.compat import detect_compat
from corpus.languages.detect import detect
from corpus.languages.doc_type import Detected
from corpus.natural import natural_language
from corpus.readers.shard import MAX_DOCUMENT_BYTES
from opencoder.files import reading_from


def explain(
    content: Path | bytes, filename: str, mode: Mode = "compat", *, detected: Detected | None = None
) -> dict[str, Any]:
    """Compute signals and rules of one file.

    Args:
        content: Its bytes, or where they are. More than ``MAX_DOCUMENT_BYTES`` are dropped unseen.
        filename: Base name with its extension.
        mode: ``compat`` reproduces the released filter, ``default`` is without its faults.
        detected: Language and type, where they are known already.

    Returns:
        A record as ``opencoder corpus explain`` writes it, all but the path.
    """
    raw, digest, size = _read(content)
    found = detected or (detect_compat(filename) if mode == "compat" else detect(filename, raw))
    record: dict[str, Any] = {
        "sha256": digest,
        "language": found.language,
        "doc_type": found.doc_type,
        "natural_language": None,
        "signals": {},
        "hits": [],
        "random_hits": [],
        "decision": "drop",
        "errors": {},
    }
    if size > len(raw):
        told = f"{size} bytes; at most {MAX_DOCUMENT_BYTES} are looked at"
        return record | {"errors": {"size": told}}
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return record | {"errors": {"text": f"not UTF-8 at byte {error.start}"}}
    if found.doc_type in NOT_JUDGED:
        return record | {"natural_language": natural_language(text)}
    judged = judge(text, filename=filename, size_bytes=len(raw), detected=found, mode=mode)
    return (
        record
        | {
            "natural_language": judged.natural_language,
            "signals": judged.measured.values,
            "errors": judged.measured.errors,
        }
        | _report(judged.verdict)
    )


def _read(content: Path | bytes) -> tuple[bytes, str, int]:
    """Return the bytes, only the first of them if there are too many, their SHA-256 and their number."""
    if isinstance(content, bytes):
        head, size = content, len(content)
        return head[:MAX_DOCUMENT_BYTES], hashlib.sha256(content).hexdigest(), size
    with reading_from(content), content.open("rb") as file:
        head = file.read(MAX_DOCUMENT_BYTES)
        file.seek(0)
        return head, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


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
