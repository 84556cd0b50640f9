"""The calls that the docker backend makes to the container engine. They block: use them from threads."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from opencoder.errors import DependencyError, InfraError
from sandbox import owner
from sandbox.api import Guarantee, Limits
from sandbox.guard import preload, rootfs, seccomp
from sandbox.guard.warm import MALLOC
from sandbox.images import connect, image_digest

LANGUAGES_LABEL = "io.opencoder.languages"
# A loaded engine takes seconds for one call; one that takes minutes is not coming back.
_CALL_TIMEOUT_S = 120
_BOOT = "import sys; sys.path.insert(0, '/opt/opencoder'); from guard.{module} import main; main()"
_PYTHON = ["python3", "-I", "-S", "-c"]
# Where the container of an agent shows the folder with the supervisor's socket, and the name of that.
AGENT_FOLDER = "/run/opencoder"
AGENT_SOCKET = "agent"
# What the agent needs to make namespaces, to take the programs' users, and to end and read what is theirs.
_AGENT_CAPABILITIES = ["SYS_ADMIN", "SYS_CHROOT", "SETUID", "SETGID", "KILL", "DAC_OVERRIDE"]
_AGENT_FILES = 16384
_CONFLICT = 409
# What the warden and its folders need.
_LEAST_MEMORY_MB = 32
_LEAST_INODES = 16


class Api(Protocol):
    """The part of ``docker.APIClient`` used here; the SDK ships no types."""

    timeout: int

    def info(self) -> dict[str, Any]:
        """What the engine says of itself."""
        ...

    def create_host_config(self, **options: Any) -> dict[str, Any]:
        """The part of a container's settings that concerns the host."""
        ...

    def create_container(self, image: str, **options: Any) -> dict[str, Any]:
        """Create a container, without starting it."""
        ...

    def attach_socket(self, container: str, params: Mapping[str, int]) -> socket.SocketIO:
        """The streams of a container."""
        ...

    def start(self, container: str) -> None:
        """Start a container."""
        ...

    def inspect_container(self, container: str) -> dict[str, Any]:
        """All that the engine knows of a container."""
        ...

    def inspect_image(self, image: str) -> dict[str, Any]:
        """All that the engine knows of an image."""
        ...

    def remove_container(self, container: str, *, v: bool, force: bool) -> None:
        """Kill and remove a container."""
        ...

    def containers(self, *, all: bool, filters: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: A002
        """List containers."""
        ...

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """The limits that belong to a container, so that containers of one size can stand in for each other."""

    memory_mb: int
    pids: int
    disk_mb: int
    inodes: int

    @classmethod
    def of(cls, limits: Limits) -> Size:
        """Return the size that a program with ``limits`` needs; 0 would mean no limit to the engine."""
        return cls(
            memory_mb=max(limits.memory_mb, _LEAST_MEMORY_MB),
            pids=max(limits.pids, 1),
            disk_mb=max(limits.disk_mb, 1),
            inodes=max(limits.inodes, _LEAST_INODES),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How a container stands: its exit code, and whether the kernel killed in it for want of memory."""

    running: bool
    exit_code: int
    oom_killed: bool


@contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn every way in which the SDK reports trouble into one.

    Raises:
        InfraError: The engine refused or did not answer.
    """
    from docker.errors import APIError, DockerException
    from requests import RequestException

    try:
        yield
    except APIError as error:
        _forget_frames(error)
        raise InfraError(f"the container engine cannot {what}: {error.explanation or error}") from None
    except (DockerException, RequestException, OSError) as error:
        _forget_frames(error)
        raise InfraError(f"the container engine does not answer ({what}): {error}") from None


def _forget_frames(error: BaseException | None) -> None:
    """Drop the SDK's frames, which hold sockets that it does not close when it cannot connect."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _lean(size: Size) -> list[str]:
    """Return the argument that keeps modules of the image from taking what memory a small program has."""
    return [preload.LEAN] if size.memory_mb < preload.ROOM_MB else []


class ContainerEngine:
    """Containers of one image.

    Args:
        api: The SDK's low-level client.
        image: Id of the image.
        labels: Returns the labels of a container that is made now.

    Attributes:
        left_out: What of the image's modules one-use containers could not load ahead.
    """

    def __init__(self, api: Api, image: str, labels: Callable[[], dict[str, str]]) -> None:
        self._api = api
        self._labels = labels
        self._profile = json.dumps(seccomp.engine_profile())
        self.image = image
        self.languages = frozenset[str]()
        self.guarantee = Guarantee.FULL
        self.note = ""
        self.left_out = ""

    @classmethod
    def open(cls, image: str, labels: Callable[[], dict[str, str]]) -> ContainerEngine:
        """Connect and look the image up.

        Raises:
            DependencyError: No engine answers, or the image is missing or stale.
            InfraError: The engine answers with an error.
        """
        client = connect()
        try:
            digest = image_digest(image, client=client)
            engine = cls(cast(Api, client.api), digest, labels)
            engine._look()
        except BaseException:
            client.close()
            raise
        return engine

    def _look(self) -> None:
        """Find out what the image holds and what the engine enforces."""
        self._api.timeout = _CALL_TIMEOUT_S
        with _faults("describe itself"):
            config = self._api.inspect_image(self.image)["Config"]
            info = self._api.info()
        self.languages = frozenset((config.get("Labels") or {}).get(LANGUAGES_LABEL, "").split())
        missing = [name for name in ("MemoryLimit", "SwapLimit", "PidsLimit") if not info.get(name)]
        if not any("seccomp" in option for option in info.get("SecurityOptions") or ()):
            missing.append("seccomp")
        if missing:
            self.guarantee, self.note = Guarantee.REDUCED, f"the engine does not enforce {', '.join(missing)}"

    def create(self, size: Size) -> tuple[str, socket.socket]:
        """Create and start a container; returns its id and the socket of its streams.

        Raises:
            InfraError: The engine failed; nothing is left of the container.
        """
        with _faults("create a container"):
            made = self._api.create_container(
                self.image,
                command=[*_PYTHON, _BOOT.format(module="oneshot"), *_lean(size)],
                user=f"{rootfs.UID}:{rootfs.UID}",
                hostname="sandbox",
                working_dir=rootfs.HOME,
                stdin_open=True,
                labels=self._labels(),
                host_config=self._host_config(size),
                use_config_proxy=False,  # it would put the supervisor's proxies into the environment
            )
        container = str(made["Id"])
        try:
            with _faults("start a container"):
                # Before the start, or the first bytes could be lost: nothing keeps them.
                stream = self._attach(container)
                try:
                    self._api.start(container)
                except BaseException:
                    stream.close()
                    raise
        except BaseException:
            self.remove(container)
            raise
        return container, stream

    def _host_config(self, size: Size) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        memory = size.memory_mb << 20
        owned = f"uid={rootfs.UID},gid={rootfs.UID}"
        scratch = f"rw,exec,nosuid,nodev,size={size.disk_mb}m,nr_inodes={size.inodes},{owned}"
        return self._api.create_host_config(
            network_mode="none",
            ipc_mode="private",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", f"seccomp={self._profile}"],
            mem_limit=memory,
            memswap_limit=memory,
            pids_limit=size.pids + 1,  # one more for the warden
            tmpfs={rootfs.HOME: f"{scratch},mode=755", "/dev/shm": f"{scratch},mode=700"},  # noqa: S108
            ulimits=[
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="nofile", soft=4096, hard=4096),
            ],
            log_config=LogConfig(type=LogConfig.types.NONE),
            init=False,  # an init of the engine would be PID 1 instead of the warden
        )

    def start_agent(self, folder: Path) -> str:
        """Create and start the container of a fork server; returns its id.

        It is removed by the engine when its agent ends, which it does when the supervisor is gone.

        Args:
            folder: A folder of this host that holds the supervisor's socket.

        Raises:
            InfraError: The engine failed; nothing is left of the container.
        """
        with _faults("create the container of an agent"):
            made = self._api.create_container(
                self.image,
                command=[*_PYTHON, _BOOT.format(module="container_agent"), f"{AGENT_FOLDER}/{AGENT_SOCKET}"],
                user="0:0",
                hostname="sandbox",
                working_dir="/",
                environment=MALLOC,
                labels=self._labels(),
                host_config=self._agent_config(folder),
                use_config_proxy=False,
            )
        container = str(made["Id"])
        try:
            with _faults("start the container of an agent"):
                self._api.start(container)
        except BaseException:
            self.remove(container)
            raise
        return container

    def _agent_config(self, folder: Path) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        profile = json.dumps(seccomp.agent_profile())
        config = self._api.create_host_config(
            auto_remove=True,
            network_mode="none",
            ipc_mode="private",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=_AGENT_CAPABILITIES,
            security_opt=["no-new-privileges", f"seccomp={profile}", "apparmor=unconfined", "label=disable"],
            binds={str(folder): {"bind": AGENT_FOLDER, "mode": "rw"}},
            ulimits=[
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="nofile", soft=_AGENT_FILES, hard=_AGENT_FILES),
            ],
            log_config=LogConfig(type=LogConfig.types.NONE),
            init=False,
        )
        # The kernel lets nobody mount a fresh /proc beside one that is partly covered. What programs see is
        # a /proc of their own, and they have no right to write to it.
        return {**config, "MaskedPaths": [], "ReadonlyPaths": []}

    def _attach(self, container: str) -> socket.socket:
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        wrapped = self._api.attach_socket(container, params)
        try:
            # The SDK's object would close the connection when it is collected.
            stream = socket.socket(fileno=os.dup(wrapped.fileno()))
        except (AttributeError, OSError):
            raise DependencyError(
                "programs can only be run by an engine on a local socket", repair="unset DOCKER_HOST"
            ) from None
        finally:
            response = getattr(wrapped, "_response", None)
            if response is not None:
                response.close()
            wrapped.close()
        stream.setblocking(False)
        return stream

    def state(self, container: str) -> State:
        """Return how a container stands.

        Raises:
            InfraError: The engine failed, or the container is gone.
        """
        with _faults("inspect a container"):
            found = self._api.inspect_container(container)["State"]
        return State(
            running=bool(found["Running"]),
            exit_code=int(found["ExitCode"]),
            oom_killed=bool(found["OOMKilled"]),
        )

    def remove(self, container: str) -> None:
        """Kill and remove a container; it is no fault when it is gone already.

        Raises:
            InfraError: The engine failed.
        """
        from docker.errors import APIError, NotFound

        with _faults("remove a container"):
            try:
                self._api.remove_container(container, v=True, force=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != _CONFLICT or "in progress" not in str(error.explanation):
                    raise

    def remove_abandoned(self) -> int:
        """Remove the containers of owners that are dead; returns how many there were.

        Raises:
            InfraError: The engine failed.
        """
        with _faults("list containers"):
            found = self._api.containers(all=True, filters={"label": [owner.OWNER]})
        abandoned = [row["Id"] for row in found if owner.is_abandoned(row.get("Labels") or {})]
        for container in abandoned:
            self.remove(container)
        return len(abandoned)

    def remove_owned(self, name: str) -> None:
        """Remove the containers of owner ``name``, also those that the engine made and could not tell us of.

        Raises:
            InfraError: The engine failed.
        """
        with _faults("list containers"):
            found = self._api.containers(all=True, filters={"label": [f"{owner.OWNER}={name}"]})
        for row in found:
            self.remove(row["Id"])

    def close(self) -> None:
        """Close the connections to the engine."""
        self._api.close()
