"""Make the language tables of ``corpus/languages`` from data files of others.

    python scripts/make_languages.py FOLDER -o corpus/languages/facts.json
    python scripts/make_languages.py FOLDER -o FACTS --upstream TABLES.json --upstream-output UPSTREAM

FOLDER holds linguist's ``languages.yml``, ``heuristics.yml`` and ``generic.yml`` (``lib/linguist`` of a
checkout of github-linguist/linguist). Its release is read from ``VERSION`` or ``README.md`` there, or given
with ``--release``. TABLES is a JSON file with the tables of OpenCoder-llm/opc_data_filtering. Only facts are
taken: names, types, extensions, file names, interpreters, aliases, and the patterns of the heuristics,
translated from Ruby. A rule with a pattern that cannot be translated is left out and listed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

SPELLED_AS_UPSTREAM = {"c++": "cpp", "c#": "csharp"}
_POSIX = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "space": r"\s",
    "upper": "A-Z",
    "lower": "a-z",
}
_ESCAPES = {
    "h": "[0-9a-fA-F]",
    "H": "[^0-9a-fA-F]",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "R": r"(?:\r\n|[\n\v\f\r])",
}
_FLAGS = re.compile(r"\(\?([imx]*)(?:-([imx]+))?([:)])")


class UntranslatableError(ValueError):
    """A Ruby pattern has a construct that Python's ``re`` has no form for."""


def main() -> int:
    """Write the tables and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="folder with languages.yml, heuristics.yml and generic.yml")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    parser.add_argument("--release", help="release of linguist; default: read from VERSION or README.md")
    parser.add_argument("--upstream", type=Path, help="tables of opc_data_filtering in JSON")
    parser.add_argument(
        "--upstream-output", type=Path, help="file to write those to; default: beside the output"
    )
    options = parser.parse_args()
    facts, left_out = facts_of(options.folder, options.release or release_of(options.folder))
    options.output.write_text(one_per_line(facts), encoding="utf-8")
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    print(counts_text(facts))
    if options.upstream:
        tables = upstream_of(json.loads(options.upstream.read_text(encoding="utf-8")))
        target = options.upstream_output or options.output.with_name("upstream.json")
        target.write_text(one_per_line(tables), encoding="utf-8")
        print(f"upstream: {len(tables['languages'])} languages")
    return 0


def release_of(folder: Path) -> str:
    """Return the release that the files in ``folder`` say they are of."""
    for name in ("VERSION", "README.md"):
        path = folder / name
        if path.is_file() and (found := re.search(r"\d+\.\d+\.\d+", path.read_text(encoding="utf-8"))):
            return found.group()
    raise SystemExit(
        f"{folder} does not say which release it is of; name it with --release, as in --release 9.6.0"
    )


def facts_of(folder: Path, release: str) -> tuple[dict[str, Any], list[str]]:
    """Return the table of facts and a line for each heuristic rule that is left out."""
    languages, heuristics, generic = (
        yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        for name in ("languages.yml", "heuristics.yml", "generic.yml")
    )
    rules, left_out = [], []
    for block in heuristics["disambiguations"]:
        kept = []
        for rule in block["rules"]:
            try:
                kept.append(rule_of(rule, heuristics["named_patterns"]))
            except UntranslatableError as error:
                left_out.append(f"{' '.join(block['extensions'])}: {rule['language']}: {error}")
        rules.append({"extensions": [item.lower() for item in block["extensions"]], "rules": kept})
    return {
        "source": f"facts from github-linguist/linguist {release}, MIT, copyright GitHub, Inc.",
        "release": release,
        "generic": sorted(generic["extensions"]),
        "languages": {name_of(name): row_of(name, row) for name, row in sorted(languages.items())},
        "heuristics": rules,
    }, left_out


def name_of(linguist: str) -> str:
    """Return the name that this project gives a language of linguist."""
    return SPELLED_AS_UPSTREAM.get(linguist.lower(), linguist.lower())


def row_of(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of one language that are used here, without empty lists."""
    kept = {key: row[key] for key in ("extensions", "filenames", "interpreters", "aliases") if row.get(key)}
    if name.lower() in SPELLED_AS_UPSTREAM:
        kept["aliases"] = [name.lower(), *kept.get("aliases", [])]
    return {"type": row["type"], **kept}


def rule_of(rule: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return a rule as ``all`` (of each group one pattern must match) and ``none`` (none may match)."""
    every: list[list[str]] = []
    never: list[str] = []
    for part in rule.get("and", [rule]):
        if "named_pattern" in part:
            every.append(patterns(named[part["named_pattern"]]))
        if "pattern" in part:
            every.append(patterns(part["pattern"]))
        if "negative_pattern" in part:
            never += patterns(part["negative_pattern"])
    first = rule["language"] if isinstance(rule["language"], str) else rule["language"][0]
    return {
        "language": name_of(first),
        **({"all": every} if every else {}),
        **({"none": never} if never else {}),
    }


def patterns(value: str | list[str]) -> list[str]:
    """Return one or more Ruby patterns in Python's syntax."""
    return [python_pattern(item) for item in ([value] if isinstance(value, str) else value)]


def python_pattern(ruby: str) -> str:
    """Return ``ruby`` in the syntax of Python's ``re``, for use with ``MULTILINE | ASCII``.

    Raises:
        UntranslatableError: There is no such form.
    """
    out = "".join(_translated(ruby))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(out, re.MULTILINE | re.ASCII)
    except (re.error, Warning) as error:
        raise UntranslatableError(f"{error}: {ruby}") from error
    return out


def _translated(ruby: str) -> Iterator[str]:
    at = 0
    # How many groups opened by bare flags, "(?i)", end together with the group that is open at each depth.
    pending = [0]
    while at < len(ruby):
        if ruby[at] == "\\":
            if ruby[at + 1] in "gpPKGX":
                raise UntranslatableError(f"\\{ruby[at + 1]}: {ruby}")
            yield ruby[at : at + 2] if ruby[at + 1] not in _ESCAPES else _ESCAPES[ruby[at + 1]]
            at += 2
        elif ruby[at] == "[":
            text, at = _character_class(ruby, at)
            yield text
        elif flags := _FLAGS.match(ruby, at):
            # "m" is Ruby's name of Python's "s"; "$" and "^" match at every line in Ruby without any flag.
            on, off = (part.replace("m", "s") for part in (flags[1], flags[2] or ""))
            yield f"(?{on}{'-' + off if off else ''}:"
            if flags[3] == ")":
                pending[-1] += 1
            else:
                pending.append(0)
            at = flags.end()
        elif ruby[at] == "(":
            named = re.compile(r"\(\?<(?=[A-Za-z_])").match(ruby, at)
            yield "(?P<" if named else "("
            pending.append(0)
            at = named.end() if named else at + 1
        elif ruby[at] == ")":
            yield ")" * (pending.pop() + 1)
            at += 1
        else:
            # "(?i)a|b" makes one group of both branches in Ruby as well, so "|" needs no care.
            yield ruby[at]
            at += 1
    yield ")" * pending[0]


def _character_class(ruby: str, start: int) -> tuple[str, int]:
    """Return the class that starts at ``start`` in Python's syntax, and where it ends."""
    out = "["
    at = start + 1
    if ruby[at] == "^":
        out, at = "[^", at + 1
    while at < len(ruby):
        if ruby.startswith("[:", at) and (posix := re.compile(r"\[:(\w+):\]").match(ruby, at)):
            if posix[1] not in _POSIX:
                raise UntranslatableError(f"{posix[0]}: {ruby}")
            out, at = out + _POSIX[posix[1]], posix.end()
        elif ruby[at] == "[" or ruby.startswith("&&", at):
            raise UntranslatableError(f"class within a class: {ruby}")
        elif ruby[at] == "\\":
            out, at = out + ("0-9a-fA-F" if ruby[at + 1] == "h" else ruby[at : at + 2]), at + 2
        elif ruby[at] == "]":
            return out + "]", at + 1
        else:
            out, at = out + ruby[at], at + 1
    raise UntranslatableError(f"class without an end: {ruby}")


def upstream_of(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables of opc_data_filtering as one row per language."""
    rows: dict[str, dict[str, Any]] = {
        name: {"type": kind} for name, kind in tables["program_to_type"].items()
    }
    for source, key in (("extension_to_program", "extensions"), ("filename_to_program", "filenames")):
        for item, name in sorted(tables[source].items()):
            rows[name].setdefault(key, []).append(item)
    return {
        "source": f"facts from {tables['source'].split(';')[0]}",
        "excluded": sorted(tables["excluded"]),
        "languages": dict(sorted(rows.items())),
    }


def one_per_line(table: dict[str, Any]) -> str:
    """Return ``table`` as JSON, one language or block of rules a line, so that a change is easy to see."""
    parts = []
    for key, value in table.items():
        if isinstance(value, dict):
            body = ",\n".join(f"{_json(name)}: {_json(row)}" for name, row in value.items())
            parts.append(f"{_json(key)}: {{\n{body}\n}}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            parts.append(f"{_json(key)}: [\n" + ",\n".join(map(_json, value)) + "\n]")
        else:
            parts.append(f"{_json(key)}: {_json(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def counts_text(facts: dict[str, Any]) -> str:
    """Return what ``facts`` holds, in one line."""
    rows = facts["languages"].values()
    extensions = _all(rows, "extensions")
    num_ambiguous = len({item for item in extensions if extensions.count(item) > 1})
    num_rules = sum(len(block["rules"]) for block in facts["heuristics"])
    return (
        f"linguist {facts['release']}: {len(rows)} languages, {len(set(extensions))} extensions "
        f"({num_ambiguous} ambiguous), {len(set(_all(rows, 'filenames')))} file names, "
        f"{len(set(_all(rows, 'interpreters')))} interpreters, {num_rules} heuristic rules"
    )


def _all(rows: Iterable[dict[str, Any]], key: str) -> list[str]:
    return [item for row in rows for item in row.get(key, [])]


if __name__ == "__main__":
    sys.exit(main())
