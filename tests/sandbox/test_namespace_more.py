import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opencoder.errors import DependencyError, UserError
from sandbox import reaper
from sandbox.api import Limits, Program, Result, Verdict, run
from sandbox.namespace import NamespaceSandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sandbox():
    """A sandbox and the runner of its loop: Hypothesis calls tests that are not async."""
    opened = NamespaceSandbox()
    with asyncio.Runner() as runner:
        try:
            runner.run(opened.__aenter__())
        except DependencyError as error:
            pytest.skip(str(error))
        yield runner, opened
        runner.run(opened.__aexit__(None, None, None))


texts = st.text(st.characters(exclude_categories=()), max_size=60)
names = texts | st.sampled_from(["a", "d/b", "d/c/e", "main.py", "\ud800", "é"])
limits = st.builds(
    Limits,
    wall_s=st.floats(0.05, 1.0),
    cpu_s=st.none() | st.floats(0.01, 1.0),
    memory_mb=st.integers(1, 256),
    disk_mb=st.integers(1, 64),
    inodes=st.integers(16, 1000),
    output_bytes=st.integers(0, 5000),
    result_bytes=st.integers(0, 5000),
    pids=st.integers(1, 32),
    compile_wall_s=st.floats(0.05, 2.0),
)
programs = st.builds(
    Program,
    language=st.sampled_from(["python", "bash", "c"]),
    source=texts | st.sampled_from(["print(input())", "while True: pass", "open('a','w')", "int main(){}"]),
    stdin=st.binary(max_size=200),
    args=st.lists(texts, max_size=2).map(tuple),
    env=st.dictionaries(texts, texts, max_size=2),
    files=st.dictionaries(names, st.binary(max_size=50), max_size=2),
    fetch=st.lists(names, max_size=2).map(tuple),
    limits=limits,
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(program=programs)
def test_whatever_is_run_gets_a_verdict(sandbox, program):
    runner, opened = sandbox
    try:
        result = runner.run(run(opened, program))
    except UserError:
        return
    assert isinstance(result, Result)
    assert result.verdict is not Verdict.SANDBOX_ERROR, (result, program)
    kept = program.limits.output_bytes
    assert len(result.stdout) <= kept
    assert len(result.stderr) <= kept
    after = runner.run(run(opened, Program(language="python", source="print('alive')")))
    assert after.stdout == b"alive\n"


UNPRIVILEGED = """
import asyncio, json, sys
from sandbox.api import Limits, Program, run
from sandbox.namespace import NamespaceSandbox

async def main():
    async with NamespaceSandbox() as sandbox:
        out = {"guarantee": sandbox.guarantee, "note": sandbox.note}
        for name, source, limits in json.loads(sys.argv[1]):
            result = await run(sandbox, Program(language="python", source=source, limits=Limits(**limits)))
            out[name] = [result.verdict, result.stdout.decode(), result.stderr.decode()[-300:], result.detail]
        print(json.dumps(out))

asyncio.run(main())
"""


def as_nobody(programs):
    """Run programs in the sandbox as a user without any right; the system's interpreter must do."""
    python3 = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; as a user every other test here covers this")
    if python3 is None:
        pytest.skip("no interpreter that other users may run")
    allowed = subprocess.run(
        ["unshare", "--user", "--mount", "true"],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
    )  # fmt: skip
    if allowed.returncode:
        pytest.skip(f"users may not make namespaces here: {allowed.stderr.strip()}")
    with tempfile.TemporaryDirectory(prefix="opencoder-nobody-") as folder:
        Path(folder).chmod(0o755)
        for package in ("opencoder", "sandbox"):
            shutil.copytree(
                ROOT / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        found = subprocess.run(
            [python3, "-c", "import sys; print(sys.version_info >= (3, 11))"], text=True, capture_output=True
        )
        if found.stdout.strip() != "True":
            pytest.skip(f"{python3} is older than 3.11")
        done = subprocess.run(
            [python3, "-c", UNPRIVILEGED, json.dumps(programs)],
            cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_any_right_programs_still_get_namespaces():
    got = as_nobody(
        [
            ("hello", "print(1)", {}),
            (
                "network",
                "print([l.split(':')[0].strip() for l in open('/proc/net/dev').readlines()[2:]])",
                {},
            ),
            ("host", "import os; print(os.path.exists('/root'), os.path.exists('/home'))", {}),
            ("memory", "x = b'x' * (400 << 20)", {"memory_mb": 64}),
            ("loop", "while True: pass", {"wall_s": 20, "cpu_s": 0.3}),
            ("pids", "import os\nfor _ in range(40): os.fork() or __import__('time').sleep(9)", {"pids": 8}),
            ("disk", "open('a', 'wb').write(b'x' * (30 << 20))", {"disk_mb": 4}),
        ]
    )
    assert got["guarantee"] in ("full", "reduced")
    assert got["hello"][:2] == ["ok", "1\n"]
    assert got["network"][1] == "['lo']\n"
    assert got["host"][1] == "False False\n"
    assert got["memory"][0] == "memory", got["memory"]
    assert got["loop"][0] == "timeout"
    assert got["pids"][0] in ("error", "pids")
    assert got["disk"][0] == "disk"


def folders():
    mine = f"{reaper.FOLDER_PREFIX}{reaper.owner()}-"
    return {path for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith(mine)}


def test_a_machine_without_namespaces_says_so(monkeypatch):
    before = folders()
    monkeypatch.setattr("sandbox.launcher._BOOT", "import sys; sys.exit('{parent}')")

    async def go():
        async with NamespaceSandbox():
            pass

    with pytest.raises(DependencyError, match="no namespaces here"):
        asyncio.run(go())
    assert folders() == before
