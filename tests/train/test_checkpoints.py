"""Which checkpoint folders count, which are damaged, which are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from opencoder.errors import DataError, UserError
from train import checkpoints


def write(folder: Path, step: int, *, whole: bool = True) -> Path:
    path = checkpoints.step_folder(folder, step)
    path.mkdir(parents=True)
    (path / "__0_0.distcp").write_bytes(b"a" * 5000)
    (path / "__1_0.distcp").write_bytes(b"b" * 4000)
    (path / ".metadata").write_bytes(b"m" * 30)
    for rank in (0, 1):
        checkpoints.record_crc(path, rank)
    if whole:
        checkpoints.record_complete(path, step=step, tokens=step * 10)
    return path


def test_only_whole_checkpoints_count(tmp_path: Path) -> None:
    for step in (10, 9, 100):
        write(tmp_path, step, whole=step != 100)
    (tmp_path / "step-x").mkdir()
    assert checkpoints.steps(tmp_path) == [9, 10]
    assert checkpoints.steps(tmp_path, whole=False) == [9, 10, 100]
    assert checkpoints.chosen(tmp_path, None) == tmp_path / "step-10"
    assert checkpoints.chosen(tmp_path, 9) == tmp_path / "step-9"
    with pytest.raises(UserError, match="no whole checkpoint of step 100; there are: 9, 10"):
        checkpoints.chosen(tmp_path, 100)
    assert checkpoints.chosen(tmp_path / "nothing", None) is None


def test_a_whole_checkpoint_is_fine(tmp_path: Path) -> None:
    for part in (0, 1, 2):
        checkpoints.verify(write(tmp_path / str(part), 3), part=part, parts=3)


def test_an_unfinished_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not written to the end"):
        checkpoints.verify(write(tmp_path, 3, whole=False))


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("__1_0.distcp", lambda path: path.write_bytes(b"b" * 3999), "3999 bytes, 4000 were written"),
        ("__1_0.distcp", lambda path: path.write_bytes(b"b" * 3999 + b"c"), "CRC-32 differs"),
        ("__0_0.distcp", lambda path: path.unlink(), "missing"),
        (".metadata", lambda path: path.write_bytes(b"m"), "1 bytes, 30 were written"),
    ],
)
def test_damage_is_found_and_named(tmp_path: Path, name: str, damage: object, said: str) -> None:
    folder = write(tmp_path, 3)
    damage(folder / name)  # type: ignore[operator]
    with pytest.raises(DataError, match=said) as caught:
        checkpoints.verify(folder)
    assert name in str(caught.value)


def test_readers_share_the_bytes_and_miss_none(tmp_path: Path) -> None:
    folder = write(tmp_path, 3)
    for name in ("__0_0.distcp", "__1_0.distcp"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1] + b"z")
        found = []
        for part in range(4):
            try:
                checkpoints.verify(folder, part=part, parts=4)
            except DataError as error:
                found.append(str(error))
        assert len(found) == 1
        assert name in found[0]
        (folder / name).write_bytes(data)


def test_what_is_kept() -> None:
    there = range(10, 101, 10)
    assert checkpoints.to_remove(there, keep_last=2, keep_every=0) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert checkpoints.to_remove(there, keep_last=3, keep_every=30) == [10, 20, 40, 50, 70]
    assert checkpoints.to_remove([10], keep_last=2, keep_every=0) == []


def test_removing_ends_the_claim_first(tmp_path: Path) -> None:
    write(tmp_path, 3)
    checkpoints.remove(tmp_path, 3)
    assert checkpoints.steps(tmp_path, whole=False) == []
    checkpoints.remove(tmp_path, 3)


def test_setting_aside_never_overwrites(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path, 3)
        checkpoints.set_aside(tmp_path, 3, tmp_path / "aside")
    assert sorted(path.name for path in (tmp_path / "aside").iterdir()) == ["step-3", "step-3.2"]
