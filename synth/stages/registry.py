"""Every kind of stage by its key in ``recipe.yaml``; the stages of a recipe, checked before any is run."""

from __future__ import annotations

import difflib
from collections import Counter

from opencoder.errors import DataError
from synth.recipe.recipe import Recipe, StageSpec
from synth.stages.api import Api
from synth.stages.ask import Ask
from synth.stages.base import Stage, read_options
from synth.stages.decontaminate import Decontaminate
from synth.stages.draw import Draw
from synth.stages.license import License
from synth.stages.rate import Rate
from synth.stages.safety import Safety
from synth.stages.score import Score
from synth.stages.set import Set
from synth.stages.unique import Unique
from synth.stages.verify import Verify

STAGES: dict[str, type[Stage]] = {
    kind.kind: kind
    for kind in (Api, Ask, Decontaminate, Draw, License, Rate, Safety, Score, Set, Unique, Verify)
}

SEED_FIELDS = frozenset(
    {
        "seed", "seed_context", "seed_path", "seed_name", "language", "libraries",
        "instruction", "output", "code", "tests", "entry_point", "failure",
    }
)  # fmt: skip
"""Fields that every row has from the beginning; some may be empty."""


def make_stages(recipe: Recipe) -> list[Stage]:
    """Make the stages of a recipe.

    Raises:
        DataError: A kind or an option is not known, a prompt is missing, shows a field that nothing gives,
            or a stage goes back to one that is not before it.
    """
    stages: list[Stage] = []
    labels: Counter[str] = Counter()
    for spec in recipe.stages():
        kind = _kind(spec, recipe)
        options = spec.options
        if not kind.free_form:
            options = read_options(kind, options, recipe=recipe, where=spec.where)
        label = kind.labelled(options)
        labels[label] += 1
        if labels[label] > 1:
            label = f"{label}#{labels[label]}"
        stages.append(kind(label, options, recipe))
    _check_fields(stages, recipe)
    _check_retries(stages, recipe)
    _check_unique(stages, recipe)
    return stages


def _kind(spec: StageSpec, recipe: Recipe) -> type[Stage]:
    if spec.kind in STAGES:
        return STAGES[spec.kind]
    near = difflib.get_close_matches(spec.kind, STAGES, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(STAGES)}"
    raise DataError(f"{spec.where}: no kind of stage `{spec.kind}`; {hint}", path=recipe.path)


def _check_fields(stages: list[Stage], recipe: Recipe) -> None:
    """Check that each field is given before it is needed, so that no prompt has a hole in it."""
    there_are = set(SEED_FIELDS)
    for stage in stages:
        for name in sorted(stage.needs() - there_are):
            near = difflib.get_close_matches(name, there_are, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "give it in a stage before"
            raise DataError(
                f"{stage.label}: needs field `{name}`, which nothing gives; {hint}", path=recipe.path
            )
        there_are |= stage.gives()


def _check_unique(stages: list[Stage], recipe: Recipe) -> None:
    """Check that what was compared stays as it is: a run that goes on compares with what was written."""
    for place, stage in enumerate(stages):
        if isinstance(stage, Unique) and stage.options.of != "seed":
            later = next((one for one in stages[place + 1 :] if stage.options.of in one.gives()), None)
            if later is not None:
                message = f"{later.label} changes `{stage.options.of}` after {stage.label}; put it before"
                raise DataError(message, path=recipe.path)


def _check_retries(stages: list[Stage], recipe: Recipe) -> None:
    """Check that a row never goes back past a stage that has to see rows in order."""
    labels = [stage.label for stage in stages]
    for place, stage in enumerate(stages):
        retry = stage.options.retry if isinstance(stage, (Api, Verify)) else None
        if retry is None:
            continue
        if retry.stage not in labels[:place]:
            before = ", ".join(labels[:place])
            raise DataError(
                f"{stage.label}.retry: no stage {retry.stage!r} before it; there are: {before}",
                path=recipe.path,
            )
        between = stages[labels.index(retry.stage) : place]
        if passed := next((one.label for one in between if one.ordered), None):
            raise DataError(
                f"{stage.label}.retry: {passed} stands between; put it elsewhere", path=recipe.path
            )
