"""The plain rule of many harnesses: what stands in the first fence, unchanged and unparsed."""

from __future__ import annotations

from eval.extract.base import Extraction
from eval.extract.markdown import before_first_fence, fenced_blocks
from opencoder.records import Form


def extract_fence(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Return the first fenced block, one marked as Python before all others; without a fence, the text.

    A completion is cut at the first fence and put behind its prompt.
    """
    del entry_point
    head = before_first_fence(text)
    if form == "completion":
        return Extraction(solution=prompt + (text if head is None else head), rule="fence")
    if head is not None and head.strip() and not _looks_like_prose(head):
        return Extraction(solution=head, rule="fence", notes=("text before a closing fence",))
    blocks = fenced_blocks(text)
    marked = [block for block in blocks if block.is_python and block.language] or blocks
    return Extraction(solution=marked[0].text if marked else text, rule="fence")


def _looks_like_prose(text: str) -> bool:
    """Whether the first line of ``text`` cannot begin a program that goes on to a closing fence."""
    first = next(line for line in text.split("\n") if line.strip())
    return not first.startswith(("def ", "class ", "import ", "from ", "@", "#", "async ", " ", "\t", '"""'))
