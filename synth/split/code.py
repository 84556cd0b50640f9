"""Code to units, whatever the language."""

from __future__ import annotations

from synth.split.fallback import split_separated
from synth.split.grammars import parser_of
from synth.split.python import split_python
from synth.split.trees import split_tree
from synth.split.unit import Length, Sieve, Split


def split_code(
    text: str, language: str, *, min_chars: int = 100, max_chars: int = 4000, length: Length = len
) -> Split:
    """Split a source file into whole functions and classes.

    Python goes by ``ast``, languages with an installed grammar by tree-sitter, all others are cut into
    chunks by separators. A separator knows neither decorators nor ``async def``, so a chunk may begin in the
    middle of a thing.

    Args:
        text: The file.
        language: As in the tags of rows (``python``).
        min_chars: Shortest unit, as ``length`` counts.
        max_chars: Longest unit; a longer class gives its methods.
        length: How long a text is; characters without it.

    Raises:
        DependencyError: langchain-text-splitters is needed and not installed.
    """
    sieve = Sieve(min_chars, max_chars, length)
    if not text.strip():
        return sieve.split()
    if language == "python":
        return split_python(text, sieve)
    if (parser := parser_of(language)) is not None:
        return split_tree(text, language, parser, sieve)
    return split_separated(text, language, sieve)
