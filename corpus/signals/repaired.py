"""The file as the signals of the default mode see it: each view without its fault, and in linear time."""

from __future__ import annotations

from functools import cached_property

from corpus.signals import javascript_syntax, javascript_tree, python_syntax
from corpus.signals.source import Source
from corpus.text.characters import codes_of, kinds, text_of
from corpus.text.comments import syntax_of
from corpus.text.html import visible_text
from corpus.text.scan import comment_mask
from corpus.text.split import Parts
from corpus.text.syntax import encode


class Repaired(Source):
    """Text and facts of one file."""

    @cached_property
    def parts(self) -> Parts:
        """Code and comments, by the table of the language; all is code where it has none."""
        syntax = syntax_of(self.language)
        if syntax is None or not syntax.tokens or not self.text:
            return Parts(self.text, "")
        codes = codes_of(self.text)
        mask = comment_mask(codes, kinds(), *encode(syntax), syntax.inside).view(bool)
        return Parts(text_of(codes[~mask]), text_of(codes[mask]))

    @property
    def comments_length(self) -> int:
        """Characters of comments; in Python, without their signs."""
        if self.language == "python" and self.python is not None:
            return len(self.python.comments)
        return len(self.parts.comments)

    @cached_property
    def python(self) -> python_syntax.Facts | None:
        """What the syntax tree of a Python file holds, None where it does not parse."""
        return python_syntax.parse(self.text)

    @cached_property
    def html_text(self) -> str:
        """What a reader of an HTML page sees."""
        return visible_text(self.text)

    @cached_property
    def javascript(self) -> javascript_tree.Tree | None:
        """What the syntax tree of a JavaScript file holds, None where it does not parse."""
        return javascript_syntax.parse(self.text)
