"""Stands in for ``opencoder train export`` and ``eval run``; ``FAKE_OPENCODER`` says how it behaves.

``fine``, ``export_fails``, ``eval_fails`` or ``infra`` (two samples could not be judged).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

words = [word for word in sys.argv[1:] if word != "-q"]
how = os.environ.get("FAKE_OPENCODER", "fine")
out = Path(words[words.index("-o") + 1])
if words[:2] == ["train", "export"]:
    if how == "export_fails":
        sys.exit("error: the checkpoint is damaged")
    weights = (Path(words[2]) / "__0_0.distcp").read_text()
    out.mkdir(parents=True)
    (out / "config.json").write_text(json.dumps({"weights": weights}))
    sys.exit(0)
folder = Path(words[2].removeprefix("transformers/"))
step = int(json.loads((folder / "config.json").read_text())["weights"].split()[-1])
if how == "eval_fails":
    sys.exit("error: the model cannot be loaded")
names = words[words.index("--bench") + 1].split(",")
faults = 2 if how == "infra" else 0
rows = {
    name: {"benchmark": name, "pass_at_k": {"1": step / 100}, "num_tasks": 4 - faults, "infra_errors": faults}
    for name in names
}
out.mkdir(parents=True, exist_ok=True)
sys.stdout.write(json.dumps(rows[names[0]] if len(names) == 1 else {"benchmarks": rows}))
sys.exit(3 if faults else 0)
