"""The agent on a host: where it starts, and the proof that boundaries can be made here."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any

from . import kernel, rootfs
from .agent import Agent
from .cgroups import try_open
from .spawner import Spawner

PACKAGES = "/opt/packages"
"""Where programs find the packages that the root folder shows."""
OWN_NAMESPACES = ("mnt",) if os.geteuid() == 0 else ("user", "mnt")
"""The namespaces that :func:`enter_root` makes, in the order in which they can be entered."""


def enter_root(config: dict[str, Any]) -> None:
    """Move behind the root folder that all programs share.

    Raises:
        OSError: The kernel refuses that.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        kernel.unshare(kernel.CLONE_NEWNS)
    else:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        kernel.write_file("/proc/self/setgroups", "deny")
        kernel.write_file("/proc/self/uid_map", f"{uid} {uid} 1")
        kernel.write_file("/proc/self/gid_map", f"{gid} {gid} 1")
    rootfs.enter(config["staging"], config["shown"], config["hidden"], config["packages"])


def main() -> None:
    """Entry point on the host: ``agent.main()`` with one JSON argument (see ``sandbox.launcher``)."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    kernel.die_with_parent(signal.SIGKILL)
    os.umask(0o022)
    spawner = Spawner(PACKAGES)
    cgroups, note = try_open(config["group"])
    try:
        enter_root(config)
        spawner.join(OWN_NAMESPACES)
        spawner.prove()
    except OSError as error:
        control.send(json.dumps({"ready": False, "error": str(error)}).encode())
        return
    control.send(json.dumps({"ready": True, "capped": cgroups is not None, "note": note}).encode())
    Agent(control, cgroups=cgroups, spawner=spawner).serve()


if __name__ == "__main__":
    main()
