"""A running model server for the tests of the model layer."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "model_server.py"


class ModelServer:
    """A model server in a process of its own (see ``tests/support/model_server.py``)."""

    model = "tiny-llama"

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdout=subprocess.PIPE,
            # One thread: the matrices are too small to share.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def set(self, **settings: Any) -> None:
        """Change settings of the server."""
        self._admin(json.dumps(settings).encode())

    def seen(self) -> dict[str, Any]:
        """What was asked so far: ``requests``, ``max_in_flight``, ``settings``."""
        return self._admin(None)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _admin(self, content: bytes | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET" if content is None else "POST", "/admin", content)
            answer = connection.getresponse()
            assert answer.status == 200, f"the server took no {content!r}"
            result: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        return result


@pytest.fixture(scope="session")
def model_server_process() -> Iterator[ModelServer]:
    """One server for all tests that leave it alive."""
    server = ModelServer()
    yield server
    server.stop()


@pytest.fixture
def model_server(model_server_process: ModelServer) -> ModelServer:
    """The shared server with default settings and nothing asked yet."""
    model_server_process.set(reset=True)
    return model_server_process


@pytest.fixture
def own_model_server() -> Iterator[ModelServer]:
    """A server of this test's own, which may die."""
    server = ModelServer()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep keys, addresses and proxies of the machine out of the tests."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
