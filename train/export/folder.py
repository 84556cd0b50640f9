"""A complete Hugging Face folder: weights, configs, tokenizer, card; whole under its name, or not there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opencoder.errors import UserError
from opencoder.files import make_folder, sync_folder, write_bytes, write_error, writing_to
from opencoder.lock import FolderLock
from train.export.checkpoint import Checkpoint
from train.export.names import hf_name, titan_sizes, to_hf
from train.export.tokenizer import FILES, Ids
from train.shape import Shape

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
_LOCK = "lock"
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``out`` that becomes ``out`` when the block has ended well.

    What a killed process left there is removed first. An error in the block removes it too.

    Raises:
        UserError: ``out`` holds something already, another process is at it, or the place cannot be written.
        DependencyError: The disk is full.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is there already; remove it, or choose another folder with -o")
    partial = out.with_name(f".{out.name}.partial")
    make_folder(partial)
    lock = FolderLock(partial / _LOCK)
    try:
        for path in partial.iterdir():
            if path.name != _LOCK:
                path.unlink()
        yield partial
        with writing_to(out):
            (partial / _LOCK).unlink()
            sync_folder(partial)
            partial.rename(out)
            sync_folder(out.parent)
    finally:
        lock.release()
        shutil.rmtree(partial, ignore_errors=True)


def plan_shards(shape: Shape, dtype: str, max_bytes: int) -> list[list[str]]:
    """Share the parameters out among files, in order.

    Args:
        shape: The model.
        dtype: Format of the export.
        max_bytes: Largest file; one parameter that is larger has a file of its own.

    Returns:
        torchtitan's names, by file.
    """
    shards: list[list[str]] = []
    room = 0
    for name, size in titan_sizes(shape):
        num_bytes = _BYTES[dtype]
        for length in size:
            num_bytes *= length
        if not shards or num_bytes > room:
            shards.append([])
            room = max_bytes
        shards[-1].append(name)
        room -= num_bytes
    return shards


def write_weights(folder: Path, checkpoint: Checkpoint, dtype: str, max_bytes: int) -> list[str]:
    """Write the safetensors files and their index; no more than one file's tensors are in memory.

    Returns:
        The names of the files with weights.

    Raises:
        DataError: The checkpoint is damaged.
        DependencyError: The disk is full.
    """
    shards = plan_shards(checkpoint.shape, dtype, max_bytes)
    weight_map: dict[str, str] = {}
    files: list[str] = []
    for number, names in enumerate(shards, start=1):
        only = len(shards) == 1
        files.append("model.safetensors" if only else f"model-{number:05}-of-{len(shards):05}.safetensors")
        _write_shard(folder / files[-1], checkpoint, names, dtype)
        weight_map |= {hf_name(name): files[-1] for name in names}
    if len(files) > 1:
        total = {
            "total_size": checkpoint.shape.params * _BYTES[dtype],
            "total_parameters": checkpoint.shape.params,
        }
        write_object(folder / INDEX, {"metadata": total, "weight_map": weight_map})
    return files


def _write_shard(path: Path, checkpoint: Checkpoint, names: list[str], dtype: str) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    kind = torch_dtype(dtype)
    tensors = {}
    for name in names:
        tensor = to_hf(name, checkpoint.read(name), checkpoint.shape).to(kind).contiguous()
        if not torch.isfinite(tensor).all():
            raise UserError(f"{name} has values that are no numbers in {dtype}; choose another --dtype")
        tensors[hf_name(name)] = tensor
    try:
        with writing_to(path):
            save_file(tensors, path, metadata={"format": "pt"})
            _sync(path)
    except SafetensorError as error:
        raise _disk_error(path, error) from error


def write_configs(folder: Path, shape: Shape, ids: Ids, dtype: str) -> None:
    """Write ``config.json`` and ``generation_config.json``."""
    ends = ids.ends
    generation: dict[str, Any] = {"_from_model_config": False}
    special: dict[str, Any] = {}
    if ids.bos is not None:
        special["bos_token_id"] = ids.bos
    if ids.pad is not None:
        special["pad_token_id"] = ids.pad
    if ids.eos is not None:
        special["eos_token_id"] = ids.eos
    generation |= special
    if ends:
        generation["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    write_object(folder / "config.json", {**shape.hf_config(), "dtype": dtype, **special})
    write_object(folder / "generation_config.json", generation)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the files of a tokenizer."""
    for name in FILES:
        if (source / name).is_file():
            write_bytes(folder / name, (source / name).read_bytes())


def write_object(path: Path, value: object) -> None:
    """Write a JSON file as Hugging Face's libraries do: indented, keys sorted."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def torch_dtype(name: str) -> torch.dtype:
    """Return torch's number format of a name."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _disk_error(path: Path, error: Exception) -> Exception:
    """Turn the library's own error into ours by the number that it carries in its text."""
    number = re.search(r"os error (\d+)", str(error))
    return write_error(path, OSError(int(number[1]) if number else 0, str(error)))
