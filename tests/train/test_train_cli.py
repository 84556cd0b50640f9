"""The commands of ``opencoder train`` are imported when they are called: each is where the table says."""

from __future__ import annotations

import importlib.util

import pytest

from train.cli import app

NAMES = [name for name in app if not name.startswith("-")]


def test_all_commands_are_listed() -> None:
    assert {"recipes", "plan", "launch", "tokenize", "tokenize-chat", "run", "export"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_where_it_is_looked_for(name: str) -> None:
    if name == "ablate" and importlib.util.find_spec("train.ablation") is None:
        pytest.skip("no ablations here")
    assert callable(app[name].default_command)
