"""One file as the signals see it; every costly view is made once."""

from __future__ import annotations

import ast
import warnings
from functools import cached_property
from typing import Any, NamedTuple

from bs4 import BeautifulSoup

from corpus.signals import javascript_tree, kernels, kernels_strings
from corpus.signals.depth import released_limit
from corpus.signals.vocabulary import Vocabulary
from corpus.text.characters import Codes, codes_of, kinds
from corpus.text.lines import non_blank, raw_lines
from corpus.text.marks import as_released, find_repeated_lines, has_separators
from corpus.text.normalise import normalise, normalise_line
from corpus.text.split import Parts, python_comments, split
from corpus.text.words import simplified, words_of_lines


class Counts(NamedTuple):
    """Characters and lines of a text; ``longest`` is the length of the longest line with its LF."""

    letters: int
    digits: int
    blanks: int
    lines: int
    longest: int


class CodeLines(NamedTuple):
    """Lines of code that are not blank, and those of them that occur again."""

    total: int
    repeated: int


class Strings(NamedTuple):
    """Literal strings of the code: length inside, of their long words, and pieces of lines of many words."""

    inner: int
    long_words: int
    long_pieces: int


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
        self.num_chars = len(text)
        # All that is counted of a Chinese text, but its length, is of its simplified form.
        self.text = simplified(text) if natural_language == "zh" else text
        self.filename = filename
        self.size_bytes = size_bytes
        self.language = language
        self.natural_language = natural_language
        self.memo: dict[object, Any] = {}  # what finders have found, by their patterns

    @property
    def extension(self) -> str:
        """What follows the last dot of the name."""
        return self.filename.rpartition(".")[2] if "." in self.filename else ""

    @cached_property
    def lines(self) -> list[str]:
        """Raw lines, each with its LF."""
        return raw_lines(self.text)

    @cached_property
    def counts(self) -> Counts:
        """Characters and lines of the text."""
        return Counts(*kernels.count_characters(codes_of(self.text), kinds()))

    @property
    def num_visible(self) -> int:
        """Characters that are not white space."""
        return len(self.text) - self.counts.blanks

    @cached_property
    def raw_words(self) -> list[str]:
        """Words of the text as it is."""
        return words_of_lines(self._word_lines, self.natural_language)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Words of the normalised text, and repetition among them."""
        if self.natural_language in ("zh", "ja"):
            lines = [normalise_line(line) for line in self._word_lines]
            return Vocabulary.of_words(words_of_lines(lines, self.natural_language))
        return Vocabulary.of_codes(codes_of(normalise(self.text)))

    @property
    def _word_lines(self) -> list[str]:
        # White space ends a plain word, so a text that needs no dictionary may be cut in one go.
        if self.natural_language in ("zh", "ja"):
            return raw_lines(self.text)
        return [self.text]

    @cached_property
    def parts(self) -> Parts:
        """Code and comments."""
        return split(self.text, self.language)

    @property
    def comments_length(self) -> int:
        """Characters of comments; in Python, without their signs."""
        if self.language == "python":
            return len(python_comments(self.text, self.python_nodes))
        return len(self.parts.comments)

    @cached_property
    def code_lower(self) -> str:
        """The code in small letters."""
        return self.parts.code.lower()

    @cached_property
    def code_codes(self) -> Codes:
        """Characters of the code as numbers."""
        return codes_of(self.parts.code)

    @cached_property
    def searched(self) -> str:
        """The code as finders search it, with word characters and blanks as the released filter has them."""
        return as_released(self.parts.code)

    @cached_property
    def searched_codes(self) -> Codes:
        """Characters of ``searched`` as numbers."""
        return self.code_codes if self.searched is self.parts.code else codes_of(self.searched)

    @cached_property
    def repeated(self) -> CodeLines:
        """How many lines of code there are, and how many occur again."""
        if has_separators(self.parts.code):
            return CodeLines(*find_repeated_lines(self.parts.code))
        return CodeLines(*kernels.find_repeated_lines(self.code_codes, kinds()))

    @property
    def num_code_lines(self) -> int:
        """Lines of code that are not blank."""
        return self.repeated.total

    @cached_property
    def strings(self) -> Strings:
        """Strings of the code; those of one quote end on their line."""
        return Strings(*kernels_strings.measure_strings(self.code_codes, kinds(), False))

    @cached_property
    def long_strings(self) -> Strings:
        """Strings of the code that may all span lines."""
        return Strings(*kernels_strings.measure_strings(self.code_codes, kinds(), True))

    @cached_property
    def encoded(self) -> tuple[int, int]:
        """Longest run and total length of data written as text."""
        longest, total = kernels_strings.find_encoded(codes_of(as_released(self.text)), kinds())
        return longest, total

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
            with warnings.catch_warnings(), released_limit():
                warnings.simplefilter("ignore")  # the file's own invalid escapes are not our concern
                return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    @cached_property
    def python_nodes(self) -> list[ast.AST]:
        """All nodes of that tree, from the root down; none where the file does not parse."""
        return list(ast.walk(self.python_tree)) if self.python_tree else []

    @cached_property
    def html_text(self) -> str | None:
        """What a reader of an HTML page sees, None where it does not parse.

        There are no scripts, styles and comments in it; entities are decoded.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a page that looks like a file name or like XML is still a page
            try:
                page = BeautifulSoup(self.text, "html.parser")
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - whatever the parser raises, the page does not parse
                return None
        return page.get_text()

    @cached_property
    def javascript(self) -> javascript_tree.Tree | None:
        """What the syntax tree of a JavaScript file holds, None where it does not parse."""
        return javascript_tree.parse(self.text)
