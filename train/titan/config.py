"""From a run's spec to torchtitan's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.tokenizer import BaseTokenizer
from torchtitan.config.configs import (
    CommConfig,
    CompileConfig,
    DebugConfig,
    ParallelismConfig,
    TrainingConfig,
)
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC

from train.spec import CHECKPOINTS, SINKS, RunSpec
from train.titan.checkpoint import SealedCheckpoints
from train.titan.loader import SpecLoader
from train.titan.metrics import SpecMetrics
from train.titan.model import model_spec
from train.titan.optimizer import optimizer_config
from train.titan.schedule import SpecSchedule
from train.titan.trainer import SpecTrainer


class NoTokenizer(BaseTokenizer):
    """Stands where torchtitan wants a tokenizer: shards hold tokens already."""

    @dataclass(kw_only=True, slots=True)
    class Config(BaseTokenizer.Config):
        """No settings."""

    def __init__(self, config: Config, **_: Any) -> None:
        super().__init__()

    def encode(self, *_: Any, **__: Any) -> list[int]:
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("token shards are tokenised already")

    def decode(self, *_: Any, **__: Any) -> str:
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("token shards are tokenised already")

    def get_vocab_size(self) -> int:
        """Return 0: the model's shape says how many rows it has."""
        return 0


def trainer_config(folder: Path, spec: RunSpec) -> SpecTrainer.Config:
    """Return the configuration that torchtitan's trainer is built from.

    Args:
        folder: The run folder, absolute.
        spec: What it holds.
    """
    device = spec.compute.device
    return SpecTrainer.Config(
        folder=str(folder),
        dump_folder=str(folder),
        hf_assets_path=spec.start.path if spec.start.kind == "hf" else spec.tokenizer,
        model_spec=model_spec(spec.shape, name=spec.name, device=device),
        tokenizer=NoTokenizer.Config(),
        dataloader=SpecLoader.Config(folder=str(folder)),
        optimizer=optimizer_config(spec),
        lr_scheduler=SpecSchedule.Config(schedule=spec.schedule),
        loss=_loss(spec),
        training=_training(spec),
        parallelism=_parallelism(spec),
        checkpoint=_checkpoint(spec),
        activation_checkpoint=_activation(spec),
        compile=CompileConfig(enable=spec.compute.compile),
        comm=CommConfig(train_timeout_seconds=600, trace_buf_size=0),
        debug=DebugConfig(seed=spec.seed, deterministic=spec.compute.deterministic),
        metrics=SpecMetrics.Config(
            folder=str(folder),
            tokens_per_step=spec.batch.tokens,
            ranks=spec.parallel.ranks,
            log_freq=spec.log_every,
            save_tb_folder=SINKS,
            enable_tensorboard="tensorboard" in spec.sinks,
            enable_wandb="wandb" in spec.sinks,
            disable_color_printing=True,
        ),
    )


def _loss(spec: RunSpec) -> Any:
    plain = CrossEntropyLoss.Config(global_vocab_size=spec.shape.vocab)
    # Chunks are equal parts of the sequence.
    if spec.compute.chunked_loss and spec.batch.seq_len % 8 == 0:
        return ChunkedLossWrapper.Config(num_chunks=8, loss_fn=plain)
    return plain


def _training(spec: RunSpec) -> TrainingConfig:
    return TrainingConfig(
        local_batch_size=spec.batch.micro,
        global_batch_size=spec.batch.sequences,
        seq_len=spec.batch.seq_len,
        max_norm=spec.optimizer.max_norm,
        steps=spec.steps,
        dtype=spec.compute.param_dtype,
        mixed_precision_param=spec.compute.compute_dtype,
        disable_cuda_graphs=True,
    )


def _parallelism(spec: RunSpec) -> ParallelismConfig:
    return ParallelismConfig(
        data_parallel_replicate_degree=spec.parallel.replicate,
        data_parallel_shard_degree=spec.parallel.shard,
        tensor_parallel_degree=spec.parallel.tensor,
        # fully_shard of torch 2.13 refuses the plain tensors of torchtitan's default backend.
        spmd_backend="partial_dtensor",
    )


def _checkpoint(spec: RunSpec) -> SealedCheckpoints.Config:
    start = spec.start
    return SealedCheckpoints.Config(
        enable=True,
        folder=CHECKPOINTS,
        interval=spec.checkpoints.every,
        keep_latest_k=spec.checkpoints.keep_last,
        keep_every=spec.checkpoints.keep_every,
        tokens_per_step=spec.batch.tokens,
        async_mode="async" if spec.checkpoints.asynchronous else "disabled",
        # The last checkpoint is one like all others: the run can be extended from it.
        last_save_model_only=False,
        initial_load_path=start.path or None,
        initial_load_in_hf=start.kind == "hf",
        initial_load_model_only=not start.optimizer,
    )


def _activation(spec: RunSpec) -> Any:
    kinds = {"none": lambda: None, "selective": SelectiveAC.Config, "full": FullAC.Config}
    return kinds[spec.compute.activation_checkpoint]()
