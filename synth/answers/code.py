"""Code out of answers: which block is meant, and whether it is of the language that was asked for."""

from __future__ import annotations

import ast
import warnings

from synth.answers.sections import Block, find_blocks

_TAGS = {
    "python": {"python", "py", "python3"},
    "javascript": {"javascript", "js", "node"},
    "typescript": {"typescript", "ts"},
    "bash": {"bash", "sh", "shell"},
    "cpp": {"cpp", "c++", "cc", "cxx"},
    "c": {"c", "h"},
    "csharp": {"csharp", "cs", "c#"},
}
_NO_LANGUAGE = {"", "text", "plaintext", "txt", "code", "output", "console"}


class NoCode(Exception):
    """There is no code of the wanted language in a text.

    Args:
        reason: ``no_code``, ``wrong_language`` or ``code_unreadable``.
        detail: What was seen.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def find_code(text: str, language: str, *, all_blocks: bool = False) -> str:
    """Return the code of a text: its longest fenced block of the language, or all of it without fences.

    Args:
        text: A section of an answer.
        language: Lower case, as in ``tags.language``.
        all_blocks: Join all blocks of the language instead.

    Raises:
        NoCode: There is none, or not in this language.
    """
    blocks = find_blocks(text)
    if not blocks:
        return _bare(text, language)
    fitting = [
        block for block in blocks if block.tag in _NO_LANGUAGE | _tags(language) and block.text.strip()
    ]
    if not fitting:
        tags = ", ".join(sorted({block.tag for block in blocks})) or "empty"
        raise NoCode("wrong_language", f"asked for {language}, the blocks are: {tags}")
    named = [block for block in fitting if block.tag in _tags(language)] or fitting
    code = "\n\n".join(block.text for block in named) if all_blocks else max(named, key=_length).text
    code = code.strip("\n") + "\n"
    check_code(code, language)
    return code


def check_code(code: str, language: str) -> None:
    """Check that code can be read, as far as this machine can read the language.

    Raises:
        NoCode: It cannot.
    """
    if language != "python":
        return
    try:
        parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoCode("code_unreadable", f"no Python: {error}"[:300]) from None


def parse(code: str) -> ast.Module:
    """Parse Python without remarks on its style.

    Raises:
        SyntaxError: It is no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def _bare(text: str, language: str) -> str:
    """Return a text without fences, if it is code as it stands."""
    code = text.strip("\n") + "\n"
    if not text.strip():
        raise NoCode("no_code", "the part is empty")
    if language != "python":
        raise NoCode("no_code", "there is no fenced block of code")
    try:
        tree = parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NoCode("no_code", "there is no fenced block of code") from None
    if all(isinstance(node, ast.Expr) for node in tree.body):  # a word or a sentence may parse
        raise NoCode("no_code", "there is no fenced block of code")
    return code


def _tags(language: str) -> set[str]:
    return _TAGS.get(language, {language})


def _length(block: Block) -> int:
    return len(block.text)
