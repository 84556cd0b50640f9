"""``--data`` and ``--start``, which several commands take."""

from __future__ import annotations

from pathlib import Path

import pytest

from opencoder.errors import UserError
from opencoder.store import write_json
from tests.support.training import make_spec
from train import checkpoints
from train.origin import find_origin, start_on_nodes
from train.recipes.registry import find_recipe
from train.sources import sources_of
from train.spec import Start, write_spec

ANNEAL = find_recipe("opencoder-8b-anneal")


def test_data_is_weighed_by_part_or_by_number(tmp_path: Path) -> None:
    odd = tmp_path / "lang=2"
    odd.mkdir()
    texts = ["original=/a", "snippets=/b", "/c=0.5", "/d", "/e=1=1", str(odd), f"{odd}=3"]
    found = list(sources_of(ANNEAL, texts, here=False))
    assert [(source.folder, source.weight) for source in found] == [
        ("/a", 83.94), ("/b", 2.71), ("/c", 0.5), ("/d", 1.0), ("/e=1", 1.0),
        (str(odd), 1.0), (str(odd), 3.0),
    ]  # fmt: skip
    assert next(iter(sources_of(ANNEAL, [f"{odd}=3"], here=True))).folder == str(odd)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("web=/a", r"no part web \(parts: original, "),
        ("/a=0", "'0' is no weight above 0; give FOLDER, FOLDER=WEIGHT, or PART=FOLDER"),
        ("/a=-1", "no weight above 0"),
        ("/a=nan", "no weight above 0"),
        ("/a=inf", "no weight above 0"),
        ("/lang=python", "'python' is no weight"),
    ],
)
def test_data_that_means_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        list(sources_of(ANNEAL, [text], here=False))


def test_a_folder_must_be_here_where_it_is_read() -> None:
    with pytest.raises(UserError, match="--data original=/none: there is no /none; check the path"):
        list(sources_of(ANNEAL, ["original=/none"], here=True))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with whole checkpoints of 40 and 120 steps, and one of 160 that was not written to the end."""
    folder = tmp_path / "run"
    spec = make_spec(tmp_path)
    for step in (40, 120, 160):
        place = checkpoints.step_folder(folder / "checkpoint", step)
        place.mkdir(parents=True)
        (place / "__0_0.distcp").write_bytes(b"weights")
        if step < 160:
            checkpoints.record_complete(place, step=step, tokens=1)
    write_spec(folder, spec)
    model = tmp_path / "hf"
    model.mkdir()
    write_json(model / "config.json", spec.shape.hf_config())
    return folder


def test_a_start_is_a_run_a_whole_checkpoint_or_a_model(tmp_path: Path, run: Path) -> None:
    anneal = find_recipe("tiny-anneal")
    last = find_origin(anneal, run)
    step_120 = str(run / "checkpoint" / "step-120")
    assert last.start == Start(kind="checkpoint", path=step_120, optimizer=True)
    assert last.tokenizer == tmp_path / "tokenizer"
    assert find_origin(anneal, run / "checkpoint" / "step-40").start.path.endswith("/step-40")
    assert find_origin(anneal, tmp_path / "hf").start == Start(kind="hf", path=str(tmp_path / "hf"))
    assert find_origin(find_recipe("tiny-sft1"), run).start.optimizer is False
    released = find_recipe("opencoder-1.5b-anneal", "released-checkpoint")
    with pytest.raises(UserError, match="no whole checkpoint of step 373000; there are: 40, 120"):
        find_origin(released, run)
    for other in (run / "checkpoint" / "step-160", tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=r"no run folder .* no whole checkpoint .* Hugging Face folder"):
            find_origin(anneal, other)


def test_nodes_may_have_what_is_not_here(run: Path) -> None:
    anneal = find_recipe("tiny-anneal")
    assert start_on_nodes(anneal, run) == find_origin(anneal, run).start
    far = start_on_nodes(anneal, Path("/none/checkpoint/step-7"))
    assert far == Start(kind="checkpoint", path="/none/checkpoint/step-7", optimizer=True)
    assert start_on_nodes(anneal, Path("/none/model")) == Start(kind="hf", path="/none/model")
    with pytest.raises(UserError, match="no whole checkpoint"):
        start_on_nodes(anneal, run / "checkpoint" / "step-160")
