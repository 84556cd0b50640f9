from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import DataError, UserError
from train.tokens.format import Manifest, TokenizerId
from train.tokens.read import TokenShards
from train.tokens.write import ShardWriter, dtype_for, write_manifest

IDENTITY = TokenizerId(sha256="0" * 64, vocab=70_000, eos=0)
FOLDERS = st.lists(
    st.lists(st.lists(st.integers(0, 69_999), min_size=1, max_size=9), max_size=9), min_size=1, max_size=4
)


def write(folder: Path, shards: list[list[list[int]]], *, masked: bool = False) -> Path:
    made = []
    for number, documents in enumerate(shards):
        with ShardWriter(folder, f"s{number}", dtype="uint32", source="in", masked=masked) as writer:
            for document in documents:
                writer.add(document, [token % 2 for token in document] if masked else None)
        made.append(writer.shard)
    kind = "dialogues" if masked else "documents"
    write_manifest(folder, Manifest(kind=kind, dtype="uint32", tokenizer=IDENTITY, shards=made))
    return folder


@settings(max_examples=50, deadline=None)
@given(shards=FOLDERS, masked=st.booleans())
def test_what_is_written_is_read(
    shards: list[list[list[int]]], masked: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read = TokenShards(write(tmp_path_factory.mktemp("shards"), shards, masked=masked))
    flat = [document for documents in shards for document in documents]
    assert read.documents == len(flat)
    assert read.tokens == sum(map(len, flat))
    assert [read.document(number).tolist() for number in range(len(flat))] == flat
    if masked:
        assert [read.mask(number).tolist() for number in range(len(flat))] == [
            [token % 2 for token in document] for document in flat
        ]
    backwards = np.arange(len(flat))[::-1].copy()
    shard, start, length = read.locate(backwards)
    found = [
        read.views[at][begin : begin + num].tolist()
        for at, begin, num in zip(shard.tolist(), start.tolist(), length.tolist(), strict=True)
    ]
    assert found == flat[::-1]
    read.verify()


def test_a_number_without_a_document(tmp_path: Path) -> None:
    read = TokenShards(write(tmp_path, [[[1, 0]], [[2, 0]]]))
    for number in (-1, 2):
        with pytest.raises(IndexError):
            read.document(number)
    with pytest.raises(DataError, match="no masks"):
        read.mask(0)


def test_the_narrowest_format() -> None:
    assert dtype_for(65_536) == "uint16"
    assert dtype_for(65_537) == "uint32"


@pytest.mark.parametrize(
    ("tokens", "mask"), [([], None), ([1 << 16], None), ([-1], None), ([1], [1]), ([1, 2], [1])]
)
def test_what_is_no_document_is_refused(tmp_path: Path, tokens: list[int], mask: list[int] | None) -> None:
    masked = tokens == [1, 2]
    with (
        pytest.raises(UserError, match=r"^s0: "),
        ShardWriter(tmp_path, "s0", dtype="uint16", source="in", masked=masked) as writer,
    ):
        writer.add(tokens, mask)
    assert list(tmp_path.iterdir()) == []


def test_without_a_manifest_there_are_no_shards(tmp_path: Path) -> None:
    write(tmp_path, [[[1, 0]]])
    (tmp_path / "shards.json").unlink()
    with pytest.raises(DataError, match=r"no shards\.json"):
        TokenShards(tmp_path)


@pytest.mark.parametrize("ending", ["tokens", "ends", "mask"])
@pytest.mark.parametrize("fault", ["missing", "cut", "longer"])
def test_a_damaged_size_is_seen_on_opening(tmp_path: Path, ending: str, fault: str) -> None:
    path = write(tmp_path, [[[1, 0]], [[5, 6, 0], [7, 0]]], masked=True) / f"s1.{ending}"
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if fault == "cut" else data + b"\0")
    with pytest.raises(DataError, match=rf"s1\.{ending}: .*(no such file|cut|too long)"):
        TokenShards(tmp_path)


@pytest.mark.parametrize("ending", ["tokens", "mask"])
def test_a_damaged_byte_is_found_by_verify(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, [[[1, 0]], [[5, 6, 0], [7, 0]]], masked=True) / f"s1.{ending}"
    data = bytearray(path.read_bytes())
    data[2] ^= 1
    path.write_bytes(data)
    read = TokenShards(tmp_path)
    with pytest.raises(DataError, match=rf"s1\.{ending}: the shard is damaged"):
        read.verify()


def test_ends_that_do_not_fit_the_tokens(tmp_path: Path) -> None:
    path = write(tmp_path, [[[1, 0], [2, 0]]]) / "s0.ends"
    path.write_bytes(np.array([2, 3], dtype="<i8").tobytes())
    with pytest.raises(DataError, match=r"s0\.ends"):
        TokenShards(tmp_path)
