"""The way of a program's process from its fork into its boundary, and to the program's first instruction.

All that is known of a job is read here, after the fork, so that nothing of one job is in the memory of the
next.
"""

from __future__ import annotations

import marshal
import os
from typing import Any

from . import artefact, boundary, files, kernel, program, rootfs

# The namespaces of a holder, in the order in which they are entered, and the descriptors of a job.
NAMESPACES = ("user", "mnt", "net", "ipc", "uts", "pid")
JOB = ("job", "payload", "stdin", "stdout", "stderr", "channel")
PROBE = "probe"
"""The phase of a process that only shows that boundaries can be entered and sealed."""


class Given:
    """What a program's process is given.

    Args:
        fds: The namespaces, the job's descriptors, and one ``cgroup.procs`` for each hierarchy.
        phase: ``compile``, ``run`` or :data:`PROBE`.
        limits: The limits of that phase.
        capped: Whether a cgroup caps memory and processes.
    """

    __slots__ = ("capped", "groups", "job", "limits", "namespaces", "phase")

    def __init__(self, fds: list[int], phase: str, limits: dict[str, Any], *, capped: bool) -> None:
        first, last = len(NAMESPACES), len(NAMESPACES) + len(JOB)
        self.namespaces = fds[:first]
        self.job: dict[str, int] = dict(zip(JOB, fds[first:last], strict=False))
        self.groups = fds[last:]
        self.phase = phase
        self.limits = limits
        self.capped = capped

    @property
    def pid_namespace(self) -> int:
        """The descriptor of the namespace that the process has to be forked into."""
        return self.namespaces[-1]


def enter(given: Given) -> dict[str, Any]:
    """Move into the boundary and read the job.

    Raises:
        OSError: The kernel refuses that.
    """
    for fd in given.groups:
        os.write(fd, b"0")
    for fd in given.namespaces[:-1]:
        kernel.setns(fd, 0)
    boundary.become_user()
    boundary.size_scratch(given.limits)
    if given.phase == PROBE:
        boundary.seal(given.limits, capped=given.capped)
        os._exit(0)
    source = given.job["job"]
    job: dict[str, Any] = marshal.loads(os.read(source, os.fstat(source).st_size))
    job["limits"] = given.limits
    return job


def run(job: dict[str, Any], given: Given) -> int:
    """Run the phase's command or role; returns the exit code of a role.

    Raises:
        OSError: The files do not fit the disk, or the command cannot be started: the job's own fault.
    """
    kernel.settle_child()
    os.dup2(given.job["stderr"], 2)
    folder = f"{rootfs.HOME}/work"
    if given.phase == "run" and job["compile"]:
        artefact.unpack(given.job["payload"], folder)
    else:
        files.write_files(folder, {**job["files"], job["filename"]: job["source"]})
    program.prepare(job, given.job, lambda: boundary.seal(given.limits, capped=given.capped))
    return program.run_phase(job, given.phase, given.job, program.environment(job))
