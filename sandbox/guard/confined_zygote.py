"""The zygote of the ``confined`` backend: what this machine lets it take from programs."""

from __future__ import annotations

import json
import os
import sys

from . import confine, identity, kernel, landlock, warm
from .zygote import Zygote, start


def open_users(staging: str) -> tuple[identity.Users | None, str]:
    """Return user ids for programs, or None and why there are none."""
    # Programs of another user must get at their folders, and at the interpreter's modules.
    needed = (staging, os.path.dirname(os.__file__))
    try:
        os.chmod(staging, 0o711)  # noqa: S103  (programs go through it to their own folders)
        return identity.Users(needed), ""
    except OSError as error:
        os.chmod(staging, 0o700)
        return None, f"programs share this user: {error}"


def probe(staging: str) -> str:
    """Try in a child to give up all rights; returns why that does not work here, or ''."""
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            confine.seal(None, staging)
        except BaseException as error:  # noqa: BLE001  (told to the parent)
            os.write(write, str(error).encode()[:1000])
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        said = file.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    return said


def main() -> None:
    """Entry point: one JSON argument (see ``sandbox.launcher``)."""
    config = json.loads(sys.argv[1])
    control = start(config)
    kernel.set_dumpable(False)
    if error := probe(config["staging"]):
        control.send(json.dumps({"ready": False, "error": error}).encode())
        return
    users, note = open_users(config["staging"])
    if users is None and os.geteuid() == 0:
        # Root without its rights still owns what is root's.
        control.send(json.dumps({"ready": False, "error": f"no program may be root; {note}"}).encode())
        return
    if not landlock.version():
        note = "; ".join(filter(None, (note, "this kernel has no Landlock: what all may read, they may")))
    control.send(json.dumps({"ready": True, "capped": False, "note": note}).encode())
    warm.settle()
    Zygote(control, users=users, confined=True).serve()
