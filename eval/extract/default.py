"""Our rule: find the program that defines the entry point, and keep all of it that matters.

Of several fenced blocks that define the entry point the last complete one is taken: models that think aloud
draft first and correct later, and a block that only uses the function does not define it. What the program
needs and another block, or the prompt, provides is put in front of it. Nothing that the function may need is
dropped (decorators, generators, procedures, guarded imports, set-up statements); demonstrations and tests are
(see :meth:`eval.extract.program.Program.reduced_to`).
"""

from __future__ import annotations

from collections.abc import Iterator

from eval.extract.base import Extraction
from eval.extract.longest import longest_program
from eval.extract.markdown import Block, before_first_fence, fenced_blocks
from eval.extract.program import Program
from opencoder.records import Form

NAME = "default"
_END_OF_THOUGHT = "</think>"


def extract_default(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Apply the rule; a completion is read as what follows ``prompt`` (see the module's text)."""
    text = text.replace("\r\n", "\n")
    if form == "completion":
        return _continuation(text, entry_point, prompt)
    return _answer(text.rpartition(_END_OF_THOUGHT)[2], entry_point, prompt)


def _answer(text: str, entry_point: str, prompt: str) -> Extraction:
    blocks = [block for block in fenced_blocks(text) if block.is_python]
    for program, notes in _candidates(text, blocks, entry_point):
        if program.defines(entry_point) if entry_point else program.tree.body:
            return _finish(program, entry_point, notes, [*map(_whole, blocks), Program.parse(prompt)])
    if entry_point and (body := _as_body(text, blocks, entry_point, prompt)):
        return body
    return _leftover(text, blocks, entry_point)


def _candidates(text: str, blocks: list[Block], name: str) -> Iterator[tuple[Program, list[str]]]:
    """Yield programs, the best first: complete blocks from the last, then whatever can be saved."""
    if program := Program.parse(text):
        yield program, []
    whole = [program for block in blocks if block.closed and (program := _whole(block))]
    if name:
        yield from ((program, []) for program in reversed(whole))
    else:
        yield from ((program, []) for program in sorted(whole, key=_size, reverse=True))
    head = before_first_fence(text)
    pieces = [text] if not blocks else [block.text for block in reversed(blocks)]
    for piece in [*([head] if head else []), *pieces, text]:
        if program := _longest(piece):
            cut = [] if program.text.strip() == piece.strip() else ["cut to the lines that parse"]
            if name or any(not line.isidentifier() for line in program.text.split()):
                yield program, cut


def _whole(block: Block) -> Program | None:
    return Program.parse(block.text)


def _size(program: Program) -> int:
    return sum(bool(line.strip()) for line in program.text.split("\n"))


def _longest(text: str) -> Program | None:
    """Return the longest program in ``text``, the whole of it where it is one."""
    if program := Program.parse(text):
        return program
    lines = text.split("\n")
    found = longest_program(lines, min_lines=1)
    return Program.parse("\n".join(lines[found[0] : found[1] + 1])) if found else None


def _finish(
    program: Program, entry_point: str, notes: list[str], providers: list[Program | None]
) -> Extraction:
    """Add what is missing, drop demonstrations, and report both."""
    for provider in providers:
        names = program.missing & provider.bound if provider else frozenset()
        if provider is None or not names or provider.text == program.text:
            continue
        joined = Program.parse(provider.providing(names) + "\n" + program.text)
        if joined and not names & joined.missing:
            program = joined
            notes = [*notes, "added from elsewhere: " + ", ".join(sorted(names))]
    solution, num_dropped = program.reduced_to(entry_point) if entry_point else (program.text, 0)
    if num_dropped:
        notes = [*notes, f"dropped {num_dropped} top-level statements that the function does not need"]
    return Extraction(solution=solution, rule=NAME, notes=tuple(notes))


def _continuation(text: str, entry_point: str, prompt: str) -> Extraction:
    """Put a completion behind its prompt; cut what follows the program."""
    head = before_first_fence(text)
    joined = prompt + (text if head is None else head)
    program = _longest(joined)
    if program and (program.defines(entry_point) if entry_point else program.tree.body):
        cut = [] if program.text.strip() == joined.strip() else ["cut to the lines that parse"]
        return _finish(program, entry_point, cut, [])
    answer = _answer(text, entry_point, prompt)
    found = Program.parse(answer.solution) if "```" in text or "~~~" in text else None
    if found and entry_point in found.bound:
        return answer
    return Extraction(solution=joined, rule=NAME, notes=("does not parse or does not define the function",))


def _as_body(text: str, blocks: list[Block], entry_point: str, prompt: str) -> Extraction | None:
    """Read the answer as the body of the function that the prompt begins."""
    start = prompt if prompt.endswith("\n") else prompt + "\n"
    for body in [*(block.text for block in reversed(blocks)), text]:
        for lead in ("", "    "):
            lines = "\n".join(lead + line if line.strip() else line for line in body.split("\n"))
            program = Program.parse(start + lines)
            if program and program.defines(entry_point) and body.strip():
                return Extraction(
                    solution=program.text, rule=NAME, notes=("taken as the body of the function",)
                )
    return None


def _leftover(text: str, blocks: list[Block], entry_point: str) -> Extraction:
    """Return what is there although it does not define the entry point, so that the verdict shows why."""
    texts = [block.text for block in reversed(blocks)] or [text]
    for piece in texts:
        if f"def {entry_point}(" in piece and Program.parse(piece) is None:
            return Extraction(solution=piece, rule=NAME, notes=("does not parse",))
    if blocks:
        return Extraction(solution=texts[0], rule=NAME, notes=("does not define the function asked for",))
    program = _longest(text)
    if program and any(word in program.text for word in ("def ", "class ", "import ", "=", "(")):
        return Extraction(solution=program.text, rule=NAME, notes=("does not define the function asked for",))
    return Extraction(solution="", rule=NAME, notes=("no code found",))
