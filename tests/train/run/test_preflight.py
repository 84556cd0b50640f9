from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opencoder.errors import DependencyError, UserError
from opencoder.store import read_json, write_json
from tests.support.training import SHAPE, make_spec
from train import checkpoints
from train.run import preflight as module
from train.run.preflight import Check, preflight, require
from train.spec import Batch, Checkpoints, Compute, Data, Parallel, RunSpec, Source, Start
from train.tokens.format import Manifest, Shard, TokenizerId


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    write_shards(tmp_path / "data", hashlib.sha256(b"{}").hexdigest())
    return make_spec(
        tmp_path,
        shape=msgspec.structs.replace(SHAPE, max_positions=128),
        steps=10,
        data=Data(sources=[Source(folder=str(tmp_path / "data"))]),
        checkpoints=Checkpoints(every=4),
    )


def write_shards(folder: Path, sha256: str, *, vocab: int = 512, kind: Any = "documents") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "s0.tokens").write_bytes(bytes(200))
    (folder / "s0.mask").write_bytes(bytes(100))
    (folder / "s0.ends").write_bytes((50).to_bytes(8, "little") + (100).to_bytes(8, "little"))
    shard = Shard(name="s0", tokens=100, documents=2, source="a.jsonl", crc32={})
    identity = TokenizerId(sha256=sha256, vocab=vocab, eos=0)
    write_json(
        folder / "shards.json", Manifest(kind=kind, dtype="uint16", tokenizer=identity, shards=[shard])
    )


def faults(tmp_path: Path, spec: RunSpec) -> dict[str, str]:
    return {
        check.name.split()[0]: check.detail for check in preflight(tmp_path / "run", spec) if not check.ok
    }


def test_a_run_that_is_in_order_passes(tmp_path: Path, spec: RunSpec):
    checks = preflight(tmp_path / "run", spec)
    assert [check for check in checks if not check.ok] == []
    assert {check.name for check in checks} >= {
        "torch",
        "torchtitan",
        "batch",
        "tokenizer",
        "disk",
        "memory",
        "devices",
    }
    (tmp_path / "run").mkdir()
    require(tmp_path / "run", checks)
    assert read_json(tmp_path / "run" / "preflight.json", dict[str, Any])["ok"] is True


def cut_shard(tmp_path: Path, spec: RunSpec) -> RunSpec:
    (tmp_path / "data" / "s0.tokens").write_bytes(bytes(198))
    return spec


def other_tokenizer(tmp_path: Path, spec: RunSpec) -> RunSpec:
    (tmp_path / "tokenizer" / "tokenizer.json").write_text('{"other": 1}')
    return spec


def large_vocab(tmp_path: Path, spec: RunSpec) -> RunSpec:
    write_shards(tmp_path / "data", hashlib.sha256(b"{}").hexdigest(), vocab=513)
    return spec


def dialogues(tmp_path: Path, spec: RunSpec) -> RunSpec:
    write_shards(tmp_path / "data", hashlib.sha256(b"{}").hexdigest(), kind="dialogues")
    return spec


def uneven_batch(tmp_path: Path, spec: RunSpec) -> RunSpec:
    return msgspec.structs.replace(spec, batch=Batch(sequences=8, seq_len=64, micro=3))


def long_sequences(tmp_path: Path, spec: RunSpec) -> RunSpec:
    return msgspec.structs.replace(spec, batch=Batch(sequences=8, seq_len=256, micro=2))


def many_gpus(tmp_path: Path, spec: RunSpec) -> RunSpec:
    return msgspec.structs.replace(spec, compute=Compute(), parallel=Parallel(shard=4))


def huge_model(tmp_path: Path, spec: RunSpec) -> RunSpec:
    shape = msgspec.structs.replace(spec.shape, hidden=65536, ffn=262144, layers=128)
    return msgspec.structs.replace(spec, shape=shape)


def no_start(tmp_path: Path, spec: RunSpec) -> RunSpec:
    return msgspec.structs.replace(spec, start=Start(kind="hf", path=str(tmp_path)))


def cut_checkpoint(tmp_path: Path, spec: RunSpec) -> RunSpec:
    for step in (4, 8):
        folder = tmp_path / "run" / "checkpoint" / f"step-{step}"
        folder.mkdir(parents=True)
        (folder / "__0_0.distcp").write_bytes(b"weights")
        checkpoints.record_complete(folder, step=step, tokens=1)
    (tmp_path / "run" / "checkpoint" / "step-8" / "__0_0.distcp").write_bytes(b"weig")
    return spec


@pytest.mark.parametrize(
    ("spoil", "name", "says"),
    [
        (cut_shard, "data", "s0.tokens: the shard is damaged: it is cut: 198 bytes, not 200"),
        (other_tokenizer, "data", "were made with another tokenizer than"),
        (large_vocab, "data", "has ids below 513; the model's embedding has 512 rows"),
        (dialogues, "data", "holds dialogues; this recipe trains on documents"),
        (
            uneven_batch,
            "batch",
            "8 sequences a step cannot be shared by 1 ranks of 3; change --micro or the ranks",
        ),
        (long_sequences, "model", "sequences of 256 tokens; the model has 128 positions"),
        (many_gpus, "devices", "4 ranks need as many GPUs; 0 can be used (see nvidia-smi); lower --nproc"),
        (huge_model, "memory", "see: opencoder train plan"),
        (huge_model, "disk", "free some space, or lower --keep-last"),
        (no_start, "start", "no config.json; this is no Hugging Face folder"),
        (cut_checkpoint, "checkpoint", "go on from the one before with --load-step 4"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, spec: RunSpec, spoil: Callable[[Path, RunSpec], RunSpec], name: str, says: str
):
    found = faults(tmp_path, spoil(tmp_path, spec))
    assert says in found[name]
    assert "\n" not in found[name]


def test_all_faults_are_told_at_once(tmp_path: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch):
    spoiled = uneven_batch(tmp_path, cut_shard(tmp_path, spec))
    (tmp_path / "run").mkdir()
    told: list[str] = []
    monkeypatch.setattr(module.log, "error", lambda text, *words: told.append(text % words))
    with pytest.raises(UserError, match="2 checks failed: batch, data") as caught:
        require(tmp_path / "run", preflight(tmp_path / "run", spoiled))
    assert caught.value.exit_code == 2
    assert [line.split(":")[0].split()[0] for line in told] == ["batch", "data"]
    written = read_json(tmp_path / "run" / "preflight.json", dict[str, Any])
    assert written["ok"] is False
    assert next(check["name"] for check in written["checks"] if not check["ok"]) == "batch"


def test_a_missing_package_says_how_to_install_it(
    tmp_path: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(module.PINNED, "torchtitan", "9.9.9")
    (tmp_path / "run").mkdir()
    with pytest.raises(
        DependencyError, match=r"torchtitan 0.3.0 is installed; training needs 9.9.9; run: pip install"
    ):
        require(tmp_path / "run", preflight(tmp_path / "run", spec))


def test_another_fault_beside_a_missing_package_is_a_usage_error(tmp_path: Path):
    checks = [
        Check(name="torch", ok=False, detail="torch 2.13 is not installed", repair="pip install torch"),
        Check(name="disk", ok=False, detail="full"),
    ]
    with pytest.raises(UserError, match="2 checks failed: torch, disk"):
        require(tmp_path, checks)
