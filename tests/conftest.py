"""Rules for tests that need a Docker daemon, and the model server.

Mark such a test ``@pytest.mark.docker``. Where no daemon answers it is skipped with the reason; in CI, and
with ``--require-docker``, it fails. ``--require-docker`` also fails a run in which no such test passed, so
that a suite cannot become green by running nothing.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opencoder.errors import OpenCoderError
from sandbox.images import build_image, connect

PASSED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-docker", action="store_true", help="fail where a Docker test cannot run")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PASSED] = 0
    config.pluginmanager.register(Count(config))


class Count:
    """Counts passed Docker tests, in the controlling process when the run is distributed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and "docker" in report.keywords:
            self.config.stash[PASSED] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _lacks_docker_tests(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _lacks_docker_tests(config):
        terminalreporter.write_line("--require-docker: no Docker test passed", red=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") is None or (reason := _why_no_docker()) is None:
        return
    if item.config.getoption("--require-docker") or os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def python_image() -> Iterator[str]:
    """The id of the current Python image, built if need be. For tests marked ``docker``."""
    client = connect()
    try:
        yield build_image("python", client=client, log=lambda line: None)
    finally:
        client.close()


@functools.cache
def _why_no_docker() -> str | None:
    try:
        connect().close()
    except OpenCoderError as error:
        return str(error)
    return None


def _lacks_docker_tests(config: pytest.Config) -> bool:
    worker = hasattr(config, "workerinput")
    required = bool(config.getoption("--require-docker"))
    return required and not worker and not config.option.collectonly and config.stash[PASSED] == 0


SUPPORT = Path(__file__).parent / "support"


class ModelServer:
    """A model server in a process of its own: a program in ``tests/support``."""

    def __init__(self, program: str = "model_server.py", model: str = "tiny-llama") -> None:
        self.model = model
        self.process = subprocess.Popen(
            [sys.executable, str(SUPPORT / program)],
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET" if content is None else "POST", "/admin", content)
            answer = connection.getresponse()
            assert answer.status == 200, f"the server took no {content!r}"
            result: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        return result


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[[str, str], ModelServer]]:
    """Starts a program of ``tests/support`` as a server; it is stopped in the end at the latest."""
    servers: list[ModelServer] = []

    def start(program: str, model: str) -> ModelServer:
        servers.append(ModelServer(program, model))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


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
