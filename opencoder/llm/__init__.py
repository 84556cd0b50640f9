"""Models: one asynchronous interface over servers, an in-process engine, and answers in files."""

from __future__ import annotations

from opencoder.llm.api import (
    Choice,
    Model,
    Request,
    RequestError,
    Response,
    Sampling,
    Style,
    row_seed,
)
from opencoder.llm.registry import SPECS, open_model

__all__ = [
    "SPECS",
    "Choice",
    "Model",
    "Request",
    "RequestError",
    "Response",
    "Sampling",
    "Style",
    "open_model",
    "row_seed",
]
