import os

import pytest

from opencoder.errors import DependencyError, UserError
from sandbox.attacks import ATTACKS, system_calls
from sandbox.doctor import examine

NAMES = {
    "network", "host_files", "environment", "process_isolation", "survivors", "memory", "processes", "disk",
    "output", "cpu_time", "wall_time", "privileges", "system_calls", "fresh_state", "file_return",
}  # fmt: skip
# What plain child processes can give.
HELD_BY_PROCESS = {"survivors", "output", "cpu_time", "wall_time", "file_return", "disk"}


async def test_all_guarantees_hold_behind_namespaces():
    try:
        report = await examine("namespace")
    except DependencyError as error:
        pytest.skip(str(error))
    broken = {name: finding.how for name, finding in report.guarantees.items() if not finding.holds}
    if report.guarantee == "reduced":
        broken.pop("memory", None)
    assert broken == {}
    assert set(report.guarantees) == NAMES
    assert report.backend == "namespace"
    assert "holds  network" in report.text()
    assert report.time_factor >= 1
    assert f"time factor {report.time_factor:g}\n" in report.text()
    assert "OPENCODER_DOCTOR_SECRET" not in os.environ


async def test_most_guarantees_hold_where_programs_are_confined():
    report = await examine("confined")
    broken = {name: finding.how for name, finding in report.guarantees.items() if not finding.holds}
    if os.geteuid() != 0:  # what another program of the same user left where all may write
        broken.pop("fresh_state", None)
    assert broken == {}
    assert report.guarantee == "confined"
    assert report.guarantees["network"].how == "a seccomp filter that refuses sockets"


async def test_without_a_boundary_the_attacks_succeed():
    report = await examine("process", unsafe=True)
    holds = {name for name, finding in report.guarantees.items() if finding.holds}
    assert holds >= HELD_BY_PROCESS
    reached = {"network", "host_files", "process_isolation", "system_calls", "fresh_state"}
    assert not holds & reached
    assert "use backend docker or namespace" in report.guarantees["network"].how
    assert report.guarantee == "none"
    assert "FAILS  network" in report.text()


async def test_a_boundary_must_be_given_up_by_name():
    with pytest.raises(UserError, match="--allow-unsafe"):
        await examine("process")


def test_every_attack_says_what_stops_it():
    assert {attack.name for attack in ATTACKS} == NAMES
    for attack in ATTACKS:
        assert attack.enforced_by["kernel"]
        assert attack.repair
    named = {name for name, _ in system_calls()}
    assert named >= {"ptrace", "mount", "keyctl", "clock_settime", "io_uring_setup"}
