"""What code gets wrong about a package, and what nobody may be accused of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synth.packages.check import check_code
from synth.packages.store import ApiStore

StoreOf = Callable[..., ApiStore]


def problems(code: str, store: ApiStore) -> list[tuple[str, str, int]]:
    return [(one.kind, one.name, one.line) for one in check_code(code, store)]


@pytest.mark.parametrize("live", [True, False])
def test_code_for_the_old_version_is_found_out(stores: StoreOf, live: bool) -> None:
    code = (
        "import shapekit as sk\n"
        "from shapekit import area_of as area\n"
        "print(area(1, 2), sk.area_of(3, 4))\n"
        "print(sk.scale(2, origin=1), sk.perimeter(1, 2))\n"
    )
    assert problems(code, stores("1.0", live=live)) == []
    assert problems(code, stores("2.0", live=live)) == [
        ("unknown_name", "shapekit.area_of", 2),
        ("unknown_argument", "shapekit.scale(origin)", 4),
        ("deprecated_name", "shapekit.perimeter", 4),
    ]


def test_messages_say_what_there_is_instead(stores: StoreOf) -> None:
    code = "import shapekit\nshapekit.rectangle_are(1, 2)\nshapekit.scale(1, by=2)\n"
    details = [one.detail for one in check_code(code, stores("2.0"))]
    assert details == [
        "shapekit.rectangle_are is not in shapekit 2.0; it has rectangle_area",
        "shapekit.scale() of shapekit 2.0 takes no argument 'by': scale(x, factor=1.0)",
    ]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (
            "from shapekit import Circle\nCircle(1, name='a', colour=2)",
            "unknown_argument shapekit.Circle(colour)",
        ),
        ("import shapekit.shapes", "unknown_name shapekit.shapes"),
        ("import shapekit\nprint(shapekit.Circle.diameter)", "unknown_name shapekit.Circle.diameter"),
        (
            "import shapekit\nprint(shapekit.Circle.move(c, 1, dz=1))",
            "unknown_argument shapekit.Circle.move(dz)",
        ),
        (
            "def f():\n    from shapekit import area_of\n    return area_of(1, 2)",
            "unknown_name shapekit.area_of",
        ),
        ("import shapekit\n@shapekit.decorate\ndef f(): ...", "unknown_name shapekit.decorate"),
        ("def (", "unreadable "),
    ],
)
def test_what_is_wrong(stores: StoreOf, code: str, found: str) -> None:
    assert [f"{one.kind} {one.name}" for one in check_code(code, stores("2.0"))] == [found]


@pytest.mark.parametrize(
    "code",
    [
        "import shapekit\nshapekit = object()\nshapekit.area_of",
        "import shapekit\ndef f(shapekit):\n    return shapekit.area_of",
        "try:\n    from shapekit import area_of\nexcept ImportError:\n    area_of = None",
        "import shapekit\nif shapekit.__version__ < '2':\n    shapekit.area_of(1, 2)",
        "import shapekit\nif hasattr(shapekit, 'area_of'):\n    x = shapekit\nshapekit.area_of",
        "import shapekit\nshapekit.area_of = max\nshapekit.area_of(1, 2)",
        "import shapekit, pytest\nwith pytest.raises(AttributeError):\n    shapekit.area_of",
        "from other import *\nimport shapekit.anything as a\na.whatever(x=1)",
        "import shapekit\nfrom other import *\nshapekit.area_of(1, 2)",
        "import shapekit\nc = shapekit.Circle(1)\nc.no_such_method(y=1)",
        "import shapekit\nshapekit.Circle(1).no_such_method()",
        "from shapekit import _core\n_core.anything_private()",
        "import shapekit._core as core\ncore.area_of(1, 2)",
        "import shapekit\nshapekit.Circle.__mro__, shapekit.Circle.mro(), shapekit.__doc__",
        "import shapekit\nshapekit.scale(1, **{'origin': 2})",
        "import shapekit\nshapekit.scale.some_attribute",
        "from shapekit import tests\nimport shapekit.tests.test_it",
        "from shapekit import parts\nfrom shapekit.parts.corner import cut",
        "import shapekit\nwith assert_raises(TypeError):\n    shapekit.scale(1, origin=2)",
        "from . import shapekit\nshapekit.area_of",
        "import json\njson.no_such_name",
    ],
)
def test_nobody_is_accused_where_it_is_not_certain(stores: StoreOf, code: str) -> None:
    for live in (True, False):
        assert check_code(code, stores("2.0", live=live)) == []


@pytest.mark.usefixtures("needs_sandbox")
def test_a_way_to_a_name_can_be_deprecated_on_its_own(stores: StoreOf) -> None:
    code = "from shapekit.lazy import worn, far, moved\nfar(1, factor=2)\n"
    assert problems(code, stores("2.0")) == [("deprecated_name", "shapekit.lazy.worn", 1)]
