"""A small distribution in two versions, as wheels that need no index, and stores of it."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from synth.packages.environment import build_store
from synth.packages.store import ApiStore

CORE_1 = '''
def area_of(width, height):
    """Return the area of a rectangle.

    Examples:
        >>> from shapekit import area_of
        >>> area_of(2, 3)
        6
    """
    return width * height


def scale(x, factor=1.0, origin=None):
    """Scale a number.

    .. versionadded:: 0.5
    """
    return x * factor


def perimeter(width, height):
    """Return the perimeter of a rectangle."""
    return 2 * (width + height)


class Base:
    """Not for users."""

    def move(self, dx, dy=0):
        """Move it."""
        return self


class Circle(Base):
    """A circle."""

    unit = 1

    def __init__(self, radius, *, name=""):
        self.radius = radius

    @property
    def area(self):
        """The area."""
        return 3.14 * self.radius**2
'''
CORE_2 = (
    CORE_1.replace("area_of", "rectangle_area")
    .replace("factor=1.0, origin=None", "factor=1.0")
    .replace(
        "perimeter of a rectangle.", "perimeter of a rectangle.\n\n    .. deprecated:: 2.0\n       Use edges."
    )
)
INIT = """
from shapekit._core import {area}, Circle, perimeter, scale

__all__ = [{area!r}, 'Circle', 'perimeter', 'scale']
"""
LAZY = """
import importlib, warnings

_HOMES = {"far": "shapekit._core"}

def _moved(name):
    return ELSEWHERE[f"shapekit.lazy:{name}"]

ELSEWHERE = {"shapekit.lazy:moved": 3}
ELSEWHERE = type("Table", (dict,), {})(ELSEWHERE)

def __getattr__(name):
    if name in _HOMES:
        return importlib.import_module(_HOMES[name]).scale
    if name == "worn":
        warnings.warn("worn is on its way out", DeprecationWarning)
        return 1
    if f"shapekit.lazy:{name}" in ELSEWHERE:
        return _moved(name)
    raise AttributeError(name)
"""
ANYTHING = "def __getattr__(name):\n    return name\n"
RUN_TIME = "globals().update({'made': 1})\nfrom os.path import *\n"


def _files(version: str, area: str, core: str) -> dict[str, str]:
    return {
        "shapekit/__init__.py": INIT.format(area=area),
        "shapekit/_core.py": core,
        "shapekit/lazy.py": LAZY,
        "shapekit/anything.py": ANYTHING,
        "shapekit/run_time.py": RUN_TIME,
        "shapekit/parts/corner.py": "def cut(): pass\n",
        "shapekit/tests/__init__.py": "",
        "shapekit/tests/test_it.py": "def test(): pass\n",
        f"shapekit-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.4\nName: shapekit\nVersion: {version}\nLicense-Expression: MIT\n"
        ),
        f"shapekit-{version}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }


def write_wheel(folder: Path, version: str, files: Mapping[str, str]) -> Path:
    """Write a wheel of the given files, with the record that says what is in it."""
    record = f"shapekit-{version}.dist-info/RECORD"
    lines = []
    path = folder / f"shapekit-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text.encode())}\n")
            wheel.writestr(name, text)
        wheel.writestr(record, "".join(lines) + f"{record},,\n")
    return path


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "1.0", _files("1.0", "area_of", CORE_1))
    write_wheel(folder, "2.0", _files("2.0", "rectangle_area", CORE_2))
    return folder


@pytest.fixture(scope="session")
def sites(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that a version each is installed in."""
    found = {}
    for version in ("1.0", "2.0"):
        found[version] = tmp_path_factory.mktemp("site")
        with zipfile.ZipFile(wheels / f"shapekit-{version}-py3-none-any.whl") as wheel:
            wheel.extractall(found[version])
    return found


StoreOf = Callable[..., ApiStore]


@pytest.fixture(scope="session")
def stores(sites: dict[str, Path]) -> StoreOf:
    """Give the store of a version, loaded in the sandbox or read from sources alone."""
    made: dict[tuple[str, bool], ApiStore] = {}

    def store_of(version: str, *, live: bool = True) -> ApiStore:
        if (version, live) not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.syspath_prepend(str(sites[version]))
                made[version, live] = build_store(["shapekit"], None, live=live)
        return made[version, live]

    return store_of


@pytest.fixture(scope="session")
def needs_sandbox(stores: StoreOf) -> None:
    """Skip where packages cannot be loaded in a sandbox."""
    row = stores("2.0").manifest.distributions[0]
    if not row.live:
        pytest.skip(row.notes[0])
