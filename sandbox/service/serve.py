"""Runs the service until it is told to stop; what runs then is run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opencoder.errors import DependencyError, UserError
from sandbox.backends import open_backend
from sandbox.service.gate import LOOPBACK

_DRAIN_S = 600
_BACKLOG = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How to serve.

    Args:
        host: Address to listen on.
        port: Port, 0 for any that is free.
        slots: Programs that run side by side.
        queue: Programs that may wait.
        max_bytes: Longest body of a request.
        token: What clients must bring, or empty.
        backend: Name of the backend, or None for the best there is.
        image: The image of backend docker; its default if None.
        unsafe: Whether a backend without boundary is agreed to.
        time_factor: How many times as long limits get (see ``sandbox.calibrate``); None to measure it.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    slots: int
    queue: int
    max_bytes: int = 64 << 20
    token: str = ""
    backend: str | None = None
    image: str | None = None
    unsafe: bool = False
    time_factor: float | None = None


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: How.
        ready: Is given the URL once requests are taken.

    Raises:
        DependencyError: The packages of the ``web`` extra, or the backend, are not to be had.
        UserError: The address cannot be used, or is open to others and there is no token.
    """
    if not settings.token and not _is_loopback(settings.host):
        raise UserError(
            f"{settings.host} can be reached by others; set a token (OPENCODER_SANDBOX_TOKEN or --token-file)"
        )
    listener = _listen(settings)
    with listener:
        asyncio.run(_serve(settings, listener, ready))


def _is_loopback(host: str) -> bool:
    if host in LOOPBACK:
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named, for asyncio turns Nagle's delay off only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise UserError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    listener.listen(_BACKLOG)
    return listener


async def _serve(settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> None:
    try:
        import uvicorn

        from sandbox.service.app import Service
    except ImportError as error:
        raise DependencyError(
            f"the service needs {error.name}", repair="pip install 'opencoder[web]'"
        ) from None

    class Server(uvicorn.Server):
        """Leaves signals to us: uvicorn would raise them again at its end and so spoil the exit code."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    async with open_backend(
        settings.backend,
        concurrency=settings.slots,
        unsafe=settings.unsafe,
        image=settings.image,
        time_factor=settings.time_factor,
    ) as sandbox:
        service = Service(sandbox, slots=settings.slots, queue=settings.queue)
        app = service.app(token=settings.token, max_bytes=settings.max_bytes)
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="asyncio",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        server = Server(config)

        def stop() -> None:
            service.admission.draining = True
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        host, port = listener.getsockname()[:2]
        ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await server.serve(sockets=[listener])
