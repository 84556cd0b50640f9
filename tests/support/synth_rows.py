"""Rows and folders of runs, as `synth run` leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opencoder.records import Message
from opencoder.store import write_json, write_jsonl
from synth.record import (
    Flags,
    IoTest,
    Library,
    Provenance,
    Reject,
    Row,
    Seed,
    Tags,
    Verification,
    row_id,
)


def verified_row(number: int, *, killed: int = 9, license_: str = "MIT") -> Row:
    code = f"def add_{number}(x):\n    return x + {number}\n"
    return Row(
        id=row_id("educational", 1, [str(number)], 0),
        messages=[
            Message("user", f"Write add_{number}, which adds {number}. 请写函数"),
            Message("assistant", f"Here it is:\n```python\n{code}```"),
        ],
        code=code,
        language="python",
        entry_point=f"add_{number}",
        testcase=[f"assert add_{number}(1) == {number + 1}", f"assert add_{number}(0) == {number}"],
        tags=Tags(
            difficulty=("easy", "hard")[number % 2],
            natural_language="English",
            libraries=[Library(name="numpy", version="2.0")],
            source_set="educational",
        ),
        verify=Verification(
            status="pass", runs=3, passes=3, num_asserts=2, line_cov=1.0, mutants=10, killed=killed
        ),
        scores={"educational": 3.5, "clarity": 4.0},
        prov=Provenance(
            recipe="educational/1",
            seeds=[Seed(dataset="corpus", revision="r1", path=f"{number}.py", license=license_)],
            calls=["a" * 64],
            model="openai/teacher",
            prompts={"task": "0123456789abcdef"},
            tokens_in=100,
            tokens_cached=10,
            tokens_out=50,
            dollars=0.25,
        ),
    )


def plain_row(name: str, question: str = "What is a lambda?", answer: str = "A function.") -> Row:
    return Row(id=name, messages=[Message("user", question), Message("assistant", answer)])


def mixed_rows() -> list[Row]:
    """One of each kind that matters: what becomes of it is told by its id."""
    dialogue = [
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "Sort a list"),
        Message("assistant", "sorted(x)"),
    ]
    system = [Message("system", "Be brief"), *dialogue[:2]]
    no_answer = verified_row(3)
    no_answer.id, no_answer.messages = "answer-in-code", no_answer.messages[:1]
    setup = verified_row(4)
    setup.id, setup.test_setup = "with-setup", "import math"
    javascript = verified_row(5)
    javascript.id, javascript.language = "javascript", "javascript"
    program = plain_row("program")
    program.stdin_tests = [IoTest(input="1\n", output="2\n")]
    flagged = plain_row("flagged", "Solve has_close_elements", "return False")
    flagged.flags = Flags(contaminated=["humaneval/HumanEval/0"], pii=["email"])
    return [
        verified_row(1),
        Row(id="dialogue", messages=dialogue),
        Row(id="system", messages=system),
        no_answer,
        setup,
        javascript,
        program,
        flagged,
        Row(id="mute", messages=[Message("user", "Say nothing")]),
        Row(id="unasked", messages=[Message("assistant", "Unasked")]),
        verified_row(2, killed=6, license_="CC-BY-NC-4.0"),
    ]


def write_run(folder: Path, rows: Sequence[Row]) -> Path:
    """Write rows as a run with manifest and rejects, and return its folder."""
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "rows.jsonl", rows)
    rejects = [
        Reject(id="r1", stage="verify", reason="tests_fail"),
        Reject(id="r2", stage="verify", reason="tests_fail"),
        Reject(id="r3", stage="decontaminate", reason="contaminated_ngram"),
    ]
    write_jsonl(folder / "rejects.jsonl", rejects)
    manifest = {
        "recipe": {"name": "educational", "version": 1, "sha256": "ab" * 32, "prompts": {"task": "cd" * 32}},
        "model": "openai/teacher",
        "sampling": {"temperature": 0.7},
        "seed": 11,
        "counts": {"input": len(rows) + 3, "rows": len(rows), "rejects": 3, "pending": 0},
        "usage": {"tokens_in": 12345, "tokens_cached": 0, "tokens_out": 678, "dollars": 9.5},
        "sources": [{"path": "seeds|odd.jsonl", "sha256": "ee" * 32, "rows": len(rows) + 3}],
    }
    write_json(folder / "manifest.json", manifest)
    return folder
