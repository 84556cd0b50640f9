"""Data sets of the hub, from a server of our own that speaks its protocol."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from corpus.readers.hub import DataSet, data_set

COMMIT = "c" * 40
FILES = {
    "README.md": b"about",
    "data/python/a.jsonl": b'{"id": "a", "content": "x"}\n',
    "data/c/b.jsonl": b'{"id": "b", "content": "y"}\n',
    "train.jsonl": b'{"id": "t", "content": "z"}\n',
    "model.bin": b"never asked for",
}
PROGRAM = """
import sys
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
from opencoder.errors import OpenCoderError
try:
    plan = plan_inputs(sys.argv[1:])
    print([(s.name, *(one.id for one in read_shard(s))) for s in plan.shards])
except OpenCoderError as error:
    print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """One data set, ``owner/name``."""

    asked: list[str] = []  # noqa: RUF012 - of all requests

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/owner/name/tree/"):
            rows = [{"type": "file", "path": n, "size": len(d), "oid": "0" * 40} for n, d in FILES.items()]
            self.answer(json.dumps(rows).encode())
        elif path.startswith("/api/datasets/owner/name"):
            siblings = [{"rfilename": name} for name in FILES]
            self.answer(json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": siblings}).encode())
        elif (name := path.removeprefix(f"/datasets/owner/name/resolve/{COMMIT}/")) in FILES:
            self.answer(FILES[name])
        else:
            self.answer(b"{}", 404)

    do_HEAD = do_GET

    def answer(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        return None


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def plan(source: str, cache: Path, *, url: str = "http://127.0.0.1:9", **env: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "OPENCODER_"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, source],
        cwd=cache,
        env={
            **kept,
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
            "HF_HOME": str(cache / "hf"),
            "HF_ENDPOINT": url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            **env,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


needs_client = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)


@needs_client
def test_fetched_once_and_read(hub: str, tmp_path: Path) -> None:
    whole = "[('data/c/b.jsonl', 'b'), ('data/python/a.jsonl', 'a'), ('train.jsonl', 't')]"
    assert plan("owner/name", tmp_path, url=hub) == whole
    assert not any("model.bin" in path for path in Hub.asked)
    # What was fetched is found without the network.
    assert plan("owner/name", tmp_path, HF_HUB_OFFLINE="1") == whole
    assert plan(f"hf://datasets/owner/name@{COMMIT}/data/c", tmp_path, url=hub) == "[('data/c/b.jsonl', 'b')]"
    assert plan("hf://datasets/owner/name/train.jsonl", tmp_path, url=hub) == "[('train.jsonl', 't')]"
    assert "holds no .parquet" in plan("hf://datasets/owner/name/none", tmp_path, url=hub)


@needs_client
def test_what_cannot_be_fetched(hub: str, tmp_path: Path) -> None:
    for said in (
        plan("owner/other", tmp_path, url=hub),
        plan("owner/name", tmp_path, HF_HUB_OFFLINE="1"),
        plan("owner/name", tmp_path),
    ):
        assert said.startswith("DataError owner/")
        assert said.endswith("check the name and the network, or give a local copy")
        assert "\n" not in said


def test_without_the_client(tmp_path: Path) -> None:
    program = "import sys; sys.modules['huggingface_hub'] = None\n" + PROGRAM
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "owner/name"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("DependencyError owner/name: no such file or folder"), done.stderr
    assert done.stdout.endswith("run: pip install 'opencoder[hub]'\n")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("owner/name", DataSet(repo_id="owner/name", revision=None, path="")),
        ("owner/name@v1.0", DataSet(repo_id="owner/name", revision="v1.0", path="")),
        ("hf://datasets/o/n", DataSet(repo_id="o/n", revision=None, path="")),
        ("hf://datasets/o/n@r/data/a b/", None),
        ("hf://datasets/o/n@r/data/a/", DataSet(repo_id="o/n", revision="r", path="data/a")),
        ("a/b/c", None),
        ("name", None),
        ("/o/n", None),
        ("../n", None),
    ],
)
def test_names(source: str, wanted: DataSet | None) -> None:
    assert data_set(source) == wanted
