"""Signals of one text, and what the rules make of them."""

from __future__ import annotations

from dataclasses import dataclass

from corpus.filters.base import Hit, Verdict, apply, settle
from corpus.filters.registry import rules_for
from corpus.languages.doc_type import Detected
from corpus.natural import natural_language
from corpus.signals.base import Measured, measure
from corpus.signals.registry import Mode, signals_for
from corpus.signals.repaired import Repaired
from corpus.signals.source import Source

__all__ = ["NOT_JUDGED", "Judgement", "Mode", "judge"]

NOT_JUDGED = ("excluded", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What the rules make of a text.

    Attributes:
        natural_language: ``zh``, ``ja`` or ``en`` for all else.
        measured: Its signals, and one line for each that failed.
        verdict: Rules that hold, and the decision. Never ``random`` in ``default`` mode.
    """

    natural_language: str
    measured: Measured
    verdict: Verdict

    @property
    def hits(self) -> tuple[Hit, ...]:
        """Rules that drop the text; empty if it stays."""
        return self.verdict.hits


def judge(
    text: str, *, filename: str, size_bytes: int, detected: Detected, mode: Mode = "default"
) -> Judgement:
    """Judge a text of type ``code``, ``data`` or ``text``. Pure: equal arguments give equal results.

    Args:
        text: Its characters. CR LF and CR are taken for LF.
        filename: Base name with its extension.
        size_bytes: Its size on disk.
        detected: Its language and type.
        mode: ``compat`` reproduces the released filter, ``default`` is without its faults.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    natural = natural_language(text)
    language, doc_type = detected.language, detected.doc_type
    source = (Repaired if mode == "default" else Source)(
        text, filename=filename, size_bytes=size_bytes, language=language, natural_language=natural
    )
    repairs = mode == "default"
    measured = measure(source, signals_for(doc_type, language, mode), isolate=repairs)
    rules = rules_for(doc_type, language, natural)
    verdict = apply(rules, measured.values, measured.errors if repairs else ())
    if repairs:
        verdict = settle(verdict, text.encode("utf-8", "surrogatepass"))
    return Judgement(natural_language=natural, measured=measured, verdict=verdict)
