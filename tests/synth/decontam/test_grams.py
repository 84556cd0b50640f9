"""The index of grams and the words, against the plain way to do it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.decontam.grams import LENGTH, GramIndex, PhraseIndex
from synth.decontam.words import is_generic, spans, words

# Few words, so that grams do repeat.
TEXTS = st.lists(st.sampled_from("alpha beta 1 i".split()), max_size=40)


def grams(text: list[str]) -> set[tuple[str, ...]]:
    return {tuple(text[at : at + LENGTH]) for at in range(len(text) - LENGTH + 1)}


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXTS, max_size=5), st.lists(st.sampled_from("alpha beta 1 i new".split()), max_size=60))
def test_plain_grams_are_all_found(held: list[list[str]], text: list[str]) -> None:
    index = GramIndex(held, [[str(number)] for number in range(len(held))], plain=True)
    runs = {run.text: run for run in index.find(text)}
    assert set(runs) == {number for number, one in enumerate(held) if grams(one) & grams(text)}
    for number, run in runs.items():
        ours = grams(held[number])
        lengths = [0] * (len(text) + 1)  # of the run of hits that begins at each place
        for at in range(len(text) - LENGTH, -1, -1):
            lengths[at] = lengths[at + 1] + 1 if tuple(text[at : at + LENGTH]) in ours else 0
        assert run.end - run.start == max(lengths) + LENGTH - 1
        assert lengths[run.start] == max(lengths)
    assert index.silent == [number for number, one in enumerate(held) if len(one) < LENGTH]


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(0, 9), st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=5),
    st.lists(st.sampled_from("abcd"), max_size=12),
)
def test_phrases_are_found_where_they_are(held: dict[int, list[str]], text: list[str]) -> None:
    runs = {run.text: run for run in PhraseIndex(held).find(text)}
    for number, phrase in held.items():
        places = [at for at in range(len(text)) if text[at : at + len(phrase)] == phrase]
        assert (number in runs) is bool(places)
        if places:
            assert (runs[number].start, runs[number].end) == (places[0], places[0] + len(phrase))


@given(st.text())
def test_spans_are_those_of_the_words(text: str) -> None:
    places = list(spans(text))
    assert len(places) == len(words(text))
    for (start, end), word in zip(places, words(text), strict=True):
        assert words(text[start:end]) == [word]


def test_words_are_lower_case_and_whole() -> None:
    assert words("Has_Close(x1, 'Don''t')\n+3.5") == ["has_close", "x1", "don", "t", "3", "5"]
    assert words("ÄRGER 返回a") == ["ärger", "返", "回", "a"]


def test_generic_names() -> None:
    assert all(map(is_generic, "f fib add find is_a _sum multiply factorize Diff fib4".split()))
    assert not any(map(is_generic, "has_close_elements isPrime min_of_three next_power_of_2 sumIt".split()))
