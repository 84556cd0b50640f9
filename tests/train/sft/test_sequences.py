"""Dialogues in sequences: each once in an epoch, no label across a border, and every token accounted for."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from opencoder.errors import DataError, UserError
from train.sequences import IGNORE, Ints, Sequences
from train.sft.layout import Laid
from train.sft.open import open_dialogues
from train.sft.packed import Packed, pack
from train.sft.padded import Padded
from train.spec import Data, Source
from train.tokens.format import Manifest, TokenizerId
from train.tokens.write import ShardWriter, write_manifest

PAD = 3


class Made:
    """Dialogues in memory: the tokens of number ``n`` are ``1000 * (n + 1)`` and on."""

    pad = PAD

    def __init__(self, masks: list[list[int]]) -> None:
        self.masks = [np.array(mask, dtype=np.uint8) for mask in masks]
        self.lengths = np.array([len(mask) for mask in masks], dtype=np.int64)

    def tokens(self, number: int) -> NDArray[np.int64]:
        return 1000 * (number + 1) + np.arange(self.lengths[number])

    def read(self, number: int, length: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        return self.tokens(number)[:length], self.masks[number][:length]


def filled(sequences: Sequences, index: int) -> tuple[Ints, Ints, Ints]:
    # What was there before must not shine through.
    tokens, labels, positions = (np.full(sequences.seq_len, -7, dtype=np.int64) for _ in range(3))
    sequences.fill(index, tokens, labels, positions)
    return tokens, labels, positions


MASKS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=24), min_size=1, max_size=30)
LAYS = st.sampled_from([Packed, Padded])


@settings(max_examples=300, deadline=None)
@given(
    masks=MASKS, seq_len=st.integers(1, 20), key=st.integers(0, 2**64 - 1), lay=LAYS, epoch=st.integers(0, 3)
)
def test_an_epoch(
    masks: list[list[int]], seq_len: int, key: int, lay: type[Packed] | type[Padded], epoch: int
) -> None:
    made = Made(masks)
    laid = lay(made, seq_len, key)
    num = int(laid.per_epoch)
    seen: Counter[int] = Counter()
    totals: Counter[str] = Counter()
    for index in range(epoch * num, (epoch + 1) * num):
        tokens, labels, positions = filled(laid, index)
        starts = [*np.flatnonzero(positions == 0).tolist(), seq_len]
        for start, stop in itertools.pairwise(starts):
            run = tokens[start:stop]
            assert positions[start:stop].tolist() == list(range(stop - start))
            if run[0] == PAD:
                assert stop == seq_len, "padding comes last"
                assert (run == PAD).all()
                assert (labels[start:stop] == IGNORE).all()
                totals["padding"] += len(run)
                continue
            number = int(run[0]) // 1000 - 1
            whole = made.tokens(number)
            seen[number] += 1
            assert run.tolist() == whole[:seq_len].tolist(), (
                "a dialogue is whole, or cut at the sequence's length"
            )
            wanted = [
                int(whole[at + 1]) if at + 1 < len(run) and masks[number][at + 1] else IGNORE
                for at in range(len(run))
            ]
            assert labels[start:stop].tolist() == wanted
            totals["tokens"] += len(run)
            totals["trained"] += sum(label != IGNORE for label in wanted)
            totals["truncated_dialogues"] += len(whole) > seq_len
            totals["truncated_tokens"] += max(0, len(whole) - seq_len)
    assert seen == Counter(range(len(masks)))
    counts = laid.counts(epoch * num, (epoch + 1) * num)
    assert counts == {
        "dialogues": len(masks),
        "tokens": totals["tokens"],
        "trained": totals["trained"],
        "masked": totals["tokens"] - totals["trained"],
        "padding": totals["padding"],
        "truncated_dialogues": totals["truncated_dialogues"],
        "truncated_tokens": totals["truncated_tokens"],
    }
    assert counts["tokens"] + counts["padding"] == num * seq_len
    assert laid.efficiency == counts["tokens"] / (num * seq_len)
    middle = epoch * num + num // 2
    halves = [laid.counts(epoch * num, middle), laid.counts(middle, (epoch + 1) * num)]
    assert {name: halves[0][name] + halves[1][name] for name in counts} == counts


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    seq_len=st.integers(1, 30),
    window=st.integers(1, 70),
)
def test_packing_is_tight(lengths: list[int], seq_len: int, window: int) -> None:
    starts, members = pack(np.array(lengths, dtype=np.int64), seq_len, 7, window)
    assert sorted(members.tolist()) == list(range(len(lengths)))
    sizes = np.minimum(np.array(lengths), seq_len)[members]
    sums = [int(sizes[a:b].sum()) for a, b in itertools.pairwise(starts)]
    assert max(sums) <= seq_len
    assert min(sums) > 0
    if window >= len(lengths):
        # Two sequences that fit into one would have been one.
        assert all(a + b > seq_len for a, b in zip(sorted(sums), sorted(sums)[1:], strict=False))


def many(num: int = 400) -> Made:
    draw = np.random.default_rng(5)
    return Made([[1] * int(length) for length in np.clip(draw.lognormal(3.5, 0.7, num), 2, 300)])


@pytest.mark.parametrize("lay", [Packed, Padded])
def test_order_is_another_one_in_each_epoch_and_for_each_key(lay: type[Packed] | type[Padded]) -> None:
    laid = lay(many(), 256, 1)
    num = int(laid.per_epoch)
    epochs = [[laid.members(index).tolist() for index in range(e * num, (e + 1) * num)] for e in range(3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    other = lay(many(), 256, 2)
    assert [other.members(index).tolist() for index in range(num)] != epochs[0]


@pytest.mark.parametrize("lay", [Packed, Padded])
def test_a_sequence_depends_on_its_number_alone(lay: type[Packed] | type[Padded]) -> None:
    one, two = lay(many(), 256, 9), lay(many(), 256, 9)
    num = int(one.per_epoch)
    wanted = {index: filled(one, index) for index in range(3 * num)}
    for index in np.random.default_rng(0).permutation(3 * num).tolist():
        for found, known in zip(filled(two, index), wanted[index], strict=True):
            assert found.tolist() == known.tolist()


def test_packing_leaves_little_padding() -> None:
    assert Packed(many(5000), 1024, 0).efficiency > 0.99
    assert Padded(many(5000), 1024, 0).efficiency < 0.1


def write_shards(folder: Path, sizes: list[list[int]], identity: TokenizerId, **more: Any) -> Path:
    """Write shards of dialogues; each is numbered in its tokens, and trained from its third token on."""
    folder.mkdir(parents=True)
    shards, number = [], 0
    for place, documents in enumerate(sizes):
        with ShardWriter(folder, f"d-{place}", dtype="uint16", source="x", masked=True) as writer:
            for size in documents:
                number += 1
                writer.add(100 * number + np.arange(size), [0, 0, *[1] * (size - 2)])
        shards.append(writer.shard)
    manifest = {"kind": "dialogues", "dtype": "uint16", "template": "template", **more}
    write_manifest(folder, Manifest(tokenizer=identity, shards=shards, **manifest))
    return folder


def data(*folders: Path, form: Any = "packed", **more: Any) -> Data:
    return Data(sources=[Source(folder=str(folder)) for folder in folders], form=form, **more)


def test_shards_as_the_paper_trains_on_them(tmp_path: Path, identity: TokenizerId) -> None:
    """As a trainer of ``transformers`` has it: padded right, cut, labels shifted inside the model."""
    folder = write_shards(tmp_path / "a", [[5, 9], [], [3, 8]], identity)
    laid = open_dialogues(data(folder, form="padded"), 8)
    assert laid.per_epoch == 4
    found = []
    for index in range(4):
        tokens, labels, _ = filled(laid, index)
        found.append((tokens.tolist(), labels.tolist()))
    expected = []
    for number, size in enumerate([5, 9, 3, 8], start=1):
        ids = [100 * number + at for at in range(size)][:8]
        targets = [IGNORE, IGNORE, *ids[2:]]
        ids += [identity.special["<pad>"]] * (8 - len(ids))
        targets += [IGNORE] * (8 - len(targets))
        expected.append((ids, [*targets[1:], IGNORE]))
    assert sorted(found) == sorted(expected)
    assert laid.counts(0, 4) == {
        "dialogues": 4,
        "tokens": 24,
        "trained": 16,
        "masked": 8,
        "padding": 8,
        "truncated_dialogues": 1,
        "truncated_tokens": 1,
    }


def test_packed_shards(tmp_path: Path, identity: TokenizerId) -> None:
    folder = write_shards(tmp_path / "a", [[5, 9], [3, 8]], identity)
    laid = open_dialogues(data(folder), 8)
    assert isinstance(laid, Laid)
    assert laid.per_epoch == 3
    assert sorted(sorted(laid.members(index).tolist()) for index in range(3)) == [[0, 2], [1], [3]]


def test_several_folders_are_mixed_by_weight(tmp_path: Path, identity: TokenizerId) -> None:
    one = write_shards(tmp_path / "one", [[4] * 50], identity)
    two = write_shards(tmp_path / "two", [[6] * 50], identity)
    sources = [Source(folder=str(one), weight=3.0), Source(folder=str(two), weight=1.0)]
    mixed = open_dialogues(Data(sources=sources, form="padded", seed=4), 8)
    lengths = [int((filled(mixed, index)[0] != PAD).sum()) for index in range(40)]
    assert abs(lengths.count(4) - 30) <= 1
    assert lengths.count(4) + lengths.count(6) == 40
    again = open_dialogues(Data(sources=sources, form="padded", seed=4), 8)
    assert [filled(again, index)[0].tolist() for index in range(40)] == [
        filled(mixed, index)[0].tolist() for index in range(40)
    ]
    assert mixed.counts(0, 40)["dialogues"] == 40


def test_what_is_refused(tmp_path: Path, identity: TokenizerId) -> None:
    good = write_shards(tmp_path / "good", [[4]], identity)
    other = TokenizerId(sha256="0", vocab=9, eos=2)
    cases: list[tuple[Data, type[Exception], str]] = [
        (data(good, form="stream"), UserError, "not for dialogues"),
        (data(good, fim_rate=0.5), UserError, "fim_rate"),
        (data(good, document_mask=False), UserError, "document_mask"),
        (data(), UserError, "is empty"),
        (data(write_shards(tmp_path / "none", [[]], identity)), DataError, "holds no dialogues"),
        (data(good, write_shards(tmp_path / "other", [[4]], other)), UserError, "another tokenizer"),
        (
            data(good, write_shards(tmp_path / "paper", [[4]], identity, template="paper")),
            UserError,
            "of the form paper",
        ),
        (data(tmp_path), DataError, "shards"),
    ]
    documents = tmp_path / "documents"
    documents.mkdir()
    write_manifest(documents, Manifest(kind="documents", dtype="uint16", tokenizer=identity, shards=[]))
    cases.append((data(documents), DataError, "not dialogues"))
    assert open_dialogues(data(good), 8, vocab=identity.vocab).seq_len == 8
    with pytest.raises(UserError, match="rows"):
        open_dialogues(data(good), 8, vocab=identity.vocab - 1)
    for asked, kind, message in cases:
        with pytest.raises(kind, match=message):
            open_dialogues(asked, 8)
