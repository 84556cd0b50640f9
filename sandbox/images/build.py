"""Build images and look them up, through the ``docker`` SDK."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from opencoder.errors import DependencyError, InfraError
from sandbox.images import recipe

Log = Callable[[str], None]

DEFAULT_HOST = "unix:///var/run/docker.sock"
SUITE = "trixie"
REGISTRY_BASE = f"debian:{SUITE}-slim"
LOCAL_BASE = f"opencoder-base:{SUITE}"
# A build sends nothing for minutes while packages unpack; the SDK's own 60 s would end it.
TIMEOUT_S = 1800


class ImageInfo(Protocol):
    """An image as the SDK gives it."""

    @property
    def id(self) -> str | None:
        """``sha256:...`` of the image's configuration."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels given at build time."""
        ...


class ImageStore(Protocol):
    """The part of ``DockerClient.images`` used here."""

    def get(self, name: str) -> ImageInfo:
        """Look an image up on the daemon's machine."""
        ...

    def pull(self, repository: str, tag: str) -> ImageInfo:
        """Fetch an image from its registry."""
        ...


class LowLevel(Protocol):
    """The part of ``DockerClient.api`` used here."""

    def build(self, **options: Any) -> Iterable[dict[str, Any]]:
        """Start a build and give its messages as they come."""
        ...

    def import_image_from_file(self, filename: str, repository: str, tag: str) -> str:
        """Make an image out of the tar archive of a root folder."""
        ...


class Engine(Protocol):
    """The part of ``docker.DockerClient`` used here; the SDK ships no types."""

    @property
    def images(self) -> ImageStore:
        """Images on the daemon's machine."""
        ...

    @property
    def api(self) -> LowLevel:
        """Calls that follow the engine's HTTP interface one to one."""
        ...

    def close(self) -> None:
        """Close the connections to the daemon."""
        ...


def connect() -> Engine:
    """Connect to the daemon that ``DOCKER_HOST`` names (default: the local socket).

    Raises:
        DependencyError: No daemon answers, or this user may not talk to it.
    """
    import docker
    from docker.errors import DockerException

    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        _touch(host)
        return cast(Engine, docker.from_env(timeout=TIMEOUT_S))
    except PermissionError as error:
        raise DependencyError(
            f"this user may not use the Docker daemon at {host}", repair="sudo usermod -aG docker $USER"
        ) from error
    except (OSError, DockerException) as error:
        repair = (
            "sudo systemctl start docker" if shutil.which("dockerd") else "sudo apt-get install docker.io"
        )
        raise DependencyError(f"no Docker daemon answers at {host}", repair=repair) from error


def _touch(host: str) -> None:
    """Connect to a local socket once: the SDK wraps the reason away and leaves its own socket open."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(10)
            probe.connect(host.removeprefix("unix://"))


def image_digest(name: str, *, client: Engine) -> str:
    """Return the id (``sha256:...``) of the current image ``name``.

    Raises:
        DependencyError: The image is not there, or was built from another guard.
        UserError: There is no image of that name.
    """
    if (digest := _current(name, client)) is None:
        raise DependencyError(
            f"sandbox image {recipe.image_reference(name)} is not built",
            repair=f"opencoder sandbox build {name}",
        )
    return digest


def build_image(name: str, *, client: Engine, log: Log) -> str:
    """Build image ``name`` unless the current one exists, and return its id (``sha256:...``).

    Args:
        name: One of :func:`sandbox.images.list_images`.
        client: From :func:`connect`.
        log: Receives each line of the build's output.

    Raises:
        DependencyError: There is no way to get the base image.
        InfraError: The build failed; the message holds the daemon's reason.
        UserError: There is no image of that name.
    """
    reference = recipe.image_reference(name)
    if (digest := _current(name, client)) is not None:
        log(f"{reference} is up to date")
        return digest
    base = ensure_base(client=client, log=log)
    log(f"building {reference} on {base}")
    messages = client.api.build(
        fileobj=io.BytesIO(recipe.build_context(name)),
        custom_context=True,
        tag=reference,
        buildargs={"BASE": base},
        labels=recipe.labels(name),
        # The daemon may run without a bridge; packages are fetched over the host's own network.
        network_mode="host",
        use_config_proxy=True,
        rm=True,
        forcerm=True,
        decode=True,
    )
    _follow(messages, log, name)
    return image_digest(name, client=client)


def ensure_base(*, client: Engine, log: Log) -> str:
    """Return the reference of a Debian base image, fetched or made where it is missing.

    Order: an image that is already here, the registry, a bootstrap with ``mmdebstrap``.

    Raises:
        DependencyError: Neither a registry nor ``mmdebstrap`` can be used.
        InfraError: ``mmdebstrap`` failed.
    """
    from docker.errors import APIError, ImageNotFound

    for reference in (REGISTRY_BASE, LOCAL_BASE):
        try:
            client.images.get(reference)
        except ImageNotFound:
            continue
        return reference
    try:
        log(f"pulling {REGISTRY_BASE}")
        client.images.pull(*REGISTRY_BASE.split(":"))
    except APIError as error:
        log(f"cannot pull {REGISTRY_BASE}: {error.explanation}")
    else:
        return REGISTRY_BASE
    if shutil.which("mmdebstrap") is None:
        raise DependencyError(
            f"{REGISTRY_BASE} cannot be pulled, and mmdebstrap, which would make it here, is not installed",
            repair="sudo apt-get install mmdebstrap",
        )
    _bootstrap(client, log)
    return LOCAL_BASE


def _bootstrap(client: Engine, log: Log) -> None:
    log(f"bootstrapping {LOCAL_BASE} with mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="opencoder-base-") as folder:
        archive = Path(folder) / "root.tar"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", SUITE, str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise InfraError(f"mmdebstrap ended with code {done.returncode}: {_last_line(done.stderr)}")
        repository, tag = LOCAL_BASE.split(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag)


def _follow(messages: Iterable[dict[str, Any]], log: Log, name: str) -> None:
    """Log the output of a build as it comes; its error arrives in the same stream."""
    for message in messages:
        if error := message.get("error"):
            raise InfraError(f"building sandbox image '{name}' failed: {_last_line(str(error))}")
        for line in str(message.get("stream", "")).splitlines():
            if line.strip():
                log(line.rstrip())


def _current(name: str, client: Engine) -> str | None:
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(recipe.image_reference(name))
    except ImageNotFound:
        return None
    # A tag can be moved by hand; the labels say what is really inside.
    if recipe.labels(name).items() <= image.labels.items():
        return image.id
    return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
