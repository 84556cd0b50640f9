"""Usage counts, draws, seeds, the inventory and the command."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from opencoder.errors import DataError, UserError
from opencoder.store import read_json, read_jsonl, write_jsonl
from synth.packages.command import ApiOptions, api, make_api
from synth.packages.diff import compare
from synth.packages.inventory import read_inventory
from synth.packages.popular import popular_libraries
from synth.packages.seeds import ApiSeed, write_seeds
from synth.packages.store import ApiEntry, ApiStore, Distribution, Manifest
from synth.packages.usage import Usage, count_usage, fold, read_sources, sample_members

StoreOf = Callable[..., ApiStore]

NORM = "import numpy as np\nimport os\nprint(np.linalg.norm([1]), np.linalg.norm([2]), os.getcwd())\n"


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_repositories_are_counted_not_lines(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "one/a.py": NORM,
            "one/b.py": NORM,
            "two/a.py": "from numpy.linalg import norm\nfrom cv2 import imread\nnorm(1)\nimport yaml\n",
            "three/helpers.py": "X = 1\n",
            "three/main.py": "import helpers\nfrom . import other\nhelpers.run()\nimport PIL.Image\n",
            "four/old.py": "print 'import this'\n",
        },
    )
    usage = count_usage(read_sources(tree))
    assert (usage.files, usage.unreadable, usage.repositories) == (6, 1, 4)
    assert usage.distributions == {"numpy": 2, "PyYAML": 1, "opencv-python": 1, "pillow": 1}
    assert usage.names["numpy.linalg.norm"] == 2
    assert "os.getcwd" not in usage.names
    assert not [name for name in usage.names if name.startswith("helpers")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_of_a_corpus_are_counted_by_repository(tmp_path: Path, kind: str) -> None:
    rows = [
        {"content": NORM, "repo": "a/b", "path": "x.py"},
        {"content": NORM, "repo": "a/b", "path": "y.py"},
        {"content": NORM, "repo": "c/d", "path": "numpy/z.py"},  # a numpy of its own
        {"content": "import attr\nattr.ib()", "repo": "e/f", "path": "z.py"},
    ]
    file = tmp_path / f"rows.{kind}"
    if kind == "jsonl":
        write_jsonl(file, rows)
    else:
        pyarrow: Any = pytest.importorskip("pyarrow")
        importlib.import_module("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), file)
    usage = count_usage(read_sources(file), {"attr": "attrs-of-mine"})
    assert usage.distributions == {"attrs-of-mine": 1, "numpy": 1}
    assert usage.repositories == 3


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_sources(tmp_path / "none"))
    with pytest.raises(DataError, match=r"no \.py"):
        list(read_sources(tmp_path))
    write_jsonl(tmp_path / "rows.jsonl", [{"text": "x"}])
    with pytest.raises(DataError, match=r"rows\.jsonl:1: a row needs the text of a file as `content`"):
        list(read_sources(tmp_path / "rows.jsonl"))


def made_up(num: int) -> ApiStore:
    entries = [
        ApiEntry(
            name=f"lib.f{index:03}", kind="function", summary="Does it.", distribution="lib", version="1"
        )
        for index in range(num)
    ]
    module = ApiEntry(name="lib", kind="module", members=[entry.name[4:] for entry in entries])
    gone = ApiEntry(name="lib.old", kind="function", summary="Old.", deprecated="gone soon")
    manifest = Manifest(python="3.11", distributions=[Distribution(name="lib", version="1")])
    return ApiStore(manifest, [module, gone, *entries])


def test_draws_follow_the_square_root_of_counts_with_a_floor() -> None:
    store = made_up(100)
    counts = {"lib.f000": 400, "lib.f000.attribute": 0, "lib.f001": 1, "other.f": 1000}
    assert fold(counts, store) == {"lib.f000": 400, "lib.f001": 1}
    first = Counter(sample_members(counts, store, 1, seed)[0].name for seed in range(3000))
    # f000 weighs 20, each of the other 99 weighs 1.
    assert 0.8 * 3000 * 20 / 119 < first["lib.f000"] < 1.2 * 3000 * 20 / 119
    assert len(first) > 90
    assert "lib.old" not in first


def test_draws_are_the_same_for_the_same_seed_and_exhaust_before_they_repeat() -> None:
    store = made_up(10)
    drawn = [entry.name for entry in sample_members({}, store, 25, 7)]
    assert drawn == [entry.name for entry in sample_members({}, store, 25, 7)]
    assert drawn != [entry.name for entry in sample_members({}, store, 25, 8)]
    assert len(set(drawn[:10])) == len(set(drawn[10:20])) == 10
    longer = [entry.name for entry in sample_members({}, made_up(12), 12, 7)]
    assert [name for name in longer if name in drawn[:10]] == drawn[:10]  # others do not change the order


def test_seeds_show_what_the_version_at_hand_has(stores: StoreOf, tmp_path: Path) -> None:
    old, new = stores("1.0"), stores("2.0")
    changes = compare(old, new)
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in paths:
        assert write_seeds(new, {"shapekit.scale": 9}, 4, 1, path, changes=changes) == 4
    assert paths[0].read_bytes() == paths[1].read_bytes()
    rows = {row.path: row for row in read_jsonl(paths[0], ApiSeed)}
    assert "shapekit.perimeter" not in rows
    row = rows["shapekit.rectangle_area"]
    assert (row.dataset, row.license, row.language) == ("shapekit==2.0", "MIT", "python")
    assert [(one.name, one.version) for one in row.libraries] == [("shapekit", "2.0")]
    for part in (
        "shapekit.rectangle_area(width, height)",
        "Return the area of a rectangle.",
        ">>> rectangle_area(2, 3)\n6",
        "- shapekit.area_of is gone; shapekit.rectangle_area seems to have taken its place",
        "- shapekit.perimeter: 2.0 Use edges.",
        "Also in `shapekit`: Circle, scale.",
    ):
        assert part in row.text


def test_an_inventory_names_what_is_public(tmp_path: Path) -> None:
    sphobjinv: Any = pytest.importorskip("sphobjinv")
    inventory = sphobjinv.Inventory()
    inventory.project, inventory.version = "shapekit", "2.0"
    for name, role in (("shapekit.scale", "function"), ("shapekit", "module"), ("page", "label")):
        domain = "std" if role == "label" else "py"
        inventory.objects.append(
            sphobjinv.DataObjStr(name=name, domain=domain, role=role, priority="1", uri="x", dispname="-")
        )
    file = tmp_path / "objects.inv"
    sphobjinv.writebytes(str(file), sphobjinv.compress(inventory.data_file()))
    assert read_inventory(file) == {"shapekit.scale", "shapekit"}
    file.write_bytes(b"no inventory")
    with pytest.raises(DataError, match="not a Sphinx inventory"):
        read_inventory(file)


def test_the_list_of_popular_libraries_holds_together() -> None:
    libraries = popular_libraries()
    assert len(libraries) >= 100
    assert len({one.module for one in libraries}) == len(libraries)
    assert ("images", "PIL", "pillow") in {(one.field, one.module, one.distribution) for one in libraries}
    assert {one.field for one in popular_libraries(["ml"])} == {"ml"}
    with pytest.raises(UserError, match="unknown field cooking; known: arrays"):
        popular_libraries(["cooking"])


def test_popular_libraries_that_are_installed_can_be_named_by_their_field(tmp_path: Path) -> None:
    report = make_api([], ApiOptions(out=tmp_path / "api", popular=["utilities"], live=False, n=5))
    assert "packaging" in {one.name for one in report.distributions}
    assert report.seeds == 5
    with pytest.raises(UserError, match="is installed"):
        make_api([], ApiOptions(out=tmp_path / "none", popular=["visualization"], live=False))


def test_the_command_line_is_understood(
    sites: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(sites["2.0"]))
    app = App()
    app.command(api)
    words = ["api", "shapekit", "-o", str(tmp_path / "api"), "--no-live", "--n", "2", "--json"]
    app(words, result_action="return_value")
    told = json.loads(capsys.readouterr().out)
    assert (told["seeds"], told["distributions"][0]["version"]) == (2, "2.0")


def test_the_command_writes_store_seeds_and_usage(
    stores: StoreOf, sites: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(sites["2.0"]))
    stores("1.0").write(tmp_path / "old")
    corpus = write_tree(tmp_path / "corpus", {"r/a.py": "import shapekit\nshapekit.scale(1)\n"})
    options = ApiOptions(out=tmp_path / "api", usage=corpus, n=3, previous=tmp_path / "old")
    report = make_api(["shapekit"], options)
    assert (report.seeds, report.files, report.removed) == (3, 1, 1)
    assert sorted(path.name for path in (tmp_path / "api").iterdir()) == [
        "api.jsonl",
        "seeds.jsonl",
        "site",
        "store.json",
        "usage.json",
    ]
    assert (tmp_path / "api/site/shapekit/_core.py").is_file()
    assert not (tmp_path / "api/site/shapekit/tests").exists()
    assert read_json(tmp_path / "api" / "usage.json", Usage).names["shapekit.scale"] == 1
    with pytest.raises(UserError, match="--n is -1"):
        make_api(["shapekit"], ApiOptions(out=tmp_path, n=-1))
