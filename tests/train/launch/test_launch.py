"""Launch files: what they hold, and what the scripts do when the scheduler wants the machines back.

Slurm's and torchrun's commands are stand-ins here; the scripts themselves run in a real bash.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from opencoder.cli import main
from opencoder.errors import UserError
from train.launch.job import Job, check_gpus, job_name, parse_environment
from train.launch.kubernetes import AGAIN, Kubernetes, manifest
from train.launch.slurm import Slurm, sbatch
from train.launch.validate import FAKE, validate
from train.launch.write import counted_sequences
from train.plan.gpus import GPUS
from train.recipes.registry import find_recipe
from train.resolve import resolve, resolve_phases
from train.spec import Source, read_spec
from train.tokens.format import SHARDS

SOURCES = [Source(folder="/data/tokens")]
TORCHRUN = """#!/bin/bash
echo "$@" >>"$LOG"
case "$MODE" in
    fail) exit 9 ;;
    wait) until [ -e "$RUN/stop" ]; do sleep 0.05; done ;;
    taken) echo preempted >"$RUN/stop" ;;
esac
"""


def arguments(out: Path, scheduler: str, gpus: int, recipe: str = "opencoder-1.5b") -> list[str]:
    words = f"train launch {recipe} --scheduler {scheduler} --gpus {gpus} --data /d/tokens --json"
    return [*words.split(), "--tokenizer", "/d/tok", "-o", str(out), "--image", "registry/opencoder:1"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stand-ins for what a node of a cluster has on its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "torchrun": TORCHRUN,
        "srun": '#!/bin/bash\nwhile [[ "$1" == --* ]]; do shift; done\nexec "$@"\n',
        "scontrol": '#!/bin/bash\nif [ "$1" = show ]; then echo node-1; else echo "$@" >>"$LOG"; fi\n',
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def environment(programs: Path, run: Path, mode: str) -> dict[str, str]:
    run.mkdir(exist_ok=True)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(run / "log"), "RUN": str(run), "MODE": mode,
        "SLURM_JOB_ID": "71", "SLURM_JOB_NODELIST": "node-[1-2]", "JOB_COMPLETION_INDEX": "0",
    }  # fmt: skip


@pytest.mark.parametrize("gpus", [8, 256, 512])
@pytest.mark.parametrize("recipe", ["opencoder-1.5b", "opencoder-8b"])
def test_slurm_files(tmp_path: Path, recipe: str, gpus: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path / "run", "slurm", gpus, recipe)) == 0
    launches = json.loads(capsys.readouterr().out)["launches"]
    assert len(launches) == (2 if recipe == "opencoder-8b" else 1)
    for launch in launches:
        spec = read_spec(Path(launch["run"]))
        assert spec.parallel.ranks == gpus
        assert spec.steps == launch["steps"]
        script = Path(launch["file"])
        assert subprocess.run(["bash", "-n", script]).returncode == 0
        text = script.read_text()
        header = [line for line in text.splitlines() if line.startswith("#SBATCH")]
        assert f"#SBATCH --nodes={gpus // 8}" in header
        assert "#SBATCH --signal=B:USR1@300" in header
        assert "#SBATCH --requeue" in header
        assert text.startswith("#!/bin/bash\n#SBATCH")
        assert f"-m train.titan.main {launch['run']} &" in text


@pytest.mark.parametrize("gpus", [8, 256, 512])
def test_kubernetes_files(tmp_path: Path, gpus: int, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = pytest.importorskip("yaml")
    assert (
        main([*arguments(tmp_path / "run", "kubernetes", gpus), "--at", "/data/run", "--env", "A=b: 'c'"])
        == 0
    )
    (launch,) = json.loads(capsys.readouterr().out)["launches"]
    service, job = yaml.safe_load_all(Path(launch["file"]).read_text())
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == gpus // 8
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert pod["terminationGracePeriodSeconds"] >= 300
    container = pod["containers"][0]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert {"name": "A", "value": "b: 'c'"} in container["env"]
    assert "-m train.titan.main /data/run" in container["args"][0]
    assert any(volume.get("emptyDir", {}).get("medium") == "Memory" for volume in pod["volumes"])
    assert "/dev/shm" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert subprocess.run(["bash", "-n"], input=container["args"][0], text=True).returncode == 0
    assert (tmp_path / "run" / "spec.json").is_file()


def test_paths_with_spaces_stay_whole(tmp_path: Path, programs: Path) -> None:
    run = tmp_path / "my run"
    script = sbatch(Job(name="a", folder=str(run), gpus=8), Slurm())
    done = subprocess.run(["bash", "-c", script], env=environment(programs, run, "end"))
    assert done.returncode == 0
    assert (run / "log").read_text().endswith(f"-m train.titan.main {run}\n")


def test_slurm_queues_the_job_again_after_a_signal(tmp_path: Path, programs: Path) -> None:
    run = tmp_path / "run"
    variables = environment(programs, run, "wait")
    (run / "stop").write_text("left by the job before")
    (tmp_path / "run.sbatch").write_text(sbatch(Job(name="a", folder=str(run), gpus=16), Slurm(venv="")))
    process = subprocess.Popen(["bash", str(tmp_path / "run.sbatch")], env=variables)
    deadline = time.monotonic() + 30
    while not (run / "log").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=30) == 0
    started, queued = (run / "log").read_text().splitlines()
    assert shlex.split(started)[:4] == [
        "--nnodes=2", "--nproc-per-node=8", "--rdzv-backend=c10d", "--rdzv-endpoint=node-1:20071",
    ]  # fmt: skip
    assert queued == "requeue 71"


@pytest.mark.parametrize(("mode", "code"), [("end", 0), ("fail", 9)])
def test_slurm_ends_as_the_run_does(tmp_path: Path, programs: Path, mode: str, code: int) -> None:
    run = tmp_path / "run"
    script = sbatch(Job(name="a", folder=str(run), gpus=8), Slurm())
    done = subprocess.run(["bash", "-c", script], env=environment(programs, run, mode))
    assert done.returncode == code
    assert "requeue" not in (run / "log").read_text()


@pytest.mark.parametrize(("mode", "code"), [("end", 0), ("fail", 9), ("taken", AGAIN)])
def test_pods_ask_to_be_started_again_when_they_are_taken(
    tmp_path: Path, programs: Path, mode: str, code: int
) -> None:
    container = container_of(tmp_path / "run")
    variables = environment(programs, tmp_path / "run", mode)
    (tmp_path / "run" / "stop").write_text("preempted\n")
    done = subprocess.run(["bash", "-c", container["args"][0]], env=variables)
    assert done.returncode == code


def test_the_hook_writes_the_stop_file(tmp_path: Path) -> None:
    hook = container_of(tmp_path)["lifecycle"]["preStop"]["exec"]["command"][-1]
    done = subprocess.run(["bash", "-c", hook.replace("kill -0 1", "false")])
    assert done.returncode == 0
    assert (tmp_path / "stop").read_text() == "preempted\n"


def container_of(run: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    text = manifest(Job(name="a", folder=str(run), gpus=8), Kubernetes(image="i"))
    found: dict[str, Any] = list(yaml.safe_load_all(text))[1]["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_later_stage_and_its_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(tmp_path, "slurm", 8, "opencoder-1.5b-anneal")
    assert main(words) == 2
    assert "--start" in capsys.readouterr().err
    assert main([*words, "--start", "/runs/base/checkpoint/step-373000"]) == 0
    start = read_spec(tmp_path).start
    assert (start.kind, start.path, start.optimizer) == (
        "checkpoint",
        "/runs/base/checkpoint/step-373000",
        True,
    )


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(tmp_path, "slurm", 12)
    assert main(words) == 2
    assert "whole nodes of 8" in capsys.readouterr().err
    no_image = [
        word
        for word in arguments(tmp_path, "kubernetes", 8)
        if "image" not in word and "registry" not in word
    ]
    assert main(no_image) == 2
    assert "needs --image" in capsys.readouterr().err
    (tmp_path / "checkpoint").mkdir()
    assert main(arguments(tmp_path, "slurm", 8)) == 2
    assert "holds a run already" in capsys.readouterr().err
    with pytest.raises(UserError, match="NAME=VALUE"):
        parse_environment(("1A=2",))
    check_gpus(4)
    assert job_name("OpenCoder-1.5B/practical/" + "x" * 60) == "opencoder-1-5b-practical-" + "x" * 27


def test_dialogues_are_counted_where_they_are_here(tmp_path: Path) -> None:
    shard = {"name": "a", "tokens": 40_960, "documents": 123, "source": "a.jsonl", "crc32": {}}
    (tmp_path / SHARDS).write_text(json.dumps({
        "kind": "dialogues", "dtype": "uint16", "shards": [shard],
        "tokenizer": {"sha256": "0", "vocab": 9, "eos": 2},
    }))  # fmt: skip
    sources = [Source(folder=str(tmp_path))]
    assert counted_sequences(find_recipe("opencoder-1.5b-sft1", "paper"), sources) == 123
    assert counted_sequences(find_recipe("opencoder-1.5b-sft1"), sources) == 10
    assert counted_sequences(find_recipe("opencoder-1.5b-sft1"), SOURCES) is None
    assert counted_sequences(find_recipe("opencoder-1.5b"), sources) is None


def test_a_layout_for_other_ranks_is_refused() -> None:
    spec = resolve(find_recipe("opencoder-1.5b"), sources=SOURCES, tokenizer="/t", ranks=8, gpu=GPUS["h100"])
    with pytest.raises(UserError, match="for 8 ranks, not for 16"):
        validate(spec, 16)


def _has_fake() -> bool:
    try:
        return (
            importlib.util.find_spec(FAKE) is not None and importlib.util.find_spec("torchtitan") is not None
        )
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not _has_fake(), reason="needs torchtitan and its adapter")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("gpus", [8, 256, 512])
@pytest.mark.parametrize("name", ["opencoder-1.5b", "opencoder-8b"])
def test_layouts_build(name: str, gpus: int, tmp_path: Path) -> None:
    found = resolve_phases(
        find_recipe(name), tmp_path, sources=SOURCES, tokenizer="/t", ranks=gpus, gpu=GPUS["h100"]
    )
    spec = found[-1][1]
    built = validate(spec, gpus)
    assert (built.ranks, built.params, built.accumulation) == (gpus, spec.shape.params, spec.accumulation)
    assert built.local_params == pytest.approx(spec.shape.params / spec.parallel.shard, rel=0.01)
