"""Make ``docs/recipes.md`` and the tables of ``docs/planning.md`` from the recipes and the planner.

python scripts/make_training.py
"""

# ruff: noqa: E501 - a row of a table in Markdown is one line

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from opencoder.files import atomic
from train.overrides import Overrides
from train.plan.anchors import ANCHORS, PAPER_RUNS
from train.plan.gpus import GPUS
from train.plan.plan import Plan, make_plan
from train.recipe import PRESETS, Recipe
from train.recipes.figures import rows_of, shape_figures, shown
from train.recipes.registry import RECIPES, find_recipe
from train.steps import steps_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- tables of scripts/make_training.py: begin -->", "<!-- end -->"
HEAD = """\
# Recipes

<!-- made by scripts/make_training.py; do not edit -->

A recipe is one stage of training one model. It is written in tokens; a run turns it into steps for its batch.
`opencoder train recipes` lists them, `opencoder train recipes NAME --preset PRESET` shows one with the source of
every figure, and `opencoder train plan NAME --gpus N` says what it needs.

Three presets say whose figures are used:

- `paper`: what the paper reports (arXiv 2411.04905).
- `released-checkpoint`: what leads to the released weights: the steps that the model cards name.
- `practical` (default): the released path with what is usual today: attention ends at the document's start,
  annealing decays to its end, dialogues are packed, and answers end as the released chat template ends them.

Sources are marked. **primary**: read in a model card, a configuration or a script of the authors.
**secondary**: the paper's figure as summaries report it. **computed**: follows from other figures.
**choice**: ours; the note says why.

Annealing starts from a chosen checkpoint of the stable phase, so pretraining keeps a checkpoint every 1,000 steps
of the published batch. Annealing and the second phase of the 8B take over the optimiser's state; fine-tuning
does not.
"""


def page() -> str:
    """Return ``docs/recipes.md``."""
    parts = [HEAD, "## All recipes\n", _overview(), ""]
    for name in RECIPES:
        parts += [f"## {name}\n", find_recipe(name).about + "\n", *_recipe(name), ""]
    return "\n".join(parts).rstrip() + "\n"


def _overview() -> str:
    rows = []
    for name in RECIPES:
        recipe = find_recipe(name)
        batches = ", then ".join(f"{batch.sequences:,} x {batch.seq_len:,}" for batch in recipe.batches)
        rows.append([f"`{name}`", f"{recipe.shape.params:,}", batches, *map(_length, _presets(name))])
    return _table(
        ["recipe", "parameters", "batch (practical)", *(f"steps, `{preset}`" for preset in PRESETS)], rows
    )


def _presets(name: str) -> list[Recipe]:
    return [find_recipe(name, preset) for preset in PRESETS]


def _length(recipe: Recipe) -> str:
    return f"{sum(steps_of(recipe, phase=index)[0] for index in range(len(recipe.batches))):,}"


def _recipe(name: str) -> list[str]:
    """Return a table with one row for each figure, and another where a preset has another value or source.

    Later stages leave out the model's own figures, which stand in the first stage's table.
    """
    recipes = _presets(name)
    known = shape_figures(recipes[0].shape) if recipes[0].stage != "pretrain" else {}
    told: dict[tuple[str, ...], list[str]] = {}
    for recipe in recipes:
        for row in rows_of(recipe):
            if row["name"] not in known:
                key = (row["name"], shown(row["value"], row["unit"]), _source(row), row["note"])
                told.setdefault(key, []).append(recipe.preset)
    order = [row["name"] for recipe in recipes for row in rows_of(recipe)]
    rows = []
    for key in sorted(told, key=lambda key: order.index(key[0])):
        presets = told[key]
        where = "all" if len(presets) == len(PRESETS) else ", ".join(f"`{preset}`" for preset in presets)
        rows.append([key[0], key[1], where, _cell(key[2]), _cell(key[3])])
    lines = [_table(["figure", "value", "preset", "source", "note"], rows)]
    if recipes[0].conflicts:
        lines += ["", "Where sources do not agree:", "", *(f"- {text}" for text in recipes[0].conflicts)]
    return lines


def _source(row: dict[str, Any]) -> str:
    mark = f"**{row['kind']}**"
    return mark if row["source"] == row["kind"] else f"{mark}: {row['source']}"


def planning_tables() -> str:
    """Return the tables of ``docs/planning.md``."""
    runs = [
        [
            anchor.title,
            f"{anchor.tokens_s:,.0f}",
            f"{speed:,.0f} ({speed / anchor.tokens_s - 1:+.1%})",
            f"{anchor.memory_gib:.1f}",
            f"{gib:.1f} ({gib / anchor.memory_gib - 1:+.1%})",
        ]
        for anchor in ANCHORS
        for speed, gib in [anchor.expected]
    ]
    papers = [
        [
            run.facts.title,
            run.facts.gpus.value,
            f"{run.facts.gpu_hours.value:,}",
            f"{run.tokens_s:,.0f}",
            f"{run.mfu():.1%}",
            f"{run.mfu(causal=True):.1%}",
        ]
        for run in PAPER_RUNS.values()
    ]
    plans = [_plan_row(name, gpu, gpus) for name in ("opencoder-1.5b", "opencoder-8b") for gpu, gpus in SIZES]
    return "\n".join(
        [
            "Published runs of Llama 3.1 8B (torchtitan, FSDP), and what the models say of them:",
            "",
            _table(["run", "tokens/s a GPU", "model", "GiB", "model"], runs),
            "",
            "The paper's GPU-hours, whole runs with all that interrupted them:",
            "",
            _table(
                ["model", "GPUs", "GPU-hours", "tokens/s a GPU", "MFU, full attention", "MFU, causal"], papers
            ),
            "",
            "Pretraining in the `practical` preset (of the 8B, its second phase):",
            "",
            _table(
                [
                    "recipe",
                    "GPUs",
                    "layout",
                    "micro x accumulation",
                    "GiB",
                    "tokens/s a GPU",
                    "MFU, full",
                    "days",
                    "GPU-hours",
                ],
                plans,
            ),
        ]
    )


SIZES = (("h100", 1), ("h200", 1), ("h100", 8), ("h200", 8), ("h100", 256), ("h100", 512))


def _plan_row(name: str, gpu: str, gpus: int) -> list[str]:
    plan: Plan = make_plan(find_recipe(name), gpus=gpus, gpu=GPUS[gpu], overrides=Overrides())
    phase = plan.phases[-1]
    layout = f"{phase.parallel.replicate} x {phase.parallel.shard}"
    first = [f"`{name}`", f"{gpus} {gpu.upper()}", layout, f"{phase.micro} x {phase.accumulation}"]
    if plan.mfu is None or plan.hours is None or plan.gpu_hours is None:
        return [*first, f"{phase.memory_per_gpu_gib['total']:.1f}: does not fit", "", "", "", ""]
    return [
        *first,
        f"{phase.memory_per_gpu_gib['total']:.1f}",
        f"{phase.tokens_per_s_per_gpu:,.0f}",
        f"{phase.mfu.full_attention:.1%}",
        f"{plan.hours / 24:,.1f}",
        f"{plan.gpu_hours:,.0f}",
    ]


def planning_page(text: str) -> str:
    """Return ``docs/planning.md`` with its tables made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{planning_tables()}\n\n{END}{tail}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write both pages."""
    planning = DOCS / "planning.md"
    for path, text in (
        (DOCS / "recipes.md", page()),
        (planning, planning_page(planning.read_text(encoding="utf-8"))),
    ):
        with atomic(path) as file:
            file.write(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
