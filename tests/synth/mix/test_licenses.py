"""What licences allow under the two policies."""

from __future__ import annotations

import pytest

from synth.licenses import hub_name, license_name, policy

TABLE = [
    # licence, official name, commercial, research
    ("MIT", "MIT", "allowed", "allowed"),
    ("The MIT License", "MIT", "allowed", "allowed"),
    ("Apache License, Version 2.0", "Apache-2.0", "allowed", "allowed"),
    ("BSD 3-Clause", "BSD-3-Clause", "allowed", "allowed"),
    ("Boost Software License 1.0", "BSL-1.0", "allowed", "allowed"),
    ("odc-by", "ODC-By-1.0", "allowed", "allowed"),
    ("cc-by-4.0", "CC-BY-4.0", "allowed", "allowed"),
    ("CC BY-SA 4.0", "CC-BY-SA-4.0", "warned", "warned"),
    ("CC-BY-NC-4.0", "CC-BY-NC-4.0", "blocked", "warned"),
    ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", "blocked", "warned"),
    ("CC-BY-NC-ND-4.0", "CC-BY-NC-ND-4.0", "blocked", "warned"),
    ("https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0", "blocked", "warned"),
    ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "blocked", "warned"),
    ("ODbL-1.0", "ODbL-1.0", "warned", "warned"),
    ("bigcode-openrail-m", "bigcode-openrail-m", "warned", "warned"),
    ("gpl-3.0", "GPL-3.0-only", "blocked", "warned"),
    ("LGPL-2.1-or-later", "LGPL-2.1-or-later", "blocked", "warned"),
    ("MPL-2.0", "MPL-2.0", "blocked", "warned"),
    # Not the Boost licence, though it looks like it: source is open only after some years.
    ("BSL-1.1", "BSL-1.1", "blocked", "warned"),
    ("proprietary", "proprietary", "blocked", "warned"),
    ("", "unknown", "blocked", "warned"),
    ("other", "unknown", "blocked", "warned"),
    ("NOASSERTION", "unknown", "blocked", "warned"),
]


@pytest.mark.parametrize(("text", "name", "commercial", "research"), TABLE)
def test_table(text: str, name: str, commercial: str, research: str) -> None:
    assert license_name(text) == name
    assert policy(text, "commercial").verdict == commercial
    assert policy(text, "research").verdict == research
    assert bool(policy(text, "commercial").reason) == (commercial != "allowed")


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT OR GPL-3.0-only", "allowed"),
        ("GPL-3.0-only or MIT", "allowed"),
        ("MIT AND GPL-3.0-only", "blocked"),
        ("MIT AND Apache-2.0", "allowed"),
        ("MIT AND CC-BY-SA-4.0", "warned"),
        ("GPL-2.0-only AND MIT OR Apache-2.0", "allowed"),
        ("(MIT AND GPL-3.0-only) OR GPL-2.0-only", "blocked"),
        ("Apache-2.0 WITH LLVM-exception", "allowed"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "blocked"),
    ],
)
def test_expressions(expression: str, verdict: str) -> None:
    assert policy(expression, "commercial").verdict == verdict


def test_names_for_the_hub() -> None:
    names = ["MIT", "Apache 2.0", "ODC-BY", "GPL-3.0-or-later", "CC-BY-NC-SA-4.0", "", "MIT AND ISC", "HPND"]
    expected = ["mit", "apache-2.0", "odc-by", "gpl-3.0", "cc-by-nc-sa-4.0", "unknown", "other", "other"]
    assert [hub_name(name) for name in names] == expected
