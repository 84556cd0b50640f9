"""Repairs that torchtitan 0.3.0 needs on released versions of torch, and on machines without an accelerator.

Each is made only where the thing that it stands in for is missing, which is looked up and never guessed from
a version. :func:`prepare` must run before the first import of torchtitan, which looks for a device then.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import resource
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import torch


def prepare(device: Literal["cpu", "cuda"]) -> None:
    """Make torchtitan importable and usable here.

    Args:
        device: What the run computes on. ``cpu`` also hides an accelerator that is there.
    """
    add_set_timeout()
    if device == "cpu":
        choose_cpu()
        complete_torch_cpu()
    with triton_or_stub():
        # The mixture-of-experts kernels are imported by every model, dense ones too.
        importlib.import_module("torchtitan.models.llama3")


def choose_cpu() -> None:
    """Let torchtitan find the CPU: without an accelerator it takes ``cuda`` for granted."""
    vars(importlib.import_module("torch._utils"))["_get_available_device_type"] = lambda: "cpu"


def complete_torch_cpu() -> None:
    """Give ``torch.cpu`` the calls that torchtitan makes of every device module."""
    cpu: Any = torch.cpu
    # barrier(device_ids=["cpu"]), which a device's name would lead to, is refused.
    cpu.current_device = lambda: 0
    for name, stand_in in _CPU_CALLS.items():
        if not hasattr(cpu, name):
            setattr(cpu, name, stand_in)


def _properties(device: Any = None) -> SimpleNamespace:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return SimpleNamespace(name="cpu", total_memory=total)


def _memory_stats(device: Any = None) -> dict[str, int]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    names = ("active_bytes.all.peak", "reserved_bytes.all.peak")
    return {**dict.fromkeys(names, peak), "num_alloc_retries": 0, "num_ooms": 0}


_CPU_CALLS: dict[str, Callable[..., Any]] = {
    "get_device_name": lambda device=None: "cpu",
    "get_device_properties": _properties,
    "memory_stats": _memory_stats,
    "reset_peak_memory_stats": lambda device=None: None,
    "empty_cache": lambda: None,
}


def add_set_timeout() -> None:
    """Add ``torch.distributed.set_timeout``, which torchtitan calls after the first step.

    Only nightly builds of torch had it when torchtitan 0.3.0 came out (pytorch/torchtitan#3811).
    """
    if hasattr(torch.distributed, "set_timeout"):
        return
    from torch.distributed import distributed_c10d

    def set_timeout(timeout: timedelta, group: torch.distributed.ProcessGroup | None = None) -> None:
        distributed_c10d._set_pg_timeout(timeout, group)

    torch.distributed.set_timeout = set_timeout  # type: ignore[attr-defined]


@contextlib.contextmanager
def triton_or_stub() -> Iterator[None]:
    """Stand in for triton while the block imports modules that hold kernels which are never run here.

    The stand-in is gone after the block, so that torch does not take it for the compiler.
    """
    if importlib.util.find_spec("triton") is not None:
        yield
        return
    # torch looks for triton where its compiler is imported: that must happen before there is a stand-in.
    importlib.import_module("torch._inductor.compile_fx")
    names = ("triton", "triton.language")
    triton, language = (_Stub(name) for name in names)
    triton.jit = _keep  # type: ignore[attr-defined]
    triton.autotune = lambda *args, **kwargs: _keep  # type: ignore[attr-defined]
    triton.language = language  # type: ignore[attr-defined]
    try:
        sys.modules.update(zip(names, (triton, language), strict=True))
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def _keep(function: Any = None, **options: Any) -> Any:
    return function if function is not None else _keep


def _nothing(*args: Any, **options: Any) -> None:
    """Do nothing."""


class _Stub(ModuleType):
    """A module in which every name is there and means nothing: kernels name types when they are defined."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


def sum_gradients(model: torch.nn.Module) -> None:
    """Let FSDP add gradients and divide them after: gloo has no reduction that scales as it adds."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(True)


def watch_gradient_norm(seen: Callable[[torch.Tensor], None]) -> None:
    """Call ``seen`` with the global gradient norm of every step, before the optimiser's step.

    torchtitan's trainer computes it inside its step and passes it to nobody but the log.
    """
    from torchtitan.distributed import utils

    clip = utils.clip_grad_norm_

    def clip_and_tell(*args: Any, **kwargs: Any) -> torch.Tensor:
        norm: torch.Tensor = clip(*args, **kwargs)
        seen(norm)
        return norm

    utils.clip_grad_norm_ = clip_and_tell
