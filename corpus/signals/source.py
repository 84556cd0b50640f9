"""One file as the signals see it; every costly view is made once."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from functools import cached_property

from bs4 import BeautifulSoup

from corpus.signals import javascript_tree
from corpus.signals.ngrams import Ngrams
from corpus.text.lines import non_blank, raw_lines
from corpus.text.normalise import normalise, normalise_line
from corpus.text.split import Parts, split
from corpus.text.words import plain_words, simplified, words_of_lines


class Source:
    """Text and facts of one file.

    Args:
        text: Its characters, with LF as the only line end.
        filename: Base name with its extension.
        size_bytes: Size on disk, before line ends were changed.
        language: Lower-case programming language.
        natural_language: ``zh``, ``ja`` or ``en``.
    """

    def __init__(
        self, text: str, *, filename: str, size_bytes: int, language: str, natural_language: str = "en"
    ) -> None:
        self.text = text
        self.filename = filename
        self.size_bytes = size_bytes
        self.language = language
        self.natural_language = natural_language

    @property
    def extension(self) -> str:
        """What follows the last dot of the name."""
        return self.filename.rpartition(".")[2] if "." in self.filename else ""

    @cached_property
    def lines(self) -> list[str]:
        """Raw lines, each with its LF."""
        return raw_lines(self.text)

    @cached_property
    def visible(self) -> str:
        """The text without white space."""
        return "".join(self.text.split())

    @cached_property
    def characters(self) -> Counter[str]:
        """How often each visible character occurs."""
        return Counter(self.visible)

    @cached_property
    def _word_text(self) -> str:
        return simplified(self.text) if self.natural_language == "zh" else self.text

    @cached_property
    def raw_words(self) -> list[str]:
        """Words of the text as it is."""
        return words_of_lines(self._word_lines, self.natural_language)

    @cached_property
    def words(self) -> list[str]:
        """Words of the normalised text."""
        if self.natural_language in ("zh", "ja"):
            lines = [normalise_line(line) for line in self._word_lines]
            return words_of_lines(lines, self.natural_language)
        return plain_words(normalise(self.text))

    @property
    def _word_lines(self) -> list[str]:
        # White space ends a plain word, so a text that needs no dictionary may be cut in one go.
        if self.natural_language in ("zh", "ja"):
            return raw_lines(self._word_text)
        return [self.text]

    @cached_property
    def ngrams(self) -> Ngrams:
        """Repetition among the normalised words."""
        return Ngrams(self.words)

    @cached_property
    def parts(self) -> Parts:
        """Code and comments."""
        return split(self.text, self.language)

    @cached_property
    def code_lines(self) -> list[str]:
        """Lines of code that are not blank."""
        return non_blank(raw_lines(self.parts.code))

    @cached_property
    def comment_lines(self) -> list[str]:
        """Lines of comments that are not blank."""
        return non_blank(raw_lines(self.parts.comments))

    @cached_property
    def python_tree(self) -> ast.Module | None:
        """The syntax tree of a Python file, None where it does not parse."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the file's own invalid escapes are not our concern
                return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    @cached_property
    def html_text(self) -> str:
        """What a reader of an HTML page sees: no scripts, styles, comments; entities decoded."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a page that looks like a file name or like XML is still a page
            return BeautifulSoup(self.text, "html.parser").get_text()

    @cached_property
    def javascript(self) -> javascript_tree.Tree | None:
        """What the syntax tree of a JavaScript file holds, None where it does not parse."""
        return javascript_tree.parse(self.text)
