"""Running an ablation: the base once, then every arm with every seed, each measured when it is done.

::

    base/NAME/            runs that come before all arms
    data/                 built-in rows and their token shards
    arms/ARM/SEED/NAME/   the runs of an arm
    outcomes.jsonl        one line for each arm and seed that is done
    ablation.json, .md    the result
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opencoder.config import VOLATILE
from opencoder.errors import UserError
from opencoder.files import make_folder, write_bytes
from opencoder.log import logger
from opencoder.runs import Run
from opencoder.store import write_json
from opencoder.table import Table
from train.ablation.compare import Outcome
from train.ablation.held_out import Held, held_out_loss, open_held_out
from train.ablation.plan import Ablation, Arm, HeldKind, Stage, scaled
from train.ablation.registry import find_ablation
from train.ablation.report import Report, page, report
from train.builtin.rows import Kind, write_builtin
from train.data import open_sequences
from train.launch.job import TRAINER
from train.run.options import RunOptions
from train.run.start import start
from train.sft.tokenize import ChatPlan, tokenize_chats
from train.spec import RunSpec, read_spec
from train.tokens.format import SHARDS
from train.tokens.tokenize import tokenize

log = logger.getChild("train")
BASE, ARMS, DATA, JSON, PAGE = "base", "arms", "data", "ablation.json", "ablation.md"
BASE_SEED = 0
"""Seeds of the arms count from 1: an arm would else see the documents of pretraining in the same order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AblateSettings:
    """How an ablation is run.

    Attributes:
        out: Its folder.
        seeds: Runs of every arm; more may be asked for later.
        steps_scale: Factor of all lengths.
        resume: Go on with what is in the folder; ``False`` sets it aside.
        module: What a rank runs.
    """

    out: Path
    seeds: int = 3
    steps_scale: float = 1.0
    resume: bool = True
    module: str = TRAINER


def run_ablation(name: str, settings: AblateSettings) -> Report:
    """Run an ablation, or what is left of it.

    Args:
        name: Which.
        settings: How.

    Returns:
        The result, as it is in ``ablation.json``.

    Raises:
        UserError: There is no such ablation, a number is out of range, or the folder holds another run.
        InfraError: A run failed; the same command goes on.
        DependencyError: A package is missing, or the disk is full.
        Interrupted: The user stopped it; the same command goes on.
    """
    if settings.seeds < 1:
        raise UserError(f"--seeds {settings.seeds}: give at least 1")
    ablation = scaled(find_ablation(name), settings.steps_scale)
    config = {"ablation": name, "seeds": settings.seeds, "steps_scale": settings.steps_scale}
    with Run.open(
        settings.out,
        command="train ablate",
        config=config,
        resume=settings.resume,
        volatile=VOLATILE | {"seeds"},
    ) as run:
        for part in (BASE, ARMS, DATA, JSON, PAGE):
            run.path(part)
        run.manifest.seeds["base"] = BASE_SEED
        done = run.table("outcomes", Outcome, key=lambda one: one.key)
        seeds = range(1, settings.seeds + 1)
        _Chains(run.folder.resolve(), ablation, settings.module).finish(done, seeds)
        outcomes = [done[f"{arm.name}/{seed}"] for arm in ablation.arms for seed in seeds]
        found = report(ablation, outcomes, settings.steps_scale)
        write_json(run.folder / JSON, found)
        write_bytes(run.folder / PAGE, page(found).encode())
    return found


class _Chains:
    """The runs of an ablation in one folder."""

    def __init__(self, folder: Path, ablation: Ablation, module: str) -> None:
        self._folder = folder
        self._ablation = ablation
        self._module = module
        self._base: Path | None = None
        self._held: dict[HeldKind, Held] = {}

    def finish(self, done: Table[Outcome], seeds: range) -> None:
        """Run what is not done yet, seed by seed, so that a stop leaves whole comparisons."""
        for seed in seeds:
            for arm in self._ablation.arms:
                if f"{arm.name}/{seed}" not in done:
                    done.add(self._run_arm(arm, seed))

    def _run_arm(self, arm: Arm, seed: int) -> Outcome:
        last = self._ready()
        positions = trained = 0
        for stage in arm.stages:
            log.info("arm %s, seed %d: %s", arm.name, seed, stage.name)
            last = self._run(stage, self._folder / ARMS / arm.name / str(seed) / stage.name, last, seed)
            spec = read_spec(last)
            positions += spec.steps * spec.batch.sequences * spec.batch.seq_len
            trained += _trained(spec)
        losses = held_out_loss(last, self._held)
        told = ", ".join(f"{kind} {loss.per_token:.4f}" for kind, loss in losses.items())
        log.info("arm %s, seed %d: nats per token: %s", arm.name, seed, told)
        return Outcome(
            arm=arm.name,
            seed=seed,
            steps=arm.steps,
            positions=positions,
            trained=trained,
            checkpoint=str(last.relative_to(self._folder)),
            losses=losses,
        )

    def _ready(self) -> Path:
        """Return the base's last run folder, trained if need be, with the held-out rows open."""
        if self._base is None:
            last: Path | None = None
            for stage in self._ablation.base:
                last = self._run(stage, self._folder / BASE / stage.name, last, BASE_SEED)
            if last is None:
                raise UserError(f"{self._ablation.name} has no base to start from")
            spec = read_spec(last)
            self._held = open_held_out(self._ablation.kinds, Path(spec.tokenizer), spec.batch.seq_len)
            self._base = last
        return self._base

    def _run(self, stage: Stage, out: Path, before: Path | None, seed: int) -> Path:
        """Train one stage and return its run folder; a stage that is done is left as it is."""
        data = [] if before is None else [f"{self._shards(kind)}={share}" for kind, share in stage.parts]
        options = RunOptions(out=out, data=data, start=before, steps=stage.steps, seed=seed)
        start(stage.recipe, options, module=self._module)
        return out

    def _shards(self, kind: Kind) -> Path:
        """Return the token shards of built-in data, made by the tokenizer of the first run."""
        first = read_spec(self._folder / BASE / self._ablation.base[0].name)
        if kind == "documents":
            return Path(first.data.sources[0].folder)
        out = self._folder / DATA / "shards" / kind
        if not (out / SHARDS).is_file():
            rows = write_builtin(kind, make_folder(self._folder / DATA / "rows"))
            tokenizer = Path(first.tokenizer)
            if kind in ("sft1", "sft2"):
                tokenize_chats(ChatPlan([rows], out, tokenizer))
            else:
                tokenize([rows], out, tokenizer=tokenizer)
        return out


def _trained(spec: RunSpec) -> int:
    sequences = open_sequences(spec.data, spec.batch.seq_len, spec.shape.vocab)
    return sequences.counts(0, spec.steps * spec.batch.sequences)["trained"]
