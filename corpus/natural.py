"""The natural language of a text, as far as word segmentation depends on it."""

from __future__ import annotations

import re

KANA = re.compile(r"[\u3040-\u309f\u30a0-\u30ff]")
HAN = re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf]")
JAPANESE_FRAC = 0.05
CHINESE_FRAC = 0.10


def natural_language(text: str) -> str:
    """``ja``, ``zh`` or, for all else, ``en``: by the share of kana and Han among letters."""
    if text.isascii():
        return "en"
    kana = len(KANA.findall(text))
    han = len(HAN.findall(text))
    letters = sum(map(str.isalpha, text))
    if not letters:
        return "en"
    if kana / letters > JAPANESE_FRAC:
        return "ja"
    return "zh" if (han + kana) / letters > CHINESE_FRAC else "en"
