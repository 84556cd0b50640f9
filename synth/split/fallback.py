"""Code of languages without a grammar, cut at the separators that langchain-text-splitters knows for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opencoder.errors import DependencyError
from synth.split.unit import Length, Sieve, Split, Unit

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

_NAMES = {"javascript": "js", "typescript": "ts", "shell": "powershell"}


def split_separated(text: str, language: str, sieve: Sieve) -> Split:
    """Split a text into chunks without overlap.

    Raises:
        DependencyError: langchain-text-splitters is not installed.
    """
    for start, chunk in pieces(text, language, sieve.max_chars, sieve.length):
        sieve.add(Unit(text=chunk, language=language, start=start, kind="chunk"))
    return sieve.split()


def pieces(text: str, language: str, max_chars: int, length: Length) -> list[tuple[int, str]]:
    """Cut a text at the separators of ``language``: places and pieces of at most ``max_chars``.

    Raises:
        DependencyError: langchain-text-splitters is not installed.
    """
    found: list[tuple[int, str]] = []
    at = 0
    for document in _splitter(language, max_chars, length).create_documents([text]):
        chunk = document.page_content
        start = int(document.metadata["start_index"])
        if text[start : start + len(chunk)] != chunk:
            start = text.find(chunk, at)
        if start >= at:
            found.append((start, chunk))
            at = start + len(chunk)
    return found


def _splitter(language: str, max_chars: int, length: Length) -> RecursiveCharacterTextSplitter:
    try:
        from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
    except ModuleNotFoundError as error:
        raise DependencyError(
            "langchain-text-splitters is not installed; long pages and languages without a grammar need it",
            repair="pip install 'opencoder[synth]'",
        ) from error
    try:
        separators = RecursiveCharacterTextSplitter.get_separators_for_language(
            Language(_NAMES.get(language, language))
        )
    except ValueError:  # no language of theirs, or one without separators, such as Perl
        separators = ["\n\n", "\n", " ", ""]
    return RecursiveCharacterTextSplitter(
        separators=separators,
        is_separator_regex=True,
        keep_separator=True,
        chunk_size=max_chars,
        chunk_overlap=0,
        length_function=length,
        add_start_index=True,
    )
