"""``opencoder sandbox``: run programs, see what holds, clean up."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from opencoder.config import Common
from opencoder.errors import InfraError, Interrupted, UserError
from opencoder.files import reading_from
from opencoder.log import emit
from sandbox.api import Program, Verdict
from sandbox.calibrate import parse_factor
from sandbox.judge import judge_script
from sandbox.rows import Judge, LimitsRow, OutRow, out_row

app = App(name="sandbox", help="Run code that nobody trusts.")

Backend = Literal["docker", "namespace", "confined", "process"]
Executor = Literal["local", "ray"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class BackendOptions:
    """Where programs run."""

    backend: Backend | None = None
    """Sandbox; the best that this machine offers if not given."""
    image: str | None = None
    """Image of backend docker: python, or data with numpy and pandas loaded; python if not given."""
    allow_unsafe: bool = False
    """Let --backend process run programs without any boundary."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerOptions(BackendOptions):
    """Where programs run, and how fast that is taken to be."""

    time_factor: str = "auto"
    """How many times as long limits in seconds get here: a number from 1, or auto to measure this machine."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """Options of ``batch``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Where results go, one row per program (.jsonl or .jsonl.zst)."""
    judge: Judge | None = None
    """How solutions are judged: by comparing answers outside of the sandbox (cases, where a row has any),
    or by running their test code."""
    concurrency: int | None = None
    """Programs side by side; one per CPU, or per slot of all endpoints or nodes, if not given."""
    executor: Executor = "local"
    """Who runs the programs: this process and the endpoints, or an actor on each node of a Ray cluster
    (RAY_ADDRESS; a cluster of this machine alone if not set)."""
    endpoint: tuple[str, ...] = ()
    """Service that runs the programs instead of this machine (sandbox serve); may be repeated."""
    token_file: Path | None = None
    """File with the token of the endpoints; OPENCODER_SANDBOX_TOKEN if not given."""
    limit: int | None = None
    """Only the first so many rows."""
    resume: bool = True
    """Keep the finished rows of the output; --no-resume starts anew."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Options of ``run``; limits are those of a row of ``batch``."""

    language: str | None = None
    """Language of the program; told from the suffix if not given."""
    stdin: Path | None = None
    """File that the program reads as its standard input."""
    fetch: tuple[str, ...] = ()
    """File to return, relative to the working folder; may be repeated."""
    wall_s: float | None = None
    """Longest run in seconds."""
    cpu_s: float | None = None
    """Most CPU seconds of all its processes."""
    memory_mb: int | None = None
    """Most memory of all its processes in MiB."""
    disk_mb: int | None = None
    """Most that it may write in MiB."""
    inodes: int | None = None
    """Most files."""
    output_bytes: int | None = None
    """Most bytes on each of its two streams."""
    pids: int | None = None
    """Most processes."""
    compile_wall_s: float | None = None
    """Longest compilation in seconds."""


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _json(common: Common | None) -> bool:
    return common is not None and common.json


@app.command
def batch(
    rows: Annotated[Path, Parameter(help="Programs, one row each.")],
    *,
    options: BatchOptions,
    where: RunnerOptions | None = None,
    common: Common | None = None,
) -> None:
    """Run the programs of a JSON lines file."""
    from sandbox.batch import Batch, run_batch

    where = where or RunnerOptions()
    time_factor = parse_factor(where.time_factor)
    if options.endpoint and time_factor is not None:
        raise UserError("--time-factor is for this machine; give it to the endpoints (sandbox serve)")
    asked = Batch(
        rows=rows,
        out=options.out,
        judge=options.judge,
        backend=where.backend,
        image=where.image,
        unsafe=where.allow_unsafe,
        time_factor=time_factor,
        concurrency=_positive(options.concurrency, "--concurrency"),
        executor=options.executor,
        endpoints=options.endpoint,
        token=_token(options.token_file) if options.endpoint else "",
        limit=_positive(options.limit, "--limit"),
        resume=options.resume,
    )
    try:
        counts = run_batch(asked)
    except KeyboardInterrupt:
        again = shlex.join(["opencoder", *sys.argv[1:]])
        raise Interrupted(f"interrupted; finished rows are in {options.out}; go on with: {again}") from None
    errors = counts[Verdict.SANDBOX_ERROR.value]
    value = {"total": counts.total(), "counts": counts, "sandbox_errors": errors, "out": str(options.out)}
    emit(value, json=_json(common), text=lambda: _counts(counts, options.out))
    if errors:
        raise InfraError(
            f"{errors} of {counts.total()} rows could not be run (verdict sandbox_error, see `detail`); "
            "the same command tries them again"
        )


def _positive(value: int | None, flag: str) -> int | None:
    if value is not None and value < 1:
        raise UserError(f"{flag} must be at least 1, not {value}")
    return value


def _counts(counts: Counter[str], out: Path) -> str:
    lines = [f"{verdict:14} {num:>7}" for verdict, num in counts.most_common()]
    return "\n".join([*lines, f"{counts.total()} rows in {out}"])


@app.command
def run(
    file: Annotated[Path, Parameter(help="The program.")],
    *,
    options: RunOptions | None = None,
    where: RunnerOptions | None = None,
    common: Common | None = None,
) -> None:
    """Run one program and show what it printed."""
    where = where or RunnerOptions()
    program = _program(file, options or RunOptions())
    done = asyncio.run(_run_one(file.name, program, where))
    if not _json(common):
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
        sys.stderr.write(done.stderr + f"{_sentence(done)}\n")
    emit(done, json=_json(common))
    if done.verdict is Verdict.SANDBOX_ERROR:
        raise InfraError(f"{file} could not be run: {done.detail}")


def _program(file: Path, options: RunOptions) -> Program:
    from sandbox.languages import language_of

    limits = {name: getattr(options, name, None) for name in LimitsRow.__struct_fields__}
    return Program(
        language=options.language or language_of(file),
        source=_read(file).decode("utf-8", "surrogateescape"),
        stdin=b"" if options.stdin is None else _read(options.stdin),
        limits=LimitsRow.checked(
            {name: value for name, value in limits.items() if value is not None}
        ).limits(),
        fetch=options.fetch,
    )


def _read(path: Path) -> bytes:
    with reading_from(path):
        return path.read_bytes()


async def _run_one(name: str, program: Program, where: RunnerOptions) -> OutRow:
    from sandbox.backends import open_backend

    async with open_backend(
        where.backend,
        concurrency=1,
        unsafe=where.allow_unsafe,
        image=where.image,
        time_factor=parse_factor(where.time_factor),
    ) as sandbox:
        return out_row(name, await judge_script(sandbox, program), sandbox)


def _sentence(row: OutRow) -> str:
    parts = [row.verdict.value, row.detail] if row.detail else [row.verdict.value]
    used = f"{row.wall_s:.2f} s, {row.cpu_s:.2f} s CPU, {row.memory_bytes / 2**20:.0f} MiB"
    return f"{': '.join(parts)} ({used}; backend {row.backend}, guarantee {row.guarantee})"


@app.command
def build(
    *images: Annotated[str, Parameter(help="Names; all images if none is given.")],
    common: Common | None = None,
) -> None:
    """Build the container images in which programs run."""
    from opencoder.log import logger
    from sandbox.images import build_image, connect, list_images

    client = connect()
    try:
        built = {
            name: build_image(name, client=client, log=logger.info) for name in images or tuple(list_images())
        }
    finally:
        client.close()
    emit(
        {"images": built},
        json=_json(common),
        text="\n".join(f"{name:12} {digest}" for name, digest in built.items()),
    )


@app.command
def doctor(*, where: BackendOptions | None = None, common: Common | None = None) -> None:
    """Try a small attack for each guarantee and tell which hold."""
    from sandbox.doctor import examine

    where = where or BackendOptions()
    report = asyncio.run(examine(where.backend, unsafe=where.allow_unsafe, image=where.image))
    emit(report, json=_json(common), text=report.text)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ServeOptions:
    """Options of ``serve``."""

    port: int = 8080
    """Port to listen on; 0 for any that is free."""
    host: str = "127.0.0.1"
    """Address to listen on; one that others can reach needs a token."""
    concurrency: int | None = None
    """Programs side by side; one per CPU if not given."""
    queue: int = 256
    """Programs that may wait; more are told to come again (429)."""
    max_body_mb: int = 64
    """Longest body of a request in MiB."""
    token_file: Path | None = None
    """File with the token that clients must send; OPENCODER_SANDBOX_TOKEN if not given."""


def _token(path: Path | None) -> str:
    if path is None:
        return os.environ.get("OPENCODER_SANDBOX_TOKEN", "")
    with reading_from(path):
        token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise UserError(f"{path}: holds no token")
    return token


@app.command
def serve(
    *, options: ServeOptions | None = None, where: RunnerOptions | None = None, common: Common | None = None
) -> None:
    """Serve programs over HTTP until SIGTERM: /run_code as SandboxFusion, /run_batch, /health, /metrics."""
    from sandbox.service.serve import Settings
    from sandbox.service.serve import serve as start

    options, where = options or ServeOptions(), where or RunnerOptions()
    settings = Settings(
        host=options.host,
        port=options.port,
        slots=options.concurrency or _cpus(),
        queue=options.queue,
        max_bytes=options.max_body_mb << 20,
        token=_token(options.token_file),
        backend=where.backend,
        image=where.image,
        unsafe=where.allow_unsafe,
        time_factor=parse_factor(where.time_factor),
    )
    start(settings, lambda url: emit({"url": url}, json=_json(common), text=f"serving on {url}"))


@app.command
def clean(*, common: Common | None = None) -> None:
    """Remove containers, control groups and folders whose owner has ended."""
    from sandbox.reaper import clean_all

    removed = clean_all()
    text = "\n".join(f"removed {kind}: {num}" for kind, num in removed.items() if num)
    emit({"removed": removed}, json=_json(common), text=text or "nothing was left behind")
