"""A checkpoint becomes a folder that ``transformers`` computes the same with, or no folder at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from opencoder.errors import DataError, GateError, UserError
from train.export import check, folder
from train.export.export import ExportSettings, export
from train.model.llama import Llama
from train.shape import Shape
from train.spec import METRICS, read_spec
from train.tokens.format import SHARDS, Manifest, TokenizerId

Make = Callable[..., Llama]
Run = Callable[..., Path]
EXACT = ExportSettings(dtype="float32")


def logits(path: Path, tokens: torch.Tensor, **options: Any) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(path, **options)
    with torch.no_grad():
        found: torch.Tensor = model(tokens).logits
    return found


def some_ids(shape: Shape) -> torch.Tensor:
    return torch.randint(shape.vocab, (2, 50), generator=torch.Generator().manual_seed(9))


def test_the_folder_computes_what_the_model_computes(
    shape: Shape, make_model: Make, make_run: Run, tmp_path: Path
) -> None:
    model = make_model(shape)
    done = export(make_run(model), tmp_path / "hf", EXACT)
    tokens = some_ids(shape)
    wanted = model.logits(model(tokens))
    torch.testing.assert_close(
        logits(tmp_path / "hf", tokens, dtype=torch.float32), wanted, rtol=1e-5, atol=1e-5
    )
    assert done.params == shape.params
    assert done.max_abs_diff is not None
    assert done.max_abs_diff < 1e-5 * max(1.0, done.max_abs_logit or 0.0)
    assert done.argmax_equal == 1.0
    assert set(done.files) >= {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf", "run", "tokenizer"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_formats_hold_the_rounded_values(
    dtype: str, small: Llama, make_run: Run, tmp_path: Path
) -> None:
    done = export(make_run(small), tmp_path / "hf", ExportSettings(dtype=dtype))
    kind = folder.torch_dtype(dtype)
    rounded = Llama(small.shape)
    rounded.load_state_dict({name: value.to(kind).float() for name, value in small.state_dict().items()})
    tokens = some_ids(small.shape)
    found = logits(tmp_path / "hf", tokens, dtype=torch.float32)
    torch.testing.assert_close(found, rounded.logits(rounded(tokens)), rtol=1e-5, atol=1e-5)
    assert logits(tmp_path / "hf", tokens, dtype="auto").dtype == kind
    assert done.num_bytes < 1.2 * small.shape.params * 2 + 60_000


def test_many_files_with_an_index(small: Llama, make_run: Run, tmp_path: Path) -> None:
    settings = ExportSettings(dtype="float32", max_shard_bytes=40_000)
    done = export(make_run(small), tmp_path / "hf", settings)
    weights = [name for name in done.files if name.endswith(".safetensors")]
    index = json.loads((tmp_path / "hf" / folder.INDEX).read_text())
    assert len(weights) > 3
    assert weights[0] == f"model-00001-of-{len(weights):05}.safetensors"
    assert set(index["weight_map"].values()) == set(weights)
    assert index["metadata"]["total_size"] == small.shape.params * 4
    for name in weights:
        assert (tmp_path / "hf" / name).stat().st_size < 40_000 + 4_000
    tokens = some_ids(small.shape)
    found = logits(tmp_path / "hf", tokens, dtype=torch.float32)
    torch.testing.assert_close(found, small.logits(small(tokens)), rtol=1e-5, atol=1e-5)


def test_tensors_in_pieces_of_several_ranks(
    small: Llama, make_run: Run, tmp_path: Path, state_of: Callable[[Llama], dict[str, Any]]
) -> None:
    """Two ranks write halves of each matrix, as FSDP does (uneven where the rows are odd)."""
    run = make_run(small, steps=())
    torch.save(state_of(small), tmp_path / "state.pt")
    program = Path(__file__).with_name("save_sharded.py")
    folder_ = run / "checkpoint" / "step-3"
    ranks = [
        subprocess.Popen(
            [sys.executable, str(program), str(rank), str(tmp_path / "state.pt"), str(folder_)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        for rank in range(2)
    ]
    assert [rank.wait(100) for rank in ranks] == [0, 0]
    assert len(list(folder_.glob("*.distcp"))) == 2
    export(folder_, tmp_path / "hf", EXACT)
    tokens = some_ids(small.shape)
    found = logits(tmp_path / "hf", tokens, dtype=torch.float32)
    torch.testing.assert_close(found, small.logits(small(tokens)), rtol=1e-5, atol=1e-5)


def test_configs_and_card_say_what_the_run_says(small: Llama, make_run: Run, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    run = make_run(small)
    rows = [{"step": step, "loss": 5.0 - step, "mfu": 0.4} for step in (1, 2, 3, 4)]
    (run / METRICS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    export(run, tmp_path / "hf", ExportSettings(license_id="mit"))
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    generation = json.loads((tmp_path / "hf" / "generation_config.json").read_text())
    assert (config["dtype"], config["bos_token_id"], config["eos_token_id"]) == ("bfloat16", 1, 2)
    assert (generation["eos_token_id"], generation["pad_token_id"]) == ([2, 5], 3)
    text = (tmp_path / "hf" / "README.md").read_text()
    assert text.startswith("---\nlicense: mit\nlibrary_name: transformers\n")
    for part in ("tiny/practical, step 3", "384 (4 x 32 a step)", "| loss | 2 |", "random weights (seed 0)"):
        assert part in text
    assert str(tmp_path) not in text
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "hf")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "add"}], tokenize=False)
    assert chat == "<|im_start|>user\nadd<|im_end|>\n"


def test_the_newest_checkpoint_a_step_or_a_folder(
    make_model: Make, make_run: Run, small: Llama, tmp_path: Path
) -> None:
    run = make_run(small, steps=(3, 12, 6, 20))
    (run / "checkpoint" / "step-20" / ".complete.json").unlink()  # a save that was killed
    quick = ExportSettings(check=False)
    assert export(run, tmp_path / "a", quick).step == 12
    assert export(run, tmp_path / "b", quick, step=6).step == 6
    done = export(run / "checkpoint" / "step-3", tmp_path / "c", quick)
    assert (done.step, done.max_abs_diff) == (3, None)
    with pytest.raises(UserError, match=r"no whole checkpoint of step 20; there are: 3, 6, 12"):
        export(run, tmp_path / "d", quick, step=20)
    with pytest.raises(UserError, match="no run folder"):
        export(tmp_path, tmp_path / "d", quick)
    with pytest.raises(UserError, match="is there already"):
        export(run, tmp_path / "a", quick)


def test_a_checkpoint_of_torchtitan_itself_is_named(small: Llama, make_run: Run, tmp_path: Path) -> None:
    run = make_run(small)
    folder = run / "checkpoint" / "step-3"
    for path in folder.glob(".c*.json"):
        path.unlink()
    with pytest.raises(UserError, match="no whole checkpoint yet; one of torchtitan's own"):
        export(run, tmp_path / "hf", EXACT)
    assert export(folder, tmp_path / "hf", EXACT).argmax_equal == 1


@pytest.mark.parametrize("where", ["middle", "end", "gone", "metadata"])
def test_damage_is_told_by_file_and_leaves_nothing(
    where: str, small: Llama, make_run: Run, tmp_path: Path
) -> None:
    run = make_run(small)
    step = run / "checkpoint" / "step-3"
    path = next(step.glob("*.distcp")) if where != "metadata" else step / ".metadata"
    if where == "gone":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        if where == "middle":
            # Inside the values of the first matrix, where nothing but a checksum can tell.
            place = bytes(small.state_dict()["model.layers.1.mlp.down_proj.weight"][3].numpy().tobytes())
            data[data.index(place) + 7] ^= 64
        else:
            del data[len(data) // 4 :]  # the optimiser's part alone would not matter
        path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        export(run, tmp_path / "hf", EXACT)
    assert path.name in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run", "tokenizer"]


def test_a_model_of_another_shape_is_refused(
    small: Llama, make_run: Run, make_model: Make, tmp_path: Path
) -> None:
    shape = msgspec.structs.replace(small.shape, ffn=96)
    with pytest.raises(DataError, match=r"feed_forward.w1.weight is \(80, 48\); .* \(96, 48\)"):
        export(make_run(small, shape=shape), tmp_path / "hf", EXACT)


def test_a_wrong_order_of_rows_does_not_pass_the_check(
    small: Llama, make_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(small)
    monkeypatch.setattr(folder, "to_hf", lambda name, tensor, shape: tensor)
    with pytest.raises(GateError, match="differs from the checkpoint"):
        export(run, tmp_path / "hf", EXACT)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run", "tokenizer"]


def test_values_that_are_no_numbers_do_not_pass() -> None:
    assert not check.Agreement(max_abs_diff=float("nan"), max_abs_logit=1.0, argmax_equal=1.0).holds


def test_values_too_large_for_the_format(small: Llama, make_run: Run, tmp_path: Path) -> None:
    with torch.no_grad():
        small.lm_head.weight[0, 0] = 1e6
    with pytest.raises(UserError, match=r"lm_head.weight has values that are no numbers in float16"):
        export(make_run(small), tmp_path / "hf", ExportSettings(dtype="float16"))
    assert not (tmp_path / "hf").exists()


def test_another_tokenizer_is_refused(make_model: Make, make_run: Run, small: Llama, tmp_path: Path) -> None:
    run = make_run(make_model(msgspec.structs.replace(small.shape, vocab=7)))
    with pytest.raises(UserError, match=r"has ids up to \d+, the model has 7 rows"):
        export(run, tmp_path / "hf", EXACT)


def test_a_tokenizer_that_the_shards_were_not_made_with(small: Llama, make_run: Run, tmp_path: Path) -> None:
    run = make_run(small)
    shards = Path(read_spec(run).data.sources[0].folder)
    shards.mkdir()
    made = TokenizerId(sha256="0" * 64, vocab=50, eos=2)
    manifest = Manifest(kind="documents", dtype="uint16", tokenizer=made, shards=[])
    (shards / SHARDS).write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(UserError, match="were made with another tokenizer"):
        export(run, tmp_path / "hf", EXACT)


def test_the_command(small: Llama, make_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cyclopts import App

    from train.export.command import export_command

    app = App(result_action="return_value")
    app.command(export_command, name="export")
    app(["export", str(make_run(small)), "-o", str(tmp_path / "hf"), "--dtype", "float32", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["params"] == small.shape.params
    assert shown["max_abs_diff"] < 1e-4
    assert "config.json" in shown["files"]
    app(["export", str(tmp_path / "run"), "-o", str(tmp_path / "b"), "--no-check", "--license", "mit"])
    assert "in bfloat16, 0.00 GB, logits not checked" in capsys.readouterr().out


def test_a_killed_export_leaves_no_folder_and_no_obstacle(
    small: Llama, make_run: Run, tmp_path: Path
) -> None:
    run = make_run(small)
    slow = (
        "import sys, time, train.export.export as e; from pathlib import Path;"
        "e.write_configs = lambda *a: (print('there', flush=True), time.sleep(60));"
        "e.export(Path(sys.argv[1]), Path(sys.argv[2]), e.ExportSettings())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, str(run), str(tmp_path / "hf")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    with pytest.raises(UserError, match=r"in use by process"):
        export(run, tmp_path / "hf", EXACT)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "hf").exists()
    time.sleep(0.1)
    export(run, tmp_path / "hf", EXACT)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["hf", "run", "tokenizer"]
