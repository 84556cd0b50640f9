"""The agent in a container: PID 1, started with the few rights that boundaries for programs take."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from . import cgroups, kernel
from .agent import Agent
from .host_agent import OWN_NAMESPACES, enter_root
from .oneshot import PACKAGES
from .spawner import Spawner

_GROUP = "opencoder"
_STAGING = "/mnt"


def main() -> None:
    """Entry point of the container: ``container_agent.main()`` with the path of the supervisor's socket."""
    # The kernel drops signals to PID 1 that have no handler; Python's own for SIGINT would be one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernel.set_dumpable(False)
    os.umask(0o022)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(sys.argv[1])
    try:
        cgroups.make_writable()  # which a process may stand in the way of
        spawner = Spawner(PACKAGES, sys.argv[2:])
        groups, note = cgroups.try_open(_GROUP)
        enter_root({"staging": _STAGING, "shown": [], "hidden": [], "packages": {}})
        left_out = spawner.join(OWN_NAMESPACES)
        spawner.prove()
    except OSError as error:
        control.send(json.dumps({"ready": False, "error": str(error)}).encode())
        return
    note = "; ".join(part for part in (note, left_out) if part)
    control.send(json.dumps({"ready": True, "capped": groups is not None, "note": note}).encode())
    Agent(control, cgroups=groups, spawner=spawner).serve()
