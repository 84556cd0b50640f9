"""The parts of a card that say whence the rows are: sources, recipe, licences, cost, benchmarks."""

from __future__ import annotations

import json
from typing import Any

from opencoder.markdown import cell, table
from synth.export.about import About
from synth.export.tally import Tally, in_order
from synth.licenses import policy

_MOST = 40


def source_sections(about: About, tally: Tally) -> list[str]:
    """Return the sections on mixture or inputs, and on recipe, model and prompts."""
    parts = [_sources(about), _recipe(about, tally)]
    if seeds := in_order({f"{dataset}\t{revision}": num for (dataset, revision), num in tally.seeds.items()}):
        rows = [(*map(cell, name.split("\t")), f"{num:,}") for name, num in list(seeds.items())[:_MOST]]
        more = f"\n\n{len(seeds) - _MOST:,} more are in the rows." if len(seeds) > _MOST else ""
        parts.append("## Seeds\n\n" + table(("data set", "revision", "seeds"), rows) + more)
    return parts


def _sources(about: About) -> str:
    given = about.value("sources")
    sources = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    if not sources:
        return ""
    mixed = any("unique" in one for one in sources)
    wanted = ("name", "rows", "share", "epochs", "unique", "repeats", "read") if mixed else ("path", "rows")
    rows = [[_value(one.get(key)) for key in wanted] for one in sources[:_MOST]]
    if not mixed:
        wanted = (*wanted, "sha256")
        rows = [
            [*row, f"`{_short(one.get('sha256'))}`"] for row, one in zip(rows, sources[:_MOST], strict=True)
        ]
    return f"## {'Mixture' if mixed else 'Inputs'}\n\n" + table(wanted, rows)


def _recipe(about: About, tally: Tally) -> str:
    lines = []
    if name := about.text("recipe", "name"):
        version, digest = about.text("recipe", "version"), about.text("recipe", "sha256")
        lines.append(f"Recipe {cell(name)}, version {cell(version or '?')}, SHA-256 `{_short(digest)}`.")
    models = in_order(tally.models) or {}
    if about.text("model"):
        models = {about.text("model"): models.get(about.text("model"), tally.rows), **models}
    if named := {name: num for name, num in models.items() if name}:
        lines.append(table(("model", "rows"), [(cell(name), f"{num:,}") for name, num in named.items()]))
    if sampling := about.table("sampling"):
        lines.append(f"Sampling: `{json.dumps(sampling, sort_keys=True)}`.")
    if seed := about.text("seed"):
        lines.append(f"Seed of the run: {cell(seed)}.")
    prompts = {name: _short(digest) for name, digest in about.table("recipe", "prompts").items()}
    prompts |= {name: _short(digest) for name, digest in sorted(tally.prompts)}
    if prompts:
        rows = [(cell(name), f"`{digest}`") for name, digest in sorted(prompts.items())]
        lines.append(table(("prompt", "SHA-256, first digits"), rows))
    if recipes := {name: num for name, num in in_order(tally.recipes).items() if name}:
        lines.append(
            table(("recipe of the row", "rows"), [(cell(n), f"{num:,}") for n, num in recipes.items()])
        )
    return "\n\n".join(["## Recipe and model", *lines]) if lines else ""


def licence_section(tally: Tally) -> str:
    """Return the section on the licences of the seeds."""
    lines = []
    if counts := in_order(tally.licenses):
        rows = []
        for name, num in counts.items():
            ruling = policy(name, "commercial")
            rows.append((cell(name), f"{num:,}", ruling.verdict, cell(ruling.reason)))
        lines.append(table(("licence of the seed", "seeds", "commercial policy", "why"), rows))
    if tally.unseeded:
        lines.append(f"{tally.unseeded:,} rows name no seed.")
    lines.append(
        "A row may repeat parts of its seed, which stays under its own licence. The answers are a model's: "
        "the terms of its provider hold for them too. The table is a reading by rules, no legal advice."
    )
    return "\n\n".join(["## Licences", *lines])


def cost_section(about: About, tally: Tally) -> str:
    """Return the section on tokens and dollars, of these rows and of the run they are from."""
    names = {"tokens_in": "prompt tokens", "tokens_cached": "of them cached", "tokens_out": "answer tokens"}
    spent = about.table("usage")
    if not any(tally.usage.values()) and not spent:
        return ""
    rows = [
        (label, f"{tally.usage[key]:,.0f}", _number(spent.get(key), "{:,.0f}"))
        for key, label in names.items()
    ]
    rows.append(("US dollars", f"{tally.usage['dollars']:,.2f}", _number(spent.get("dollars"), "{:,.2f}")))
    return "## Cost\n\n" + table(("", "these rows", "the whole run"), rows)


def decontamination_section(about: About, tally: Tally) -> str:
    """Return what is known of overlap with benchmarks, which may be nothing."""
    lines = []
    if done := about.table("decontamination"):
        rows = [(cell(name), cell(_value(value))) for name, value in done.items()]
        lines.append(table(("decontamination", ""), rows))
    removed = sum(num for (stage, reason), num in about.rejects.items() if "contaminat" in stage + reason)
    if removed:
        lines.append(f"{removed:,} rows were removed for an overlap with a benchmark.")
    if not lines:
        lines.append(
            "Nothing beside these rows tells that they were held against benchmarks; "
            "`opencoder synth decontaminate` does so."
        )
    if flagged := tally.flags["contaminated"]:
        lines.append(f"**{flagged:,} rows of this data set are flagged as overlapping with a benchmark.**")
    return "\n\n".join(["## Benchmarks", *lines])


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if value is None:
        return ""
    return cell(value if isinstance(value, str) else json.dumps(value, sort_keys=True))


def _number(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else ""


def _short(digest: object) -> str:
    return str(digest)[:16] if isinstance(digest, str) and digest.isalnum() else ""
