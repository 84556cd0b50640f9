import gzip
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from eval import hub, sources
from eval.sources import DataFile
from opencoder.errors import DataError, DependencyError

ROWS = [{"task_id": "Toy/0", "input": float("inf")}, {"task_id": "Toy/1", "input": [1, 2]}]
CONTENT = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TOY = DataFile(
    name="toy-v1",
    version="v1",
    md5=hashlib.md5(CONTENT, usedforsecurity=False).hexdigest(),
    package=("toy_wheel", "data"),
    evalplus_loader="get_toy",
    repair="pip install toy-wheel==1",
)
PACKED = {
    "toy-v1.jsonl": CONTENT,
    "toy-v1.jsonl.gz": gzip.compress(CONTENT),
    "toy-v1.jsonl.zst": zstandard.compress(CONTENT),
}


@pytest.fixture
def folder(no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("OPENCODER_DATA", str(path))
    return path


@pytest.mark.parametrize("name", PACKED)
def test_reads_every_packing_from_a_nested_folder(folder: Path, name: str) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / name).write_bytes(PACKED[name])
    loaded = sources.load(TOY)
    assert loaded.rows == ROWS
    assert loaded.origin == "folder"
    assert loaded.path == folder / "a" / "b" / name
    assert loaded.sha256 == hashlib.sha256(PACKED[name]).hexdigest()


def test_the_file_nearest_the_top_wins(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "toy-v1.jsonl").write_bytes(b"other content\n")
    (folder / "toy-v1.jsonl").write_bytes(CONTENT)
    assert sources.load(TOY).path == folder / "toy-v1.jsonl"


def test_other_content_is_refused_with_both_hashes(folder: Path) -> None:
    path = folder / "toy-v1.jsonl"
    path.write_bytes(b'{"task_id": "Toy/0"}\n')
    with pytest.raises(DataError) as caught:
        sources.load(TOY)
    message = str(caught.value)
    assert str(path) in message
    assert hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() in message
    assert TOY.md5 in message
    assert "replace the file" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["toy-v1.jsonl.gz", "toy-v1.jsonl.zst"])
def test_a_cut_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(PACKED[name][:-7])
    with pytest.raises(DataError, match=name):
        sources.load(TOY)


def test_nothing_found_lists_every_place_and_ends_with_the_repair(
    no_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "evalplus", None)
    with pytest.raises(DependencyError) as caught:
        sources.load(TOY)
    message = str(caught.value)
    for place in ("OPENCODER_DATA (not set)", "toy_wheel", str(no_data / "evalplus"), "package evalplus"):
        assert place in message
    assert message.endswith("pip install toy-wheel==1")
    assert caught.value.exit_code == 4
    assert not sources.is_available(TOY)


def test_a_folder_that_is_not_there_is_an_error(no_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCODER_DATA", "/no/such/folder")
    with pytest.raises(DataError, match="OPENCODER_DATA"):
        sources.load(TOY)


def test_a_wheel_is_found_without_importing_it(
    no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "toy_wheel"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "data" / "toy-v1.jsonl.gz").write_bytes(PACKED["toy-v1.jsonl.gz"])
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert sources.is_available(TOY)
    assert sources.load(TOY).origin == "wheel"
    assert "toy_wheel" not in sys.modules


def test_the_folder_comes_before_the_cache_of_evalplus(no_data: Path, folder: Path) -> None:
    (no_data / "evalplus").mkdir(parents=True)
    (no_data / "evalplus" / "toy-v1.jsonl").write_bytes(CONTENT)
    assert sources.load(TOY).origin == "evalplus"
    (folder / "toy-v1.jsonl").write_bytes(CONTENT)
    sources._folder_index.cache_clear()
    assert sources.load(TOY).origin == "folder"


def write_evalplus(site: Path, body: str) -> None:
    (site / "evalplus").mkdir(parents=True)
    (site / "evalplus" / "__init__.py").write_text("")
    (site / "evalplus" / "data.py").write_text(f"import os, pathlib\ndef get_toy():\n    {body}\n")


@pytest.fixture
def fresh_evalplus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A place for a stand-in of the evalplus package."""
    for name in ("evalplus", "evalplus.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield tmp_path / "site"
    for name in ("evalplus", "evalplus.data"):
        sys.modules.pop(name, None)


def test_evalplus_fetches_into_its_cache(
    no_data: Path, fresh_evalplus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evalplus(
        fresh_evalplus,
        "folder = pathlib.Path(os.environ['XDG_CACHE_HOME'], 'evalplus'); folder.mkdir(parents=True); "
        f"(folder / 'toy-v1.jsonl').write_bytes({CONTENT!r})",
    )
    with pytest.raises(DependencyError, match="HF_HUB_OFFLINE"):
        sources.load(TOY)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert sources.is_available(TOY)
    loaded = sources.load(TOY)
    assert loaded.origin == "evalplus"
    assert loaded.rows == ROWS


def test_a_failure_of_evalplus_is_reported_with_the_places(
    no_data: Path, fresh_evalplus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evalplus(fresh_evalplus, "raise OSError('no route')")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(DependencyError, match=r"OSError: no route"):
        sources.load(TOY)


def test_the_hub_says_which_packages_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    looked: list[str] = []
    assert hub.fetch(hub.HubRows(repo_id="a/b", revision="c", files=("d",), md5="e"), looked) is None
    assert looked == ["the hub's a/b (huggingface_hub and pyarrow not installed)"]


@pytest.mark.parametrize(("value", "online"), [("1", False), ("true", False), ("0", True), ("", True)])
def test_the_hub_obeys_its_offline_switch(monkeypatch: pytest.MonkeyPatch, value: str, online: bool) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert hub.is_online() is online


def test_rows_from_the_hub_are_checked_in_order_of_the_task(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    table = pytest.importorskip("pyarrow").Table
    parquet = pytest.importorskip("pyarrow.parquet")
    revision = "0" * 40
    snapshot = tmp_path / "hub" / "datasets--toy--set" / "snapshots" / revision
    snapshot.mkdir(parents=True)
    parquet.write_table(table.from_pylist([{"task_id": 10, "text": "b"}]), snapshot / "one.parquet")
    parquet.write_table(table.from_pylist([{"task_id": 9, "text": "a"}]), snapshot / "two.parquet")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    rows = [{"task_id": 9, "text": "a"}, {"task_id": 10, "text": "b"}]
    source = hub.HubRows(
        repo_id="toy/set", revision=revision, files=("one.parquet", "two.parquet"), md5=hub.rows_md5(rows)
    )
    found = hub.fetch(source, [])
    assert found is not None
    assert found.rows == rows
    other = hub.HubRows(repo_id="toy/set", revision=revision, files=("one.parquet",), md5=source.md5)
    with pytest.raises(DataError, match="toy/set"):
        hub.fetch(other, [])
