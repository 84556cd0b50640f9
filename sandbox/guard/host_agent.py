"""The agent on a host: where it starts, and the proof that boundaries can be made here."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any

from . import boundary, kernel, rootfs, warm
from .agent import Agent
from .cgroups import try_open


def probe() -> None:
    """Prove that a program's boundary can be made here, before the first one is needed.

    Raises:
        OSError: It cannot; the message names the step.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    uids = boundary.uid_range()
    uid, gid = (uids[0], uids[0]) if uids else (os.geteuid(), os.getegid())
    pid = boundary.clone_as(uid, gid)
    if pid == 0:
        try:
            boundary.map_user(uid, gid)
            boundary.mount_private({"disk_mb": 1, "inodes": 64})
            boundary.give_up_privileges()
        except BaseException as error:  # noqa: BLE001  (told to the parent)
            os.write(write, str(error).encode()[:1000])
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        said = file.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    if said:
        raise OSError(said)


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
    sys.path[:] = [*(entry for entry in sys.path if entry != config["guard"]), "/opt/packages"]


def main() -> None:
    """Entry point on the host: ``agent.main()`` with one JSON argument (see ``sandbox.launcher``)."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    kernel.die_with_parent(signal.SIGKILL)
    os.umask(0o022)
    warm.preload()
    cgroups, note = try_open(config["group"])
    try:
        enter_root(config)
        probe()
    except OSError as error:
        control.send(json.dumps({"ready": False, "error": str(error)}).encode())
        return
    control.send(json.dumps({"ready": True, "capped": cgroups is not None, "note": note}).encode())
    warm.settle()
    Agent(control, cgroups=cgroups).serve()


if __name__ == "__main__":
    main()
