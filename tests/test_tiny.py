"""The whole of the core in one small flow; under five seconds, no network, no daemon."""

import json
import subprocess
import sys

from opencoder.log import progress
from opencoder.records import Outcome, RunManifest
from opencoder.runs import Run
from opencoder.stats import mcnemar_exact, pass_at_k, wilson
from opencoder.store import read_json, read_jsonl


def test_from_units_to_a_number(tmp_path):
    with Run.open(tmp_path, command="tiny", config={"bench": "tiny"}) as run, progress("tiny", 4) as shown:
        outcomes = run.table(
            "outcomes",
            Outcome,
            key=lambda row: f"{row.task_id}#{row.sample_id}",
            status=lambda row: row.status,
        )
        for i in (3, 1, 0, 2):
            outcomes.add(Outcome(task_id=f"t{i}", sample_id=0, status="passed" if i else "failed"))
            shown.advance(status="passed" if i else "failed")
        rows = outcomes.finish()
    assert rows == list(read_jsonl(tmp_path / "outcomes.jsonl", Outcome))
    assert [row.task_id for row in rows] == ["t0", "t1", "t2", "t3"]
    assert read_json(tmp_path / "run.json", RunManifest).counts == {"failed": 1, "passed": 3}
    passed = [int(row.status == "passed") for row in rows]
    assert pass_at_k([(1, num) for num in passed], 1) == 0.75
    low, high = wilson(sum(passed), len(passed))
    assert 0.3 < low < 0.31 < 0.95 < high < 0.96
    assert mcnemar_exact(0, 3) == 0.25


def test_the_command_answers():
    done = subprocess.run([sys.executable, "-P", "-m", "opencoder", "doctor", "--json"], capture_output=True)
    assert done.returncode in {0, 4}
    assert json.loads(done.stdout)["checks"]
