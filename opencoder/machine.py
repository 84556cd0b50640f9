"""Facts about this machine and this checkout, for manifests and ``doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from opencoder.records import Hardware


def git_hash(folder: Path | None = None) -> str:
    """Return the commit of the checkout that holds ``folder`` (this package's if not given), or ``""``.

    ``-dirty`` is added when tracked files differ from the commit.
    """
    root = folder or Path(__file__).resolve().parent.parent
    if not (root / ".git").exists() or shutil.which("git") is None:
        return ""
    commit = _output(["git", "-C", str(root), "rev-parse", "HEAD"])
    if not commit:
        return ""
    dirty = _output(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    return f"{commit}-dirty" if dirty else commit


def hardware() -> Hardware:
    """Describe the machine. CPUs are those that this process may use."""
    accelerators: list[str] = []
    if shutil.which("nvidia-smi"):
        accelerators = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Hardware(
        machine=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpus=len(os.sched_getaffinity(0)),
        memory_mb=memory >> 20,
        accelerators=accelerators,
    )


def _output(command: list[str]) -> str:
    """Return what a command prints, or ``""`` if it fails or takes over ten seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
