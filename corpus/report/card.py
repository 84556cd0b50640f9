"""The dataset card, ``README.md`` of a build."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from corpus.report.markup import size
from corpus.report.schema import BuildReport
from opencoder.markdown import cell, longest_ticks, plain, size_category, table

DOCUMENT_COLUMNS: dict[str, str] = {
    "id": "name of the document within the inputs",
    "path": "path in its repository or folder",
    "repo": "repository, where one is known",
    "language": "programming language, in linguist's names, lower-case",
    "doc_type": "code, data or text",
    "natural_language": "zh or ja by script, en for all else",
    "stars": "stars of the repository, where known",
    "commit_time": "time of the last commit (UTC), where known",
    "license": "licence as found or as given by the input, where known",
    "sha256": "of the bytes as they were read, before redaction",
    "size_bytes": "size as read, before redaction",
    "content": "the text",
}
REJECT_COLUMNS: dict[str, str] = {
    "id": "name of the document within the inputs",
    "path": "path in its repository or folder",
    "repo": "repository, where one is known",
    "language": "programming language, where known",
    "sha256": "of the bytes as they were read",
    "size_bytes": "size as read",
    "step": "the step that took it out",
    "reason": "why; of several rules the first",
    "rules": "all rules that hold",
    "value": "value of the signal that the first rule looks at",
    "threshold": "the threshold it crosses",
    "kept_id": "the document that stayed in place of a duplicate",
    "jaccard": "similarity to it",
    "detail": "more, where there is more to say",
}
_STEPS = {
    "preprocess": "too large, not text, or a file type outside the set",
    "exact": "equal contents (SHA-256); most stars, then the latest commit stays",
    "fuzzy": "near-duplicates (MinHash, bands), same rule",
    "transform": "copyright headers removed, personal data and secrets replaced",
    "filter": "rules on quality signals, by language",
    "sample": "caps of bytes by language",
}
_MOST_LANGUAGES = 40


def render_card(report: BuildReport, *, num_files: int) -> str:
    """Return the card, Markdown with YAML front matter as the Hugging Face hub reads it.

    Args:
        report: The build.
        num_files: Parquet files under ``documents``; a configuration without a file would not open.
    """
    parts = [
        _front(report, num_files),
        _summary(report, num_files),
        _usage(report, num_files),
        "## Columns\n\n`documents/`: what was kept.\n\n" + _columns(DOCUMENT_COLUMNS),
        "`rejects/`: every document that was taken out, without its text.\n\n" + _columns(REJECT_COLUMNS),
        _steps(report),
        _languages(report),
        _LICENCES,
        _limits(report),
        _command(report),
    ]
    return "\n\n".join(parts) + "\n"


def _front(report: BuildReport, num_files: int) -> str:
    configs = []
    if num_files:
        configs.append(("default", "train", "documents/*.parquet"))
    if report.rejected.documents:
        configs.append(("rejects", "train", "rejects/*.parquet"))
    lines = [
        "---",
        "license: other",
        "task_categories:",
        "- text-generation",
        "tags:",
        "- code",
        "- pretraining",
    ]
    lines += ["size_categories:", f"- {size_category(report.kept.documents)}"]
    if configs:
        lines.append("configs:")
    for name, split, pattern in configs:
        lines += [
            f"- config_name: {name}",
            "  data_files:",
            f"  - split: {split}",
            f"    path: {json.dumps(pattern)}",
        ]
    return "\n".join([*lines, "---"])


def _summary(report: BuildReport, num_files: int) -> str:
    kept, read, rejected = report.kept, report.read, report.rejected
    files = "1 file" if num_files == 1 else f"{num_files:,} files"
    return (
        "# Code corpus\n\n"
        f"{kept.documents:,} documents, {size(kept.bytes)}, in {files}; built by opencoder "
        f"{cell(report.version)} with the steps of RefineCode (OpenCoder, arXiv:2411.04905).\n\n"
        f"{read.documents:,} read = {kept.documents:,} kept + {rejected.documents:,} rejected. Every reject "
        "is listed with its reason; `report.html` shows them by step, rule and language."
    )


def _usage(report: BuildReport, num_files: int) -> str:
    lines = ["from datasets import load_dataset", ""]
    if num_files:
        lines.append('documents = load_dataset("path/to/this/folder", split="train")')
    if report.rejected.documents:
        lines.append('rejects = load_dataset("path/to/this/folder", "rejects", split="train")')
    if len(lines) == 2:
        return "Nothing was read, so there is nothing to load."
    note = "" if num_files else "\n\nNothing was kept: there are only rejects."
    return "```python\n" + "\n".join(lines) + "\n```" + note


def _columns(columns: Mapping[str, str]) -> str:
    return table(("column", "meaning"), [(f"`{name}`", meaning) for name, meaning in columns.items()])


def _steps(report: BuildReport) -> str:
    rows = [
        (
            cell(step.name),
            _STEPS.get(step.name, ""),
            f"{step.taken.documents:,}",
            f"{step.passed.documents:,}",
            size(step.passed.bytes),
        )
        for step in report.steps
    ]
    reasons = [
        (cell(reason), f"{count:,}") for reason, count in list(report.rejected_by.items())[:_MOST_LANGUAGES]
    ]
    body = "## Steps\n\n" + table(("step", "what it takes out", "took", "let through", "bytes"), rows)
    if reasons:
        body += "\n\n" + table(("reason", "documents"), reasons)
    return body


def _languages(report: BuildReport) -> str:
    kept = [row for row in report.languages if row.kept.documents]
    kept.sort(key=lambda row: (-row.kept.bytes, row.language))
    rows = [
        (
            cell(row.language),
            row.doc_type,
            f"{row.read.documents:,}",
            f"{row.kept.documents:,}",
            size(row.kept.bytes),
        )
        for row in kept[:_MOST_LANGUAGES]
    ]
    if not rows:
        return "## Languages\n\nNothing was kept."
    more = len(kept) - len(rows)
    end = f"\n\n{more:,} further languages are in `report.html`." if more else ""
    return "## Languages\n\n" + table(("language", "type", "read", "kept", "bytes"), rows) + end


_LICENCES = """## Licences

Each document stays under the licence of its source; the column `license` names it where the input did or
where a licence file was found. Where it is empty, nothing is known, which is not a permission. Copyright
headers may have been removed from the texts; `repo`, `path` and `sha256` lead back to the originals."""


def _limits(report: BuildReport) -> str:
    lines = [
        "Redaction goes by patterns: some personal data and secrets stay, some harmless text is replaced.",
        "The rules are heuristics with the thresholds of the paper; they drop some good files. The report "
        "shows examples of each.",
        "Deduplication drops copies and near-copies of whole files; shared parts of files stay.",
        "Nothing was tested for bugs, malice or overlap with benchmarks.",
    ]
    if report.bad_shards:
        lines.insert(0, f"{len(report.bad_shards):,} inputs could not be read and are missing.")
    if report.samples:
        names = ", ".join(cell(sample.language) for sample in report.samples)
        lines.append(f"Sampled down to a cap, hence not in natural proportion: {names}.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _command(report: BuildReport) -> str:
    sources = " ".join(shlex.quote(source) for source in report.sources)
    fence = "`" * (max(longest_ticks(sources), 2) + 1)
    settings = json.dumps(report.settings, indent=2, ensure_ascii=True, sort_keys=True)
    inner = "`" * (max(longest_ticks(settings), 2) + 1)
    return (
        "## How to make it again\n\nWith the same inputs and `config.toml`, which is beside this file, the "
        f"bytes are the same:\n\n{fence}bash\n"
        f"opencoder corpus build {plain(sources)} -c config.toml -o again\n{fence}\n\n"
        f"{inner}json\n{settings}\n{inner}"
    )
