from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencoder.errors import UserError
from tests.support.token_shards import EOS, SPECIAL, numbered, write_shards
from train.stream import documents as module
from train.stream import segments
from train.stream.documents import DocumentStream
from train.stream.fim import MIDDLE, PREFIX, SUFFIX, FillInMiddle
from train.tokens.read import TokenShards

PRE, MID, SUF = SPECIAL[PREFIX], SPECIAL[MIDDLE], SPECIAL[SUFFIX]


def stream_of(
    shards: TokenShards, *, rate: float, spm_rate: float = 0.5, seq_len: int = 16, key: int = 3
) -> DocumentStream:
    fim = FillInMiddle(rate=rate, spm_rate=spm_rate, special=SPECIAL, key=key)
    return DocumentStream(shards, seq_len=seq_len, key=key, fim=fim)


def documents_of(stream: DocumentStream, num: int) -> list[list[int]]:
    """The first documents of a stream, as they come."""
    documents: list[list[int]] = [[]]
    index = 0
    row = np.empty((3, stream.seq_len), dtype=np.int64)
    while len(documents) <= num:
        stream.fill(index, *row)
        for token in row[0].tolist():
            documents[-1].append(token)
            if token == EOS:
                documents.append([])
        index += 1
    return documents[:num]


def undone(document: list[int]) -> tuple[str, list[int]]:
    """The form of a document and the text that it was made of, by the definition of the forms."""
    if PRE not in document:
        return "plain", document
    *body, end = document
    assert end == EOS
    assert [body.count(token) for token in (PRE, MID, SUF)] == [1, 1, 1]
    assert body[0] == PRE
    suffix_at, middle_at = body.index(SUF), body.index(MID)
    suffix, last = body[suffix_at + 1 : middle_at], body[middle_at + 1 :]
    return ("spm" if suffix_at == 1 else "psm"), [*body[1:suffix_at], *last, *suffix, end]


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    rate=st.sampled_from([0.3, 0.5, 1.0]),
    spm_rate=st.sampled_from([0.0, 0.5, 1.0]),
    block=st.sampled_from([2, 4096]),
    few=st.sampled_from([0, 64]),
)
def test_every_token_is_kept_once(
    lengths: list[int],
    rate: float,
    spm_rate: float,
    block: int,
    few: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    documents = numbered(lengths)
    shards = write_shards(tmp_path_factory.mktemp("shards"), [documents])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        patch.setattr(segments, "_FEW", few)
        patch.setattr(segments, "_PER_SHARD", 0 if few == 0 else 16)
        stream = stream_of(shards, rate=rate, spm_rate=spm_rate)
        found = documents_of(stream, 2 * len(documents))
    chosen = int(len(documents) * round(rate * 2**24)) >> 24
    assert stream.per_epoch * 16 == shards.tokens + 3 * chosen
    for epoch in (found[: len(documents)], found[len(documents) :]):
        forms = [undone(document) for document in epoch]
        assert sorted(text for _, text in forms) == sorted(documents)
        counts = Counter(form for form, _ in forms)
        assert counts["plain"] == len(documents) - chosen
        # Where there is no prefix the two forms look alike.
        if spm_rate == 1.0:
            assert counts["psm"] == 0


def test_forms_and_cuts_are_by_chance(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [numbered([41] * 400)])
    found = documents_of(stream_of(shards, rate=0.5), 400)
    forms = Counter(undone(document)[0] for document in found)
    assert forms["plain"] == 200
    assert 60 < forms["spm"] < 140
    middles = [
        len(document) - document.index(MID) - 2
        for document in found
        if document[1] != SUF and PRE in document
    ]
    # The distance of two cuts, each of 41: a third of 40 on average.
    assert 10 < sum(middles) / len(middles) < 17
    again = documents_of(stream_of(shards, rate=0.5), 400)
    assert again == found
    assert documents_of(stream_of(shards, rate=0.5, key=4), 400) != found


def test_a_document_is_cut_anew_in_the_next_epoch(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [numbered([200])])
    one, other = documents_of(stream_of(shards, rate=1.0), 2)
    assert undone(one)[1] == undone(other)[1]
    assert one != other


def test_psm_and_spm_by_hand(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [numbered([200])])
    [psm] = documents_of(stream_of(shards, rate=1.0, spm_rate=0.0), 1)
    [spm] = documents_of(stream_of(shards, rate=1.0, spm_rate=1.0), 1)
    text = list(range(199))
    begin, end = psm.index(SUF) - 1, psm.index(SUF) - 1 + len(psm) - psm.index(MID) - 2
    assert 0 < begin < end < 199
    prefix, middle, suffix = text[:begin], text[begin:end], text[end:]
    assert psm == [PRE, *prefix, SUF, *suffix, MID, *middle, EOS]
    assert spm == [PRE, SUF, *suffix, MID, *prefix, *middle, EOS]


def test_what_cannot_be_is_refused() -> None:
    for rate, spm_rate in ((1.5, 0.5), (0.5, -0.1)):
        with pytest.raises(UserError, match="no share"):
            FillInMiddle(rate=rate, spm_rate=spm_rate, special=SPECIAL, key=0)
    with pytest.raises(UserError, match=r"lacks: <\|fim_middle\|>"):
        FillInMiddle(rate=0.5, spm_rate=0.5, special={PREFIX: 1, SUFFIX: 2}, key=0)
