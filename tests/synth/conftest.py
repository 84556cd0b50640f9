"""A teacher behind a real server, and seeds."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def start_teacher(start_server: Any) -> Callable[[], Any]:
    """Starts a server of ``tests/support/teacher_server.py``."""
    return lambda: start_server("teacher_server.py", "openai/teacher")


@pytest.fixture(scope="session")
def teacher_process(start_teacher: Callable[[], Any]) -> Any:
    return start_teacher()


@pytest.fixture
def teacher(teacher_process: Any) -> Any:
    """The shared teacher with default settings and nothing asked yet."""
    teacher_process.set(reset=True)
    return teacher_process


@pytest.fixture(autouse=True)
def no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys, addresses and proxies of the machine out of the tests."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def stdlib_functions() -> list[str]:
    """Functions of the standard library, in a fixed order."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found: list[str] = []
    for path in sorted(root.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        rows = text.split("\n")
        for node in ast.parse(text).body:
            source = "\n".join(rows[node.lineno - 1 : node.end_lineno])
            if isinstance(node, ast.FunctionDef) and 80 <= len(source) <= 3000:
                found.append(source)
    return found


def write_seeds(path: Path, functions: list[str], count: int) -> Path:
    """Write so many seeds."""
    rows = [{"text": text, "language": "python", "license": "PSF-2.0"} for text in functions[:count]]
    assert len(rows) == count
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def seeds(tmp_path: Path, stdlib_functions: list[str]) -> Path:
    """Sixty seeds."""
    return write_seeds(tmp_path / "seeds.jsonl", stdlib_functions, 60)


@pytest.fixture
def run_synth() -> Any:
    """Run ``opencoder synth`` in a process; returns what it printed and its exit code."""

    def run(*words: str | Path, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "opencoder", "synth", *map(str, words)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=110, env={**os.environ, "PYTHONSAFEPATH": "1"}
        )
        if check is not None:
            assert done.returncode == check, done.stderr[-3000:]
        return done

    return run


QUICK = """
name: quick
version: 1
about: Two questions a row, nothing run.
source_set: quick
seeds: {kind: code, languages: [python], min_chars: 80, max_chars: 6000}
stages:
  - unique: {of: seed}
  - draw: {difficulty: {easy: 3, hard: 1}, style: [plain, long]}
  - ask: {prompt: task, take: {task: text}, temperature: 1.0, max_tokens: 500, prose: en}
  - set: {instruction: "{{task}}"}
  - unique: {of: instruction}
  - ask: {prompt: solution, take: {analysis: text, solution: code}, optional: [analysis], temperature: 0.6}
  - set: {code: "{{solution}}", output: "{{analysis}}\\n\\n```python\\n{{solution}}\\n```"}
"""
TASK = """--- system
You make up tasks. Level: {{difficulty_text}}, {{style}}.
--- user
Write one under the heading `## Task`, after this code:
{{seed}}
"""
SOLUTION = """Write code under the heading `## Solution`.
{{#failure}}It failed: {{failure}}{{/failure}}
{{task}}
"""
TESTS = """Write tests under the heading `## Tests`.
{{task}}
"""


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A recipe of two questions, without a sandbox."""
    return write_recipe(tmp_path / "quick", QUICK)


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """A recipe whose answers are verified."""
    verify = """  - ask: {prompt: tests, take: {tests: tests}}
  - set: {tests: "{{tests}}"}
  - verify: {retry: {stage: solution}}
"""
    return write_recipe(tmp_path / "checked", QUICK.replace("quick", "checked") + verify)


def write_recipe(folder: Path, text: str) -> Path:
    """Write a recipe with the prompts of this file."""
    folder.mkdir()
    (folder / "recipe.yaml").write_text(text)
    for name, prompt in (("task", TASK), ("solution", SOLUTION), ("tests", TESTS)):
        (folder / f"{name}.md").write_text(prompt)
    return folder
