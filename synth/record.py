"""The record that every stage reads and writes, and that ``rows.jsonl`` holds.

The schema is ``synth/1``. Fields that are empty are left out on disk. No field holds a time of day or a
duration: rows follow from seeds, recipe, answers and nothing else, so a replay gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from opencoder.records import Message

SCHEMA = "synth/1"

VerifyStatus = Literal["pass", "fail", "timeout", "oom", "flaky", "trivial", "skipped", "error"]


class _Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A part of a record; what is empty takes no room on disk."""


class Library(_Part):
    """A package that a row needs, with the version that it was checked against."""

    name: str
    version: str = ""


class IoTest(_Part):
    """A test of a whole program: what it reads from stdin and what it must write to stdout."""

    input: str
    output: str


class Seed(_Part):
    """What a row was made from.

    Attributes:
        dataset: File or data set.
        revision: Of the data set, where it has one.
        path: Path or URL of the text in it.
        license: SPDX identifier, or what the source calls it; empty where it is not known.
        sha256: Of the text that was shown to the model.
    """

    dataset: str = ""
    revision: str = ""
    path: str = ""
    license: str = ""
    sha256: str = ""


class Tags(_Part):
    """What kind of row it is; the draw of the task specification goes in here."""

    difficulty: str = ""
    task_type: str = ""
    scenario: str = ""
    style: str = ""
    natural_language: str = ""
    libraries: list[Library] = []
    source_set: str = ""


class Verification(_Part):
    """What came out of running a row; it stays on the row, so that a mixture can choose by it.

    Attributes:
        status: ``pass``, or what is wrong: the code (``fail``, ``timeout``, ``oom``), its repetitions
            (``flaky``), the tests (``trivial``), or both cannot be run (``error``); ``skipped`` where there
            is nothing to run.
        reason: A code for the reason, empty with ``pass``.
        detail: The same in words, with what was seen.
        runs: Repetitions of the code.
        passes: Those that passed all tests.
        num_asserts: Assertions that held in the first run.
        seconds: CPU seconds of the first run; left out of the rows of ``synth run``, which hold no clock.
        line_cov: Share of the statements that the tests reach.
        branch_cov: Share of the outcomes of conditions that they reach; None without conditions.
        mutants: How many mutants were tried.
        killed: How many of them a test noticed.
        stub_passes: The stubs that the tests accept.
        tampered: What the code changed of the builtins and of ``unittest``.
        image: Digest of the sandbox image, where one was used.
        python: Version of the interpreter, ``3.11.2``.
    """

    status: VerifyStatus
    reason: str = ""
    detail: str = ""
    runs: int = 0
    passes: int = 0
    num_asserts: int = 0
    seconds: float = 0.0
    line_cov: float | None = None
    branch_cov: float | None = None
    mutants: int = 0
    killed: int = 0
    stub_passes: list[str] = []
    tampered: list[str] = []
    image: str = ""
    python: str = ""


class Provenance(_Part):
    """Where a row comes from.

    Attributes:
        recipe: Name and version, as in ``educational/1``.
        seeds: What the model was shown.
        calls: Keys of the requests in the journal, in the order of asking.
        model: Spec of the model.
        prompts: Name of each prompt template that was used, and the first 16 digits of its SHA-256.
        tokens_in: Prompt tokens of all calls.
        tokens_cached: Those that the provider had cached.
        tokens_out: Tokens of all answers.
        dollars: What the calls cost, where prices were given.
    """

    recipe: str = ""
    seeds: list[Seed] = []
    calls: list[str] = []
    model: str = ""
    prompts: dict[str, str] = {}
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    dollars: float = 0.0


class Flags(_Part):
    """What a user of the row should know.

    Attributes:
        pii: Kinds of personal data that were found and replaced (``email``, ``phone`` …).
        refusal: The answer declines.
        disclaimer: The answer speaks of itself as a model, or of its limits.
        unsolicited: The answer adds what nobody asked for: warnings, moral advice.
        nsfw: Sexual or violent content.
        unsafe: Categories of harm (``malware`` …).
        contaminated: Benchmark tasks that the row overlaps with (``humaneval/HumanEval/3`` …).
        dup_of: The id of the row that this one repeats.
    """

    pii: list[str] = []
    refusal: bool = False
    disclaimer: bool = False
    unsolicited: bool = False
    nsfw: bool = False
    unsafe: list[str] = []
    contaminated: list[str] = []
    dup_of: str = ""


class Row(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """One row of a synthetic data set; on disk ``schema`` comes first, so that a reader can tell.

    Attributes:
        id: :func:`row_id`.
        messages: The turns; ``instruction`` and ``output`` of single turns are derived from them.
        code: The solution alone.
        language: Of the code, lower case (``python``).
        entry_point: The function that the tests call.
        testcase: Assertions, test functions or test classes, each piece for itself.
        test_setup: Code that runs before the solution.
        stdin_tests: Tests of a whole program.
        tags: What kind of row it is.
        verify: What came out of running it.
        scores: Scorer or rubric dimension, and its value.
        prov: Where it comes from.
        flags: What a user should know.
    """

    id: str = ""
    messages: list[Message] = []
    code: str = ""
    language: str = ""
    entry_point: str = ""
    testcase: list[str] = []
    test_setup: str = ""
    stdin_tests: list[IoTest] = []
    tags: Tags = msgspec.field(default_factory=Tags)
    verify: Verification | None = None
    scores: dict[str, float] = {}
    prov: Provenance = msgspec.field(default_factory=Provenance)
    flags: Flags = msgspec.field(default_factory=Flags)

    @property
    def instruction(self) -> str:
        """What the user asks first; empty without a user's turn."""
        return next((turn.content for turn in self.messages if turn.role == "user"), "")

    @property
    def output(self) -> str:
        """What the assistant says last; empty without such a turn."""
        return next((turn.content for turn in reversed(self.messages) if turn.role == "assistant"), "")


class Reject(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row that did not make it: a line of ``rejects.jsonl``.

    Attributes:
        id: Of the row.
        stage: Where it ended.
        reason: A code, the same in all runs.
        detail: The same in words, with what was seen.
        row: As far as it had come.
    """

    id: str = ""
    stage: str
    reason: str
    detail: str = ""
    row: Row = msgspec.field(default_factory=Row)


def row_id(recipe: str, version: int, seeds: Sequence[str], sample: int) -> str:
    """Name a row: 64 hexadecimal digits of SHA-256.

    Args:
        recipe: Name of the recipe.
        version: Of the recipe.
        seeds: SHA-256 of the texts that it is made from.
        sample: Index among the rows made from them.
    """
    return hashlib.sha256(msgspec.json.encode([recipe, version, list(seeds), sample])).hexdigest()
