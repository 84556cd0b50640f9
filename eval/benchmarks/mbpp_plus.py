"""MBPP+ (https://github.com/evalplus/evalplus): 378 tasks of MBPP with about thirty times the inputs.

JSON has no tuples, sets and complex numbers. Which task's inputs are to be turned into which is a fact about
the data (evalplus 0.3.1, ``data/mbpp.py``), kept in :data:`SHAPES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eval import prompts
from eval.benchmarks import humaneval
from eval.benchmarks.base import Cases, OracleKind, PythonBenchmark
from eval.presets import Preset
from eval.prompts import PromptParts
from eval.sources import DATA_VARIABLE, DataFile
from opencoder.records import Task

Arguments = Sequence[Any]


def _each(convert: Callable[[Any], Any]) -> Callable[[Arguments], Arguments]:
    """Convert every argument."""
    return lambda arguments: [convert(argument) for argument in arguments]


def _at(position: int, convert: Callable[[Any], Any]) -> Callable[[Arguments], Arguments]:
    """Convert one argument."""
    return lambda arguments: [
        convert(argument) if index == position else argument for index, argument in enumerate(arguments)
    ]


def _tuples(items: Sequence[Any]) -> list[Any]:
    return [tuple(item) for item in items]


def _tuple_of_tuples(items: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(tuple, items))


def _deep_tuple(value: Any) -> Any:
    return tuple(map(_deep_tuple, value)) if isinstance(value, list) else value


def _lists_to_tuples(items: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in items)


def _sets(items: Sequence[Any]) -> list[Any]:
    """An empty list stands for an empty dictionary."""
    return [set(item) if isinstance(item, list) and item else {} for item in items]


def _tuple_values(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) for key, value in mapping.items()}


SHAPES: dict[Callable[[Arguments], Arguments], str] = {
    _each(tuple): "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
    _each(_tuples): "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
    _each(_tuple_of_tuples): "259 401 445",
    _each(_lists_to_tuples): "278",
    _at(0, _tuples): "75 413 444 753",
    _at(0, tuple): "250 307 405 446 617 720 763 808",
    _at(1, tuple): "106 750",
    _at(0, _sets): "115",
    _at(0, _tuple_values): "722",
    _at(0, complex): "252",
    lambda arguments: (float(arguments[0]), complex(arguments[1])): "124",
    _deep_tuple: "580 615 791",
}
"""Converters of one argument list, and the numbers of the tasks that they are for."""

_CONVERTERS = {int(number): convert for convert, numbers in SHAPES.items() for number in numbers.split()}

_ORACLES: dict[OracleKind, str] = {
    "always": "are_equivalent",
    "sum_div": "sum_div",
    "surface_area": "surface_Area",
    "digit_distance": "digit_distance_nums",
    "not_none": "check_str text_match_three text_starta_endb",
    "set_equal": (
        "similar_elements find_char_long common_in_nested_lists extract_singly larg_nnum "
        "intersection_array find_dissimilar Diff"
    ),
}
"""Functions with a rule of comparison of their own."""

ORACLE_OF: dict[str, OracleKind] = {name: kind for kind, names in _ORACLES.items() for name in names.split()}


def convert_inputs(task_id: str, inputs: Sequence[Any]) -> Sequence[Any]:
    """Return the argument lists of a task as the benchmark means them.

    Args:
        task_id: As in ``Mbpp/2``.
        inputs: Argument lists as JSON gives them.
    """
    convert = _CONVERTERS.get(int(task_id.rpartition("/")[2]))
    return [convert(arguments) for arguments in inputs] if convert else inputs


def make_prompt(task: Task, preset: Preset, rows: Sequence[dict[str, Any]]) -> PromptParts:
    """Return the prompt: the task's docstring, without an example."""
    del rows
    return prompts.code_prompt(task.prompt, preset, prompts.MBPP_BASE_STOPS)


def make_suites(task: Task) -> Cases:
    """Return the inputs, converted."""
    data: dict[str, Any] = task.data
    return Cases(
        entry_point=task.entry_point,
        inputs={
            "base": convert_inputs(task.task_id, data["base_input"]),
            "plus": convert_inputs(task.task_id, data["plus_input"]),
        },
        atol=data["atol"],
        oracle_kind=ORACLE_OF.get(task.entry_point, "plain"),
    )


BENCHMARK = PythonBenchmark(
    name="mbpp+",
    num_tasks=378,
    file=DataFile(
        name="MbppPlus-v0.2.0",
        version="v0.2.0",
        md5="ee43ecabebf20deef4bb776a405ac5b1",
        evalplus_loader="get_mbpp_plus",
        repair=f"export {DATA_VARIABLE}=/folder/with/MbppPlus-v0.2.0.jsonl.gz",
    ),
    make_task=humaneval.make_task,
    make_prompt=make_prompt,
    make_suites=make_suites,
)
