"""Deduplication as a user runs it: files in, two Parquet files out, exit codes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpus.dedup.profiles import choose_profile
from corpus.dedup.run import Settings, deduplicate
from corpus.readers.rows import read_documents
from opencoder.errors import DataError, UserError

Rows = list[dict[str, Any]]
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs the command line in ``tmp_path``."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("OPENCODER_")}
        return subprocess.run(
            [sys.executable, "-P", "-m", "opencoder", "corpus", "dedup", *map(str, words)],
            cwd=tmp_path,
            env={**env, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def words(seed: int, num: int = 400) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}_{i}" for i in range(num)]


def changed(text: list[str], *places: int) -> str:
    """The text with the words at some places replaced."""
    return " ".join("changed" if i in places else word for i, word in enumerate(text))


def planted() -> Rows:
    """Three exact copies, one cluster of near-duplicates, one look-alike, oddities."""
    base = words(1)
    rows: Rows = [
        {"id": "copy/a", "content": "print('same')\n", "stars": 3, "commit_time": 50},
        {"id": "copy/b", "content": "print('same')\n", "stars": 9, "commit_time": 10},
        {"id": "copy/c", "content": "print('same')\n", "stars": 9, "commit_time": 11},
        {"id": "near/a", "content": changed(base), "stars": 1},
        {"id": "near/b", "content": changed(base, 200), "stars": 5, "repo": "some/repo", "path": "b.py"},
        # A copy of a file that goes as a near-duplicate.
        {"id": "near/c", "content": changed(base), "stars": 1},
        # Half of its words are others.
        {"id": "far", "content": " ".join(base[:200] + words(2, 200))},
        {"id": "empty", "content": ""},
        {"id": "no words", "content": " \n+-*/\n"},
        {"id": "one word", "content": "x\x00y"},
    ]
    return rows + [{"id": f"other/{i}", "content": changed(words(i + 10))} for i in range(40)]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(source: Path, out: Path, profile: str = "near", **more: Any) -> dict[str, Any]:
    done = deduplicate(Settings(source=source, out=out, profile=choose_profile(profile), **more))  # type: ignore[arg-type]
    assert sorted(path.name for path in out.iterdir()) == ["dropped.parquet", "kept.parquet"]
    return {name: getattr(done, name) for name in done.__slots__}


def dropped(out: Path) -> dict[str, tuple[str, str, float]]:
    rows = pq.read_table(out / "dropped.parquet").to_pylist()
    return {row["id"]: (row["reason"], row["kept_id"], row["jaccard"]) for row in rows}


def test_planted_duplicates(tmp_path: Path) -> None:
    done = run(write(tmp_path / "in.jsonl", planted()), tmp_path / "out")
    assert (done["documents"], done["exact_duplicates"], done["fuzzy_duplicates"]) == (50, 3, 1)
    assert (done["kept"], done["clusters"], done["largest_cluster"], done["no_shingles"]) == (46, 1, 2, 2)
    gone = dropped(tmp_path / "out")
    # 396 shingles each; one changed word is in 5 of them.
    near = pytest.approx(391 / 401)
    assert gone == {
        "copy/a": ("exact", "copy/c", 1.0),
        "copy/b": ("exact", "copy/c", 1.0),
        "near/a": ("fuzzy", "near/b", near),
        "near/c": ("exact", "near/b", near),
    }
    kept = {row["id"]: row for row in pq.read_table(tmp_path / "out" / "kept.parquet").to_pylist()}
    assert set(kept) == {row["id"] for row in planted()} - set(gone)
    assert list(kept) == sorted(kept)
    assert kept["near/b"]["repo"] == "some/repo"
    assert kept["copy/c"]["commit_time"] == datetime.fromtimestamp(11, UTC)
    assert kept["one word"]["content"] == "x\x00y"
    assert kept["far"]["sha256"] == hashlib.sha256(kept["far"]["content"].encode()).hexdigest()


def test_paper_profile_is_strict(tmp_path: Path) -> None:
    base = words(1, 4000)
    rows = [{"id": "a", "content": changed(base)}, {"id": "b", "content": changed(base, 7)}]
    rows += [{"id": "c", "content": changed(base, *range(0, 4000, 50))}]
    done = run(write(tmp_path / "in.jsonl", rows), tmp_path / "out", "paper")
    assert done["threshold"] == pytest.approx(0.9786, abs=1e-4)
    assert set(dropped(tmp_path / "out")) == {"b"}


@pytest.mark.parametrize("profile", ["paper", "near", "stack"])
def test_order_and_threads_change_nothing(profile: str, tmp_path: Path) -> None:
    rows = planted() + [{"id": f"more/{i}", "content": changed(words(1), i)} for i in range(300)]
    outputs = set()
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        out = tmp_path / str(seed)
        run(write(tmp_path / "in.jsonl", rows), out, profile, concurrency=1 + seed)
        outputs.add((out / "kept.parquet").read_bytes() + (out / "dropped.parquet").read_bytes())
    assert len(outputs) == 1


def test_folder_of_any_bytes(tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / ".git" / "config").write_bytes(b"not ours")
    (source / "bad.py").write_bytes(b"\xff\xfe broken \x80")
    (source / "sub" / "bad.py").write_bytes(b"\xff\xfe broken \x80")
    (source / "nul").write_bytes(b"\x00" * 100)
    (source / "empty").touch()
    (source / "empty too").touch()
    (source / "link").symlink_to("bad.py")
    # The output may lie in the input, and is not read when the command runs again.
    for _ in range(2):
        done = run(source, source / "out")
        assert (done["documents"], done["exact_duplicates"], done["kept"]) == (5, 2, 3)
    assert dropped(source / "out") == {
        "empty too": ("exact", "empty", 1.0),
        "sub/bad.py": ("exact", "bad.py", 1.0),
    }
    first = pq.read_table(source / "out" / "kept.parquet").to_pylist()[0]
    assert first["content"] == "\ufffd\ufffd broken \ufffd"
    assert first["sha256"] == hashlib.sha256(b"\xff\xfe broken \x80").hexdigest()


def test_nothing_to_do(tmp_path: Path) -> None:
    done = run(write(tmp_path / "in.jsonl", []), tmp_path / "out")
    assert (done["documents"], done["kept"], done["largest_cluster"]) == (0, 0, 0)
    assert pq.read_table(tmp_path / "out" / "kept.parquet").num_rows == 0


def test_all_forms_give_the_same(tmp_path: Path) -> None:
    rows = planted()
    plain = write(tmp_path / "in.jsonl", rows)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "in.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    as_text = [{**{k: v for k, v in row.items() if k != "content"}, "text": row["content"]} for row in rows]
    write(tmp_path / "text.jsonl", as_text)
    fields = ("id", "path", "repo", "stars", "commit_time", "content")
    columns = {name: [row.get(name) for row in rows] for name in fields}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    names = ("in.jsonl", "in.jsonl.gz", "in.jsonl.zst", "text.jsonl", "in.parquet")
    outputs = set()
    for name in names:
        run(tmp_path / name, tmp_path / f"out-{name}")
        outputs.add((tmp_path / f"out-{name}" / "kept.parquet").read_bytes())
    assert len(outputs) == 1
    again = run(tmp_path / "out-in.jsonl" / "kept.parquet", tmp_path / "again")
    assert again["kept"] == again["documents"] == 46
    assert (tmp_path / "again" / "kept.parquet").read_bytes() in outputs


def test_values_of_rows(tmp_path: Path) -> None:
    rows = [
        {"id": 7, "content": "a", "stars": 3.0, "commit_time": "2024-01-02T03:04:05Z"},
        {"path": "b.py", "content": "b", "commit_time": 1.5, "stars": None, "more": [1]},
    ]
    first, second = read_documents(write(tmp_path / "in.jsonl", rows))
    assert (first.id, first.stars, first.commit_time) == ("7", 3, 1704164645000000)
    assert (second.id, second.stars, second.commit_time) == ("b.py", None, 1500000)
    time = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    for unit in ("s", "us", "ns"):
        table = {"id": ["a", "b"], "content": [b"\xff", b""], "stars": [float("nan"), 2.0]}
        times = pa.array([time, None], pa.timestamp(unit, "UTC"))
        pq.write_table(pa.table({**table, "commit_time": times}), tmp_path / "in.parquet")
        first, second = read_documents(tmp_path / "in.parquet")
        assert (first.content, first.stars, first.commit_time) == (b"\xff", None, 1704164645000000)
        assert (second.stars, second.commit_time) == (2, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b"}', r"in\.jsonl:2: neither `content` nor `text`"),
        ('{"content": "b"}', r"in\.jsonl:2: neither `id` nor `path`"),
        ('{"id": "b", "content": 5}', r"in\.jsonl:2: `content` must be text"),
        ('{"id": "a", "content": "b"}', r"in\.jsonl:2: a second document with id 'a'"),
        ('{"id": "b", "content": "b", "stars": 1.5}', r"in\.jsonl:2: `stars` must be a whole number"),
        ('{"id": "b", "content": "b", "stars": "x"}', r"in\.jsonl:2: wrong row"),
        ('{"id": "b", "content": "b", "commit_time": "x"}', r"in\.jsonl:2: `commit_time` must be seconds"),
        ('{"id": "b", "content": "b", "commit_time": 1e30}', r"in\.jsonl:2: `commit_time` must be seconds"),
        ("{", r"in\.jsonl:2: broken JSON"),
        ('{"id": "\\ud800", "content": "b"}', r"in\.jsonl:2: broken JSON"),
        ('{"id": "b", "content": "\\ud800"}', r"in\.jsonl:2: broken JSON"),
    ],
)
def test_bad_rows(line: str, message: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "a", "content": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        run(source, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: "):
        list(read_documents(tmp_path / "bad.parquet"))
    with pytest.raises(DataError, match="no such file"):
        list(read_documents(tmp_path / "none"))
    (tmp_path / "x.csv").touch()
    with pytest.raises(UserError, match="must be a folder"):
        list(read_documents(tmp_path / "x.csv"))


def test_cli(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", planted())
    done = cli("in.jsonl", "-o", "out", "--profile", "near", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    wanted = {"documents": 50, "exact_duplicates": 3, "fuzzy_duplicates": 1, "kept": 46, "profile": "near"}
    assert {name: value[name] for name in wanted} == wanted
    assert value["threshold"] == pytest.approx(0.738, abs=0.001)
    done = cli("in.jsonl", "-o", "out", "--bands", 20, "--rows", 5, "--num-perm", 128, "--shingle", "char5")
    assert done.returncode == 0, done.stderr
    assert "custom" in done.stdout
    done = cli("in.jsonl", "-o", "out", "--profile", "near", "--level", "chunk", "--verify", 0.99)
    assert done.returncode == 0, done.stderr
    shown = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert (shown["chunks"], shown["near-duplicates"], shown["spared"]) == ("50", "0", "1")
    assert "hashing: 47/47" in done.stderr
    assert cli("in.jsonl", "-o", "few", "--limit", 2, "--json").stdout.startswith('{"documents":2,')


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.jsonl", "-o", "out"), "none.jsonl: no such file"),
        (("in.jsonl",), "--out"),
        (("in.jsonl", "-o", "out", "--profile", "loose"), "loose"),
        (("in.jsonl", "-o", "out", "--bands", "99", "--num-perm", "100"), "need 12672 permutations"),
        (("in.jsonl", "-o", "out", "--concurrency", "0"), "--concurrency must be at least 1"),
        (("in.jsonl", "-o", "out", "--verify", "1.5"), "--verify must be from 0 to 1"),
        (("in.jsonl", "-o", "in.jsonl"), "in.jsonl"),
    ],
)
def test_cli_usage_errors(words: tuple[str, ...], message: str, cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", planted()[:1])
    done = cli(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_cli_without_the_extra(tmp_path: Path) -> None:
    # A bare interpreter: what is not installed is told, with the command that installs it.
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from opencoder.cli import main; sys.exit(main(['corpus', 'dedup', 'x', '-o', 'y']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert done.stderr.endswith("run: pip install 'opencoder[corpus]'\n")


def test_cli_without_numba(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", planted())
    program = (
        "import sys; sys.modules[sys.argv[1]] = None\n"
        "from opencoder.cli import main; sys.exit(main(['corpus', 'dedup', 'in.jsonl', *sys.argv[2:]]))"
    )
    outputs = set()
    for missing in ("numba", "no_such_module"):
        done = subprocess.run(
            [sys.executable, "-c", program, missing, "-o", missing, "--profile", "near"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert ("a tenth of its speed" in done.stderr) == (missing == "numba")
        outputs.add((tmp_path / missing / "dropped.parquet").read_bytes())
    assert len(outputs) == 1
