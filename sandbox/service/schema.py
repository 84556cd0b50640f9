"""What ``/run_code`` takes and gives: the fields of SandboxFusion, which RL frameworks speak, and our own.

Source of the names and states: ``RunCodeRequest`` and ``RunCodeResponse`` of bytedance/SandboxFusion.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

import msgspec

from opencoder.errors import UserError
from sandbox.api import Limits, Program, Result, Verdict
from sandbox.jobs import text_bytes

Status = Literal["Success", "Failed", "SandboxError"]
CommandStatus = Literal["Finished", "Error", "TimeLimitExceeded"]
_LONGEST_S = 3600.0


class RunCode(msgspec.Struct, kw_only=True):
    """One program to run; timeouts in seconds, ``files`` as base64 by path."""

    code: str
    language: str
    stdin: str | None = ""
    compile_timeout: float = 10.0
    run_timeout: float = 10.0
    memory_limit_MB: int = -1
    files: dict[str, str | None] = {}
    fetch_files: list[str] = []

    def program(self) -> Program:
        """Return what is to be run.

        Raises:
            UserError: A field does not make sense; the message names it.
        """
        limits = Limits(
            wall_s=_seconds("run_timeout", self.run_timeout),
            compile_wall_s=_seconds("compile_timeout", self.compile_timeout),
            memory_mb=self.memory_limit_MB if self.memory_limit_MB > 0 else Limits().memory_mb,
        )
        return Program(
            language=self.language,
            source=self.code,
            stdin=text_bytes(self.stdin or ""),
            files={name: _content(name, data) for name, data in self.files.items() if data is not None},
            fetch=tuple(self.fetch_files),
            limits=limits,
        )


class Command(msgspec.Struct, kw_only=True):
    """How the compiler or the program ended; ``execution_time`` in seconds."""

    status: CommandStatus
    execution_time: float | None = None
    return_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None


class RanCode(msgspec.Struct, kw_only=True):
    """What became of it. The fields from ``verdict`` on are our own."""

    status: Status
    message: str
    compile_result: Command | None = None
    run_result: Command | None = None
    executor_pod_name: str | None = None
    files: dict[str, str] = {}
    verdict: Verdict
    flags: list[str] = []
    cpu_s: float = 0.0
    memory_bytes: int = 0
    backend: str = ""
    guarantee: str = ""
    launcher: str = ""
    attempts: int = 1
    time_factor: float = 1.0


def _seconds(name: str, value: float) -> float:
    if not 0 < value <= _LONGEST_S:
        raise UserError(f"`{name}` is {value}; use more than 0 and at most {_LONGEST_S:.0f} seconds")
    return value


def _content(name: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"`files`: the content of {name!r} is not base64") from None


def answer(result: Result, time_factor: float = 1.0) -> RanCode:
    """Return ``result``, of a program whose limits were stretched, in the words of the service."""
    failed_build = result.compiled is not None and result.compiled.verdict is not Verdict.OK
    status: Status = "Success" if result.verdict is Verdict.OK else "Failed"
    if result.verdict is Verdict.SANDBOX_ERROR:
        status = "SandboxError"
    never_ran = failed_build or result.verdict is Verdict.SANDBOX_ERROR
    return RanCode(
        status=status,
        message=result.detail,
        compile_result=None if result.compiled is None else _command(result.compiled),
        run_result=None if never_ran else _command(result),
        files={name: base64.b64encode(data).decode("ascii") for name, data in result.files.items()},
        verdict=result.verdict,
        flags=result.flags,
        cpu_s=round(result.cpu_s, 6),
        memory_bytes=result.memory_bytes,
        backend=result.backend,
        guarantee=result.guarantee,
        launcher=result.launcher,
        attempts=result.attempts,
        time_factor=time_factor,
    )


def _command(result: Result) -> Command:
    status: CommandStatus = "Finished"
    if result.verdict is Verdict.TIMEOUT:
        status = "TimeLimitExceeded"
    elif result.verdict is Verdict.SANDBOX_ERROR:
        status = "Error"
    code = result.exit_code
    if code is None and result.signal is not None and status == "Finished":
        code = -result.signal
    return Command(
        status=status,
        execution_time=round(result.wall_s, 6),
        return_code=code,
        stdout=result.stdout.decode("utf-8", "replace"),
        stderr=result.stderr.decode("utf-8", "replace"),
    )
