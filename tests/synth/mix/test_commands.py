"""The commands as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from opencoder.config import layers
from opencoder.errors import DataError, UserError
from opencoder.store import write_jsonl
from synth.export.command import export
from synth.mix.command import mix
from tests.support.synth_rows import mixed_rows, plain_row, verified_row, write_run


@pytest.fixture
def app() -> App:
    made = App(config=layers(), result_action="return_value")
    made.command(export)
    made.command(mix)
    return made


def test_mix_then_export(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [verified_row(1), verified_row(2, killed=3)])
    config = tmp_path / "stage2.yaml"
    config.write_text(f"sources: [{{path: {run}, where: {{min_mutants: 0.5}}}}]")
    app(["mix", str(config), "-o", str(tmp_path / "mix")])
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == (
        "source read filtered duplicates not drawn unique repeats rows share".split()
    )
    assert said.splitlines()[1].split() == ["run", "2", "1", "0", "0", "1", "0", "1", "100.0%"]
    app(["mix", str(config), "-o", str(tmp_path / "mix"), "--json"])
    assert json.loads(capsys.readouterr().out)["sources"][0]["filtered"] == 1
    app(["export", str(tmp_path / "mix"), "--format", "messages"])
    assert f"1 of 1 rows written to {tmp_path / 'mix' / 'export' / 'messages'}" in capsys.readouterr().out
    assert (tmp_path / "mix" / "export" / "messages" / "README.md").is_file()


def test_what_is_skipped_is_said(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", mixed_rows())
    app(["export", str(run), "--format", "opc-sft-stage2", "-o", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "7 of 11 rows written" in said
    assert "skipped, multi_turn: 1 rows" in said
    assert "left out, stdin_tests: 1 rows" in said


def test_wrong_uses(app: App, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [plain_row("a")])
    with pytest.raises(UserError, match="say with -o where"):
        app(["export", str(tmp_path / "rows.jsonl"), "--format", "messages"])
    with pytest.raises(DataError, match="no such file or folder"):
        app(["export", str(tmp_path / "absent"), "--format", "messages", "-o", str(tmp_path / "out")])
    (tmp_path / "m.yaml").write_text(f"sources: [{{path: {tmp_path / 'absent'}}}]")
    with pytest.raises(DataError, match="absent: no such file or folder"):
        app(["mix", str(tmp_path / "m.yaml"), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, synth.export.command, synth.mix.command\n"
        "print([name for name in ('numpy', 'pyarrow', 'datasketch', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
