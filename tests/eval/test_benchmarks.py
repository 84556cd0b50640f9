import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks import mbpp, mbpp_plus
from eval.benchmarks.base import Cases, TestCode
from eval.presets import PRESETS
from eval.registry import MODULES, find_benchmark, list_rows
from opencoder.errors import DataError, UserError
from opencoder.records import Task

ENDS = {
    "humaneval": ("HumanEval/0", "HumanEval/163"),
    "humaneval+": ("HumanEval/0", "HumanEval/163"),
    "mbpp": ("Mbpp/11", "Mbpp/510"),
    "mbpp-sanitized": ("Mbpp/2", "Mbpp/809"),
    "mbpp+": ("Mbpp/2", "Mbpp/809"),
}


@pytest.mark.parametrize("name", MODULES)
def test_real_files_give_the_promised_tasks(real_data: Path, name: str) -> None:
    benchmark = find_benchmark(name)
    dataset = benchmark.load()
    assert len(dataset.tasks) == benchmark.num_tasks
    assert (dataset.tasks[0].task_id, dataset.tasks[-1].task_id) == ENDS[name]
    assert len({task.task_id for task in dataset.tasks}) == benchmark.num_tasks
    assert dataset.origin == "folder"
    assert len(dataset.sha256) == 64
    assert all(re.search(rf"def {task.entry_point} ?\(", task.reference) for task in dataset.tasks)
    assert all(task.benchmark == name and task.language == "python" for task in dataset.tasks)
    assert not any("\r" in task.reference for task in dataset.tasks)


def run_tests(task: Task, tests: TestCode) -> None:
    scope: dict[str, Any] = {}
    for code in (tests.setup, task.reference, tests.after, tests.code):
        exec(code, scope)
    if tests.calls_check:
        scope["check"](scope[tests.entry_point])


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("humaneval", [0, 32, 38, 50, 115, 163]),
        ("mbpp", [11, 56, 367, 510]),
        ("mbpp-sanitized", [2, 56, 82, 233, 809]),
    ],
)
def test_references_pass_their_own_tests(real_data: Path, name: str, numbers: list[int]) -> None:
    benchmark = find_benchmark(name)
    dataset = benchmark.load()
    for number in numbers:
        task = dataset.task(number)
        suites = benchmark.suites(task)
        assert isinstance(suites, TestCode)
        run_tests(task, suites)


@pytest.mark.parametrize(("number", "helper"), [(32, "poly"), (38, "encode_cyclic"), (50, "encode_shift")])
def test_the_setup_has_the_helpers_of_the_prompt(real_data: Path, number: int, helper: str) -> None:
    benchmark = find_benchmark("humaneval")
    suites = benchmark.suites(benchmark.load().task(number))
    assert isinstance(suites, TestCode)
    scope: dict[str, Any] = {}
    exec(suites.setup, scope)
    assert helper in suites.code
    assert callable(scope[helper])


def test_the_window_of_opencodeeval_is_one_task_off(real_data: Path) -> None:
    dataset = find_benchmark("mbpp").load(PRESETS["opencodeeval"])
    assert [dataset.tasks[0].task_id, dataset.tasks[-1].task_id] == ["Mbpp/10", "Mbpp/509"]
    assert len(dataset.tasks) == 500


def test_names_that_tests_take_from_the_solution(real_data: Path) -> None:
    benchmark = find_benchmark("mbpp")
    found = {}
    for task in benchmark.load().tasks:
        suites = benchmark.suites(task)
        assert isinstance(suites, TestCode)
        if suites.candidate_names or suites.after:
            found[task.task_id] = suites.candidate_names
    assert found == {"Mbpp/367": ("Node",)}


def test_the_entry_point_is_the_outermost_function_and_no_class() -> None:
    reference = "class Pair:\n    pass\ndef helper(x):\n    return x\ndef chain(pairs):\n    return 1\n"
    assert mbpp.entry_point(reference, ["assert set(chain([Pair(helper(1))])) == 1"]) == "chain"
    assert mbpp.entry_point("class Box:\n    pass\n", ["assert Box().size() == 1"]) == "Box"


def test_oracle_kinds_of_the_plus_sets(real_data: Path) -> None:
    plus = find_benchmark("humaneval+")
    kinds = {task.task_id: cases(plus.suites(task)).oracle_kind for task in plus.load().tasks}
    assert {name for name, kind in kinds.items() if kind != "plain"} == {"HumanEval/32"}
    assert kinds["HumanEval/32"] == "find_zero"
    mbpp_set = find_benchmark("mbpp+")
    counts = Counter(cases(mbpp_set.suites(task)).oracle_kind for task in mbpp_set.load().tasks)
    assert counts == {"plain": 366, "set_equal": 7, "not_none": 3, "digit_distance": 1, "surface_area": 1}


def test_tolerances_of_the_plus_sets(real_data: Path) -> None:
    plus = find_benchmark("humaneval+")
    found = {task.task_id: cases(plus.suites(task)).atol for task in plus.load().tasks}
    assert {name: atol for name, atol in found.items() if atol} == {
        "HumanEval/2": 1e-6,
        "HumanEval/4": 1e-6,
        "HumanEval/32": 1e-4,
    }


def test_the_entry_point_of_56_is_called_check(real_data: Path) -> None:
    assert find_benchmark("mbpp+").load().task("Mbpp/56").entry_point == "check"


def cases(suites: Cases | TestCode) -> Cases:
    assert isinstance(suites, Cases)
    return suites


@pytest.mark.parametrize(
    ("number", "given", "meant"),
    [
        (2, [[1, 2], [3]], [(1, 2), (3,)]),
        (63, [[[1, 2], [3]]], [[(1, 2), (3,)]]),
        (75, [[[1], [2]], 3], [[(1,), (2,)], 3]),
        (106, [[1], [2]], [[1], (2,)]),
        (115, [[[1, 2], [], {"a": 1}]], [[{1, 2}, {}, {}]]),
        (124, ["1", "2j"], (1.0, 2j)),
        (250, [[1], 2], [(1,), 2]),
        (252, ["1+2j"], [1 + 2j]),
        (259, [[[1], [2]], [[3]]], [((1,), (2,)), ((3,),)]),
        (278, [[1, [2, 3]]], [(1, (2, 3))]),
        (307, [[1, []], 2, 3], [(1, []), 2, 3]),
        (722, [{"a": [1, 2]}, 3.0], [{"a": (1, 2)}, 3.0]),
        (580, [[1, [2, [3]]]], ((1, (2, (3,))),)),
        (3, [[1, [2]]], [[1, [2]]]),
    ],
)
def test_inputs_are_turned_into_what_json_cannot_hold(number: int, given: Any, meant: Any) -> None:
    (converted,) = mbpp_plus.convert_inputs(f"Mbpp/{number}", [given])
    assert converted == meant
    assert repr(converted) == repr(meant)


def test_every_task_has_one_shape() -> None:
    numbers = " ".join(mbpp_plus.SHAPES.values()).split()
    assert len(numbers) == len(set(numbers)) == 62


def test_references_of_converted_tasks_run_on_their_inputs(real_data: Path) -> None:
    benchmark = find_benchmark("mbpp+")
    dataset = benchmark.load()
    known = {task.task_id for task in dataset.tasks}
    for number in sorted(mbpp_plus._CONVERTERS):
        if f"Mbpp/{number}" not in known:
            continue
        task = dataset.task(number)
        scope: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(task.reference, scope)
        for arguments in cases(benchmark.suites(task)).inputs["base"]:
            scope[task.entry_point](*arguments)


def test_tasks_are_found_by_id_and_by_number(real_data: Path) -> None:
    dataset = find_benchmark("mbpp").load()
    assert dataset.task("Mbpp/11") is dataset.task("11") is dataset.task(11) is dataset.task("mbpp/11")
    with pytest.raises(UserError, match="'Mbpp/511'"):
        dataset.task("Mbpp/511")
    with pytest.raises(UserError, match="HumanEval/11"):
        dataset.task("HumanEval/11")


def test_a_wrong_file_is_refused_by_the_benchmark(
    no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mbpp.jsonl").write_text('{"task_id": 11}\n')
    monkeypatch.setenv("OPENCODER_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match="f50124cdd150eac633c8e26828e0b3c1"):
        find_benchmark("mbpp").load()


def test_the_list_needs_no_data(no_data: Path) -> None:
    rows = {row["name"]: row for row in list_rows()}
    assert set(rows) == set(MODULES)
    assert rows["mbpp"] == {"name": "mbpp", "num_tasks": 500, "languages": ["python"], "available": False}


def test_the_list_sees_the_data(real_data: Path) -> None:
    assert all(row["available"] for row in list_rows())


@pytest.mark.parametrize(
    ("name", "hint"),
    [("humanevl", "'humaneval'"), ("MBPP+", "'mbpp\\+'"), ("nothing", "choose from humaneval, ")],
)
def test_an_unknown_benchmark_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        find_benchmark(name)
