import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import UserError
from tests.support.token_shards import numbered, write_shards
from train.loader import Batches
from train.sequences import Ints
from train.spec import Batch, Data, Source
from train.stream.documents import DocumentStream
from train.stream.open import open_stream

BATCH = Batch(sequences=16, seq_len=4, micro=2)


class Numbers:
    """Sequences that hold their number."""

    per_epoch = 100.0
    seq_len = 4

    def __init__(self, broken_from: int = 10**9) -> None:
        self.broken_from = broken_from

    def fill(self, index: int, tokens: Ints, labels: Ints, positions: Ints) -> None:
        if index >= self.broken_from:
            raise UserError(f"sequence {index} is broken")
        tokens[:], labels[:], positions[:] = index, index + 1, np.arange(4)

    def counts(self, first: int, last: int) -> dict[str, int]:
        return {"tokens": 4 * (last - first)}


def steps_of(
    ranks: int, num: int, state: dict[str, int], ahead: int
) -> tuple[list[list[int]], dict[str, int]]:
    """The sequences of the next steps, in the order of micro-batch, rank and row, and the state after."""
    loaders = [Batches(Numbers(), BATCH, rank=rank, ranks=ranks, ahead=ahead) for rank in range(ranks)]
    for loader in loaders:
        loader.load_state_dict(state)
    iterators = [iter(loader) for loader in loaders]
    steps = []
    for _ in range(num):
        step: list[int] = []
        for _ in range(16 // (2 * ranks)):
            for iterator in iterators:
                step += next(iterator)[0]["input"][:, 0].tolist()
        steps.append(step)
    states = [loader.state_dict() for loader in loaders]
    assert all(state == states[0] for state in states)
    return steps, states[0]


@settings(max_examples=30, deadline=None)
@given(
    sessions=st.lists(
        st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(0, 4), st.sampled_from([0, 1, 3])), max_size=5
    )
)
def test_the_order_is_the_same_for_any_ranks_after_any_resume(sessions: list[tuple[int, int, int]]) -> None:
    state = {"sequences": 0}
    seen: list[list[int]] = []
    for ranks, num, ahead in sessions:
        steps, state = steps_of(ranks, num, state, ahead)
        seen += steps
    assert seen == [list(range(16 * step, 16 * step + 16)) for step in range(len(seen))]
    assert state == {"sequences": 16 * len(seen)}


def test_ranks_and_rows_are_where_the_rule_says() -> None:
    loader = iter(Batches(Numbers(), BATCH, rank=1, ranks=4))
    found = [next(loader)[0]["input"][:, 0].tolist() for _ in range(4)]
    assert found == [[2, 3], [10, 11], [18, 19], [26, 27]]


def test_what_a_batch_is() -> None:
    loader = Batches(Numbers(), BATCH)
    inputs, labels = next(iter(loader))
    assert sorted(inputs) == ["input", "positions"]
    for tensor in (*inputs.values(), labels):
        assert tensor.shape == (2, 4)
        assert tensor.dtype == torch.int64
    assert labels.tolist() == [[1] * 4, [2] * 4]
    assert inputs["positions"].tolist() == [[0, 1, 2, 3]] * 2


def test_batches_that_are_kept_are_not_written_to() -> None:
    kept = [inputs["input"] for inputs, _ in itertools.islice(Batches(Numbers(), BATCH, ahead=1), 50)]
    assert [tensor[0, 0].item() for tensor in kept] == list(range(0, 100, 2))


@pytest.mark.parametrize("ahead", [0, 4])
def test_the_state_counts_what_was_given_out(ahead: int) -> None:
    loader = Batches(Numbers(), BATCH, rank=1, ranks=2, ahead=ahead)
    iterator = iter(loader)
    assert loader.state_dict() == {"sequences": 0}
    for num in range(1, 4):
        next(iterator)
        assert loader.state_dict() == {"sequences": 4 * num}


def test_in_the_middle_of_a_step_only_fitting_ranks_go_on() -> None:
    loader = Batches(Numbers(), BATCH, ranks=4)
    loader.load_state_dict({"sequences": 8})
    with pytest.raises(UserError, match="middle of a step"):
        Batches(Numbers(), BATCH, ranks=8).load_state_dict({"sequences": 8})


def test_an_error_in_the_thread_comes_out_and_threads_end() -> None:
    before = threading.active_count()
    loader = Batches(Numbers(broken_from=5), BATCH)
    with pytest.raises(UserError, match="sequence 5 is broken"):
        list(loader)
    assert loader.state_dict() == {"sequences": 4}
    iterator = iter(Batches(Numbers(), BATCH))
    next(iterator)
    del iterator
    assert threading.active_count() == before


def test_batches_that_cannot_be_shared() -> None:
    for ranks, rank, match in ((3, 0, "cannot be shared by 3 ranks"), (2, 2, "ranks count from 0")):
        with pytest.raises(UserError, match=match):
            Batches(Numbers(), BATCH, rank=rank, ranks=ranks)
    with pytest.raises(UserError, match="seq_len is 8"):
        Batches(Numbers(), Batch(sequences=16, seq_len=8, micro=2))


def test_real_sequences_through_ranks(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [numbered([3, 17, 1, 40, 9]), numbered([2, 60], 5000)])
    one = Batches(DocumentStream(shards, seq_len=8, key=1), Batch(sequences=8, seq_len=8, micro=8))
    whole, labels = next(iter(one))
    for rank in range(4):
        stream = DocumentStream(shards, seq_len=8, key=1)
        loader = Batches(stream, Batch(sequences=8, seq_len=8, micro=1), rank=rank, ranks=4)
        for micro, (inputs, part) in enumerate(itertools.islice(loader, 2)):
            row = micro * 4 + rank
            assert inputs["input"][0].tolist() == whole["input"][row].tolist()
            assert inputs["positions"][0].tolist() == whole["positions"][row].tolist()
            assert part[0].tolist() == labels[row].tolist()


def data(*folders: Path, **more: object) -> Data:
    return Data(sources=[Source(folder=str(folder)) for folder in folders], **more)  # type: ignore[arg-type]


def test_opening_one_source_or_a_mixture(tmp_path: Path) -> None:
    for number in range(2):
        write_shards(tmp_path / str(number), [numbered([50, 30], 100 * number)])
    one = open_stream(data(tmp_path / "0"), seq_len=8, vocab=60_004)
    assert one.per_epoch == 10
    both = open_stream(data(tmp_path / "0", tmp_path / "1"), seq_len=8, vocab=60_004)
    assert both.per_epoch == 20
    assert both.counts(0, 20)[f"sequences {tmp_path / '0'}"] in {9, 10, 11}
    filled = open_stream(data(tmp_path / "0", fim_rate=1.0), seq_len=8, vocab=60_004)
    assert filled.per_epoch == (80 + 6) / 8
    again = open_stream(data(tmp_path / "0", tmp_path / "0"), seq_len=80, vocab=60_004)
    rows = np.empty((4, 3, 80), dtype=np.int64)
    for index, row in enumerate(rows):
        again.fill(index, *row)
    assert len({row[0].tobytes() for row in rows}) > 1, "a folder given twice is read in two orders"


def test_sources_that_do_not_fit(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", [numbered([5])])
    write_shards(tmp_path / "b", [numbered([5])], sha256="1" * 64)
    with pytest.raises(UserError, match="different tokenizers"):
        open_stream(data(tmp_path / "a", tmp_path / "b"), seq_len=8, vocab=60_004)
    with pytest.raises(UserError, match="60004 ids, the model 100 rows"):
        open_stream(data(tmp_path / "a"), seq_len=8, vocab=100)
    with pytest.raises(UserError, match="no sources"):
        open_stream(data(), seq_len=8, vocab=100)
