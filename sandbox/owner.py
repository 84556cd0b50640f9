"""Who started a container: labels that let a later process tell leftovers from what is in use."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

PREFIX = "io.opencoder."
OWNER = PREFIX + "owner"
_BOOT = PREFIX + "boot"
_NAMESPACE = PREFIX + "pid-namespace"
_PID = PREFIX + "pid"
_STARTED = PREFIX + "started"
_EXPIRES = PREFIX + "expires"

# No container is used for longer; one that is older belongs to nobody, whatever its owner does.
LEASE_S = 6 * 3600.0
_START_TIME = 19  # place in /proc/PID/stat behind the name: clock ticks from boot to the start of the process


def new_owner() -> str:
    """Return an id for one sandbox."""
    return uuid.uuid4().hex


def labels(owner: str) -> dict[str, str]:
    """Return the labels of something that this process makes now for ``owner``."""
    return {
        OWNER: owner,
        _BOOT: _boot_id(),
        _NAMESPACE: _pid_namespace(),
        _PID: str(os.getpid()),
        _STARTED: _start_time(os.getpid()),
        _EXPIRES: f"{time.time() + LEASE_S:.0f}",
    }


def is_abandoned(found: Mapping[str, str]) -> bool:
    """Tell whether the owner that ``found`` names is dead, or its lease has run out.

    The owner's process is looked up only where its id means the same as here: in this boot and in this PID
    namespace. Elsewhere the lease alone decides.
    """
    try:
        expires = float(found[_EXPIRES])
    except (KeyError, ValueError):
        return False  # none of ours
    if time.time() > expires:
        return True
    if found.get(_BOOT) != _boot_id() or found.get(_NAMESPACE) != _pid_namespace():
        return False
    pid = found.get(_PID, "")
    return not pid.isdigit() or _start_time(int(pid)) != found.get(_STARTED)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _pid_namespace() -> str:
    return Path("/proc/self/ns/pid").readlink().name


def _start_time(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[_START_TIME]
