"""A model that runs in this process, on vLLM's asynchronous engine.

Every request is a future of its own, so each finished row can be stored at once; the engine batches.
The calls are those of vLLM 0.32.0.
"""

# pyright: reportMissingImports=false
# vLLM lives in an environment of its own; a test holds these calls against the signatures of its wheel.

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opencoder.errors import DependencyError, InfraError, UserError
from opencoder.llm.api import Choice, Request, RequestError, Response, Style, check_drawn
from opencoder.llm.templated import token_ids

if TYPE_CHECKING:
    from vllm import CompletionOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM


@dataclass(frozen=True, kw_only=True, slots=True)
class VllmOptions:
    """What the engine is told besides the model's name.

    Attributes:
        revision: Branch, tag or commit on the hub.
        dtype: ``auto``, ``bfloat16``, ...
        max_model_len: Tokens of prompt and answer together; None takes the model's own.
        tensor_parallel_size: Number of GPUs that share the model.
        gpu_memory_utilization: Fraction of each GPU's memory that the engine takes.
        trust_remote_code: Run Python code that comes with the model.
    """

    revision: str | None = None
    dtype: str = "auto"
    max_model_len: int | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    trust_remote_code: bool = False


class VllmModel:
    """A model in this process.

    Args:
        model: A hub id or a local folder.
        options: How the engine is set up.
        concurrency: The most requests handed to the engine at a time.
        style: How the model is asked; None looks whether its tokenizer has a chat template.
    """

    def __init__(
        self,
        model: str,
        *,
        options: VllmOptions | None = None,
        concurrency: int = 256,
        style: Style | None = None,
    ) -> None:
        self.name = f"vllm/{model}"
        self._model = model
        self._options = options or VllmOptions()
        self.revision = self._options.revision or ""
        self._style: Style | None = style
        self._engine: AsyncLLM | None = None
        self._lock = asyncio.Lock()
        self._places = asyncio.Semaphore(concurrency)
        self._ids = itertools.count()

    async def complete(self, request: Request) -> Response:
        """Draw ``sampling.n`` samples; see :class:`opencoder.llm.api.Model`."""
        check_drawn(request.sampling)
        engine = await self._start()
        from vllm.exceptions import VLLMClientError, VLLMServerError
        from vllm.inputs import tokens_input

        prompt_ids = token_ids(engine.get_tokenizer(), request)
        last = None
        async with self._places:
            begin = time.perf_counter()
            try:
                async for output in engine.generate(
                    tokens_input(prompt_ids),
                    _sampling_params(request),
                    request_id=f"{request.tag}-{request.sample_id}-{next(self._ids)}",
                ):
                    last = output
            except VLLMClientError as error:
                raise RequestError(f"vLLM refused the request ({error})", tag=request.tag) from error
            except VLLMServerError as error:
                raise InfraError(
                    f"{request.tag}: the vLLM engine failed ({error}); run again to go on"
                ) from error
            latency_s = time.perf_counter() - begin
        if last is None:
            raise InfraError(f"{request.tag}: the vLLM engine ended without an answer; run again to go on")
        outputs = sorted(last.outputs, key=lambda output: output.index)
        return Response(
            choices=[_choice(output, request) for output in outputs],
            model=self.name,
            tokens_in=len(prompt_ids),
            tokens_cached=last.num_cached_tokens or 0,
            tokens_out=sum(len(output.token_ids) for output in outputs),
            latency_s=latency_s,
            prefilled=bool(request.prefill),
        )

    async def style(self) -> Style:
        """Look for a chat template: a tokenizer without one belongs to a base model."""
        if self._style is None:
            engine = await self._start()
            template = getattr(engine.get_tokenizer(), "chat_template", None)
            self._style = "completion" if template is None else "chat"
        return self._style

    async def aclose(self) -> None:
        """Stop the engine and its worker processes."""
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None

    async def _start(self) -> AsyncLLM:
        """Load the model, once.

        Raises:
            DependencyError: vLLM is not installed.
            UserError: vLLM cannot run this model with these options.
        """
        async with self._lock:
            if self._engine is None:
                engine = _open_engine(self._model, self._options)
                found = getattr(engine.model_config.hf_config, "_commit_hash", None)
                self.revision = found or self.revision
                self._engine = engine
            return self._engine


def _open_engine(model: str, options: VllmOptions) -> AsyncLLM:
    try:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        message = f"vllm/{model} runs in this process and needs vLLM ({error})"
        raise DependencyError(message, repair="pip install 'opencoder[vllm]'") from error
    try:
        return AsyncLLM.from_engine_args(
            AsyncEngineArgs(
                model=model,
                revision=options.revision,
                tokenizer_revision=options.revision,
                dtype=options.dtype,
                max_model_len=options.max_model_len,
                tensor_parallel_size=options.tensor_parallel_size,
                gpu_memory_utilization=options.gpu_memory_utilization,
                trust_remote_code=options.trust_remote_code,
                disable_log_stats=True,
                enable_log_requests=False,
            )
        )
    except (ValueError, OSError, RuntimeError) as error:
        raise UserError(
            f"vLLM cannot start {model!r} ({error}); check the name and the memory of the GPU"
        ) from error


def _sampling_params(request: Request) -> SamplingParams:
    """Translate; ``max_tokens`` must always be given, since vLLM would stop after 16."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = request.sampling
    return SamplingParams(
        n=sampling.n,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        stop=list(sampling.stop),
        seed=sampling.seed,
        logprobs=request.top_logprobs or None,
        structured_outputs=None if request.schema is None else StructuredOutputsParams(json=request.schema),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _choice(output: CompletionOutput, request: Request) -> Choice:
    found = None
    if request.top_logprobs and output.logprobs:
        # The drawn token is among them even where it is not among the likeliest.
        rows = sorted(output.logprobs[0].values(), key=lambda row: row.logprob, reverse=True)
        found = {row.decoded_token or "": row.logprob for row in rows[: request.top_logprobs]}
    return Choice(text=output.text, finish_reason=output.finish_reason or "stop", top_logprobs=found)
