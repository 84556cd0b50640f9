from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import DataError
from tests.support.token_shards import EOS, numbered, write_shards
from train.sequences import IGNORE, Sequences
from train.stream import documents as module
from train.stream import segments
from train.stream.documents import DocumentStream
from train.stream.shuffle import Permutation, key_of

KEY = 5
LENGTHS = st.lists(
    st.lists(st.integers(1, 12) | st.integers(13, 60), max_size=12), min_size=1, max_size=4
).filter(any)


def read(sequences: Sequences, first: int, last: int) -> tuple[list[int], list[int], list[int]]:
    """Sequences end to end: inputs, labels, positions."""
    found = np.empty((3, last - first, sequences.seq_len), dtype=np.int64)
    for row in range(last - first):
        sequences.fill(first + row, found[0, row], found[1, row], found[2, row])
    tokens, labels, positions = found.reshape(3, -1).tolist()
    return tokens, labels, positions


def by_hand(
    documents: list[list[int]], seq_len: int, num: int, *, mask: bool
) -> tuple[list[int], list[int], list[int]]:
    """The same of the first ``num`` sequences, one token after another."""
    stream: list[tuple[int, bool]] = []
    epoch = 0
    while len(stream) <= num * seq_len:
        for number in Permutation(len(documents), key_of(KEY, "epoch", epoch))(np.arange(len(documents))):
            stream += [(token, place == 0) for place, token in enumerate(documents[number])]
        epoch += 1
    tokens, labels, positions = [], [], []
    position = 0
    for place in range(num * seq_len):
        token, starts = stream[place]
        following, another = stream[place + 1]
        position = 0 if place % seq_len == 0 or (starts and mask) else position + 1
        tokens.append(token)
        labels.append(IGNORE if another and mask else following)
        positions.append(position)
    return tokens, labels, positions


@settings(max_examples=60, deadline=None)
@given(
    lengths=LENGTHS,
    seq_len=st.integers(1, 40),
    mask=st.booleans(),
    block=st.sampled_from([1, 3, 4096]),
    few=st.sampled_from([0, 64]),
)
def test_sequences_equal_a_reference_made_token_by_token(
    lengths: list[list[int]],
    seq_len: int,
    mask: bool,
    block: int,
    few: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    flat = numbered([length for part in lengths for length in part])
    parts, rest = [], iter(flat)
    for part in lengths:
        parts.append([next(rest) for _ in part])
    shards = write_shards(tmp_path_factory.mktemp("shards"), parts)
    with pytest.MonkeyPatch.context() as patch:
        # Borders of blocks, and the way for many short documents, with few documents.
        patch.setattr(module, "_BLOCK", block)
        patch.setattr(module, "_CHUNK_BLOCKS", 2)
        patch.setattr(module, "_FEW", few)
        patch.setattr(segments, "_FEW", few)
        patch.setattr(segments, "_PER_SHARD", 0 if few == 0 else 16)
        stream = DocumentStream(shards, seq_len=seq_len, key=KEY, document_mask=mask)
        num = 2 * shards.tokens // seq_len + 2
        found = read(stream, 0, num)
        assert found == by_hand(flat, seq_len, num, mask=mask)
        for first, last in ((0, num), (num // 2, num), (num // 3, num // 2)):
            labels = found[1][first * seq_len : last * seq_len]
            counts = stream.counts(first, last)
            assert counts["tokens"] == len(labels)
            assert counts["trained"] == sum(label != IGNORE for label in labels)
            assert counts["padding"] == 0
        assert stream.counts(0, num)["documents"] == found[0].count(EOS)
        # Any sequence by itself, from a stream that has read nothing.
        fresh = DocumentStream(shards, seq_len=seq_len, key=KEY, document_mask=mask)
        begin = (num - 1) * seq_len
        assert read(fresh, num - 1, num) == tuple(part[begin:] for part in found)


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30), seq_len=st.integers(1, 64))
def test_every_token_is_an_input_once_in_an_epoch(
    lengths: list[int], seq_len: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    documents = numbered(lengths)
    shards = write_shards(tmp_path_factory.mktemp("shards"), [documents[::2], documents[1::2]])
    stream = DocumentStream(shards, seq_len=seq_len, key=KEY)
    total = shards.tokens
    assert stream.per_epoch == total / seq_len
    tokens, _, _ = read(stream, 0, 3 * total // seq_len + 1)
    for epoch in range(3):
        seen = tokens[epoch * total : (epoch + 1) * total]
        assert sorted(seen) == sorted(token for document in documents for token in document)


def test_every_epoch_has_an_order_of_its_own(tmp_path: Path) -> None:
    documents = numbered([2] * 200)
    shards = write_shards(tmp_path, [documents])
    tokens, _, _ = read(DocumentStream(shards, seq_len=40, key=KEY), 0, 30)
    epochs = [tokens[first : first + 400 : 2] for first in (0, 400, 800)]
    plain = [document[0] for document in documents]
    assert all(sorted(epoch) == plain for epoch in epochs)
    for one, other in ((plain, epochs[0]), (epochs[0], epochs[1]), (epochs[1], epochs[2])):
        in_place = sum(a == b for a, b in zip(one, other, strict=True))
        assert in_place < 12, "about 1 is to be expected"
    other_seed, _, _ = read(DocumentStream(shards, seq_len=40, key=KEY + 1), 0, 10)
    assert other_seed != tokens[:400]


@settings(deadline=None)
@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_a_permutation_has_every_number_once(size: int, key: int) -> None:
    order = Permutation(size, key)
    places = np.arange(size)
    numbers = order(places)
    assert np.array_equal(np.sort(numbers), places)
    assert np.array_equal(order(places[::-1].copy()), numbers[::-1])


def test_the_order_does_not_change_between_versions() -> None:
    assert Permutation(10, 1)(np.arange(10)).tolist() == [1, 3, 9, 5, 6, 4, 7, 2, 8, 0]
    assert key_of(0, "source", 1) == 0xECA4ACA3E6A6B0B5


def test_an_empty_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tokens"):
        DocumentStream(write_shards(tmp_path, [[]]), seq_len=8, key=KEY)
