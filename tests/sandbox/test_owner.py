"""Labels that tell leftovers from what is in use."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from sandbox import owner


def other(**changes: str) -> dict[str, str]:
    return {
        **owner.labels("x"),
        **{owner.PREFIX + name.replace("_", "-"): text for name, text in changes.items()},
    }


def test_what_this_process_owns_is_in_use() -> None:
    assert not owner.is_abandoned(owner.labels("x"))


def test_a_dead_owner() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert owner.is_abandoned(other(pid=str(gone.pid)))


def test_a_process_that_got_the_id_of_the_owner_is_not_the_owner() -> None:
    assert owner.is_abandoned(other(started="1"))


@pytest.mark.parametrize("field", ["boot", "pid_namespace"])
def test_an_owner_out_of_sight_has_its_lease(field: str) -> None:
    elsewhere = {field: "elsewhere", "pid": "0"}
    assert not owner.is_abandoned(other(**elsewhere))
    assert owner.is_abandoned(other(**elsewhere, expires=f"{time.time() - 1}"))


@pytest.mark.parametrize("found", [{}, {owner.OWNER: "x"}, {owner.PREFIX + "expires": "soon"}])
def test_what_bears_no_lease_is_none_of_ours(found: dict[str, str]) -> None:
    assert not owner.is_abandoned(found)
