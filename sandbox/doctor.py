"""``sandbox doctor``: runs a small attack for each guarantee and tells which hold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from opencoder.errors import InfraError
from sandbox.api import Guarantee, Program, Result, Sandbox, run
from sandbox.attacks import ATTACKS, FRESH_PLANT, Attack, system_calls
from sandbox.backends import open_backend
from sandbox.calibrate import measure

_AT_ONCE = 2
_FAMILIES = {Guarantee.NONE: "process", Guarantee.CONFINED: "confined"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one guarantee holds, and what enforces it or how to get it."""

    holds: bool
    how: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sandbox doctor --json`` prints."""

    backend: str
    guarantee: Guarantee
    launcher: str
    note: str
    time_factor: float
    guarantees: dict[str, Finding]

    def text(self) -> str:
        """Return the report as lines."""
        lines = [
            f"{'holds' if finding.holds else 'FAILS'}  {name:18} {finding.how}"
            for name, finding in self.guarantees.items()
        ]
        head = [
            f"backend {self.backend}, guarantee {self.guarantee}, {self.launcher}, "
            f"time factor {self.time_factor:g}"
        ]
        return "\n".join([*head, *([self.note] if self.note else []), *lines])


async def examine(backend: str | None, *, unsafe: bool = False, image: str | None = None) -> Report:
    """Run all attacks on a backend, and measure how slow it is (see ``sandbox.calibrate``).

    Raises:
        DependencyError: The backend is not to be had.
        UserError: It is none, or has no boundary and nobody agreed to that.
    """
    marker = f"opencoder-{secrets.token_hex(8)}"
    # Before the backend starts: what its processes inherit is what could leak.
    with _secret_variable(marker), _targets(marker) as (values, victim):
        async with open_backend(backend, concurrency=_AT_ONCE, unsafe=unsafe, image=image) as sandbox:
            time_factor = await measure(sandbox)
            planted = await run(sandbox, Program(language="python", source=_filled(FRESH_PLANT, values)))
            slots = asyncio.Semaphore(_AT_ONCE)
            findings = await asyncio.gather(
                *(_try(sandbox, attack, values, victim, slots) for attack in ATTACKS)
            )
            return Report(
                backend=sandbox.name,
                guarantee=sandbox.guarantee,
                launcher=planted.launcher,
                note=getattr(sandbox, "note", ""),
                time_factor=time_factor,
                guarantees={attack.name: finding for attack, finding in zip(ATTACKS, findings, strict=True)},
            )


async def _try(
    sandbox: Sandbox,
    attack: Attack,
    values: dict[str, object],
    victim: subprocess.Popen[bytes],
    slots: asyncio.Semaphore,
) -> Finding:
    program = Program(
        language="python", source=_filled(attack.source, values), limits=attack.limits, fetch=attack.fetch
    )
    async with slots:
        try:
            result = await run(sandbox, program)
        except InfraError as error:
            return Finding(holds=False, how=f"could not be tried: {error}")
    holds = attack.holds(result)
    if attack.name == "process_isolation":
        holds = victim.poll() is None
    if attack.name == "survivors":
        holds = holds and not _alive(str(values["sleep"]))
    if holds:
        family = _FAMILIES.get(sandbox.guarantee, "kernel")
        return Finding(holds=True, how=attack.enforced_by.get(family, "nothing here lets it pass"))
    return Finding(holds=False, how=f"{_seen(result)}; {attack.repair}")


def _filled(source: str, values: dict[str, object]) -> str:
    """Put values in the place of ``{name}`` and ``{name!r}``; other braces stay."""
    for name, value in values.items():
        source = source.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
    return source


def _seen(result: Result) -> str:
    said = result.stdout.decode("utf-8", "replace").strip().splitlines()
    return f"{result.verdict}: {said[-1][:100]}" if said else f"{result.verdict}"


def _alive(argument: str) -> bool:
    """Tell whether a process of this machine has ``argument`` on its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if argument.encode() in path.read_bytes().split(b"\0"):
                return True
    return False


@contextlib.contextmanager
def _secret_variable(marker: str) -> Iterator[None]:
    os.environ["OPENCODER_DOCTOR_SECRET"] = marker
    try:
        yield
    finally:
        del os.environ["OPENCODER_DOCTOR_SECRET"]


@contextlib.contextmanager
def _targets(marker: str) -> Iterator[tuple[dict[str, object], subprocess.Popen[bytes]]]:
    """Set up what the attacks aim at; yields the values to fill in and a process that may be killed."""
    with contextlib.ExitStack() as stack:
        folders = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opencoder-doctor-", dir=place)))
            for place in (None, "/var/tmp")  # noqa: S108 - where a leak would show
        ]
        for folder in folders:
            (folder / "secret").write_text(marker, encoding="ascii")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{marker}")
        abstract.listen()
        victim = subprocess.Popen(["sleep", "120"])
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield (
            {
                "marker": marker,
                "port": listener.getsockname()[1],
                "abstract": marker,
                "secrets": [str(folder / "secret") for folder in folders],
                "victim": victim.pid,
                "sleep": f"{secrets.randbelow(10**6) + 10**6}.{secrets.randbelow(10**6)}",
                "calls": system_calls(),
            },
            victim,
        )
