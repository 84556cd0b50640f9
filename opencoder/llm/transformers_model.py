"""A model that runs in this process on ``transformers``, with or without a GPU.

For checkpoints on the machine where they lie: it needs no server and runs everywhere that torch does.
Requests that wait are computed together.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencoder.errors import DependencyError, InfraError, UserError
from opencoder.files import sha256_file
from opencoder.llm.api import Choice, Request, RequestError, Response, Style, check_drawn, row_seed
from opencoder.llm.templated import token_ids
from opencoder.llm.transformers_rows import Row, Writer
from opencoder.log import logger


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    rows: list[Row]
    done: asyncio.Future[float]


class TransformersModel:
    """A model in this process.

    Args:
        model: A hub id or a local folder.
        concurrency: The most samples that are computed at a time.
        style: How the model is asked; None looks whether its tokenizer has a chat template.
    """

    def __init__(self, model: str, *, concurrency: int = 32, style: Style | None = None) -> None:
        self.name = f"transformers/{model}"
        self.revision = ""
        self._model = model
        self._width = concurrency
        self._style: Style | None = style
        self._writer: Writer | None = None
        self._lock = asyncio.Lock()
        self._waiting: list[_Job] = []
        self._runner: asyncio.Task[None] | None = None
        self._stopped = threading.Event()
        self._told = False

    async def complete(self, request: Request) -> Response:
        """Draw ``sampling.n`` samples; see :class:`opencoder.llm.api.Model`."""
        check_drawn(request.sampling)
        writer = await self._start()
        if request.schema is not None and not self._told:
            self._told = True
            logger.warning("%s cannot hold its answers to a JSON schema; they are free text", self.name)
        job = _Job(rows=_rows(writer, request), done=asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(writer))
        try:
            latency_s = await job.done
        except MemoryError as error:
            raise InfraError(
                f"{request.tag}: too little memory for one sample; run again with a smaller max_tokens"
            ) from error
        return Response(
            choices=[_choice(writer, row) for row in job.rows],
            model=self.name,
            tokens_in=len(job.rows[0].prompt),
            tokens_out=sum(len(row.made) for row in job.rows),
            latency_s=latency_s,
            prefilled=bool(request.prefill),
        )

    async def style(self) -> Style:
        """Look for a chat template: a tokenizer without one belongs to a base model."""
        if self._style is None:
            template = getattr((await self._start()).tokenizer, "chat_template", None)
            self._style = "completion" if template is None else "chat"
        return self._style

    async def aclose(self) -> None:
        """Stop what is being computed and let go of the model."""
        self._stopped.set()
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)
        self._writer = None

    async def _run(self, writer: Writer) -> None:
        """Compute what waits, as much at a time as there is room for."""
        while self._waiting:
            await asyncio.sleep(0)  # the requests that are made in the same breath come along
            jobs = self._take()
            rows = [row for job in jobs for row in job.rows]
            begin = time.perf_counter()
            try:
                await asyncio.to_thread(_write, writer, rows, self._stopped)
            except MemoryError as error:
                self._halve(jobs, len(rows), error)
            except asyncio.CancelledError:
                self._stopped.set()  # the thread ends with the token in hand
                _fail([*jobs, *self._waiting], InfraError("the model was stopped; run again to go on"))
                self._waiting.clear()
                raise
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                _fail(jobs, error)
            else:
                for job in jobs:
                    if not job.done.done():
                        job.done.set_result(time.perf_counter() - begin)

    def _take(self) -> list[_Job]:
        jobs = [self._waiting.pop(0)]
        num = len(jobs[0].rows)
        while self._waiting and num + len(self._waiting[0].rows) <= self._width:
            jobs.append(self._waiting.pop(0))
            num += len(jobs[-1].rows)
        return jobs

    def _halve(self, jobs: list[_Job], num: int, error: MemoryError) -> None:
        """Try again with half of the rows; one request that does not fit alone fails."""
        if len(jobs) == 1:
            jobs[0].done.set_exception(error)
            return
        self._width = num // 2
        logger.warning(
            "%s: too little memory for %d samples at a time; going on with %d", self.name, num, num // 2
        )
        for job in jobs:
            for row in job.rows:
                row.made, row.text, row.finish_reason, row.candidates = [], "", "", []
                row.generator.manual_seed(row.generator.initial_seed())
        self._waiting[:0] = jobs

    async def _start(self) -> Writer:
        """Load the model, once.

        Raises:
            DependencyError: torch or transformers is not installed.
            UserError: There is no such model, or its files are broken.
        """
        async with self._lock:
            if self._writer is not None:
                return self._writer
            self._stopped.clear()
            writer, self.revision = await asyncio.to_thread(_load, self._model)
            self._writer = writer
            return writer


def _fail(jobs: list[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(error)


def _load(name: str) -> tuple[Writer, str]:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        message = f"transformers/{name} runs in this process and needs torch and transformers ({error})"
        raise DependencyError(message, repair="pip install 'opencoder[train]'") from error
    show_no_bar: Any = logging.disable_progress_bar
    show_no_bar()
    on_gpu = torch.cuda.is_available()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model: Any = AutoModelForCausalLM.from_pretrained(name, dtype="auto" if on_gpu else torch.float32)
    except Exception as error:  # whatever comes out of broken files: the libraries have no error of their own
        why = " ".join(str(error).split())[:300]
        raise UserError(f"transformers cannot load {name!r} ({why}); check the folder or the name") from error
    model = model.to("cuda" if on_gpu else "cpu").eval()
    return Writer(model, tokenizer, _ends(model, tokenizer)), _revision(name, model)


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = found if isinstance(found, list) else [found]
    return frozenset(token for token in (*several, tokenizer.eos_token_id) if token is not None)


def _revision(name: str, model: Any) -> str:
    """Return the commit of a hub model, or a digest of the weights of a folder."""
    if not Path(name).is_dir():
        return str(getattr(model.config, "_commit_hash", None) or "")
    digests = [sha256_file(path) for path in sorted(Path(name).glob("*.safetensors"))]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16] if digests else ""


def _rows(writer: Writer, request: Request) -> list[Row]:
    """Make the rows of a request.

    Raises:
        RequestError: The prompt is empty, or leaves no room for an answer.
    """
    import torch

    prompt = token_ids(writer.tokenizer, request)
    if not prompt:
        raise RequestError("the prompt has no token; give it a text", tag=request.tag)
    limit = getattr(writer.model.config, "max_position_embeddings", None) or 10**9
    room = limit - len(prompt)
    if room < 1:
        raise RequestError(f"the prompt has {len(prompt)} tokens, the model sees {limit}", tag=request.tag)
    sampling = replace(request.sampling, max_tokens=min(request.sampling.max_tokens, room))
    seed = sampling.seed if sampling.seed is not None else secrets.randbits(31)
    return [
        Row(
            prompt=prompt,
            sampling=sampling,
            generator=torch.Generator().manual_seed(row_seed(seed, "", index)),
            top_logprobs=request.top_logprobs,
        )
        for index in range(sampling.n)
    ]


def _write(writer: Writer, rows: list[Row], stopped: threading.Event) -> None:
    """Compute in a thread.

    Raises:
        MemoryError: The rows do not fit into the memory of the GPU.
    """
    import torch

    try:
        writer.write(rows, stopped)
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
    if stopped.is_set() and any(not row.finish_reason for row in rows):
        raise InfraError("the model was closed while it was writing; run again to go on")


def _choice(writer: Writer, row: Row) -> Choice:
    found: dict[str, float] | None = {} if row.top_logprobs else None
    if found is not None:
        for token, value in row.candidates:  # of two tokens that read the same, the likelier one counts
            found.setdefault(writer.tokenizer.decode([token]), value)
    return Choice(text=row.text, finish_reason=row.finish_reason, top_logprobs=found)
