"""Create ``.venv`` with the locked packages and this project; nothing to do when it is up to date.

Runs on the bare interpreter, so it uses the standard library only. ``make setup`` calls it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Bring the environment up to date and return the exit code (4: something is missing here)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--no-project", action="store_true", help="install the locked packages only")
    options = parser.parse_args()
    venv: Path = options.venv
    stamp = venv / ".setup-stamp"
    wanted = fingerprint(options.lock)
    python = venv / "bin" / "python"
    if works(python) and stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return 0
    if not works(python):
        if importlib.util.find_spec("ensurepip") is None:
            package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            print(
                f"setup: {sys.executable} has no venv module; run: apt-get install {package}", file=sys.stderr
            )
            return 4
        shutil.rmtree(venv, ignore_errors=True)
        print(f"setup: creating {venv.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    stamp.unlink(missing_ok=True)
    print(f"setup: installing {options.lock.name} into {venv.name}", file=sys.stderr)
    # Modules are compiled when they are first imported: most of the big packages' never are.
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-compile"]
    # The lock is whole but for torch, which is pinned by version only: its builds differ by machine.
    steps = [[*pip, "--no-deps", "--require-hashes", "-r", str(options.lock)]]
    if not options.no_project:
        steps.insert(0, [*pip, torch_pin()])
        steps.append([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    for step in steps:
        if code := subprocess.run(step, check=False, env=environment()).returncode:
            print(f"setup: failed: {' '.join(step)}", file=sys.stderr)
            return code
    stamp.write_text(wanted, encoding="ascii")
    return 0


def torch_pin() -> str:
    """Return the requirement of torch, as in ``torch==2.13.0``, from the project file.

    Asked for by itself and first: pip then takes a CPU build where the machine offers one, and no other
    package's range of versions has a say.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"(torch==[^"]+)"', text)[0]


def fingerprint(lock: Path) -> str:
    """Hash all that decides what is installed: the lock, the project file and the interpreter's version."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (lock, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def works(python: Path) -> bool:
    """Tell whether an interpreter starts and has pip (a moved or half-made environment does not)."""
    try:
        return (
            subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode
            == 0
        )
    except OSError:
        return False


def environment() -> dict[str, str]:
    """Return the environment without what points pip at another place to install to."""
    dropped = {"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME"}
    return {key: value for key, value in os.environ.items() if key not in dropped}


if __name__ == "__main__":
    sys.exit(main())
