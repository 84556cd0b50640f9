import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from opencoder.doctor import PINNED, _training, cgroup_mode

ROOT = Path(__file__).resolve().parents[2]


def doctor(cwd, *words, root=ROOT, **env):
    full = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(root), **env}
    command = [sys.executable, "-P", "-m", "opencoder", "doctor", *words]
    return subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True)


def checks(cwd, **options):
    done = doctor(cwd, "--json", **options)
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["ok"]
    return {check["name"]: check for check in report["checks"]}, done


def copy_of_the_packages(folder):
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("opencoder", "sandbox", "corpus", "synth", "train", "eval"):
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    return folder


def test_a_sound_environment_is_told_in_text_and_json(tmp_path):
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")
    found, _ = checks(tmp_path)
    assert {
        found[f"package {name}"]["level"]
        for name in ("opencoder", "sandbox", "corpus", "synth", "train", "eval")
    } == {"ok"}
    assert len(done.stdout.splitlines()) == len(found) + 1


def test_a_foreign_package_fails_with_the_repair_last(tmp_path):
    root = copy_of_the_packages(tmp_path / "site")
    (root / "eval" / "__init__.py").write_text("")
    found, done = checks(tmp_path, root=root)
    assert found["package eval"]["level"] == "fail"
    assert "overwritten by another distribution" in found["package eval"]["what"]
    assert done.returncode == 4
    assert done.stderr.startswith("error: package eval: ")
    assert done.stderr.strip().endswith(found["package eval"]["repair"])
    assert done.stderr.count("\n") == 1


def test_a_package_found_elsewhere_first_fails_without_being_run(tmp_path):
    other = tmp_path / "other" / "eval"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise SystemExit('foreign code was run')")
    found, _ = checks(tmp_path, PYTHONPATH=f"{other.parent}{os.pathsep}{ROOT}")
    assert f"{other}/__init__.py belongs to another" in found["package eval"]["what"]


def test_files_that_shadow_are_a_warning(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "sandbox.py").write_text("")
    found, done = checks(tmp_path)
    assert found["working folder"]["level"] == "warn"
    assert "sandbox.py, eval" in found["working folder"]["what"]
    assert done.returncode == 0


def test_data_cache_and_hub_are_told(tmp_path):
    data = tmp_path / "data" / "deep"
    data.mkdir(parents=True)
    (data / "HumanEval.jsonl.gz").write_bytes(b"")
    env = {"OPENCODER_DATA": str(data.parent), "OPENCODER_CACHE": str(tmp_path / "c"), "HF_HUB_OFFLINE": "1"}
    found, _ = checks(tmp_path, **env)
    assert found["OPENCODER_DATA"]["what"].endswith(": 1 JSON lines and Parquet files")
    assert found["OPENCODER_CACHE"]["what"].startswith(f"{tmp_path}/c: ")
    assert found["HF_HUB_OFFLINE"]["what"].startswith("set")
    found, _ = checks(tmp_path, OPENCODER_DATA=str(tmp_path / "none"))
    assert (found["OPENCODER_DATA"]["level"], found["HF_HUB_OFFLINE"]["what"]) == ("warn", "not set")


def metadata(folder, name, version):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("torch", "titan", "gpus", "told"),
    [
        ("2.13.0+cpu", "0.3.0", 0, ["ok 2.13.0, build cpu", "ok 0.3.0", "ok no CUDA device is seen"]),
        ("2.13.0", "0.3.0", 2, ["ok 2.13.0", "ok 0.3.0", "ok 2 CUDA devices"]),
        (
            "2.13.0+cpu",
            "0.3.0",
            2,
            ["ok 2.13.0", "ok 0.3.0", "warn 2 CUDA devices, but torch"],
        ),
        ("2.12.1", "0.3.1", 0, ["warn 2.12.1; training needs 2.13.0", "warn 0.3.1; training", "ok no CUDA"]),
    ],
)
def test_training_wants_exact_versions(tmp_path, monkeypatch, torch, titan, gpus, told):
    metadata(tmp_path / "site", "torch", torch)
    metadata(tmp_path / "site", "torchtitan", titan)
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])
    devices = tmp_path / "dev"
    devices.mkdir()
    for name in ["nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(gpus))]:
        (devices / name).touch()
    rows = list(_training(devices))
    assert [row.name for row in rows] == ["training: torch", "training: torchtitan", "training: GPUs"]
    for row, start in zip(rows, told, strict=True):
        assert f"{row.level} {row.what}".startswith(start)
        assert bool(row.repair) == (row.level == "warn")


def test_without_torch_nothing_is_said_of_training_but_that_the_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert list(_training(tmp_path)) == []


def test_the_versions_are_those_of_the_extra():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    assert {f"{name}=={version}" for name, version in PINNED.items()} <= set(extra)


def test_torch_is_not_imported_to_be_looked_at(tmp_path):
    program = (
        "import sys; from opencoder.doctor import examine; found = list(examine()); "
        "assert any(check.name == 'extra [train]' for check in found); print('torch' in sys.modules)"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


def answering(path, answer):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        client, _ = server.accept()
        with server, client:
            client.recv(4096)
            client.sendall(answer)

    threading.Thread(target=serve).start()


@pytest.mark.parametrize(
    ("answer", "level", "what"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "ok", "a daemon answers"),
        (b"SSH-2.0 hello\r\n", "warn", "not as a Docker daemon"),
    ],
)
def test_docker_is_asked_not_guessed(tmp_path, answer, level, what):
    answering(tmp_path / "s", answer)
    found, _ = checks(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/s")
    assert found["docker"]["level"] == level
    assert what in found["docker"]["what"]


def test_docker_without_a_socket_or_with_a_dead_one(tmp_path):
    found, _ = checks(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/none")
    assert "no socket" in found["docker"]["what"]
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    found, _ = checks(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/dead")
    assert "nobody answers" in found["docker"]["what"]
    assert found["docker"]["repair"]


def test_the_kernel_is_asked(tmp_path):
    found, _ = checks(tmp_path)
    tried = subprocess.run(["unshare", "--user", "true"], capture_output=True)
    assert (found["user namespaces"]["level"] == "ok") == (tried.returncode == 0)


@pytest.mark.parametrize(
    ("files", "mode"),
    [
        (["cgroup.controllers"], "v2"),
        (["memory/tasks", "pids/tasks"], "v1"),
        (["memory/tasks", "unified/cgroup.controllers"], "hybrid"),
        ([], None),
    ],
)
def test_the_control_group_mode(tmp_path, files, mode):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert cgroup_mode(tmp_path) == mode
