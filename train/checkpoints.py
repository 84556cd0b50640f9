"""Checkpoint folders on disk: which are whole, which are damaged, which are kept.

::

    checkpoint/step-N/.metadata, __R_I.distcp   torch's distributed checkpoint
    checkpoint/step-N/.crc-R.json               CRC-32 of the files that rank R wrote
    checkpoint/step-N/.complete.json            all files and their sizes, written last by rank 0

A folder without ``.complete.json`` was being written when something ended, and does not count.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.files import crc32_file
from opencoder.store import read_json, write_json

COMPLETE = ".complete.json"
_STEP = re.compile(r"step-(\d+)")


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """Content of ``.complete.json``.

    Attributes:
        step: Optimiser steps taken.
        tokens: Tokens seen.
        files: Size in bytes of every file by name.
    """

    step: int
    tokens: int
    files: dict[str, int]


def step_folder(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies (torchtitan's name for it)."""
    return folder / f"step-{step}"


def steps(folder: Path, *, whole: bool = True) -> list[int]:
    """Return the steps that have a checkpoint, in order.

    Args:
        folder: The folder that holds ``step-N`` folders.
        whole: Only those that were written to the end.
    """
    if not folder.is_dir():
        return []
    found = ((path, _STEP.fullmatch(path.name)) for path in folder.iterdir())
    return sorted(
        int(match[1]) for path, match in found if match and (not whole or (path / COMPLETE).is_file())
    )


def record_crc(folder: Path, rank: int) -> None:
    """Write the CRC-32 of the files that a rank has written into a checkpoint folder."""
    own = sorted(folder.glob(f"__{rank}_*"))
    write_json(folder / f".crc-{rank}.json", {path.name: crc32_file(path) for path in own})


def record_complete(folder: Path, *, step: int, tokens: int) -> None:
    """Declare a checkpoint whole. Rank 0 does so when all ranks have written."""
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if _is_data(path)}
    write_json(folder / COMPLETE, Complete(step=step, tokens=tokens, files=files))


def _is_data(path: Path) -> bool:
    return path.name == ".metadata" or path.suffix == ".distcp"


def verify(folder: Path, *, part: int = 0, parts: int = 1) -> None:
    """Check a checkpoint's files against what was recorded.

    Args:
        folder: A ``step-N`` folder.
        part: Of the files, every ``parts``-th beginning with this one has its bytes read (sizes: all).
        parts: Ranks that share the reading.

    Raises:
        DataError: It is not whole, or a file is missing, cut or changed; says which.
    """
    files = verify_sizes(folder)
    sums: dict[str, int] = {}
    for path in folder.glob(".crc-*.json"):
        sums.update(read_json(path, dict[str, int]))
    for number, path in enumerate(files):
        if number % parts == part and path.name in sums and crc32_file(path) != sums[path.name]:
            raise DataError("checkpoint file is damaged (its CRC-32 differs)", path=path)


def verify_sizes(folder: Path) -> list[Path]:
    """Check that a checkpoint is whole and that its files have the sizes recorded; no bytes are read.

    Args:
        folder: A ``step-N`` folder.

    Returns:
        Its files, by name.

    Raises:
        DataError: It is not whole, or a file is missing or cut; says which.
    """
    if not (folder / COMPLETE).is_file():
        raise DataError(f"checkpoint was not written to the end (no {COMPLETE})", path=folder)
    files = []
    for name, size in sorted(read_json(folder / COMPLETE, Complete).files.items()):
        path = folder / name
        if not path.is_file():
            raise DataError("checkpoint file is missing", path=path)
        if path.stat().st_size != size:
            raise DataError(
                f"checkpoint file has {path.stat().st_size} bytes, {size} were written", path=path
            )
        files.append(path)
    return files


def chosen(folder: Path, step: int | None) -> Path | None:
    """Return the checkpoint to go on from: the newest whole one, or that of ``step``; ``None`` without any.

    Raises:
        UserError: There is no whole checkpoint of that step; names those that are there.
    """
    there = steps(folder)
    if step is not None and step not in there:
        names = ", ".join(map(str, there)) or "none"
        raise UserError(f"{folder}: no whole checkpoint of step {step}; there are: {names}")
    if not there:
        return None
    return step_folder(folder, there[-1] if step is None else step)


def to_remove(there: Iterable[int], *, keep_last: int, keep_every: int) -> list[int]:
    """Return the steps whose checkpoints may go: not the newest ones nor multiples of ``keep_every``."""
    older = sorted(there)[:-keep_last]
    return [step for step in older if not keep_every or step % keep_every]


def remove(folder: Path, step: int) -> None:
    """Remove a checkpoint; first what makes it count, so that half of it is never taken for whole."""
    path = step_folder(folder, step)
    (path / COMPLETE).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def set_aside(folder: Path, step: int, aside: Path) -> None:
    """Move a checkpoint out of the way: the run goes on from an earlier one, and nothing is lost."""
    aside.mkdir(exist_ok=True)
    target, number = aside / f"step-{step}", 1
    while target.exists():
        number += 1
        target = aside / f"step-{step}.{number}"
    step_folder(folder, step).rename(target)
