"""Without the extra, the commands say what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["datasketch", "numpy"])
def test_a_missing_package_is_named_with_its_extra(
    quick: Path, seeds: Path, tmp_path: Path, package: str
) -> None:
    words = ["synth", "run", str(quick), "-i", str(seeds), "-o", str(tmp_path / "out"), "--dry-run"]
    hide = f"import sys; sys.modules[{package!r}] = None"
    code = f"{hide}; from opencoder.cli import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert "pip install 'opencoder[synth]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
