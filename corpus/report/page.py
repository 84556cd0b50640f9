"""The page of a build, ``report.html``: one file that needs nothing else and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from corpus.report import sections
from corpus.report.markup import num
from corpus.report.rules import rules
from corpus.report.schema import BuildReport


def render_page(report: BuildReport) -> str:
    """Return the page; equal reports give equal pages.

    Names and excerpts of documents are shown, never obeyed: all are escaped, and the page's policy lets it
    load, run and send nothing.
    """
    parts = [
        ("flow", "Flow", sections.flow(report)),
        ("reasons", "Reasons", sections.reasons(report)),
        ("languages", "Languages", sections.languages(report)),
        ("rules", "Rules", rules(report.rules)),
        ("duplicates", "Duplicates", sections.duplicates(report.duplicates)),
        ("redaction", "Redaction", sections.redactions(report)),
        ("sampling", "Sampling", sections.samples(report)),
        ("natural", "Natural languages", sections.natural(report)),
        ("failed", "Failed signals", _failed(report)),
        ("settings", "Settings", sections.settings(report)),
    ]
    css = files("corpus.report").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    links = "".join(f'<a href="#{ident}">{title}</a>' for ident, title, _ in parts)
    body = "\n".join(sections.section(*part) for part in parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Corpus build: {num(report.kept.documents)} of {num(report.read.documents)} documents</title>"
        f"<style>{css}</style></head>\n<body><main>{sections.header(report)}\n"
        f'<nav aria-label="Sections">{links}</nav>\n{body}\n</main></body></html>\n'
    )


def _failed(report: BuildReport) -> str:
    if not report.errors:
        return sections.note("Every signal had a value on every document.")
    about = sections.note(
        "A signal that fails has no value, and rules on it do not hold; the document is counted."
    )
    taken = next((step.taken.documents for step in report.steps if step.name == "filter"), 0)
    return about + sections.counts("Documents on which a signal failed", "signal", report.errors, taken)
