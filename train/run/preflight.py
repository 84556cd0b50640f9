"""What is checked before the ranks start: each fault is one line, and all of them are told at once."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from opencoder.doctor import PINNED
from opencoder.errors import DataError, DependencyError, OpenCoderError, UserError
from opencoder.files import sha256_file
from opencoder.log import logger
from opencoder.store import write_json
from train import checkpoints
from train.run.folder import PREFLIGHT, step_to_go_on_from
from train.spec import CHECKPOINTS, RunSpec
from train.tokens.read import TokenShards

log = logger.getChild("train")
GIB = 1 << 30


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check.

    Attributes:
        name: What was looked at.
        ok: Nothing is wrong.
        detail: What was found; for a fault also where, and what to do.
        repair: The command that repairs it, for what is missing on this machine.
    """

    name: str
    ok: bool
    detail: str
    repair: str = ""


class _FaultError(Exception):
    def __init__(self, detail: str, repair: str = "") -> None:
        super().__init__(detail)
        self.detail, self.repair = detail, repair


@dataclass(frozen=True, slots=True)
class _Subject:
    folder: Path
    spec: RunSpec


def preflight(folder: Path, spec: RunSpec) -> list[Check]:
    """Check machine, data and disk against what a run needs; nothing is written.

    Args:
        folder: The run folder.
        spec: The run.
    """
    return list(_run(_Subject(folder, spec)))


def require(folder: Path, checks: list[Check]) -> None:
    """Write ``preflight.json`` and stop if a check has failed.

    Raises:
        DependencyError: The only faults are of what is installed.
        UserError: Another check has failed.
    """
    write_json(folder / PREFLIGHT, {"ok": all(check.ok for check in checks), "checks": checks})
    faults = [check for check in checks if not check.ok]
    if not faults:
        return
    if len(faults) > 1:
        for check in faults:
            run = f"; run: {check.repair}" if check.repair else ""
            log.error("%s: %s%s", check.name, check.detail, run)
    names = ", ".join(check.name for check in faults)
    told = (
        f"{faults[0].name}: {faults[0].detail}"
        if len(faults) == 1
        else f"{len(faults)} checks failed: {names}"
    )
    if all(check.repair for check in faults):
        raise DependencyError(told, repair=faults[0].repair)
    raise UserError(f"{told}; nothing was started (see {folder / PREFLIGHT})")


def _run(subject: _Subject) -> Iterator[Check]:
    checks: tuple[tuple[str, Callable[[_Subject], str]], ...] = (
        ("python", _python),
        ("torch", _torch),
        ("torchtitan", _torchtitan),
        ("batch", _batch),
        ("model", _model),
        ("tokenizer", _tokenizer),
        *((f"data {source.folder}", _data(Path(source.folder))) for source in subject.spec.data.sources),
        ("devices", _devices),
        ("memory", _memory),
        ("disk", _disk),
        ("start", _start),
        ("checkpoint", _checkpoint),
    )
    for name, look in checks:
        try:
            yield Check(name=name, ok=True, detail=look(subject))
        except _FaultError as fault:
            yield Check(name=name, ok=False, detail=fault.detail, repair=fault.repair)
        except OpenCoderError as error:
            yield Check(name=name, ok=False, detail=str(error))


def _python(_: _Subject) -> str:
    return platform.python_version()


def _version(package: str, wanted: str) -> str:
    repair = "pip install 'opencoder[train]'"
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise _FaultError(f"{package} {wanted} is not installed", repair) from None
    if found.partition("+")[0] != wanted:
        raise _FaultError(f"{package} {found} is installed; training needs {wanted}", repair)
    return found


def _torch(_: _Subject) -> str:
    return _version("torch", PINNED["torch"])


def _torchtitan(_: _Subject) -> str:
    return _version("torchtitan", PINNED["torchtitan"])


def _batch(subject: _Subject) -> str:
    batch, parallel = subject.spec.batch, subject.spec.parallel
    return (
        f"{batch.sequences} sequences of {batch.seq_len} tokens a step: {parallel.data_ranks} ranks x "
        f"{batch.micro} x {subject.spec.accumulation} accumulated"
    )


def _model(subject: _Subject) -> str:
    shape, parallel, batch = subject.spec.shape, subject.spec.parallel, subject.spec.batch
    if batch.seq_len > shape.max_positions:
        raise _FaultError(
            f"sequences of {batch.seq_len} tokens; the model has {shape.max_positions} positions"
        )
    if shape.heads % parallel.tensor or shape.kv_heads % parallel.tensor:
        raise _FaultError(
            f"{parallel.tensor} tensor ranks cannot share {shape.heads} heads ({shape.kv_heads} key-value)"
        )
    return f"{shape.params:,} parameters"


def _tokenizer(subject: _Subject) -> str:
    return f"tokenizer.json {sha256_file(Path(subject.spec.tokenizer) / 'tokenizer.json')[:12]}"


def _data(source: Path) -> Callable[[_Subject], str]:
    """Return the check of one folder of shards: whole, of this tokenizer, and of ids that the model knows."""

    def look(subject: _Subject) -> str:
        shards = TokenShards(source)
        manifest = shards.manifest
        kind = "documents" if subject.spec.data.form == "stream" else "dialogues"
        if manifest.kind != kind:
            raise _FaultError(f"{source} holds {manifest.kind}; this recipe trains on {kind}")
        if manifest.tokenizer.vocab > subject.spec.shape.vocab:
            raise _FaultError(
                f"{source} has ids below {manifest.tokenizer.vocab:,}; the model's embedding has "
                f"{subject.spec.shape.vocab:,} rows"
            )
        shards.check_tokenizer(Path(subject.spec.tokenizer))
        if not manifest.tokens:
            raise _FaultError(f"{source} holds no tokens")
        return f"{manifest.documents:,} {manifest.kind}, {manifest.tokens:,} tokens"

    return look


def _devices(subject: _Subject) -> str:
    ranks = subject.spec.parallel.ranks
    if subject.spec.compute.device == "cpu":
        return f"{ranks} ranks on CPUs"
    found = _gpus()
    if found < ranks:
        raise _FaultError(
            f"{ranks} ranks need as many GPUs; {found} can be used (see nvidia-smi); lower --nproc"
        )
    return f"{ranks} of {found} GPUs"


def _gpus() -> int:
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count())


def state_bytes(spec: RunSpec) -> int:
    """Return the bytes of parameters, gradients and AdamW's two moments of the whole model."""
    return spec.shape.params * 4 * (4 if spec.compute.param_dtype == "float32" else 2)


def checkpoint_bytes(spec: RunSpec) -> int:
    """Return the bytes of one checkpoint: parameters and AdamW's two moments, without gradients."""
    return state_bytes(spec) // 4 * 3


def _memory(subject: _Subject) -> str:
    """Compare a lower bound with what is there: ``opencoder train plan`` adds the activations."""
    spec = subject.spec
    if spec.compute.device == "cpu":
        need, have, where = state_bytes(spec) * spec.parallel.replicate, _free_memory(), "this machine"
    else:
        need, have, where = (
            state_bytes(spec) // (spec.parallel.shard * spec.parallel.tensor),
            _gpu_memory(),
            "a GPU",
        )
    if need > have:
        raise _FaultError(
            f"weights, gradients and optimiser take {need / GIB:,.1f} of {have / GIB:,.1f} GiB on {where}; "
            f"see: opencoder train plan {spec.name.partition('/')[0]}"
        )
    return f"{need / GIB:,.1f} GiB of {have / GIB:,.1f} GiB before activations"


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return sys.maxsize


def _gpu_memory() -> int:
    import torch

    if not torch.cuda.is_available():
        raise _FaultError("no GPU can be used (see nvidia-smi); --device cpu runs the small recipes")
    return int(torch.cuda.get_device_properties(0).total_memory)


def _disk(subject: _Subject) -> str:
    """Ask for room for one checkpoint more than is kept: the oldest goes when the newest is whole."""
    spec = subject.spec
    place = next(path for path in (subject.folder, *subject.folder.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    size = checkpoint_bytes(spec)
    there = len(checkpoints.steps(subject.folder / CHECKPOINTS))
    kept = spec.checkpoints.keep_last
    if spec.checkpoints.keep_every:
        kept += spec.steps // spec.checkpoints.keep_every
    need = max(1, kept + 1 - there) * size
    if need > free:
        raise _FaultError(
            f"{subject.folder} has {free / GIB:,.1f} GiB free; {kept} kept checkpoints and the next, "
            f"{size / GIB:,.2f} GiB each, take {need / GIB:,.1f} GiB; free some space, or lower --keep-last"
        )
    return f"{need / GIB:,.2f} GiB of {free / GIB:,.1f} GiB free"


def _start(subject: _Subject) -> str:
    start = subject.spec.start
    path = Path(start.path)
    if step_to_go_on_from(subject.folder) is not None:
        return "has its own checkpoint"
    if start.kind == "checkpoint":
        checkpoints.verify_sizes(path)
    elif start.kind == "hf" and not (path / "config.json").is_file():
        raise DataError("no config.json; this is no Hugging Face folder", path=path)
    return f"{start.kind} {start.path}".strip()


def _checkpoint(subject: _Subject) -> str:
    """Look at names and sizes of the checkpoint to go on from; its bytes are read by the ranks, once."""
    step = step_to_go_on_from(subject.folder)
    if step is None:
        return "none yet"
    folder = subject.folder / CHECKPOINTS
    try:
        checkpoints.verify_sizes(checkpoints.step_folder(folder, step))
    except DataError as error:
        others = [number for number in checkpoints.steps(folder) if number < step]
        way = (
            f"go on from the one before with --load-step {others[-1]}"
            if others
            else "begin anew: --no-resume"
        )
        raise _FaultError(f"{error}; {way}") from error
    return f"goes on from step {step}"
