"""Where an interpreter's packages lie, and what their metadata say. None of their code runs."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution
from pathlib import Path

from opencoder.errors import DependencyError, UserError
from synth.packages.modules import module_names, root_modules

_ASK = (
    "import json, sys; print(json.dumps({'path': [p for p in sys.path if p], "
    "'version': list(sys.version_info[:2])}))"
)
_REQUIREMENT = re.compile(r"^\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A distribution that is installed.

    Attributes:
        name: As its metadata spell it.
        version: As installed.
        license: SPDX expression, or what its metadata say; empty if nothing.
        site: The folder that it is installed in.
        files: Its files, relative to that folder.
        modules: Its modules by dotted name, and their files.
    """

    name: str
    version: str
    license: str
    site: Path
    files: tuple[str, ...]
    modules: dict[str, str]

    @property
    def roots(self) -> list[str]:
        """The packages and modules that belong to it."""
        return root_modules(self.modules)


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter with its packages.

    Attributes:
        python: The program.
        version: Major and minor version.
        path: The folders that it imports from.
    """

    python: Path
    version: tuple[int, int]
    path: tuple[str, ...]

    @classmethod
    def at(cls, python: Path | None) -> Interpreter:
        """Describe an interpreter; the running one for None.

        Raises:
            UserError: It cannot be started.
        """
        if python is None:
            return cls(Path(sys.executable), sys.version_info[:2], tuple(filter(None, sys.path)))
        try:
            done = subprocess.run(
                [python, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=60
            )
            told = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise UserError(
                f"--python {python}: not a Python interpreter that starts ({error}); give the path of one"
            ) from error
        return cls(python, (told["version"][0], told["version"][1]), tuple(told["path"]))

    @cached_property
    def _distributions(self) -> dict[str, Distribution]:
        found: dict[str, Distribution] = {}
        for one in importlib.metadata.distributions(path=list(self.path)):
            if name := one.metadata["Name"]:
                found.setdefault(normalized(name), one)
        return found

    def find(self, name: str) -> Installed | None:
        """Return a distribution by its name, however it is spelled; None where it is not installed."""
        found = self._distributions.get(normalized(name))
        if found is None:
            return None
        files = tuple(str(file) for file in found.files or ())
        return Installed(
            name=found.metadata["Name"],
            version=found.version,
            license=_license(found),
            site=Path(str(found.locate_file(""))),
            files=files,
            modules=module_names(files),
        )

    def closure(self, names: list[str]) -> list[Installed]:
        """Return distributions with all installed ones that they require, extras left out."""
        found: dict[str, Installed] = {}
        waiting = list(names)
        while waiting:
            key = normalized(waiting.pop())
            one = None if key in found else self.find(key)
            if one is not None:
                found[key] = one
                waiting += _required(self._distributions[key])
        return list(found.values())

    def distributions_by_module(self) -> dict[str, str]:
        """Return top-level import names and the distributions that bring them."""
        found: dict[str, str] = {}
        for key in sorted(self._distributions):
            files = [str(file) for file in self._distributions[key].files or ()]
            for module in module_names(files):
                found.setdefault(module.partition(".")[0], self._distributions[key].metadata["Name"])
        return found


def normalized(name: str) -> str:
    """Return the name of a distribution in the form in which two spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def split_requirement(requirement: str) -> tuple[str, str]:
    """Split ``name==version`` into both; the version is empty where none is asked for.

    Raises:
        UserError: It is neither ``name`` nor ``name==version``.
    """
    name, _, version = requirement.strip().partition("==")
    match = _REQUIREMENT.match(name.strip())
    if (
        match is None
        or match["rest"]
        or ("==" in requirement and not re.fullmatch(r"[\w.!+-]+", version.strip()))
    ):
        raise UserError(f"{requirement!r}: give a package as NAME or NAME==VERSION")
    return match["name"], version.strip()


def _required(distribution: Distribution) -> Iterator[str]:
    for one in distribution.requires or ():
        match = _REQUIREMENT.match(one)
        if match is not None and "extra ==" not in one.replace('"', "").replace("extra==", "extra =="):
            yield match["name"]


def _license(distribution: Distribution) -> str:
    metadata = distribution.metadata
    for field in ("License-Expression", "License"):
        text = next(iter(metadata.get_all(field) or ()), "").strip()
        if text and len(text) <= 80 and "\n" not in text:
            return text
    classifiers = [
        one.split(" :: ")[-1] for one in metadata.get_all("Classifier") or () if one.startswith("License")
    ]
    return " AND ".join(one for one in classifiers if one != "OSI Approved")


def pip_install(python: Path, requirements: list[str], *, build: bool) -> None:
    """Install packages with the pip of an interpreter, under the host's pip settings.

    Args:
        python: The interpreter.
        requirements: What to install.
        build: Whether to build what has no wheel, which runs code of the package on this machine.

    Raises:
        UserError: There is no such package or version, or it has no wheel and ``build`` is not given.
    """
    wheels = [] if build else ["--only-binary", ":all:"]
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-compile",
        *wheels,
        *requirements,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = next(
            (line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else ""
        )
        advice = (
            "check name and version"
            if build
            else "check name and version, or add --trust to build it from source"
        )
        raise UserError(f"pip cannot install {' '.join(requirements)}: {said[:300]}; {advice}")


def make_venv(folder: Path, python: Path) -> Path:
    """Make a virtual environment and return its interpreter.

    Raises:
        DependencyError: The interpreter lacks ``venv`` or ``ensurepip``.
    """
    done = subprocess.run([python, "-I", "-m", "venv", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise DependencyError(
            f"{python} cannot make a virtual environment ({said[-1] if said else done.returncode})",
            repair="install the venv module of that Python, or give another one with --python",
        )
    return folder / "bin" / "python"
