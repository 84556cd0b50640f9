"""The OpenAPI description of the service, made from the types that it decodes and encodes."""

from __future__ import annotations

from typing import Any

import msgspec

from opencoder import __version__
from sandbox.rows import BatchRow, OutRow
from sandbox.service.schema import RanCode, RunCode

_REF = "#/components/schemas/{name}"
_ERRORS = {
    "400": "A field, or a line of a batch, does not make sense.",
    "401": "The token is missing or wrong.",
    "403": "Not a local client, or a web page.",
    "413": "The body is too long.",
    "429": "As many programs wait as may; Retry-After tells how many seconds to wait.",
    "503": "The service is shutting down.",
}


def description() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    _, components = msgspec.json.schema_components([RunCode, RanCode, BatchRow, OutRow], ref_template=_REF)
    errors = {code: {"description": text} for code, text in _ERRORS.items()}
    judge = {"name": "judge", "in": "query", "schema": {"enum": ["cases", "tests"]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "opencoder sandbox", "version": __version__},
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
        "paths": {
            "/run_code": {
                "post": {
                    "summary": "Run one program.",
                    "requestBody": _body("application/json", "RunCode"),
                    "responses": {"200": _answer("application/json", "RanCode"), **errors},
                }
            },
            "/run_batch": {
                "post": {
                    "summary": "Run many; one JSON object per line, answered in the order in which they end.",
                    "parameters": [judge],
                    "requestBody": _body("application/x-ndjson", "BatchRow"),
                    "responses": {"200": _answer("application/x-ndjson", "OutRow"), **errors},
                }
            },
            **{f"/{name}": {"get": _get(text)} for name, text in _GETS.items()},
        },
    }


_GETS = {
    "languages": "Languages that programs may be in.",
    "health": "Free slots, backend and guarantee; 503 while shutting down. Needs no token.",
    "metrics": "Counters in Prometheus' text format.",
    "openapi.json": "This document.",
}


def _body(media: str, name: str) -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": {"$ref": _REF.format(name=name)}}}}


def _answer(media: str, name: str) -> dict[str, Any]:
    return {
        "description": "What became of it.",
        "content": {media: {"schema": {"$ref": _REF.format(name=name)}}},
    }


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}}}
