"""``opencoder corpus explain`` as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON_FILE = "import os\n\n\ndef size(path):\n    return os.path.getsize(path)\n"


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opencoder", "corpus", "explain", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("mode", ["compat", "default"])
def test_every_file_gets_a_record_with_its_reasons(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "small.py").write_text(PYTHON_FILE)
    (folder / "empty.py").write_bytes(b"")
    (folder / "broken.c").write_bytes(b"\xff\x00")
    (folder / "unknown.zzz").write_text("x")
    done = explain(str(folder), "-o", str(tmp_path / "out.jsonl"), "--mode", mode, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == 4
    rows = {row["path"]: row for row in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    assert list(rows) == ["broken.c", "empty.py", "sub/small.py", "unknown.zzz"]
    small = rows["sub/small.py"]
    assert (small["language"], small["doc_type"], small["decision"]) == ("python", "code", "drop")
    hits = {hit["signal"]: (hit["value"], hit["threshold"]) for hit in small["hits"]}
    assert hits["qsc_code_num_lines"] == (5, 10)
    assert rows["unknown.zzz"]["doc_type"] == "unknown"
    assert "not UTF-8" in rows["broken.c"]["errors"]["text"]
    assert not list(tmp_path.glob(".*partial"))


def test_what_cannot_be_read_or_written_is_told_in_one_line(tmp_path: Path) -> None:
    missing = explain(str(tmp_path / "none"), "-o", str(tmp_path / "out.jsonl"))
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("x")
    blocked = explain(str(tmp_path / "in"), "-o", str(tmp_path / "file" / "out.jsonl"))
    assert (blocked.returncode, blocked.stderr.count("\n")) == (2, 1), blocked.stderr


def test_odd_files_are_explained(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with (folder / "line.py").open("wb") as file:
        file.truncate(1 << 30)  # a gigabyte on one line, sparse on disk
    (folder / "nul.py").write_bytes(b"a = 1\0\n" * 30)
    (folder / "deep.py").write_text("(" * 50_000 + ")" * 50_000)
    (folder / "deep.js").write_text("[" * 50_000)
    (folder / "lines.py").write_text("a = 1\u2028\r\n\n\t" * 40)
    (folder / "a\nb.py").write_text(PYTHON_FILE)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.py")).write_text(PYTHON_FILE)
    (folder / "link.py").symlink_to("/etc/passwd")
    done = explain(str(folder), "-o", str(tmp_path / "out.jsonl"), "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["path"]: row for row in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    assert set(rows) == {"line.py", "nul.py", "deep.py", "deep.js", "lines.py", "a\nb.py", "caf\\xe9.py"}
    assert "1073741824 bytes" in rows["line.py"]["errors"]["size"]
    assert all(row["decision"] == "drop" for row in rows.values())
    assert rows["deep.py"]["hits"]
