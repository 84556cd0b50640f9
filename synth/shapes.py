"""Rows of public data sets, whatever their columns are called.

Known shapes: our own records; ``instruction``/``output``/``tag`` and the educational rows of
opc-sft-stage2; MBPP (``text`` or ``prompt``, ``code``, ``test_list``, ``test_setup_code`` or
``test_imports``); HumanEval (``prompt``, ``canonical_solution``, ``test``); KodCode (``question``,
``solution``, ``test``); chats (``messages``, or ``conversations`` with ``from`` and ``value``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from opencoder.errors import DataError
from opencoder.records import Message
from opencoder.store import read_numbered
from synth.record import SCHEMA, Row, row_id

_QUESTION = ("instruction", "question", "text", "prompt", "query", "problem")
_ANSWER = ("output", "answer", "response", "completion", "r1_solution")
_CODE = ("code", "solution", "canonical_solution", "reference")
_TESTS = ("testcase", "test_list", "tests", "test", "test_code")
_SETUP = ("test_setup", "test_setup_code", "test_imports")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield ``(line number, row)`` of a JSON lines file of any known shape.

    Raises:
        DataError: The file cannot be read, or a row is no object or has a field of a wrong type; with
            ``file:line``.
    """
    for line, data in read_numbered(path, dict[str, Any]):
        try:
            yield line, to_row(data)
        except (msgspec.ValidationError, ValueError) as error:
            raise DataError(f"wrong row: {error}", path=path, line=line) from error


def to_row(data: Mapping[str, Any]) -> Row:
    """Make a record of a row of a known shape.

    A row without an id gets one from its content.

    Raises:
        ValueError: A field has a wrong type (``msgspec.ValidationError`` for our own records).
    """
    if data.get("schema") == SCHEMA:
        return msgspec.convert(dict(data), Row)
    code = _text(data, _CODE)
    prompt = _text(data, _QUESTION)
    if "canonical_solution" in data and not code.lstrip().startswith(("def ", "import ", "from ", "class ")):
        code = prompt + code  # HumanEval's solutions go on where the prompt ends
    tests = _tests(data)
    messages = _messages(data) or _turns(prompt, _text(data, _ANSWER))
    row = Row(
        messages=messages,
        code=code,
        language=str(data.get("language") or data.get("lang") or "python").lower(),
        entry_point=str(data.get("entry_point") or "") or guess_entry_point(code, tests),
        testcase=tests,
        test_setup=_setup(data),
    )
    given = data.get("id", data.get("seq_id", data.get("task_id")))
    content = msgspec.json.encode([[turn.content for turn in messages], code, tests])
    row.id = str(given) if given is not None else row_id("data set", 1, [content.hex()], 0)
    return row


def guess_entry_point(code: str, tests: list[str]) -> str:
    """Return the function of ``code`` that the tests call first, or its last function."""
    try:
        defined = [node.name for node in ast.parse(code).body if isinstance(node, _DEFINITIONS)]
        trees = [ast.parse(test) for test in tests]
    except (SyntaxError, ValueError, RecursionError):
        return ""
    for tree in trees:
        called = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        names = (node.func.id for node in called if isinstance(node.func, ast.Name))
        if first := next((name for name in names if name in defined), ""):
            return first
    return defined[-1] if defined else ""


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _text(data: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = data.get(name)
        if isinstance(value, str):
            return value
        if value is not None and name not in ("prompt", "tests"):
            raise ValueError(f"`{name}` is {type(value).__name__}, not text")
    return ""


def _tests(data: Mapping[str, Any]) -> list[str]:
    for name in _TESTS:
        value = data.get(name)
        if isinstance(value, str):
            return [value] if value.strip() else []
        if isinstance(value, list):
            if all(isinstance(one, str) for one in value):
                return value
            raise ValueError(f"`{name}` must hold texts")
        if value is not None:
            raise ValueError(f"`{name}` is {type(value).__name__}, not a list of texts")
    return []


def _setup(data: Mapping[str, Any]) -> str:
    for name in _SETUP:
        value = data.get(name)
        if value:
            return value if isinstance(value, str) else "\n".join(map(str, value))
    return ""


def _messages(data: Mapping[str, Any]) -> list[Message]:
    turns = data.get("messages") or data.get("conversations") or []
    if not isinstance(turns, list):
        raise ValueError("the chat is no list of turns")
    return [_turn(turn) for turn in turns]


def _turn(turn: object) -> Message:
    if isinstance(turn, dict):
        role = _ROLES.get(str(turn.get("role") or turn.get("from")))
        content = turn.get("content", turn.get("value"))
        if role is not None and isinstance(content, str):
            return msgspec.convert({"role": role, "content": content}, Message)
    raise ValueError("a turn needs `role` (user, assistant or system) and `content`")


def _turns(question: str, answer: str) -> list[Message]:
    turns = [Message("user", question)] if question else []
    return [*turns, Message("assistant", answer)] if answer else turns
