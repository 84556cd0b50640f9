"""Benchmark tasks planted in rows, and the standard library, which holds none."""

from __future__ import annotations

import random
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from opencoder.records import Message
from synth.decontam.detector import Detector
from synth.decontam.references import Reference
from synth.record import Row
from synth.shapes import to_row

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def stdlib(num: int) -> list[str]:
    """A seeded sample of the files of this Python."""
    paths = sorted(path for path in STDLIB.rglob("*.py") if "site-packages" not in path.parts)
    chosen = random.Random(7).sample(paths, num)
    return [path.read_text(encoding="utf-8", errors="replace") for path in chosen]


AROUND = (
    "import os\n\ndef read_settings(path):\n    with open(path) as file:\n        return file.read()\n\n\n",
    "\n\nif __name__ == '__main__':\n    print(read_settings(os.environ['SETTINGS']))\n",
)


def embedded(task: Reference) -> Row:
    code = task.solution.join(AROUND)
    answer = f"Here is the whole module.\n\n```python\n{code}\n```\n\nIt reads its settings from a file."
    return Row(messages=[Message("user", "Write me a module for my project."), Message("assistant", answer)])


PLANTED: dict[str, Callable[[Reference], Row]] = {
    "instruction and code": lambda task: to_row({"instruction": task.prompt, "output": task.solution}),
    "code": lambda task: to_row({"code": task.solution}),
    "prompt": lambda task: to_row({"instruction": task.prompt}),
    "chat": lambda task: to_row(
        {"conversations": [{"from": "human", "value": f"Hi! {task.prompt}\nThanks."}]}
    ),
    "embedded": embedded,
}


@pytest.mark.parametrize("form", PLANTED)
def test_every_planted_task_is_found(real: Detector, real_references: list[Reference], form: str) -> None:
    missed = []
    for task in real_references:
        matches = real.find(PLANTED[form](task))
        named = {(one.benchmark, one.task_id) for one in matches if one.tier == "contaminated"}
        if (task.benchmark, task.task_id) not in named:
            missed.append((task.benchmark, task.task_id))
    assert not missed


def test_questions_are_found_before_there_is_code(real: Detector, real_references: list[Reference]) -> None:
    for task in real_references[::7]:
        named = {one.task_id for one in real.find_texts([task.prompt]) if one.tier == "contaminated"}
        assert task.task_id in named


def test_most_tasks_under_another_name_are_noticed(real: Detector, real_references: list[Reference]) -> None:
    noticed = 0
    for task in real_references:
        code = re.sub(rf"\b{re.escape(task.entry_point)}\b", "quite_another_name", task.solution)
        noticed += task.task_id in {one.task_id for one in real.find(Row(code=code))}
    assert noticed >= 0.8 * len(real_references)


def test_the_standard_library_is_clean(real: Detector) -> None:
    texts = stdlib(300)
    hits = [
        match
        for text in texts
        if (match := next((one for one in real.find(Row(code=text)) if one.tier == "contaminated"), None))
    ]
    assert len(hits) <= 0.01 * len(texts), hits


def test_paper_mode_is_the_two_plain_rules(real_references: list[Reference]) -> None:
    references = real_references[::15]
    detector = Detector(references, "paper")
    rows = [text[:4000] for text in stdlib(40) if text.isascii()]
    rows += [task.prompt.join(AROUND) for task in real_references[::45] if task.prompt.isascii()]
    rules: set[str] = set()
    for text in rows:
        matches = detector.find(Row(messages=[Message("user", text)]))
        got = {(one.benchmark, one.task_id, one.rule) for one in matches}
        assert got == plain_rules(references, text)
        rules |= {rule for _, _, rule in got}
    assert rules == {"entry_point", "ten_gram"}


def plain_rules(references: list[Reference], text: str) -> set[tuple[str, str, str]]:
    """The rules of the paper, written down as they are told."""
    found: set[tuple[str, str, str]] = set()
    grams = plain_grams(text)
    for task in references:
        if re.search(rf"\b{re.escape(task.entry_point)}\b", text):
            found.add((task.benchmark, task.task_id, "entry_point"))
        if any(grams & plain_grams(held) for held in (task.prompt, task.solution, task.tests)):
            found.add((task.benchmark, task.task_id, "ten_gram"))
    return found


def plain_grams(text: str) -> set[str]:
    split = re.findall(r"\w+", text.lower())
    return {" ".join(split[at : at + 10]) for at in range(len(split) - 9)}
