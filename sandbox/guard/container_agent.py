"""The agent in a container: PID 1, started with the few rights that boundaries for programs take."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from . import cgroups, kernel, preload, warm
from .agent import Agent
from .host_agent import enter_root, probe
from .oneshot import PACKAGES, ROOT

_GROUP = "opencoder"
_STAGING = "/mnt"


def main() -> None:
    """Entry point of the container: ``container_agent.main()`` with the path of the supervisor's socket."""
    # The kernel drops signals to PID 1 that have no handler; Python's own for SIGINT would be one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernel.set_dumpable(False)
    os.umask(0o022)
    sys.path[:] = [*(entry for entry in sys.path if entry != ROOT), PACKAGES]
    warm.preload()
    left_out = preload.preload()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(sys.argv[1])
    try:
        cgroups.make_writable()
        groups, note = cgroups.try_open(_GROUP)
        enter_root({"staging": _STAGING, "shown": [], "hidden": [], "packages": {}, "guard": ROOT})
        probe()
    except OSError as error:
        control.send(json.dumps({"ready": False, "error": str(error)}).encode())
        return
    note = "; ".join(part for part in (note, left_out) if part)
    control.send(json.dumps({"ready": True, "capped": groups is not None, "note": note}).encode())
    warm.settle()
    Agent(control, cgroups=groups).serve()
