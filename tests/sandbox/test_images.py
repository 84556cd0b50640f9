"""Images: what they are made of, what is inside, and how a missing daemon is reported."""

from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencoder.errors import DependencyError, InfraError, UserError
from sandbox.backends import check_backend
from sandbox.images import (
    build,
    build_image,
    connect,
    guard_hash,
    image_digest,
    image_reference,
    list_images,
    recipe,
)


@pytest.fixture
def client() -> Iterator[build.Engine]:
    client = connect()
    yield client
    client.close()


@pytest.fixture
def other_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recipes with one small image, `tiny`, on whatever base is here."""
    folder = tmp_path / "images"
    (folder / "tiny").mkdir(parents=True)
    dockerfile = "ARG BASE\nFROM ${BASE}\nCOPY guard /guard\nRUN test -e /guard/__init__.py\n"
    (folder / "tiny" / "Dockerfile").write_text(dockerfile)
    monkeypatch.setattr(recipe, "FOLDER", folder)
    return folder / "tiny" / "Dockerfile"


def run_in(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    hardened = ["--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    return subprocess.run(
        ["docker", "run", *hardened, image, *command], capture_output=True, text=True, timeout=60
    )


def test_every_image_has_a_recipe_of_its_own() -> None:
    assert "python" in list_images()
    references = {image_reference(name) for name in list_images()}
    assert len(references) == len(list_images())
    assert image_reference("python").startswith("opencoder-sandbox-python:")


def test_unknown_image_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'cobol'; choose from: .*python"):
        image_reference("cobol")


def test_a_name_cannot_leave_the_folder() -> None:
    with pytest.raises(UserError):
        image_reference("../images/python")


def test_reference_follows_dockerfile_and_guard(
    other_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "agent.py").write_text("one = 1\n")
    monkeypatch.setattr(recipe, "GUARD", guard)
    seen = {image_reference("tiny")}
    assert image_reference("tiny") in seen
    other_recipe.write_text(other_recipe.read_text() + "RUN true\n")
    seen.add(image_reference("tiny"))
    (guard / "agent.py").write_text("two = 2\n")
    seen.add(image_reference("tiny"))
    (guard / "agent.py").rename(guard / "warden.py")
    seen.add(image_reference("tiny"))
    assert len(seen) == 4


def test_context_is_reproducible_and_holds_guard_and_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_bytes(b"certificates")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    before = image_reference("python")
    context = recipe.build_context("python")
    assert context == recipe.build_context("python")
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        names = archive.getnames()
        bundle = archive.extractfile("ca.pem")
        assert bundle is not None
        assert bundle.read() == b"certificates"
    assert {"Dockerfile", "guard/__init__.py", "guard/seccomp.py"} <= set(names)
    assert not any("__pycache__" in name for name in names)
    monkeypatch.delenv("PIP_CERT")
    assert image_reference("python") == before


def test_certificates_fall_back_to_nothing() -> None:
    assert recipe.ca_bundle({}) == b""
    assert recipe.ca_bundle({"PIP_CERT": "/nonexistent/ca.pem"}) == b""


def test_guard_stands_alone() -> None:
    # The image's interpreter has no package of ours: an absolute import would fail there and nowhere else.
    for path in recipe.GUARD.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            else:
                continue
            foreign = [name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names]
            allowed = {"numpy"}  # inside a function, for programs that bring arrays
            assert set(foreign) <= allowed, f"{path.name}:{node.lineno}"


def test_an_image_is_of_the_docker_backend() -> None:
    with pytest.raises(UserError, match="--image is for backend docker, not namespace"):
        check_backend("namespace", unsafe=False, image="data")
    with pytest.raises(UserError, match="no sandbox image is called 'cobol'"):
        check_backend(None, unsafe=False, image="cobol")
    check_backend(None, unsafe=False, image="data")


def test_the_data_image_shares_its_first_layers_with_the_python_image() -> None:
    text = recipe.dockerfile("data").decode()
    begin = text[text.index("ARG BASE") : text.index("# A layer of its own")]
    assert "apt-get install" in begin
    assert begin in recipe.dockerfile("python").decode()


def test_no_daemon_is_one_line_with_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(DependencyError) as caught:
        connect()
    message = str(caught.value)
    assert message.startswith(f"no Docker daemon answers at unix://{tmp_path}/none.sock; run: sudo ")
    assert "\n" not in message
    assert caught.value.exit_code == 4


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_built_image_is_current_and_found_again(client: build.Engine, python_image: str) -> None:
    lines: list[str] = []
    assert build_image("python", client=client, log=lines.append) == python_image
    assert lines == [f"{image_reference('python')} is up to date"]
    assert image_digest("python", client=client) == python_image
    assert client.images.get(image_reference("python")).labels[recipe.GUARD_LABEL] == guard_hash()


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_inside_the_image(python_image: str) -> None:
    script = (
        "import numpy, os, sys; print(os.getuid(), sys.version_info[:2] >= (3, 11), numpy.arange(3).sum())"
    )
    assert run_in(python_image, "python3", "-c", script).stdout == "1000 True 3\n"
    assert "gcc" in run_in(python_image, "gcc", "--version").stdout
    setuid = run_in(python_image, "find", "/", "-xdev", "!", "-type", "l", "-perm", "/6000")
    assert setuid.stdout == ""
    assert run_in(python_image, "sh", "-c", "echo x > /opt/opencoder/guard/new").returncode != 0


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_guard_in_the_image_is_the_guard_here(python_image: str) -> None:
    script = "cd /opt/opencoder && find guard -name '*.py' -exec sha256sum {} +"
    listing = run_in(python_image, "sh", "-c", script).stdout
    inside = {path: digest for digest, path in (line.split() for line in listing.splitlines())}
    assert inside == {path: hashlib.sha256(text).hexdigest() for path, text in recipe.guard_files().items()}
    # Compiled ahead: a read-only root can hold no cache of its own.
    probe = (
        "import sys; sys.path.insert(0, '/opt/opencoder'); import guard; print(guard.__spec__.has_location)"
    )
    verbose = run_in(python_image, "python3", "-v", "-c", probe)
    assert "/opt/opencoder/guard/__pycache__/__init__.cpython" in verbose.stderr
    assert "could not create" not in verbose.stderr


@pytest.mark.docker
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("python_image")
def test_change_of_recipe_builds_anew_and_a_broken_one_says_why(
    client: build.Engine, other_recipe: Path
) -> None:
    with pytest.raises(DependencyError, match=r"is not built; run: opencoder sandbox build tiny$"):
        image_digest("tiny", client=client)
    log: list[str] = []
    references = []
    try:
        references.append(image_reference("tiny"))
        first = build_image("tiny", client=client, log=log.append)
        assert any(line.startswith("Step 1/") for line in log)
        other_recipe.write_text(other_recipe.read_text() + "RUN echo hello && touch /hello\n")
        references.append(image_reference("tiny"))
        assert build_image("tiny", client=client, log=log.append) != first
        assert "hello" in log
        other_recipe.write_text(other_recipe.read_text() + "RUN exit 3\n")
        with pytest.raises(InfraError, match=r"'tiny' failed: .*non-zero code: 3"):
            build_image("tiny", client=client, log=log.append)
    finally:
        subprocess.run(["docker", "rmi", "--force", *references], capture_output=True)


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_foreign_image_under_our_name_is_not_trusted(
    client: build.Engine, python_image: str, other_recipe: Path
) -> None:
    reference = image_reference("tiny")
    subprocess.run(["docker", "tag", python_image, reference], check=True)
    try:
        with pytest.raises(DependencyError, match="is not built"):
            image_digest("tiny", client=client)
    finally:
        subprocess.run(["docker", "rmi", reference], capture_output=True)
