"""Functions of the standard library, with labels by a rule over their syntax trees."""

from __future__ import annotations

import ast
import random
import sysconfig
import textwrap
from pathlib import Path

import pytest

from synth.scorer.labels import Label

MODULES = (
    "argparse ast bisect calendar cmd collections colorsys configparser contextlib csv datetime difflib "
    "fileinput fnmatch fractions functools glob graphlib heapq inspect ipaddress locale mailbox ntpath "
    "optparse pathlib pdb pickletools pprint random shlex shutil statistics string subprocess tarfile "
    "textwrap threading tokenize traceback turtle typing uuid weakref zipfile _pydecimal _pyio _strptime"
).split()


def functions(source: str) -> list[str]:
    """The functions of a module, each without its indentation."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines = source.splitlines()[first - 1 : node.end_lineno]
            found.append(textwrap.dedent("\n".join(lines)) + "\n")
    return found


def rule(code: str) -> float | None:
    """Five points that no model sees: they are counted in the syntax tree."""
    try:
        node = ast.parse(code).body[0]
    except (SyntaxError, IndexError):
        return None
    if not isinstance(node, ast.FunctionDef):
        return None
    inside = list(ast.walk(node))
    points = [
        len((ast.get_docstring(node) or "").split()) >= 5,
        any(isinstance(one, ast.For | ast.While | ast.comprehension) for one in inside),
        any(isinstance(one, ast.Return) and one.value is not None for one in inside),
        6 <= sum(isinstance(one, ast.stmt) for one in inside) <= 40,
        len(node.args.args) >= 2 and not any(isinstance(one, ast.Global) for one in inside),
    ]
    return float(sum(points))


@pytest.fixture(scope="session")
def stdlib_functions() -> list[str]:
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [folder / f"{name}.py" for name in MODULES] + [folder / name / "__init__.py" for name in MODULES]
    sources = [path.read_text("utf-8") for path in paths if path.is_file()]
    found = [code for source in sources for code in functions(source) if len(code) < 4000]
    random.Random(7).shuffle(found)
    return found[:1200]


@pytest.fixture(scope="session")
def labels(stdlib_functions: list[str]) -> list[Label]:
    """Labels by the rule, a fifth of them off by one, as a model's would be."""
    generator = random.Random(11)
    found = []
    for code in stdlib_functions:
        if (label := rule(code)) is not None:
            if generator.random() < 0.2:
                label = min(5.0, max(0.0, label + generator.choice([-1, 1])))
            found.append(Label(text=code, label=label, language="python", license="PSF-2.0"))
    return found
