"""The dataset card, ``README.md`` of an export: what the rows are, whence, and how far to trust them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opencoder.markdown import cell, size_category, table
from synth.export.about import About
from synth.export.form import Config, Format
from synth.export.provenance import cost_section, decontamination_section, licence_section, source_sections
from synth.export.tally import CLASSES, Tally, in_order
from synth.licenses import hub_name

_BAR = 24
_MOST = 20
_LANGUAGES = {
    "chinese": "zh", "english": "en", "french": "fr", "german": "de", "japanese": "ja", "korean": "ko",
    "portuguese": "pt", "russian": "ru", "spanish": "es",
}  # fmt: skip
_COLUMNS: dict[str, dict[str, str]] = {
    "educational_instruct": {
        "seq_id": "number of the row in the rows of the run, from 0",
        "instruction": "the task",
        "output": "the answer",
        "code": "the solution alone, with what must run before it",
        "entry_point": "the function that the tests call",
        "testcase": "tests, each for itself",
    },
    "instruct": {"instruction": "the task", "output": "the answer", "tag": "set, recipe or kind of task"},
    "messages": {
        "id": "of the row, as in the run",
        "messages": "turns with `role` and `content`",
        "tags": "what kind of row it is",
    },
    "parquet": {
        "schema, id": "version of the record, and the row's name",
        "messages": "turns with `role` and `content`",
        "code, language, entry_point": "the solution alone",
        "testcase, test_setup, stdin_tests": "its tests",
        "tags": "what kind of row it is",
        "verify": "what came out of running it; null where nothing was run",
        "scores": "scorer and value",
        "prov": "recipe, seeds, calls, model, prompt hashes, tokens, cost",
        "flags": "what a user should know",
    },
}


class Content(msgspec.Struct, kw_only=True, frozen=True):
    """What a card is made from.

    Attributes:
        about: What the run says of itself.
        form: Of the export.
        tally: Of the rows that were written.
        configs: Of the data set.
        num_read: Rows read.
        skipped: Rows that the form cannot hold, by reason.
        left_out: What it has no place for, in rows that were written.
        digest: Of the files, hexadecimal.
        version: Of opencoder.
    """

    about: About
    form: Format
    tally: Tally
    configs: list[Config]
    num_read: int
    skipped: Mapping[str, int]
    left_out: Mapping[str, int]
    digest: str
    version: str


def render_card(content: Content) -> str:
    """Return the card, Markdown with YAML front matter as the Hugging Face hub reads it."""
    parts = [
        _front(content),
        _summary(content),
        _usage(content),
        _columns(content),
        _counts(content),
        _kinds(content.tally),
        _verification(content.tally),
        *source_sections(content.about, content.tally),
        licence_section(content.tally),
        cost_section(content.about, content.tally),
        decontamination_section(content.about, content.tally),
        _REPRODUCIBILITY,
        _limits(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(content: Content) -> str:
    tally = content.tally
    languages = sorted({code for name in tally.kinds["natural_language"] if (code := _language(name))})
    tags = [
        "code",
        "synthetic",
        "instruction-tuning",
        *sorted(name for name in tally.kinds["language"] if name),
    ]
    licenses = sorted({hub_name(name) for name in tally.licenses}) or ["unknown"]
    front: dict[str, Any] = {
        "pretty_name": content.about.name,
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "task_categories": ["text-generation"],
        **({"language": languages} if languages else {}),
        "tags": tags,
        "size_categories": [size_category(sum(config.rows for config in content.configs))],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
    if content.configs:
        lines.append("configs:")
    for place, config in enumerate(content.configs):
        lines += [f"- config_name: {config.name}", *(["  default: true"] if place == 0 else [])]
        # The library `datasets` keeps what it read under a hash of this block, of the files' names and not of
        # their bytes; without the digest it would show an earlier export in place of this one.
        lines.append(f"  description: {json.dumps(f'SHA-256 of the files: {content.digest[:16]}')}")
        lines += ["  data_files:", "  - split: train", f"    path: {json.dumps(config.pattern)}"]
    return "\n".join(["---", *lines, "---"])


def _language(name: str) -> str:
    low = name.strip().lower()
    return _LANGUAGES.get(low, low if len(low) == 2 and low.isalpha() else "")


def _summary(content: Content) -> str:
    recipe, version = content.about.text("recipe", "name"), content.about.text("recipe", "version")
    made = f", made with the recipe {cell(recipe)} (version {cell(version or '?')})" if recipe else ""
    return (
        f"# {cell(content.about.name)}\n\n"
        f"{content.tally.rows:,} rows of synthetic instruction data for code models{made}, written by "
        f"opencoder {cell(content.version)} in the form `{content.form}`."
    )


def _usage(content: Content) -> str:
    if not content.configs:
        return "There are no rows, so there is nothing to load."
    lines = ["from datasets import load_dataset", ""]
    for config in content.configs:
        name = "" if config.name == "default" else f', "{config.name}"'
        lines.append(f'{_variable(config.name)} = load_dataset("path/to/this/folder"{name}, split="train")')
    return "```python\n" + "\n".join(lines) + "\n```"


def _variable(name: str) -> str:
    return "rows" if name == "default" else name


def _columns(content: Content) -> str:
    names = [config.name if config.name in _COLUMNS else content.form for config in content.configs]
    parts = []
    for config, name in zip(content.configs, names, strict=True):
        rows = [(f"`{column}`", meaning) for column, meaning in _COLUMNS[name].items()]
        parts.append(f"`{config.name}`, {config.rows:,} rows:\n\n" + table(("column", "meaning"), rows))
    return "\n\n".join(["## Columns", *parts]) if parts else ""


def _counts(content: Content) -> str:
    lines = [f"{content.num_read:,} rows read = {content.tally.rows:,} written + "
             f"{sum(content.skipped.values()):,} skipped."]  # fmt: skip
    if content.skipped:
        lines.append(_table("skipped: why the form cannot hold them", "rows", content.skipped))
    if content.left_out:
        lines.append(_table("left out of rows that were written", "rows", content.left_out))
    counts = content.about.table("counts")
    known = [f"{name} {value:,}" for name, value in counts.items() if isinstance(value, int)]
    if known:
        lines.append(f"The run counted: {', '.join(map(cell, known))}.")
    if rejects := content.about.rejects:
        rows = [
            (cell(stage), cell(reason), f"{num:,}")
            for (stage, reason), num in sorted(rejects.items(), key=lambda item: (-item[1], item[0]))
        ]
        lines.append(
            f"{sum(rejects.values()):,} rows were rejected:\n\n" + table(("stage", "reason", "rows"), rows)
        )
    return "\n\n".join(["## Counts", *lines])


def _kinds(tally: Tally) -> str:
    parts = [
        _table(name.replace("_", " "), "rows", counts, bars=True)
        for name, counts in [*tally.kinds.items(), ("library", tally.libraries)]
        if any(counts.keys())
    ]
    if tally.turns["more"]:
        parts.append(f"{tally.turns['more']:,} rows are dialogues of several turns.")
    return "\n\n".join(["## What the rows are", *parts]) if parts else ""


def _verification(tally: Tally) -> str:
    parts = ["## Verification", _table("status", "rows", tally.status, bars=True)]
    for name, classes in (("mutants killed", tally.mutants), ("statements reached", tally.coverage)):
        if any(classes):
            step = 100 // CLASSES
            spans = [f"{step * place} to {step * (place + 1)} %" for place in range(CLASSES)]
            rows = _bars(list(zip(spans, classes, strict=True)))
            parts.append(table((name, "rows", ""), rows))
    parts.append(
        "`pass`: the code passed its own tests in a sandbox in each of several runs. Mutants are small "
        "faults put into the code; tests that kill few of them say little, though some mutants are no faults."
    )
    return "\n\n".join(parts)


_REPRODUCIBILITY = """## How to make it again

Selection, order and files follow from inputs, seeds and recorded answers alone: a replay of the run's journal
gives the same rows byte for byte, without a network. Asking the model again does not: servers are not
reproducible to the bit, as results depend on what else is in a batch and on the hardware."""


def _limits(content: Content) -> str:
    lines = [
        "Instructions, answers and tests were written by a model; all three can be wrong together.",
        "A passing test shows agreement of code and tests, not that either fits the instruction.",
        "Screening for personal data, harm and refusals goes by patterns and misses some.",
    ]
    if flags := in_order(content.tally.flags):
        counts = ", ".join(f"{name} {num:,}" for name, num in flags.items())
        lines.append(f"Rows that are flagged and still here: {counts}.")
    if num := content.tally.status["unverified"] + content.tally.status["skipped"]:
        lines.append(f"{num:,} rows were never run.")
    return "## Known limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _table(name: str, unit: str, counts: Mapping[str, int], *, bars: bool = False) -> str:
    ordered = list(in_order(counts).items())
    shown = [(cell(label) or "(none)", num) for label, num in ordered[:_MOST]]
    if rest := ordered[_MOST:]:
        shown.append((f"{len(rest):,} others", sum(num for _, num in rest)))
    if bars:
        return table((name, unit, ""), _bars(shown))
    return table((name, unit), [(label, f"{num:,}") for label, num in shown])


def _bars(rows: Sequence[tuple[str, int]]) -> list[tuple[str, str, str]]:
    most = max((num for _, num in rows), default=0) or 1
    return [(label, f"{num:,}", "█" * -(-_BAR * num // most)) for label, num in rows]
