"""Training rows made of the standard library: files, explained snippets, questions, functions to write.

The kinds stand in, on any machine, for the data of the four stages of the paper: raw code for pretraining,
educational snippets for annealing (arXiv 2411.04905, section 2.2), questions of all sorts for the first stage
of fine-tuning and code to be written for the second (section 4.1).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from opencoder.errors import UserError
from opencoder.files import make_folder
from opencoder.store import write_jsonl
from train.builtin.explain import explanation, told
from train.builtin.library import Function, files, functions, held_out, is_public, spread

Kind = Literal["documents", "educational", "sft1", "sft2"]
Row: TypeAlias = dict[str, Any]

_WISHES = (
    "Write {what} with the signature `{signature}`. This is what it is for:\n\n{doc}",
    "I need {what}:\n\n{doc}\n\nIt starts with `{signature}:`. Please write it.",
    "Implement {what} in Python, given its first line and its description.\n\n`{signature}:`\n\n{doc}",
    "{doc}\n\nThat describes {what}. Write it in Python; its signature is `{signature}`.",
)


def write_builtin(kind: Kind, folder: Path, limit: int | None = None, *, held: bool = False) -> Path:
    """Write the rows of a kind and return the file, ``KIND.jsonl`` (``KIND-held-out.jsonl``).

    Args:
        kind: ``documents`` and ``educational`` have a ``text``, ``sft1`` and ``sft2`` have ``messages``.
        folder: Created if need be; an earlier file there is replaced.
        limit: At most so many rows, spread evenly over all; ``None`` for all.
        held: Write the rows of held-out functions, which no training set holds (none of ``documents``).

    Raises:
        UserError: There is no such kind, the interpreter has no sources, or the place cannot be written.
        DependencyError: The disk is full.
    """
    made = (
        list(_documents(limit))
        if kind == "documents" and not held
        else spread(list(builtin_rows(kind, held=held)), limit)
    )
    path = make_folder(folder) / f"{kind}{'-held-out' if held else ''}.jsonl"
    write_jsonl(path, made)
    return path


def builtin_rows(kind: Kind, *, held: bool = False) -> Iterator[Row]:
    """Yield the rows of a kind (see :func:`write_builtin`), the same wherever the interpreter is the same.

    Raises:
        UserError: There is no such kind, or the interpreter has no sources.
    """
    if kind not in get_args(Kind):
        raise UserError(f"no built-in data {kind!r}; there are {', '.join(get_args(Kind))}")
    if kind == "documents":
        return iter(()) if held else _documents()
    if kind == "sft1":
        return _questions(held)
    make: Callable[[Function], Row] = _snippet if kind == "educational" else _task
    return (make(found) for found in functions() if held_out(found.name) is held)


def _documents(limit: int | None = None) -> Iterator[Row]:
    for found in files(limit):
        yield {"id": found.path, "text": found.text}


def _snippet(found: Function) -> Row:
    text = f"{explanation(found)}\n\n```python\n{found.body}\n```\n"
    return {"id": _id(found), "text": text}


def _task(found: Function) -> Row:
    wish = _WISHES[_draw(found.name, len(_WISHES))]
    ask = wish.format(what=_what(found), signature=found.signature, doc=found.doc)
    return _dialogue(f"{_id(found)}#write", ask, f"```python\n{found.source}\n```")


def _questions(held: bool) -> Iterator[Row]:
    known = [found for found in functions() if is_public(f"{found.module}.{found.name}")]
    modules = Counter(found.name for found in known if not found.owner)
    for found in known:
        if held_out(found.name) is not held:
            continue
        where = f"the class `{found.owner}` of the module" if found.owner else "the module"
        subject = f"the {told(found)} `{found.name}` of {where} `{found.module}`"
        yield _dialogue(f"{_id(found)}#what", f"What does {subject} do?", _sentence(found.doc))
        ask = f"Show me how {subject} is declared."
        yield _dialogue(f"{_id(found)}#how", ask, f"`{found.signature}`")
        if not found.owner and modules[found.name] == 1:
            ask = f"Which module of the standard library offers `{found.name}`?"
            yield _dialogue(f"{_id(found)}#where", ask, f"`{found.name}` is in the module `{found.module}`.")


def _what(found: Function) -> str:
    owner = f" of a class `{found.owner}`" if found.owner else ""
    return f"the {told(found)} `{found.name}`{owner}"


def _sentence(doc: str) -> str:
    """Return the first paragraph of a docstring in one line."""
    paragraph = doc.split("\n\n")[0]
    return " ".join(paragraph.split())


def _dialogue(name: str, ask: str, answer: str) -> Row:
    turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": turns}


def _id(found: Function) -> str:
    return ".".join(filter(None, (found.module, found.owner, found.name)))


def _draw(name: str, num: int) -> int:
    return hashlib.sha256(f"wish {name}".encode()).digest()[0] % num
