"""Tokens per second of a training step, against torchtitan's own loader and the Trainer of ``transformers``.

    .venv/bin/python benchmarks/train_step.py

All train the model of the recipe ``tiny`` (4.2M parameters, float32, AdamW, 8 x 256 tokens a step) from
scratch, on the same documents of the standard library under the same tokenizer, on the CPU:

- ``ours``: token shards, our loader, schedule, guard and metrics, as ``train.titan.main`` builds them;
- ``titan``: the same model behind torchtitan's HuggingFaceTextDataLoader, which tokenizes as it goes, with
  torchtitan's own optimisers, schedule and metrics;
- ``trainer``: ``LlamaForCausalLM`` with sdpa attention behind the Trainer, on a data set tokenized and cut
  into blocks before, as the library's ``run_clm`` does; it has no document masks.

Each is a process of its own with ``--threads`` threads, without checkpoints and with a line of metrics at
every step. In a round all are started one after another, and then take ``--turns`` turns of ``--steps``
steps, in another order each time, while the others wait. A turn holds all that happens at a step. The figure
to quote is the ratio of CPU times of turns that follow one another, in the median: they see the same machine.
``start`` is the time to the end of the first step, ``whole`` the rate from the start of the process on,
``prepare_cpu_s`` what was tokenized before, and ``parts`` where a step of ours goes, in CPU milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, cast

ROOT = Path(__file__).resolve().parent.parent
BAR = 1.0
ADDED_BAR = 0.02
CONTENDERS = ("ours", "titan", "trainer")
_PROCESS = ROOT / "benchmarks" / "train_contenders.py"
_ADDED = ("norm", "guard", "stop", "line")
"""Parts of a step that torchtitan's own trainer does not have."""


def make_data(folder: Path, given: argparse.Namespace) -> dict[str, float]:
    """Write rows, tokenizer, token shards, blocks and run; return the CPU seconds of shards and blocks."""
    from opencoder.store import read_jsonl
    from train.bpe.folder import write_folder
    from train.bpe.train import train_tokenizer
    from train.builtin.rows import write_builtin
    from train.recipes.tiny import SHAPE
    from train.sft.template import CHAT_TEMPLATE

    rows = write_builtin(given.kind, folder / "rows", limit=given.documents)
    texts = [row["text"] for row in read_jsonl(rows)]
    rows.rename(folder / "rows.jsonl")
    write_folder(folder / "tokenizer", train_tokenizer(texts, SHAPE.vocab), chat_template=CHAT_TEMPLATE)
    spent = {}
    for name in ("ours", "trainer"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-P", str(_PROCESS), name, str(folder), "--prepare"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-4000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent[name] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)
    return spent


def write_run(folder: Path, given: argparse.Namespace) -> None:
    """Write the run folder of ours, which tells the others what to do too."""
    from train.recipes.tiny import BATCH, COMPUTE, FLOOR, OPTIMIZER, PEAK, SHAPE, WARMUP_STEPS
    from train.spec import Batch, Checkpoints, Data, RunSpec, Schedule, Source, write_spec

    # One step more than is timed: what is done at the end of a run is none of a step's.
    steps = given.warmup + given.turns * given.steps + 1
    spec = RunSpec(
        name="tiny",
        shape=SHAPE,
        tokenizer=str(folder / "tokenizer"),
        batch=Batch(sequences=BATCH.sequences, seq_len=BATCH.seq_len, micro=BATCH.sequences),
        steps=steps,
        schedule=Schedule(
            peak=PEAK, floor=FLOOR, warmup_steps=WARMUP_STEPS, stable_steps=steps, decay_steps=0
        ),
        optimizer=OPTIMIZER,
        data=Data(sources=[Source(folder=str(folder / "shards"))]),
        compute=COMPUTE,
        checkpoints=Checkpoints(every=10 * steps),
        seed=1,
    )
    (folder / "run").mkdir()
    write_spec(folder / "run", spec)


class Contender:
    """A process that trains when it is told to."""

    def __init__(self, name: str, folder: Path, given: argparse.Namespace) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = str(listener.getsockname()[1])
        environment = os.environ | {
            "RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "OMP_NUM_THREADS": str(given.threads),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        sizes = ["--warmup", str(given.warmup), "--steps", str(given.steps), "--began", repr(time.time())]
        self._name, self._log = name, folder / f"{name}.log"
        with self._log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", str(_PROCESS), name, str(folder), *sizes],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self._process = process
        self.start = self._read()

    def turn(self) -> dict[str, Any]:
        """Let it take its steps."""
        told = cast(TextIO, self._process.stdin)
        told.write("go\n")
        told.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        cast(TextIO, self._process.stdin).close()
        self._process.wait(60)

    def _read(self) -> dict[str, Any]:
        line = cast(TextIO, self._process.stdout).readline()
        if not line:
            raise SystemExit(f"{self._name}: {self._log.read_text()[-4000:]}")
        row: dict[str, Any] = json.loads(line)
        return row


def turned(number: int) -> tuple[str, ...]:
    """Return the contenders in the order of a turn."""
    first = number % len(CONTENDERS)
    return CONTENDERS[first:] + CONTENDERS[:first]


def race(folder: Path, given: argparse.Namespace, number: int) -> dict[str, dict[str, Any]]:
    """Start all, let them take turns, and return ``start`` and ``turns`` of each."""
    write_run(folder, given)
    with contextlib.ExitStack() as stack:
        running = {}
        for name in turned(number):
            running[name] = stack.enter_context(contextlib.closing(Contender(name, folder, given)))
        rows: dict[str, dict[str, Any]] = {
            name: {"start": one.start, "turns": []} for name, one in running.items()
        }
        for turn in range(given.turns):
            for name in turned(turn):
                rows[name]["turns"].append(running[name].turn())
    shutil.rmtree(folder / "run")
    return rows


def compare(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds, and return medians and ratios."""
    prepared = make_data(folder, given)
    rounds = [race(folder, given, number) for number in range(given.rounds)]
    return {
        "steps": given.steps,
        "turns": given.turns,
        "rounds": given.rounds,
        "threads": given.threads,
        "kind": given.kind,
        "prepare_cpu_s": prepared,
        **summary(rounds, given),
        "bar": BAR,
    }


def summary(rounds: list[dict[str, dict[str, Any]]], given: argparse.Namespace) -> dict[str, Any]:
    """Return medians by contender, ours in relation to the others, and the parts of our step."""
    turns = {name: [turn for row in rounds for turn in row[name]["turns"]] for name in CONTENDERS}
    rates = {
        f"{span}_{kind}": {
            name: tokens_per_s([row[name] for row in rounds], span, kind, given) for name in CONTENDERS
        }
        for span in ("step", "whole")
        for kind in ("cpu", "wall")
    }
    starts = {
        key: {name: round(statistics.median(row[name]["start"][key] for row in rounds), 2) for name in turns}
        for key in ("start_cpu_s", "start_wall_s")
    }
    ours = turns["ours"]
    parts = {
        part: 1000 * statistics.median(turn["parts"][part] for turn in ours) for part in ours[0]["parts"]
    }
    step = 1000 * statistics.median(turn["cpu_s"] for turn in ours) / given.steps
    return {
        "tokens_per_s": {key: {name: round(rate[name], 1) for name in rate} for key, rate in rates.items()},
        "ratio": ratios(turns, rates),
        **starts,
        "loss": {name: round(turns[name][-1]["loss"], 3) for name in CONTENDERS},
        "parts": {"step": round(step, 2), **{part: round(value, 3) for part, value in parts.items()}},
        "added": round(sum(parts[part] for part in _ADDED) / step, 5),
        "added_bar": ADDED_BAR,
    }


def ratios(
    turns: dict[str, list[dict[str, Any]]], rates: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Return ours in relation to each peer: at steps the median over pairs of turns."""
    found: dict[str, dict[str, float]] = {key: {} for key in rates}
    for peer in CONTENDERS[1:]:
        pairs = list(zip(turns["ours"], turns[peer], strict=True))
        for kind in ("cpu", "wall"):
            paired = statistics.median(theirs[f"{kind}_s"] / ours[f"{kind}_s"] for ours, theirs in pairs)
            whole = rates[f"whole_{kind}"]
            found[f"step_{kind}"][peer] = round(paired, 3)
            found[f"whole_{kind}"][peer] = round(whole["ours"] / whole[peer], 3)
    return found


def tokens_per_s(rows: list[dict[str, Any]], span: str, kind: str, given: argparse.Namespace) -> float:
    """Return the median rate of a contender, of its turns or of whole processes, by CPU or wall time."""
    from train.recipes.tiny import BATCH

    turns: list[list[float]] = [[turn[f"{kind}_s"] for turn in row["turns"]] for row in rows]
    if span == "step":
        return float(given.steps * BATCH.tokens / statistics.median(chain.from_iterable(turns)))
    tokens = (given.warmup + given.turns * given.steps) * BATCH.tokens
    starts: list[float] = [row["start"][f"warm_{kind}_s"] for row in rows]
    whole = [start + sum(row) for start, row in zip(starts, turns, strict=True)]
    return float(tokens / statistics.median(whole))


def main() -> None:
    """Compare and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kind", choices=("documents", "educational"), default="documents")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="one turn of one step, to see that it runs")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.turns, given.steps, given.warmup, given.documents = 1, 1, 1, 1, 20
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="train-step-") as name:
        row = compare(Path(name), given)
    print(json.dumps(row))
    cpu, wall = row["ratio"]["step_cpu"], row["ratio"]["step_wall"]
    print(
        f"training step: {row['tokens_per_s']['step_cpu']['ours']:.0f} tokens per CPU second; "
        f"{cpu['titan']}x torchtitan's loader (wall {wall['titan']}x), "
        f"{cpu['trainer']}x transformers' Trainer (wall {wall['trainer']}x), bar {BAR:g}x; "
        f"guard, stop and metrics {100 * row['added']:.2f} % of a step (bar {100 * ADDED_BAR:g} %)",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
