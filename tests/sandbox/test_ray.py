"""Rows on the nodes of a real Ray cluster, whose actors and nodes are killed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import fresh_mark, marked

OPENCODER = str(Path(sys.executable).parent / "opencoder")
CLUSTER = Path(__file__).parents[1] / "support" / "ray_cluster.py"
KINDS = [
    ("import time; time.sleep(0.1); print({number})", "ok"),
    ("raise SystemExit(3)", "error"),
    ("import time; time.sleep(60)", "timeout"),
    # Ray blocks this signal in its workers.
    ("import os; os.kill(os.getpid(), 2); import time; time.sleep(0.1); print('went on')", "error"),
]


def write_rows(path: Path, number: int) -> list[tuple[str, str]]:
    """Write so many rows and return their ids and verdicts."""
    lines, expected = [], []
    for count in range(number):
        source, verdict = KINDS[count % len(KINDS)]
        program = source.format(number=count)
        row = {"id": f"r{count}", "language": "python", "program": program, "limits": {"wall_s": 0.6}}
        lines.append(json.dumps(row) + "\n")
        expected.append((f"r{count}", verdict))
    path.write_text("".join(lines))
    return expected


def read_rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def until(what: Callable[[], object], wait_s: float = 60.0) -> None:
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def below(root: int, name: str) -> list[int]:
    """The processes below ``root`` whose command line begins with, or is a path that ends in, ``name``."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue

    def is_below(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    return sorted(
        pid for pid, line in names.items() if (line.startswith(name) or line.endswith(name)) and is_below(pid)
    )


@dataclass
class RayCluster:
    pid: int
    env: dict[str, str]

    def actors(self) -> list[int]:
        return below(self.pid, "ray::RowActor")

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [OPENCODER, "sandbox", "batch", *words, "--executor", "ray", "--backend", "namespace"]
        return subprocess.Popen(
            [*command, "--json"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    env = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    process = subprocess.Popen(
        [sys.executable, "-P", str(CLUSTER)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("address "):
                yield RayCluster(process.pid, {**env, "RAY_ADDRESS": line.split()[1]})
                break
        else:
            pytest.fail("no cluster")
    finally:
        process.communicate(timeout=60)


@pytest.mark.slow
def test_an_actor_is_killed_and_every_row_is_there_once_and_right(
    cluster: RayCluster, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    expected = write_rows(source, 80)
    with cluster.start(str(source), "-o", str(out)) as process:
        until(lambda: out.exists() and len(out.read_bytes().splitlines()) >= 15)
        actors = cluster.actors()
        assert len(actors) == 2
        os.kill(actors[0], signal.SIGKILL)
        until(lambda: len(set(cluster.actors()) - set(actors)) == 1)  # there is another one
        stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr
    rows = read_rows(out)
    assert [(row["id"], row["verdict"]) for row in rows] == expected
    attempts = [row["attempts"] for row in rows]
    assert set(attempts) == {1, 2}
    assert attempts.count(2) <= 2  # what was under way there
    assert json.loads(stdout)["counts"] == {"ok": 20, "error": 40, "timeout": 20}
    assert stderr.count("is left out: The actor died") == 1
    assert stderr.count("is back") == 1
    until(lambda: not cluster.actors())


@pytest.mark.slow
def test_an_interrupted_batch_leaves_the_cluster_as_it_was_and_can_go_on(
    cluster: RayCluster, tmp_path: Path
) -> None:
    mark = fresh_mark()
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    expected = write_rows(source, 8)
    long = {"id": "long", "language": "bash", "program": f"exec -a {mark} sleep 3", "limits": {"wall_s": 50}}
    source.write_text(json.dumps(long) + "\n" + source.read_text())
    with cluster.start(str(source), "-o", str(out)) as process:
        until(lambda: marked(mark))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "go on with: opencoder sandbox batch" in stderr
    until(lambda: not marked(mark) and not cluster.actors(), 10)
    with cluster.start(str(source), "-o", str(out)) as process:
        _, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr
    assert [(row["id"], row["verdict"]) for row in read_rows(out)] == [("long", "ok"), *expected]


@pytest.mark.slow
def test_a_node_is_lost_and_the_other_one_does_it_all(cluster: RayCluster, tmp_path: Path) -> None:
    """The last test with this cluster."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    expected = write_rows(source, 60)
    with cluster.start(str(source), "-o", str(out)) as process:
        until(lambda: out.exists() and len(out.read_bytes().splitlines()) >= 10)
        raylets = below(cluster.pid, "/raylet")
        assert len(raylets) == 2
        [lost] = [pid for pid in raylets if b"--head\0" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in [lost, *below(lost, "")]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, stderr = process.communicate(timeout=110)
    assert process.returncode == 0, stderr
    assert [(row["id"], row["verdict"]) for row in read_rows(out)] == expected
    assert stderr.count("is left out") == 1
    assert "is back" not in stderr


@pytest.mark.slow
def test_without_an_address_a_cluster_is_started_and_ended(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    expected = write_rows(source, 12)
    # Neither may be taken for ours by a worker.
    (tmp_path / "msgspec.py").write_text("raise SystemExit('the wrong file was imported')")
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "__init__.py").write_text("raise SystemExit('the wrong file was imported')")
    mark = f"TEST_MARK={fresh_mark()}".encode()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"TEST_MARK": mark.decode().partition("=")[2], "HOME": str(tmp_path / "home")}

    def started() -> dict[str, bytes]:
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                environ = (path / "environ").read_bytes()
                if mark in environ.split(b"\0"):
                    found[Path((path / "cmdline").read_text().split("\0")[0]).name] = environ
            except OSError:
                continue
        return found

    before = set(Path("/tmp").glob("opencoder-ray-*"))
    process = RayCluster(0, env)
    words = [str(source), "-o", str(out)]
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        running = process.start(*words)
    finally:
        os.chdir(here)
    with running:
        until(lambda: "gcs_server" in started())
        environ = started()["gcs_server"].split(b"\0")
        assert b"RAY_AUTH_MODE=token" in environ
        assert any(len(line) == len(b"RAY_AUTH_TOKEN=") + 64 for line in environ)
        stdout, stderr = running.communicate(timeout=100)
    assert running.returncode == 0, stderr
    assert [(row["id"], row["verdict"]) for row in read_rows(out)] == expected
    assert stdout.count("\n") == 1
    assert json.loads(stdout)["total"] == 12
    assert [line for line in stderr.splitlines() if line and not line.startswith("running: ")] == []
    assert not (tmp_path / "home" / ".ray").exists()  # where Ray would keep a token of its own
    until(lambda: not started(), 10)
    assert set(Path("/tmp").glob("opencoder-ray-*")) <= before


def refused(tmp_path: Path, *words: str, before: str = "", **env: str) -> tuple[int, str]:
    """Run a batch of one row that cannot be run, and return exit code and the line that says so."""
    write_rows(tmp_path / "in.jsonl", 1)
    code = f"import sys\n{before}\nfrom opencoder.cli import main\nsys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", code, "sandbox", "batch", str(tmp_path / "in.jsonl")]
    command += ["-o", str(tmp_path / "out.jsonl"), "-q", "--executor", "ray", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=60)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def test_a_missing_ray_is_told_with_its_repair(tmp_path: Path) -> None:
    code, said = refused(tmp_path, before="sys.modules['ray'] = None")
    assert code == 4
    assert said == "error: --executor ray needs ray; run: pip install 'opencoder[ray]'\n"


def test_endpoints_and_ray_exclude_each_other(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--endpoint", "http://127.0.0.1:1")
    assert code == 2
    assert "--executor ray and --endpoint" in said


def test_a_backend_without_boundary_must_be_agreed_to(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--backend", "process")
    assert code == 2
    assert "add --allow-unsafe" in said


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("127.0.0.1:1", 4, "error: no Ray cluster at RAY_ADDRESS=127.0.0.1:1: "),
        ("nonsense", 4, "error: no Ray cluster at RAY_ADDRESS=nonsense: Invalid address format"),
        ("ray://127.0.0.1:10001", 2, "HOST:PORT of its head"),
    ],
)
def test_a_cluster_that_does_not_answer_is_told_at_once(
    tmp_path: Path, address: str, code: int, says: str
) -> None:
    began = time.monotonic()
    found, said = refused(tmp_path, RAY_ADDRESS=address)
    assert time.monotonic() - began < 15
    assert found == code
    assert says in said
