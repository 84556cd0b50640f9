"""The result follows from input and settings: not from workers, shards, from being killed, or from Ray."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.support.corpus_build import build, children, ledger, result_bytes, rows, start

SHARDS = ("--shard-bytes", "200kB")


def test_two_workers_write_the_same_bytes(built: Path, corpus: Path, tmp_path: Path) -> None:
    done = build(corpus, "-o", tmp_path / "out", "--workers", "2", *SHARDS)
    assert done.returncode == 0, done.stderr
    assert result_bytes(tmp_path / "out") == result_bytes(built)


def test_killed_builds_go_on_and_repeat_nothing(built: Path, corpus: Path, tmp_path: Path) -> None:
    out, chance = tmp_path / "out", random.Random(7)
    words = (corpus, "-o", out, "--workers", "2", *SHARDS)
    for _ in range(3):
        finished = len(ledger(out))
        run = start(*words)
        wanted = finished + chance.randint(1, 6)
        while run.poll() is None and len(ledger(out)) < wanted:
            time.sleep(0.02)
        below = children(run.pid) if run.poll() is None else []
        run.kill()
        run.communicate()
        deadline = time.monotonic() + 10
        # Workers end with their leader, so that none writes into the next session.
        while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    done = build(*words)
    assert done.returncode == 0, done.stderr
    assert len(ledger(out)) == len(set(ledger(out)))
    assert result_bytes(out) == result_bytes(built)


def test_a_dying_worker_costs_nothing_but_time(built: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(corpus, "-o", out, "--workers", "2", *SHARDS)
    killed = 0
    while run.poll() is None and killed < 3:
        if len(ledger(out)) >= 4 * killed + 1:
            workers = [
                pid for pid in children(run.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
            ]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    _, stderr = run.communicate()
    assert killed
    assert run.returncode == 0, stderr
    assert "a worker died" in stderr
    assert result_bytes(out) == result_bytes(built)


def test_ctrl_c_says_how_to_go_on(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(corpus, "-o", out, "--workers", "1", *SHARDS)
    while run.poll() is None and not ledger(out):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130, stderr
    assert "to go on: opencoder corpus build" in stderr


def test_inputs_that_changed_are_refused(corpus: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.py").write_bytes((corpus / "lib/json/decoder.py").read_bytes())
    assert build(source, "-o", out).returncode == 0
    (source / "b.py").write_text("b = 1\n")
    changed = build(source, "-o", out)
    assert (changed.returncode, "other inputs" in changed.stderr) == (2, True)
    other = build(source, "-o", out, "--languages", "all")
    assert (other.returncode, "languages" in other.stderr) == (2, True)
    anew = build(source, "-o", out, "--no-resume")
    assert anew.returncode == 0, anew.stderr
    assert len(rows(out, "documents", "id")) + len(rows(out, "rejects", "id")) == 2


def test_caps_hold_and_do_not_depend_on_shards(corpus: Path, tmp_path: Path) -> None:
    kept = []
    plain = ("--level", "none", "--no-redact", "--no-filter", "--cap.python", "300kB")
    for number, size in enumerate(("100kB", "64MB")):
        out = tmp_path / str(number)
        done = build(corpus, "-o", out, "--shard-bytes", size, *plain, "--seed", "3")
        assert done.returncode == 0, done.stderr
        documents = rows(out, "documents", "id", "language", "content")
        assert (
            0
            < sum(len(row["content"].encode()) for row in documents if row["language"] == "python")
            <= 300_000
        )
        kept.append({row["id"] for row in documents})
    assert kept[0] == kept[1]
    other = build(corpus, "-o", tmp_path / "other", *plain, "--seed", "4")
    assert other.returncode == 0, other.stderr
    assert {row["id"] for row in rows(tmp_path / "other", "documents", "id")} != kept[0]
