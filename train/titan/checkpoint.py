"""torchtitan's checkpoints, sealed when whole, verified before use, kept by rule."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torchtitan.components.checkpointer import CheckpointManager

from opencoder.errors import DataError, DependencyError, InfraError, OpenCoderError
from train import checkpoints

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_ROOM = 1 << 20
"""Bytes; a writer that failed with less left failed for that."""
NOT_CARRIED_OVER = ["dataloader", "lr_scheduler", "train_state"]
"""What a run that starts from another's checkpoint begins anew."""


class SealedCheckpoints(CheckpointManager):
    """A checkpoint counts when ``.complete.json`` is there, and is read only if its files are unchanged."""

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        """``keep_every``: checkpoints at multiples of so many steps stay for good; 0 for none."""

        keep_every: int = 0
        tokens_per_step: int = 0

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._settings = config
        self._rank, self._world = dist.get_rank(), dist.get_world_size()
        self._saved = -1
        self._seal_error: OpenCoderError | None = None

    def saved(self, step: int) -> bool:
        """Tell whether this step has been saved by this process."""
        return self._saved == step

    def _save(self, curr_step: int, last_step: bool = False) -> bool:
        if not self._should_save(curr_step, last_step):
            return False
        folder = checkpoints.step_folder(Path(self.folder), curr_step)
        self.maybe_wait_for_saving()
        if self._rank == 0:
            # What an earlier session left unfinished there, and names that no rank of this one writes.
            checkpoints.remove(Path(self.folder), curr_step)
        dist.barrier()
        try:
            super()._save(curr_step, last_step)
        except (Exception, CheckpointException) as error:
            raise self._failure(folder, error) from error
        self._saved = curr_step
        if self.save_future is None:
            self._seal(folder, curr_step)
            dist.barrier()
        else:
            self.save_future.add_done_callback(lambda done: self._seal_async(done, folder, curr_step))
        return True

    def _seal_async(self, done: Any, folder: Path, step: int) -> None:
        if done.exception() is not None:
            return
        try:
            self._seal(folder, step)
        except OpenCoderError as error:
            # Raised where the trainer waits for the save: a callback's errors reach nobody.
            self._seal_error = error

    def _seal(self, folder: Path, step: int) -> None:
        checkpoints.record_crc(folder, self._rank)
        if self._rank == 0:
            tokens = step * self._settings.tokens_per_step
            checkpoints.record_complete(folder, step=step, tokens=tokens)
            self._remove_old()

    def _remove_old(self) -> None:
        for step in checkpoints.to_remove(
            checkpoints.steps(Path(self.folder)),
            keep_last=self._settings.keep_latest_k,
            keep_every=self._settings.keep_every,
        ):
            checkpoints.remove(Path(self.folder), step)

    def _wait_for_saving(self) -> None:
        step = self._saved
        try:
            super()._wait_for_saving()
        except (Exception, CheckpointException) as error:
            self.save_future = None
            raise self._failure(checkpoints.step_folder(Path(self.folder), step), error) from error
        if self._seal_error is not None:
            raise self._seal_error

    def _purge_stale_checkpoints(self) -> None:
        """Leave it: torchtitan would remove whole ones while the newest is still being written."""

    def _close(self) -> None:
        self.maybe_wait_for_saving()
        super()._close()

    def _load(self, step: int = -1) -> bool:
        folder = checkpoints.chosen(Path(self.folder), None if step == -1 else step)
        if folder is None:
            return self._load_start()
        self._verify(folder)
        return bool(super()._load(int(folder.name.removeprefix("step-"))))

    def _load_start(self) -> bool:
        if self.initial_load_path and not self.initial_load_in_hf:
            self._verify(Path(self.initial_load_path))
        # torchtitan takes the newest folder by its own rule, which half-written ones pass.
        self._find_load_step = lambda folder="": -1
        self.exclude_from_loading = list(NOT_CARRIED_OVER)
        try:
            return bool(super()._load(-1))
        finally:
            self.exclude_from_loading = []

    def _verify(self, folder: Path) -> None:
        """Check a checkpoint; all ranks share the reading and agree on the outcome."""
        message = ""
        try:
            checkpoints.verify(folder, part=self._rank, parts=self._world)
        except DataError as error:
            message = str(error)
        found: list[str] = [""] * self._world
        dist.all_gather_object(found, message)
        if first := next(filter(None, found), ""):
            raise InfraError(f"{first}; {self._way_on(folder)}")

    def _way_on(self, folder: Path) -> str:
        others = [step for step in checkpoints.steps(folder.parent) if f"step-{step}" != folder.name]
        if not others:
            return "no other checkpoint is there"
        return f"the last other checkpoint is step {others[-1]}: go on from it with --load-step {others[-1]}"

    def _failure(self, folder: Path, error: BaseException) -> OpenCoderError:
        """Remove what was written of a checkpoint, and say why the rest could not be."""
        full = disk_is_full(folder, error)
        checkpoints.remove(folder.parent, int(folder.name.removeprefix("step-")))
        there = checkpoints.steps(folder.parent)
        last = f"last whole checkpoint: step {there[-1]}" if there else "there is no whole checkpoint yet"
        if full:
            message = f"disk is full: cannot write {folder}; {last}; free some space, then go on"
            return DependencyError(message, repair=f"df -h {folder.parent}")
        why = " ".join(str(error).split())[:300]
        return InfraError(f"{folder}: checkpoint could not be written: {why}; {last}")


def disk_is_full(folder: Path, error: BaseException) -> bool:
    """Tell whether a checkpoint failed for want of space.

    torch's writer of archives hides the system's error behind one of its own, so the disk is asked too.
    """
    if any(isinstance(cause, OSError) and cause.errno in _FULL for cause in causes(error)):
        return True
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < _NO_ROOM
    return False


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, also what other ranks told (torch's ``CheckpointException``)."""
    yield error
    failures: dict[int, Any] = getattr(error, "failures", {})
    for failure in failures.values():
        yield from causes(failure[0] if isinstance(failure, tuple) else failure)
    for cause in (error.__cause__, error.__context__):
        if cause is not None:
            yield from causes(cause)
