"""The Ray cluster that work is spread over: the one at ``RAY_ADDRESS``, or one of this machine alone."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opencoder.errors import DependencyError, UserError
from opencoder.log import logger

_LOG = logger.getChild("ray")
_CONNECT_S = 5.0
_LOCAL = "local"


@contextmanager
def ray_cluster() -> Iterator[Any]:
    """Connect to the cluster at ``RAY_ADDRESS``, or start one here, and yield the module ``ray``.

    Raises:
        UserError: ``RAY_ADDRESS`` is of a kind that cannot be used.
        DependencyError: Ray is not installed, or no cluster answers.
    """
    address = os.environ.get("RAY_ADDRESS", "") or _LOCAL
    ray = _import_ray(address)
    _reach(address)
    with _connected(ray, address):
        yield ray


def _import_ray(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == _LOCAL:
        # Ray listens on all addresses of the machine and runs what it is told: let it ask for a token.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise DependencyError(
            f"--executor ray needs {error.name}", repair="pip install 'opencoder[ray]'"
        ) from None
    return ray


def _reach(address: str) -> None:
    """Find out whether anybody listens at ``address``: Ray itself would try, and complain, for minutes.

    Raises:
        UserError: Ray's other ways to a cluster, which hand rows over as pickles.
        DependencyError: Nobody does.
    """
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS={address} cannot be used; run on a node of the cluster, with HOST:PORT of its head"
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address: str, error: Exception) -> DependencyError:
    where = "here" if address == _LOCAL else f"at RAY_ADDRESS={address}"
    return DependencyError(f"no Ray cluster {where}: {one_line(error)}", repair="ray status")


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    """Connect this process to a cluster; one that was started for that goes with it."""
    if ray.is_initialized():  # by a caller in this process, whose it stays
        yield
        return
    more: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if address == _LOCAL:
            # Its own, so that nobody's `auto` finds this cluster; short, as paths of sockets have 107 bytes.
            folder = tempfile.mkdtemp(prefix="opencoder-ray-", dir="/tmp")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            more = {"include_dashboard": False, "num_cpus": len(os.sched_getaffinity(0)), "_temp_dir": folder}
        stack.enter_context(contextlib.redirect_stdout(_Said()))
        stack.callback(ray.shutdown)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            # Ray puts the working folder on its workers' path, where a file of the user's would shadow ours.
            with contextlib.chdir("/"):
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _unreachable(address, error) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray's own would end us without a word
        yield


class _Said(io.TextIOBase):
    """Takes what Ray prints on stdout, where results go, as news of no importance."""

    def write(self, text: str) -> int:
        if text.strip():
            _LOG.debug("ray: %s", " ".join(text.split()))
        return len(text)


def one_line(error: BaseException) -> str:
    """Return the first and the last sentence of an error of Ray's; the cause is in one, a table between."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))[:300] or type(error).__name__
