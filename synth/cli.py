"""``opencoder synth``: make instruction data, verify it, mix it and hand it on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from opencoder.config import Common
from opencoder.errors import needs
from opencoder.log import emit
from synth.options import AskingOptions, RunOptions, VerifyOptions

app = App(name="synth", help="Make instruction data that is tested, decontaminated and accounted for.")
_NEEDED = {
    "bs4",
    "datasketch",
    "griffe",
    "langchain_text_splitters",
    "numpy",
    "pyarrow",
    "tree_sitter",
    "yaml",
}
# Imported when they are called, so that a missing package breaks only what needs it.
for _name, _target, _help in (
    ("api", "synth.packages.command:api", "Read the interfaces of packages, the ground of recipe `package`."),
    ("score", "synth.scorer.command:score", "Score texts with a trained scorer or by built-in rules."),
    ("train-scorer", "synth.scorer.command:train_scorer", "Train a seed scorer on labels."),
    (
        "decontaminate",
        "synth.decontam.command:decontaminate_command",
        "Take rows that hold benchmark tasks out of a data set.",
    ),
    ("mix", "synth.mix.command:mix", "Mix rows of several runs into the data of one training stage."),
    ("export", "synth.export.command:export", "Hand a data set on in a published shape, with its card."),
):
    app.command(_target, name=_name, help=_help)


@app.command
def run(
    recipe: str,
    *,
    options: RunOptions,
    asking: AskingOptions | None = None,
    common: Common | None = None,
) -> None:
    """Run a recipe: every seed ends as a row, or as a reject with its reason.

    Args:
        recipe: Name of a shipped recipe (``opencoder synth recipes``), or a folder with a ``recipe.yaml``.
        options: What is made.
        asking: How the model is asked.
        common: Options of every command.
    """
    as_json = bool(common and common.json)
    with needs(_NEEDED, "synth"):
        from synth.engine.estimate import estimate_lines
        from synth.engine.start import Show, check_ending, price_of, start

        if options.dry_run:
            found = price_of(recipe, options)
            emit(found, json=as_json, text=lambda: "\n".join(estimate_lines(found)))
            return
        stream = sys.stderr if as_json else sys.stdout
        show = Show(lambda text: print(text, file=stream, flush=True)) if options.show else None
        manifest = start(recipe, options, asking or AskingOptions(), show)
    emit(manifest, json=as_json, text=lambda: _summary(manifest, options.out))
    check_ending(manifest, options)


@app.command
def recipes(*, common: Common | None = None) -> None:
    """List the recipes that are shipped."""
    from synth.recipe.recipe import read_recipe, shipped

    rows = [
        {"name": name, "version": file.version, "about": file.about, "seeds": file.seeds.kind}
        for name in shipped()
        for file in (read_recipe(name).file,)
    ]
    text = "\n".join(f"{row['name']:14} {row['seeds']:5} {row['about']}" for row in rows)
    emit({"recipes": rows}, json=bool(common and common.json), text=text)


@app.command
def verify(
    rows: Annotated[Path, Parameter(name="ROWS", help="JSON lines with code and tests, of any known shape.")],
    *,
    options: VerifyOptions,
    common: Common | None = None,
) -> None:
    """Verify the rows of a data set: repetitions, stubs, mutants and coverage, in the sandbox."""
    from synth.packages.site import packages_of
    from synth.verify.limits import limits_of
    from synth.verify.rows import Plan, run_verify
    from synth.verify.verify import Gate

    manifest = run_verify(
        Plan(
            source=rows,
            folder=options.out,
            gate=Gate(mutants=options.min_mutants, lines=options.min_coverage, one_answer=options.one_answer),
            limits=limits_of(options.timeout_s, options.memory_mb),
            limit=options.limit,
            workers=options.concurrency,
            backend=options.backend,
            unsafe=options.allow_unsafe,
            packages=packages_of(str(options.api) if options.api else None),
            resume=options.resume,
        )
    )
    emit(manifest, json=bool(common and common.json), text=lambda: _summary(manifest, options.out))


def _summary(manifest: dict[str, Any], out: Path) -> str:
    counts = manifest["counts"]
    lines = [
        f"{counts['input']} in: {counts['rows']} rows, {counts['rejects']} rejects, "
        f"{counts['pending']} pending"
    ]
    lines += [f"  {num:>8} {reason}" for reason, num in manifest["reasons"].items()]
    usage = manifest.get("usage")
    if usage:
        spent = f", ${usage['dollars']:.2f}" if usage["dollars"] else ""
        lines.append(
            f"{usage['calls']} calls, {usage['tokens_in']:,} tokens in, {usage['tokens_out']:,} out{spent}"
        )
    return "\n".join([*lines, f"written to {out}"])
