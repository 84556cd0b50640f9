"""From ``openai/NAME`` to a model: the only place that knows all providers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opencoder.errors import DependencyError, UserError
from opencoder.llm.api import Model, Style
from opencoder.llm.reference import ReferenceModel
from opencoder.llm.retry import RetryPolicy

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from opencoder.llm.batch_files import BatchOptions
    from opencoder.llm.vllm_offline import VllmOptions

SPECS = (
    "openai/NAME, batch/NAME, vllm/ID_OR_PATH, transformers/FOLDER_OR_ID, reference, samples:FILE "
    "or replay:DIR"
)
"""The forms of a model spec, for messages and help."""


def open_model(
    spec: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 32,
    timeout_s: float = 600.0,
    retries: int = 6,
    backoff_s: float = 0.5,
    patience_s: float = 0.0,
    style: Style | None = None,
    prefill: bool = False,
    vllm: VllmOptions | None = None,
    batch: BatchOptions | None = None,
) -> Model:
    """Open a model; nothing is sent or loaded before its first use.

    Args:
        spec: One of the forms of ``SPECS``.
        base_url: Address of the server of ``openai/`` and ``batch/`` up to ``/v1``; else ``OPENAI_BASE_URL``.
        api_key: The key for it; else ``OPENAI_API_KEY``. Servers given by address need none.
        concurrency: The most requests in flight.
        timeout_s: Longest wait for one answer of a server.
        retries: How often a failed call is repeated.
        backoff_s: Pause before the first repetition; it doubles from there, up to 30 s.
        patience_s: ``openai/`` only: how long to wait for a server that fails every call before giving up.
        style: How the model is asked; None lets the provider find out.
        prefill: ``openai/`` only: the server can continue an assistant's turn (vLLM, SGLang).
        vllm: ``vllm/`` only: how the engine is set up.
        batch: ``batch/`` only, and needed there: the folder of its state, and how requests are gathered.

    Raises:
        UserError: The spec or an option is wrong.
        DataError: The file or folder of the spec is not what it should be.
        DependencyError: A package is missing.
    """
    if concurrency < 1 or timeout_s <= 0 or min(retries, backoff_s, patience_s) < 0:
        raise UserError("concurrency must be at least 1, timeout_s above 0, retries and pauses at least 0")
    kind, rest = ("reference", "") if spec == "reference" else _split(spec)
    if kind not in {"openai", "batch"}:
        return _in_process(kind, rest, concurrency=concurrency, style=style, vllm=vllm)
    if kind == "batch" and batch is None:
        raise UserError(f"{spec} needs a folder to keep its batches in, which `opencoder synth run` gives it")
    policy = RetryPolicy(retries=retries, base_s=backoff_s, patience_s=patience_s)
    client = _openai_client(spec, base_url, api_key, timeout_s=timeout_s, concurrency=concurrency)
    if kind == "batch" and batch is not None:
        from opencoder.llm.batch import BatchModel

        return BatchModel(rest, client, options=batch, retries=retries, style=style)
    from opencoder.llm.openai_model import OpenAIModel

    return OpenAIModel(rest, client, concurrency=concurrency, policy=policy, style=style, prefill=prefill)


def _in_process(
    kind: str, rest: str, *, concurrency: int, style: Style | None, vllm: VllmOptions | None
) -> Model:
    """Open a model that no server answers for."""
    if kind == "reference":
        return ReferenceModel()
    if kind == "samples":
        from opencoder.llm.samples import SamplesModel

        return SamplesModel(Path(rest))
    if kind == "replay":
        from opencoder.llm.replay import open_replay

        return open_replay(Path(rest), style=style)
    if kind == "vllm":
        from opencoder.llm.vllm_offline import VllmModel

        return VllmModel(rest, options=vllm, concurrency=concurrency, style=style)
    from opencoder.llm.transformers_model import TransformersModel

    return TransformersModel(rest, concurrency=concurrency, style=style)


def _split(spec: str) -> tuple[str, str]:
    marks = {"openai": "/", "batch": "/", "vllm": "/", "transformers": "/", "samples": ":", "replay": ":"}
    for kind, mark in marks.items():
        rest = spec.removeprefix(kind + mark)
        if rest and rest != spec:
            return kind, rest
    raise UserError(f"{spec!r} is no model; give {SPECS}")


def _openai_client(
    spec: str, base_url: str | None, api_key: str | None, *, timeout_s: float, concurrency: int
) -> AsyncOpenAI:
    """Make a client that never repeats a call by itself.

    Raises:
        UserError: The address is no address, or OpenAI itself is meant and there is no key.
        DependencyError: The package ``openai`` is not installed.
    """
    try:
        from openai import AsyncOpenAI, Timeout

        from opencoder.llm.openai_http import LeanClient
    except ImportError as error:
        message = f"{spec} needs the packages openai and aiohttp"
        raise DependencyError(message, repair="pip install 'opencoder[openai]'") from error
    url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = api_key or os.environ.get("OPENAI_API_KEY") or None
    if url is not None:
        _check_url(url)
    if key is None and url is None:
        raise UserError(f"{spec} needs --base-url for a server of your own, or OPENAI_API_KEY for OpenAI's")
    timeout = Timeout(timeout_s, connect=min(timeout_s, 10.0))
    return AsyncOpenAI(
        base_url=url,
        api_key=key or "none",
        timeout=timeout,
        max_retries=0,
        http_client=LeanClient(connections=concurrency, timeout=timeout),
    )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        usable = usable and parts.username is None
    except ValueError:
        usable = False
    if not usable:
        raise UserError(f"base URL {url!r} is no address; give one like http://127.0.0.1:8000/v1")
