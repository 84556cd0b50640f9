"""The service on loopback, in a process of its own, before a real sandbox."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from sandbox.service.admission import Admission, BusyError, DrainingError
from tests.support.processes import fresh_mark, marked

OPENCODER = str(Path(sys.executable).parent / "opencoder")
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def serving(
    *arguments: str, env: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [OPENCODER, "sandbox", "serve", "--port", "0", "--backend", "namespace", "--json", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield json.loads(line)["url"], process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    with serving("--concurrency", "2") as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        yield client


def run_code(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/run_code", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_until(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def test_a_program_in_the_words_of_sandboxfusion(service: httpx.Client) -> None:
    source = (
        "import sys\nprint(input(), open('in.txt').read())\n"
        "open('out.bin', 'wb').write(b'\\0\\1')\nsys.exit(3)"
    )
    files = {"in.txt": base64.b64encode(b"content").decode()}
    answer = run_code(
        service, code=source, language="python", stdin="line\n", files=files, fetch_files=["out.bin", "none"]
    )
    ran = answer["run_result"]
    assert answer["status"] == "Failed"
    assert answer["compile_result"] is None
    assert (ran["status"], ran["return_code"], ran["stdout"]) == ("Finished", 3, "line content\n")
    assert 0 < ran["execution_time"] < 10
    assert {name: base64.b64decode(data) for name, data in answer["files"].items()} == {"out.bin": b"\0\1"}
    assert (answer["verdict"], answer["guarantee"]) == ("error", "full")
    assert answer["launcher"] == "fork-server"
    assert run_code(service, code="print(1)", language="py")["status"] == "Success"


@pytest.mark.parametrize(
    ("source", "compiled", "ran", "verdict"),
    [
        ("int main(void) { return 0; }", "Finished", "Finished", "ok"),
        ("int main(void) { for (;;); }", "Finished", "TimeLimitExceeded", "timeout"),
        ("int main(void) {", "Finished", None, "compile_error"),
        ("#include <stdlib.h>\nint main(void) { abort(); }", "Finished", "Finished", "signal"),
    ],
)
def test_a_compiled_program_tells_both_ends(
    service: httpx.Client, source: str, compiled: str, ran: str | None, verdict: str
) -> None:
    answer = run_code(service, code=source, language="c", run_timeout=1)
    assert answer["compile_result"]["status"] == compiled
    assert (answer["run_result"] and answer["run_result"]["status"]) == ran
    assert answer["verdict"] == verdict
    if verdict == "compile_error":
        assert answer["compile_result"]["return_code"] == 1
        assert "error" in answer["compile_result"]["stderr"]
    if verdict == "signal":
        assert answer["run_result"]["return_code"] == -signal.SIGABRT


def test_memory_is_capped(service: httpx.Client) -> None:
    answer = run_code(service, code="x = b'x' * (300 << 20)", language="python", memory_limit_MB=64)
    assert answer["verdict"] == "memory"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "truncated"),
        (b'{"language": "python"}', "code"),
        (b'{"code": "", "language": "klingon"}', "unknown language 'klingon'"),
        (b'{"code": "", "language": "python", "run_timeout": -1}', "run_timeout"),
        (b'{"code": "", "language": "python", "files": {"a": "!"}}', "base64"),
        (b'{"code": "", "language": "python", "fetch_files": ["../x"]}', "leaves the working folder"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(service: httpx.Client, body: bytes, message: str) -> None:
    answer = service.post("/run_code", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_batch_streams_in_the_order_in_which_programs_end(service: httpx.Client) -> None:
    slow = {"id": "slow", "language": "python", "program": "import time; time.sleep(1.5); print('slow')"}
    rows = [slow] + [{"id": str(n), "language": "python", "program": f"print({n})"} for n in range(6)]
    body = "".join(json.dumps(row) + "\n" for row in rows)
    began, times, order = time.monotonic(), [], []
    with service.stream("POST", "/run_batch", content=body) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            order.append(json.loads(line))
            times.append(time.monotonic() - began)
    assert sorted(row["id"] for row in order) == sorted(row["id"] for row in rows)
    assert order[-1]["id"] == "slow"
    assert times[0] < 1 < times[-1]
    assert all(row["verdict"] == "ok" for row in order)


def test_a_batch_judges_solutions(service: httpx.Client) -> None:
    row = {
        "id": "a",
        "language": "python",
        "program": "def f(x): return x + 1",
        "mode": "solution",
        "entry_point": "f",
        "cases": [[[1], 2]],
        "test_code": "def check(f):\n    assert f(1) == 3",
    }
    assert json.loads(service.post("/run_batch", json=row).text)["verdict"] == "pass"
    tests = service.post("/run_batch", params={"judge": "tests"}, json=row)
    assert json.loads(tests.text)["verdict"] == "wrong"


def test_a_wrong_line_of_a_batch_is_named(service: httpx.Client) -> None:
    good = json.dumps({"id": "a", "language": "python", "program": ""})
    for body, message in (
        (good + "\n{}\n", "line 2"),
        (good + "\n" + good, "line 2: id 'a'"),
        ("", "no row"),
    ):
        answer = service.post("/run_batch", content=body)
        assert answer.status_code == 400
        assert message in answer.json()["error"]
    assert service.post("/run_batch", params={"judge": "x"}, content=good).status_code == 400


def test_health_languages_metrics_and_description(service: httpx.Client) -> None:
    run_code(service, code="print(1)", language="python")
    health = service.get("/health").json()
    assert (health["status"], health["slots"], health["free"]) == ("ok", 2, 2)
    assert (health["backend"], health["guarantee"]) == ("namespace", "full")
    assert health["time_factor"] >= 1
    assert "python" in service.get("/languages").json()["languages"]
    metrics = service.get("/metrics").text
    name = 'opencoder_sandbox_programs_total{language="python",verdict="ok"}'
    (count,) = [line for line in metrics.splitlines() if line.startswith(name)]
    assert float(count.split()[-1]) >= 1
    assert "opencoder_sandbox_slots 2.0" in metrics
    described = service.get("/openapi.json").json()
    names = ("run_code", "run_batch", "languages", "health", "metrics", "openapi.json")
    assert set(described["paths"]) == {f"/{name}" for name in names}
    assert described["components"]["schemas"]["RunCode"]["required"] == ["code", "language"]


def test_a_service_on_a_slow_machine_gives_more_time(tmp_path: Path) -> None:
    code = "import time\nwhile time.process_time() < 0.7: pass"
    with serving("--time-factor", "20") as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/health").json()["time_factor"] == 20.0
        answer = run_code(client, code=code, language="python", run_timeout=0.3)
        assert (answer["verdict"], answer["time_factor"]) == ("ok", 20.0)
        row = {"id": "a", "language": "python", "program": code, "limits": {"wall_s": 0.3}}
        streamed = client.post("/run_batch", json=row).json()
        assert (streamed["verdict"], streamed["time_factor"]) == ("ok", 20.0)


def test_pages_and_foreign_names_are_refused(service: httpx.Client) -> None:
    body = {"code": "print(1)", "language": "python"}
    assert service.post("/run_code", json=body, headers={"Origin": "http://evil.example"}).status_code == 403
    assert service.post("/run_code", json=body, headers={"Host": "evil.example"}).status_code == 403
    assert service.post("/run_code", json=body, headers={"Host": "localhost:1"}).status_code == 200


def test_a_client_that_leaves_takes_its_program_with_it(service: httpx.Client) -> None:
    mark = fresh_mark()
    program = f"exec -a {mark} sleep 30"
    for path, body in (
        ("/run_code", {"code": program, "language": "bash", "run_timeout": 30}),
        (
            "/run_batch",
            {
                "id": "a",
                "language": "bash",
                "program": program,
                "limits": {"wall_s": 30},
            },
        ),
    ):
        data = json.dumps(body).encode()
        host, port = service.base_url.host, service.base_url.port
        with socket.create_connection((host, port or 80)) as raw:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
            raw.sendall(head.encode() + data)
            wait_until(lambda: marked(mark))
        wait_until(lambda: not marked(mark))
        wait_until(lambda: service.get("/health").json()["free"] == 2)


def test_a_full_queue_and_a_long_body_are_told(tmp_path: Path) -> None:
    arguments = ("--concurrency", "1", "--queue", "1", "--max-body-mb", "1")
    with serving(*arguments) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        slow = {"code": "import time; time.sleep(2)", "language": "python"}

        def ask() -> None:
            client.post("/run_code", json=slow)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        threads[0].start()
        wait_until(lambda: client.get("/health").json()["running"] == 1)
        threads[1].start()
        wait_until(lambda: client.get("/health").json()["waiting"] == 1)
        refused = client.post("/run_code", json=slow)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        for thread in threads:
            thread.join()
        long = {"code": "#" * (2 << 20), "language": "python"}
        assert client.post("/run_code", json=long).status_code == 413

        def parts() -> Iterator[bytes]:
            yield from (b"x" * 65536 for _ in range(40))

        assert client.post("/run_code", content=parts()).status_code == 413
        assert "opencoder_sandbox_refused_total" in client.get("/metrics").text


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    body = {"code": "print(1)", "language": "python"}
    (tmp_path / "token").write_text("secret\n")
    with serving("--token-file", str(tmp_path / "token")) as (url, _), httpx.Client(base_url=url) as client:
        assert client.post("/run_code", json=body).status_code == 401
        wrong = {"Authorization": "Bearer wrong"}
        assert client.post("/run_code", json=body, headers=wrong).status_code == 401
        assert client.get("/health").status_code == 200
        right = {"Authorization": "Bearer secret", "Host": "any.example"}
        assert client.post("/run_code", json=body, headers=right).json()["status"] == "Success"


def test_an_address_for_all_needs_a_token() -> None:
    command = [OPENCODER, "sandbox", "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104
    env = {name: value for name, value in os.environ.items() if name != "OPENCODER_SANDBOX_TOKEN"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 2
    assert "set a token" in done.stderr


def test_sigterm_lets_programs_end_and_takes_no_more() -> None:
    with serving("--concurrency", "2") as (url, process), httpx.Client(base_url=url, timeout=60) as client:
        answers: list[httpx.Response] = []
        slow = {"code": "import time; time.sleep(1.5); print('done')", "language": "python"}
        thread = threading.Thread(target=lambda: answers.append(client.post("/run_code", json=slow)))
        thread.start()
        wait_until(lambda: client.get("/health").json()["running"] == 1)
        process.terminate()
        time.sleep(0.3)
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{url}/run_code", json=slow, timeout=5).raise_for_status()
        thread.join()
        assert answers[0].json()["run_result"]["stdout"] == "done\n"
        assert process.wait(timeout=100) == 0


async def test_admission_counts() -> None:
    admission = Admission(1, 1)
    admission.check()
    async with admission.slot():
        assert admission.free == 0
        admission.check()
        admission.waiting = 1
        with pytest.raises(BusyError) as caught:
            admission.check()
        assert caught.value.retry_s >= 1
        admission.waiting = 0
    assert admission.free == 1
    admission.draining = True
    with pytest.raises(DrainingError):
        admission.check()
