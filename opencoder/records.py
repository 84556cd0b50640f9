"""The records that cross disk or network.

Every file of records starts life as JSON lines; unknown fields are ignored on read, so that a reader
accepts what a later minor version wrote.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA_VERSION = 1

Status = Literal[
    "passed",
    "failed",
    "timeout",
    "memory",
    "output",
    "compile_error",
    "no_code",
    "infra_error",
    "skipped",
]
"""How a sample did. ``infra_error`` and ``skipped`` say nothing about the model."""

Form = Literal["raw", "completion", "solution"]
"""What a text is: a model's answer, a continuation of the prompt, or a whole program."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of a benchmark, as every benchmark knows it.

    ``reference`` is a whole program that solves the task. How a solution is judged is the business of the
    benchmark, which finds what it needs in ``data``, the row of the data file.
    """

    task_id: str
    benchmark: str
    prompt: str
    entry_point: str
    reference: str
    language: str = "python"
    data: dict[str, object] = {}


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a model for one task (a row of ``completions.jsonl``).

    ``text`` is what the model (or the file) gave, of the given ``form``; ``solution`` is the program made
    from it and ``rule`` the extraction rule that made it.
    """

    task_id: str
    sample_id: int
    text: str
    form: Form = "raw"
    solution: str = ""
    rule: str = ""
    finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    latency_s: float = 0.0
    model: str = ""
    request_hash: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The verdict on one sample (a row of ``outcomes.jsonl``)."""

    task_id: str
    sample_id: int
    status: Status
    base_status: Status | None = None
    plus_status: Status | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    detail: str = ""
    backend: str = ""
    guarantee: str = ""
    attempts: int = 1


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a run: logical CPUs, memory in MiB, accelerators by name."""

    machine: str = ""
    cpus: int = 0
    memory_mb: int = 0
    accelerators: list[str] = []


class RunManifest(msgspec.Struct, kw_only=True):
    """What a run was (``run.json`` of a run folder).

    Times are UTC, ISO 8601. ``datasets`` maps a data set to the SHA-256 of its bytes, ``counts`` a status to
    the number of finished units, and ``files`` names what the run wrote into its folder. ``time_factor`` is
    how many times as long the limits of programs were, for the machine is that slow. ``labels`` are the
    caller's own, such as the training step of the model.
    """

    schema_version: int = SCHEMA_VERSION
    tool_version: str
    git_hash: str = ""
    command: str
    command_line: str
    config_hash: str
    seeds: dict[str, int] = {}
    model: str = ""
    model_revision: str = ""
    datasets: dict[str, str] = {}
    hardware: Hardware = Hardware()
    python: str = ""
    time_factor: float = 1.0
    started: str
    ended: str = ""
    sessions: int = 1
    counts: dict[str, int] = {}
    files: list[str] = []
    labels: dict[str, str] = {}
