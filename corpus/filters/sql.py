"""Rules of SQL, which may hold more digits."""

from __future__ import annotations

from corpus.filters import others
from corpus.filters.base import Rule, replaced

RULES: tuple[Rule, ...] = replaced(others.RULES, Rule(signal="qsc_code_frac_chars_digital", above=0.3))
