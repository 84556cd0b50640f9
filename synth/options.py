"""Options of the commands of ``opencoder synth`` that run recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Backend = Literal["docker", "namespace", "confined", "process"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Options of ``opencoder synth run``."""

    seeds: Annotated[list[Path], Parameter(name=("--seeds", "-i"), negative="", consume_multiple=True)]
    """Folders, source files, .jsonl(.gz, .zst) or .parquet."""
    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the run."""
    model: str = ""
    """openai/NAME (with --base-url), batch/NAME, vllm/ID_OR_PATH or replay:DIR."""
    n: int = 1
    """Rows for each seed."""
    seed: int = 0
    """Seed of the run: draws and sampling follow from it."""
    limit: int | None = None
    """Only the first so many rows."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Print calls, tokens and cost; ask nothing."""
    show: Annotated[bool, Parameter(negative="")] = False
    """Print every prompt and answer whole."""
    price: str | None = None
    """US dollars per million tokens, IN/OUT or IN/OUT/CACHED, as in 0.15/0.60."""
    license_policy: Literal["commercial", "research"] = "research"
    """What licences of seeds must allow."""
    scorer: Path | None = None
    """Folder of a scorer (opencoder synth train-scorer); the built-in rules if not given."""
    api: Path | None = None
    """Folder of interfaces (opencoder synth api); that of the seeds if not given."""
    strict: Annotated[bool, Parameter(negative="")] = False
    """Exit with 5 if any row was rejected."""
    max_infra_errors: int = 0
    """More rows left pending by faults of services than this end in exit code 3."""
    resume: bool = True
    """Go on with what is in the folder; --no-resume sets rows and rejects aside and keeps the answers."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class AskingOptions:
    """Options of asking a model, and of the sandbox."""

    base_url: str | None = None
    """Address of an OpenAI-compatible server, up to /v1."""
    api_key: str | None = None
    """Its key; else OPENAI_API_KEY."""
    concurrency: int | None = None
    """Requests in flight; 32 if not given, 5000 for batch/NAME, where they wait for hours together."""
    timeout_s: float = 600.0
    """Longest wait for one answer."""
    retries: int = 6
    """How often a failed request is repeated."""
    patience_s: float = 600.0
    """How long to wait for a server that fails every request."""
    workers: int | None = None
    """Rows that are verified side by side; two per CPU if not given."""
    backend: Backend | None = None
    """Sandbox; the best that this machine offers if not given."""
    allow_unsafe: bool = False
    """Let --backend process run untrusted code without any boundary."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions:
    """Options of ``opencoder synth verify``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the run."""
    min_mutants: float = 0.0
    """Least share of mutants that the tests notice; the share is on every row, so a mixture can choose."""
    min_coverage: float = 0.0
    """Least share of statements that the tests reach; likewise."""
    one_answer: bool = True
    """Whether all tests of a row may expect one and the same result."""
    timeout_s: float = 10.0
    """Limit of one run of the code, in CPU seconds."""
    memory_mb: int = 1024
    """Limit of one run of the code, in MiB."""
    limit: int | None = None
    """Only the first so many rows."""
    concurrency: int | None = None
    """Rows side by side; two per CPU if not given."""
    backend: Backend | None = None
    """Sandbox; the best that this machine offers if not given."""
    allow_unsafe: bool = False
    """Let --backend process run untrusted code without any boundary."""
    api: Path | None = None
    """Folder that `opencoder synth api` wrote: its packages can be imported."""
    resume: bool = True
    """Go on with what is in the folder; --no-resume sets it aside."""
