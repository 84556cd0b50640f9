r"""Words of a text in any language.

Chinese and Japanese need a dictionary; all else is cut into runs of ``\w`` and of other visible characters,
with the meaning that Python's ``re`` gives to ``\w`` (combining vowel signs are not in it).
"""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

_LONGEST = 100_000
TOKEN = re.compile(r"\w+|[^\w\s]+")


def plain_words(text: str) -> list[str]:
    """Cut ``text`` at white space and between word and other characters."""
    return TOKEN.findall(text)


def tokeniser(natural_language: str) -> Callable[[str], list[str]]:
    """The function that cuts one line of ``natural_language`` into words."""
    return {"zh": chinese_words, "ja": japanese_words}.get(natural_language, plain_words)


def words_of_lines(lines: Iterable[str], natural_language: str) -> list[str]:
    """Words of each line on its own, in order."""
    cut = tokeniser(natural_language)
    return [word for line in lines for word in cut(line)]


def simplified(text: str) -> str:
    """``text`` in the simplified characters of the mainland."""
    converted: str = _zhconv().convert(text, "zh-cn")
    return converted


def chinese_words(line: str) -> list[str]:
    """Words by the dictionary of jieba, without blank ones."""
    return [word for word in _jieba().lcut(line) if word.strip()]


def japanese_words(line: str) -> list[str]:
    """Words by MeCab with its small UniDic. It holds a whole line with all readings, so long ones are cut."""
    pieces = [line[start : start + _LONGEST] for start in range(0, len(line), _LONGEST)]
    return [word for piece in pieces for word in str(_mecab().parse(piece)).split()]


@functools.cache
def _zhconv() -> Any:
    module = _quiet_import("zhconv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file of its dictionary open
        module.loaddict()
    return module


@functools.cache
def _jieba() -> Any:
    module = _quiet_import("jieba")
    module.setLogLevel("ERROR")  # it reports the loading of its dictionary on standard error
    return module


@functools.cache
def _mecab() -> Any:
    return _quiet_import("MeCab").Tagger("-Owakati")


def _quiet_import(name: str) -> Any:
    # These packages use invalid escapes and pkg_resources, which current Pythons warn about.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
