"""The backends by name, and which one is taken when none is named."""

from __future__ import annotations

from collections.abc import Callable

from opencoder.errors import OpenCoderError, UserError
from opencoder.log import logger
from sandbox.api import Sandbox
from sandbox.calibrate import TimedSandbox

_log = logger.getChild("sandbox")
_warned: set[str] = set()


def _docker(concurrency: int) -> Sandbox:
    from sandbox.docker import DockerSandbox

    return DockerSandbox(concurrency=concurrency)


def _namespace(concurrency: int) -> Sandbox:
    from sandbox.namespace import NamespaceSandbox

    return NamespaceSandbox()


def _confined(concurrency: int) -> Sandbox:
    raise UserError("backend confined is not there yet; use docker or namespace")


def _process(concurrency: int) -> Sandbox:
    from sandbox.process import ProcessSandbox

    if "process" not in _warned:
        _warned.add("process")
        _log.warning("backend process: programs run with your rights and without any boundary")
    return ProcessSandbox()


BACKENDS: dict[str, Callable[[int], Sandbox]] = {
    "docker": _docker,
    "namespace": _namespace,
    "confined": _confined,
    "process": _process,
}
"""Each takes the number of programs that will run side by side."""

UNSAFE = frozenset({"process"})
"""Backends without a boundary."""


def open_backend(
    name: str | None,
    *,
    concurrency: int,
    unsafe: bool = False,
    image: str | None = None,
    time_factor: float | None = 1.0,
) -> Sandbox:
    """Return the backend ``name``; enter it as an async context manager to start it.

    Args:
        name: One of :data:`BACKENDS`; None for Docker where a daemon with the current image answers, else
            for kernel namespaces.
        concurrency: How many programs will run side by side.
        unsafe: Whether the caller has agreed to a backend without a boundary.
        image: The image of backend docker, which is then taken unless another is named; its default if None.
        time_factor: How many times as long the limits of programs get; None to measure it (see
            ``sandbox.calibrate``).

    Raises:
        UserError: No such backend or image, or a backend without a boundary that nobody agreed to.
    """
    opened = _open(name, concurrency, unsafe=unsafe, image=image)
    return opened if time_factor == 1.0 else TimedSandbox(opened, time_factor)


def _open(name: str | None, concurrency: int, *, unsafe: bool, image: str | None) -> Sandbox:
    if image is not None:
        return _docker_image(name, concurrency, image)
    if name is None:
        name = _best()
    if name not in BACKENDS:
        raise UserError(f"unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    if name in UNSAFE and not unsafe:
        raise UserError(
            f"backend {name} puts nothing between programs and this machine; add --allow-unsafe if you trust "
            "them, or use docker or namespace"
        )
    return BACKENDS[name](concurrency)


def _docker_image(name: str | None, concurrency: int, image: str) -> Sandbox:
    from sandbox.docker import DockerSandbox
    from sandbox.images import image_reference

    if name not in (None, "docker"):
        raise UserError(f"--image is for backend docker, not {name}; leave one of the two away")
    image_reference(image)  # refuses a name that is none before anything is started
    return DockerSandbox(image=image, concurrency=concurrency)


def _best() -> str:
    from sandbox.images import connect, image_digest

    try:
        client = connect()
        try:
            image_digest("python", client=client)
        finally:
            client.close()
    except OpenCoderError as error:
        _log.info("using backend namespace, for docker is not ready: %s", error)
        return "namespace"
    return "docker"
