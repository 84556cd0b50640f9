"""A small corpus of real files with everything in it that a build must tell apart."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpus_build import build

STDLIB = Path(sysconfig.get_path("stdlib"))
PACKAGES = ("json", "asyncio", "importlib", "logging", "http")
NEAR_LINE = "\n# one more remark\n"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules of the standard library, and files of every kind that is rejected."""
    folder = tmp_path_factory.mktemp("corpus") / "in"
    for package in PACKAGES:
        for path in (STDLIB / package).rglob("*.py"):
            if "test" not in path.parts:
                target = folder / "lib" / path.relative_to(STDLIB)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    odd = folder / "odd"
    odd.mkdir()
    decoder = (STDLIB / "json" / "decoder.py").read_text()
    (odd / "copy.py").write_text(decoder)
    (odd / "near.py").write_text(decoder + NEAR_LINE)
    (odd / "secret.py").write_text(
        (STDLIB / "textwrap.py").read_text() + '\nCONTACT = "jane.roe@mail.invalid-corp.com"\n'
    )
    (odd / "empty.py").write_bytes(b"")
    (odd / "blank.py").write_bytes(b" \n" * 20)
    (odd / "latin.py").write_bytes(b"name = 'caf\xe9'\n" * 20)
    (odd / "nul.c").write_bytes(b"int a;\n\0" * 20)
    (odd / "large.txt").write_bytes(b"word " * (9 << 18))
    (odd / "table.csv").write_text("a,b\n1,2\n")
    (odd / "what.zzz").write_text("something\n")
    (odd / "small.py").write_text("a = 1\n")
    (odd / "link.py").symlink_to(STDLIB / "json" / "decoder.py")
    os.mkfifo(odd / "pipe.py")
    return folder


@pytest.fixture(scope="session")
def built(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus, built once with one worker."""
    out = tmp_path_factory.mktemp("built") / "out"
    done = build(corpus, "-o", out, "--workers", "1", "--shard-bytes", "200kB", "--json")
    assert done.returncode == 0, done.stderr
    (out.parent / "summary.json").write_text(done.stdout)
    return out


@pytest.fixture(scope="session")
def summary(built: Path) -> dict[str, Any]:
    """What the build of ``built`` said."""
    said: dict[str, Any] = json.loads((built.parent / "summary.json").read_text())
    return said
