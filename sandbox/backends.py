"""The backends by name, and which one is taken when none is named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from opencoder.errors import DependencyError, OpenCoderError, UserError
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
    from sandbox.process import ConfinedSandbox

    return ConfinedSandbox()


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


@asynccontextmanager
async def open_backend(
    name: str | None,
    *,
    concurrency: int,
    unsafe: bool = False,
    image: str | None = None,
    time_factor: float | None = 1.0,
    packages: Path | None = None,
) -> AsyncIterator[Sandbox]:
    """Open the backend ``name`` and close it in the end.

    Args:
        name: One of :data:`BACKENDS`; None for the best that there is: Docker where a daemon with the current
            image answers, else kernel namespaces, else (with a warning) confined processes.
        concurrency: How many programs will run side by side.
        unsafe: Whether the caller has agreed to a backend without a boundary.
        image: The image of backend docker, which is then taken unless another is named; its default if None.
        time_factor: How many times as long the limits of programs get; None to measure it (see
            ``sandbox.calibrate``).
        packages: A folder of further packages that programs can import; backend namespace alone can show it.

    Raises:
        UserError: No such backend or image, a backend without a boundary that nobody agreed to, or one that
            cannot show packages.
        DependencyError: It cannot run here.
    """
    check_backend(name, unsafe=unsafe, image=image)

    async def enter(made: Sandbox) -> Sandbox:
        timed = made if time_factor == 1.0 else TimedSandbox(made, time_factor)
        return await stack.enter_async_context(timed)

    async with AsyncExitStack() as stack:
        if packages is not None:
            yield await enter(_with_packages(name, packages))
        else:
            yield await _enter(name, concurrency, image, enter)


def check_backend(name: str | None, *, unsafe: bool, image: str | None = None) -> None:
    """Find what of the user's would keep :func:`open_backend` from opening ``name``.

    Raises:
        UserError: No such backend or image, or a backend without a boundary that nobody agreed to.
    """
    if image is not None:
        from sandbox.images import image_reference

        if name not in (None, "docker"):
            raise UserError(f"--image is for backend docker, not {name}; leave one of the two away")
        image_reference(image)  # refuses a name that is none
    if name is not None and name not in BACKENDS:
        raise UserError(f"unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    if name in UNSAFE and not unsafe:
        raise UserError(
            f"backend {name} puts nothing between programs and this machine; add --allow-unsafe if you trust "
            "them, or use docker or namespace"
        )


async def _enter(
    name: str | None, concurrency: int, image: str | None, enter: Callable[[Sandbox], Awaitable[Sandbox]]
) -> Sandbox:
    if image is not None:
        from sandbox.docker import DockerSandbox

        return await enter(DockerSandbox(image=image, concurrency=concurrency))
    if name is not None:
        return await enter(BACKENDS[name](concurrency))
    if _has_docker():
        return await enter(_docker(concurrency))
    try:
        return await enter(_namespace(concurrency))
    except DependencyError as error:
        _log.warning("backend confined, which is weaker (docs/security.md), for there are %s", error)
    return await enter(_confined(concurrency))


def _with_packages(name: str | None, packages: Path) -> Sandbox:
    from sandbox.namespace import NamespaceSandbox

    if name not in (None, "namespace"):
        raise UserError(f"backend {name} cannot show programs the packages in {packages}; use namespace")
    return NamespaceSandbox(packages)


def _has_docker() -> bool:
    from sandbox.images import connect, image_digest

    try:
        client = connect()
        try:
            image_digest("python", client=client)
        finally:
            client.close()
    except OpenCoderError as error:
        _log.info("docker is not ready: %s", error)
        return False
    return True
