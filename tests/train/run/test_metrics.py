from __future__ import annotations

import json
from pathlib import Path

from train.run.folder import Metric
from train.run.metrics import Follower, cut_back, last_metric
from train.run.watch import describe


def write(folder: Path, *steps: int, torn: str = "") -> None:
    lines = [json.dumps({"step": step, "loss": 1.0, "lr": 0.1, "note": "ours"}) + "\n" for step in steps]
    (folder / "metrics.jsonl").write_text("".join(lines) + torn)


def test_no_step_stands_twice_after_going_on(tmp_path: Path):
    write(tmp_path, *range(1, 13), torn='{"step": 13, "lo')
    last = cut_back(tmp_path, 8)
    assert last is not None
    assert last.step == 8
    write_more = (tmp_path / "metrics.jsonl").open("a")
    with write_more:
        write_more.write('{"step": 9}\n')
    found = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in found] == list(range(1, 10))
    assert found[0]["note"] == "ours"


def test_a_run_that_begins_anew_has_no_metrics(tmp_path: Path):
    assert cut_back(tmp_path, 0) is None
    write(tmp_path, 1, 2)
    assert cut_back(tmp_path, 0) is None
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


def test_only_whole_lines_are_followed(tmp_path: Path):
    follower = Follower(tmp_path)
    assert follower.new() == []
    write(tmp_path, 1, torn='{"step": 2, ')
    assert [metric.step for metric in follower.new()] == [1]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('"loss": null}\nnonsense\n{"step": 3}\n')
    assert [(metric.step, metric.loss) for metric in follower.new()] == [(2, None), (3, None)]
    newest = last_metric(tmp_path)
    assert newest is not None
    assert newest.step == 3


def test_what_is_shown():
    metric = Metric(step=3, loss=2.5, tokens_per_s=31_415.9, mfu=0.4123, skipped=2)
    assert describe(metric) == "loss 2.5000, 31,416 tokens/s, MFU 41.2%, 2 skipped"
    assert describe(Metric(step=3, loss=None)) == "loss not finite"
