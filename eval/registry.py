"""The benchmarks by name. A name is bound to a module that is imported when the benchmark is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Any, cast

from eval.benchmarks.base import Benchmark
from eval.sources import is_available
from opencoder.errors import UserError

MODULES = {
    "humaneval": "eval.benchmarks.humaneval",
    "humaneval+": "eval.benchmarks.humaneval_plus",
    "mbpp": "eval.benchmarks.mbpp",
    "mbpp-sanitized": "eval.benchmarks.mbpp_sanitized",
    "mbpp+": "eval.benchmarks.mbpp_plus",
}
"""Benchmark name to the module whose ``BENCHMARK`` it is."""


def find_benchmark(name: str) -> Benchmark:
    """Return the benchmark called ``name``.

    Raises:
        UserError: There is none of that name.
    """
    module = MODULES.get(name)
    if module is None:
        near = difflib.get_close_matches(name.lower(), MODULES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "choose from " + ", ".join(MODULES)
        raise UserError(f"no benchmark {name!r}; {hint}")
    return cast(Benchmark, importlib.import_module(module).BENCHMARK)


def list_rows() -> list[dict[str, Any]]:
    """Return a row for each benchmark: ``name``, ``num_tasks``, ``languages``, ``available``.

    ``available`` says that the data is on this machine or can be fetched; nothing is read for it.
    """
    return [
        {
            "name": benchmark.name,
            "num_tasks": benchmark.num_tasks,
            "languages": list(benchmark.languages),
            "available": is_available(benchmark.file),
        }
        for benchmark in map(find_benchmark, MODULES)
    ]
