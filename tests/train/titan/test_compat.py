"""Each repair of torchtitan on this machine, by itself."""

from __future__ import annotations

import importlib
import sys
from datetime import timedelta
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from train.titan import compat  # noqa: E402


def test_set_timeout_is_added_only_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    from torch.distributed import distributed_c10d

    monkeypatch.setattr(distributed_c10d, "_set_pg_timeout", lambda *args: told.append(args))
    monkeypatch.delattr(torch.distributed, "set_timeout", raising=False)
    compat.add_set_timeout()
    torch.distributed.set_timeout(timedelta(seconds=5))
    assert told == [(timedelta(seconds=5), None)]
    own = object()
    monkeypatch.setattr(torch.distributed, "set_timeout", own)
    compat.add_set_timeout()
    assert torch.distributed.set_timeout is own


def test_the_cpu_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._utils, "_get_available_device_type", lambda: None)
    compat.choose_cpu()
    assert torch._utils._get_available_device_type() == "cpu"


def test_the_cpu_answers_what_every_device_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_device_name", lambda device=None: "its own", raising=False)
    monkeypatch.setattr(torch.cpu, "current_device", torch.cpu.current_device)
    compat.complete_torch_cpu()
    assert torch.cpu.get_device_name() == "its own"
    assert torch.cpu.current_device() == 0
    assert torch.cpu.get_device_properties(0).total_memory > 1 << 28
    before = torch.cpu.memory_stats()["reserved_bytes.all.peak"]
    assert before > 1 << 24
    torch.cpu.reset_peak_memory_stats()
    torch.cpu.empty_cache()


def test_triton_is_there_for_kernels_and_gone_after() -> None:
    if "triton" in sys.modules:
        pytest.skip("triton is installed: there is no stand-in")
    with compat.triton_or_stub():
        triton: Any = importlib.import_module("triton")
        tl: Any = importlib.import_module("triton.language")

        @triton.jit
        def kernel() -> None: ...

        @triton.autotune(configs=[], key=[])
        def tuned() -> int:
            return 3

        assert tuned() == 3
        # What annotations of kernels call when they are defined.
        assert tl.pointer_type(tl.int64) is None
        assert tl.constexpr is not None
    assert "triton" not in sys.modules
    assert "triton.language" not in sys.modules


def test_the_norm_is_told_before_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.prepare("cpu")
    from torchtitan.distributed import utils

    monkeypatch.setattr(utils, "clip_grad_norm_", lambda parameters, max_norm: torch.tensor(3.0))
    seen: list[float] = []
    compat.watch_gradient_norm(lambda norm: seen.append(float(norm)))
    assert utils.clip_grad_norm_([], 1.0) == 3.0
    assert seen == [3.0]
