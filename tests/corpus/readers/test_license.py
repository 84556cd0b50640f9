"""Licences of real projects, where their texts are at hand."""

from __future__ import annotations

import re
import sysconfig
import tarfile
from pathlib import Path

import pytest

from corpus.readers.license import find_license, licenses_in
from opencoder.spdx import join_names, tag_of

CONFORMANCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "refinecode-conformance"
DEBIAN = Path("/usr/share/common-licenses")
SYSTEM = {
    "Apache-2.0": "Apache-2.0",
    "Artistic": "Artistic-1.0-Perl",
    "BSD": "BSD-3-Clause",
    "CC0-1.0": "CC0-1.0",
    "GFDL-1.2": "GFDL-1.2-only",
    "GFDL-1.3": "GFDL-1.3-only",
    "GPL-1": "GPL-1.0-only",
    "GPL-2": "GPL-2.0-only",
    "GPL-3": "GPL-3.0-only",
    "LGPL-2": "LGPL-2.0-only",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-3": "LGPL-3.0-only",
    "MPL-1.1": "MPL-1.1",
    "MPL-2.0": "MPL-2.0",
}


@pytest.mark.parametrize("name", SYSTEM)
def test_texts_of_the_system(name: str) -> None:
    if not (DEBIAN / name).exists():
        pytest.skip(f"no {DEBIAN / name} on this system")
    assert licenses_in((DEBIAN / name).read_text(errors="replace")) == [SYSTEM[name]]


def test_texts_of_the_conformance_files() -> None:
    path = CONFORMANCE / "licenses.tar.gz"
    if not path.exists():
        pytest.skip(f"no {path}")
    found: dict[str, list[str]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if (file := archive.extractfile(member)) is not None:
                found[Path(member.name).name.partition("__")[0]] = licenses_in(file.read().decode())
    # A page that links to the licence, one that sums up two in own words, and a stub of two lines.
    assert {name.partition("_")[0] for name, names in found.items() if not names} == {
        "deb-lua5.4",
        "deb-lz4",
        "deb-r-cran-jsonlite",
    }
    assert len(found) == 56
    assert max(map(len, found.values())) == 1
    assert found["npm-leaflet-1.9.4"] == ["BSD-2-Clause"]
    assert found["npm-semver-7.8.6"] == ["ISC"]
    assert found["deb-zlib_1.2.13.dfsg"] == ["Zlib"]


def test_licenses_of_installed_packages() -> None:
    # What a package declares must be among what its files hold.
    right, wrong = 0, []
    for folder in sorted(Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info")):
        head = (folder / "METADATA").read_text(errors="replace").partition("\n\n")[0]
        declared = re.search(r"^License-Expression: (.*)$", head, re.MULTILINE)
        texts = [path for path in folder.rglob("*") if re.search("licen|copying", path.name, re.IGNORECASE)]
        texts = [path for path in texts if path.is_file()]
        if declared is None or not texts:
            continue
        wanted = {
            name.strip("()") for name in re.split(r"\s+(?:AND|OR)\s+", declared[1]) if "WITH" not in name
        }
        found = {name for path in texts for name in licenses_in(path.read_text(errors="replace"))}
        # The text of PSF-2.0 is mostly shipped with those it grew from.
        found |= {"PSF-2.0"} if "Python-2.0" in found else set()
        if wanted <= found:
            right += 1
        else:
            wrong.append((folder.name, wanted, found))
    if right + len(wrong) < 10:
        pytest.skip("fewer than ten installed packages declare a licence")
    assert right / (right + len(wrong)) >= 0.95, wrong


MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software:
The above copyright notice and this permission notice shall be included in all copies."""
ISC = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without
fee is hereby granted, provided that the
above copyright notice and this permission notice appear in all copies."""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("All rights reserved.", []),
        ("See the GNU General Public License, Version 2.0, for what that means.", []),
        (MIT, ["MIT"]),
        ("\n".join(f" *  {line}" for line in MIT.replace(" ", "\n").split("\n")), ["MIT"]),
        (MIT.upper() + "\n---\n" + ISC, ["ISC", "MIT"]),
        (ISC.partition(", provided")[0], ["0BSD"]),
        (MIT.partition("The above")[0], ["MIT-0"]),
        ("under the terms of the GNU General Public License as published by the Free Software Foundation;\n"
         "either version 2 of the License, or (at your option) any later version.", ["GPL-2.0-or-later"]),
        ("under the terms of the GNU Lesser General Public License version 2.1", ["LGPL-2.1-only"]),
        ("Licensed under the Apache License, Version 2.0 (the 'License')", ["Apache-2.0"]),
        ("Eclipse Public License - v 2.0", ["EPL-2.0"]),
        ("# SPDX-License-Identifier: BSD-2-Clause-Patent", ["BSD-2-Clause-Patent"]),
    ],
)  # fmt: skip
def test_short_texts(text: str, names: list[str]) -> None:
    assert licenses_in(text) == names


def test_files_of_a_folder(tmp_path: Path) -> None:
    assert find_license(tmp_path) is None
    assert find_license(tmp_path / "none") is None
    (tmp_path / "license.py").write_text(ISC)
    (tmp_path / "LICENSE.txt").symlink_to("license.py")
    (tmp_path / "licenses").mkdir()
    assert find_license(tmp_path) is None
    (tmp_path / "LICENSE-MIT").write_text(MIT)
    (tmp_path / "COPYING").write_text("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007\n")
    assert find_license(tmp_path) == "GPL-3.0-only AND MIT"
    (tmp_path / "COPYING.LESSER").write_text("GNU LESSER GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007\n")
    assert find_license(tmp_path) == "LGPL-3.0-only AND MIT"
    (tmp_path / "LICENSES").mkdir()
    (tmp_path / "LICENSES" / "ISC.txt").write_text(ISC)
    assert find_license(tmp_path) == "ISC AND LGPL-3.0-only AND MIT"


def test_names() -> None:
    assert join_names(["mit", "MIT", "gpl-2.0", "Own-1"]) == "GPL-2.0-only AND MIT AND Own-1"
    assert join_names(["MIT OR Apache-2.0", "isc"]) == "ISC AND (MIT OR Apache-2.0)"
    assert join_names(["MIT OR Apache-2.0"]) == "MIT OR Apache-2.0"
    assert join_names([]) is None
    assert tag_of(b"// SPDX-License-Identifier: (MIT OR apache-2.0) AND ISC") == "(MIT OR apache-2.0) AND ISC"
    assert tag_of(b"x" * 5000 + b"SPDX-License-Identifier: MIT") is None
    assert tag_of(b"SPDX-License-Identifier: \nMIT") is None
