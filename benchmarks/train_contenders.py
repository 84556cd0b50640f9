"""The processes of ``benchmarks/train_step.py``: what they prepare, and how each of them trains.

    python benchmarks/train_contenders.py NAME FOLDER --prepare
    python benchmarks/train_contenders.py NAME FOLDER --warmup 3 --steps 5 --began UNIX_TIME

A contender trains for the warm-up and writes a JSON line about its start. For each line that it reads it then
takes so many steps and writes a JSON line about them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Turns:
    """Stops the training where the warm-up and each turn end, until it is told to go on.

    Attributes:
        loss: The last one that was logged.

    Args:
        warmup: Steps before the first turn.
        steps: Of a turn.
        began: Unix time at which the process was started.
    """

    def __init__(self, warmup: int, steps: int, began: float) -> None:
        self._warmup, self._steps, self._began = warmup, steps, began
        self.loss: float | None = None
        self._parts: dict[str, float] = {}
        self._start: dict[str, float] = {}
        self._cpu = self._wall = self._reader = 0.0
        # Libraries write to what is stdout: that goes where their logs go.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def done(self, steps: int) -> None:
        """Hear that so many steps are done; return when there is more to do."""
        if steps == 1:
            self._start = {"start_cpu_s": time.process_time(), "start_wall_s": time.time() - self._began}
        if steps < self._warmup or (steps - self._warmup) % self._steps:
            return
        cpu_s, wall_s = time.process_time() - self._cpu, time.perf_counter() - self._wall
        parts = {name: seconds / self._steps for name, seconds in self._parts.items()}
        parts["loader"] = (reader_cpu_s() - self._reader) / self._steps
        turn = {"cpu_s": cpu_s, "wall_s": wall_s, "loss": self.loss, "parts": parts}
        first = {**self._start, "warm_cpu_s": cpu_s, "warm_wall_s": time.time() - self._began}
        self._out.write(json.dumps(first if steps == self._warmup else turn) + "\n")
        self._out.flush()
        if not sys.stdin.readline():
            # What would follow is not measured: torchtitan sleeps for two seconds, ours writes a checkpoint.
            os._exit(0)
        self._parts = dict.fromkeys(self._parts, 0.0)
        self._reader = reader_cpu_s()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def part(self, name: str, owner: type, method: str) -> None:
        """Count the CPU time of a method, and of what it calls, from now on."""
        call: Callable[..., Any] = getattr(owner, method)
        self._parts[name] = 0.0

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self._parts[name] += time.process_time() - began

        setattr(owner, method, timed)


def reader_cpu_s() -> float:
    """Return the CPU seconds of the thread that reads ahead; 0 where there is none."""
    for thread in threading.enumerate():
        if thread.name == "batches" and thread.ident is not None:
            return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return 0.0


def make_shards(folder: Path) -> None:
    """Tokenize for ours."""
    from train.tokens.tokenize import tokenize

    tokenize([folder / "rows.jsonl"], folder / "shards", tokenizer=folder / "tokenizer", workers=1)


def make_blocks(folder: Path) -> None:
    """Tokenize for the Trainer and cut into blocks."""
    from datasets import load_dataset
    from transformers import AutoTokenizer

    from train.recipes.tiny import BATCH

    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")

    def encode(rows: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        ids = tokenizer(rows["text"], add_special_tokens=False)["input_ids"]
        return {"input_ids": [[*document, tokenizer.eos_token_id] for document in ids]}

    def group(rows: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        joined = [token for document in rows["input_ids"] for token in document]
        last = len(joined) // BATCH.seq_len * BATCH.seq_len
        blocks = [joined[first : first + BATCH.seq_len] for first in range(0, last, BATCH.seq_len)]
        return {"input_ids": blocks, "labels": [list(block) for block in blocks]}

    rows = load_dataset("json", data_files=str(folder / "rows.jsonl"), cache_dir=str(folder / "cache"))[
        "train"
    ]
    ids = rows.map(encode, batched=True, remove_columns=rows.column_names)
    ids.map(group, batched=True).save_to_disk(folder / "blocks")


def run_ours(folder: Path, turns: Turns) -> None:
    """Train as ``train.titan.main`` does."""
    from train.spec import read_spec

    spec = read_spec(folder / "run")
    from train.titan.compat import prepare

    prepare(spec.compute.device)
    from torchtitan.tools.logging import init_logger

    from train.guard import StepGuard
    from train.titan.config import trainer_config
    from train.titan.metrics import SpecMetrics
    from train.titan.optimizer import GuardedOptimizers
    from train.titan.trainer import SpecTrainer

    init_logger()
    turns.part("model", SpecTrainer, "forward_backward_step")
    turns.part("optimizer", GuardedOptimizers, "step")
    turns.part("norm", SpecTrainer, "_see_norm")
    turns.part("guard", StepGuard, "admit")
    turns.part("stop", SpecTrainer, "_agree_to_stop")
    turns.part("log", SpecMetrics, "log")
    turns.part("line", SpecMetrics, "write")
    train(trainer_config(folder / "run", spec).build(), turns)


def run_titan(folder: Path, turns: Turns) -> None:
    """Train with torchtitan's own parts around the same model."""
    import dataclasses

    from train.spec import read_spec

    spec = read_spec(folder / "run")
    from train.titan.compat import prepare

    prepare(spec.compute.device)
    from datasets import load_dataset
    from torchtitan.components.checkpointer import CheckpointManager
    from torchtitan.components.metrics import MetricsProcessor
    from torchtitan.components.optimizer import LRSchedulersContainer, OptimizersContainer
    from torchtitan.components.tokenizer import HuggingFaceTokenizer
    from torchtitan.hf_datasets import DatasetConfig
    from torchtitan.hf_datasets.text_datasets import DATASETS, HuggingFaceTextDataLoader
    from torchtitan.tools.logging import init_logger
    from torchtitan.trainer import Trainer

    from train.titan.config import trainer_config

    init_logger()
    DATASETS["rows"] = DatasetConfig(
        path=str(folder / "rows.jsonl"),
        loader=lambda path: load_dataset(
            "json", data_files=path, split="train", cache_dir=str(folder / "cache")
        ),
        sample_processor=lambda row: row["text"],
    )
    ours = trainer_config(folder / "run", spec)
    same = (
        "model_spec",
        "loss",
        "training",
        "parallelism",
        "activation_checkpoint",
        "compile",
        "comm",
        "debug",
    )
    config = Trainer.Config(
        **{name: getattr(ours, name) for name in same},
        dump_folder=str(folder / "titan"),
        hf_assets_path=spec.tokenizer,
        tokenizer=HuggingFaceTokenizer.Config(),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="rows"),
        optimizer=OptimizersContainer.Config(
            **{
                field.name: getattr(ours.optimizer, field.name)
                for field in dataclasses.fields(ours.optimizer)
            }
        ),
        lr_scheduler=LRSchedulersContainer.Config(
            warmup_steps=spec.schedule.warmup_steps, total_steps=10 * spec.steps, decay_ratio=0.1
        ),
        checkpoint=CheckpointManager.Config(enable=False),
        metrics=MetricsProcessor.Config(log_freq=spec.log_every, disable_color_printing=True),
    )
    train(config.build(), turns)


def train(trainer: Any, turns: Turns) -> None:
    """Train with a trainer of torchtitan and hear of its steps."""
    more, log = trainer.should_continue_training, trainer.metrics_processor.log

    def should_continue_training() -> bool:
        turns.done(trainer.step)
        return bool(more())

    def note(step: int, loss: float, *args: Any, **kwargs: Any) -> None:
        turns.loss = loss
        log(step, loss, *args, **kwargs)

    trainer.should_continue_training, trainer.metrics_processor.log = should_continue_training, note
    trainer.train()


def run_trainer(folder: Path, turns: Turns) -> None:
    """Train with ``transformers``."""
    from train.spec import read_spec

    spec = read_spec(folder / "run")
    from datasets import load_from_disk
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        default_data_collator,
        set_seed,
    )

    class Steps(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            turns.done(state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            turns.loss = (logs or {}).get("loss", turns.loss)

    set_seed(spec.seed)
    shape = {**spec.shape.hf_config(), "use_cache": False}
    model = LlamaForCausalLM(LlamaConfig(**shape, attn_implementation="sdpa"))
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        use_cpu=True,
        per_device_train_batch_size=spec.batch.sequences,
        max_steps=spec.steps,
        learning_rate=spec.schedule.peak,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=spec.schedule.warmup_steps,
        adam_beta1=spec.optimizer.beta1,
        adam_beta2=spec.optimizer.beta2,
        adam_epsilon=spec.optimizer.eps,
        weight_decay=spec.optimizer.weight_decay,
        max_grad_norm=spec.optimizer.max_norm,
        logging_steps=spec.log_every,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=spec.seed,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=load_from_disk(str(folder / "blocks")),
        data_collator=default_data_collator,
        callbacks=[Steps()],
    ).train()


PREPARATIONS = {"ours": make_shards, "trainer": make_blocks}
CONTENDERS = {"ours": run_ours, "titan": run_titan, "trainer": run_trainer}


def main() -> None:
    """Prepare or train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--began", type=float, default=0.0)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.prepare:
        PREPARATIONS[given.name](given.folder)
    else:
        CONTENDERS[given.name](given.folder, Turns(given.warmup, given.steps, given.began))
        raise SystemExit("the run ended before its last turn")


if __name__ == "__main__":
    main()
