"""From a :class:`~sandbox.api.Program` to the job that a warden reads, and from its report to a result."""

from __future__ import annotations

import marshal
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opencoder.errors import UserError
from sandbox.api import Guarantee, Limits, Program, Result, Verdict
from sandbox.guard import plain, rootfs
from sandbox.languages import language

_TAIL_BYTES = 4096
# NAME_MAX and PATH_MAX of Linux, the latter less the working folder.
_NAME_BYTES = 255
_PATH_BYTES = 3072
# What the supervisor adds to the warden's own deadline before it kills the warden too.
GRACE_S = 2.0


def limit_table(limits: Limits) -> dict[str, float | int | None]:
    """Return the limits as the plain table that a warden reads."""
    return {name: getattr(limits, name) for name in limits.__dataclass_fields__}


def encode_job(program: Program, *, home: str = rootfs.HOME) -> bytes:
    """Return ``program`` as one plain value (see ``sandbox.guard.plain``).

    Args:
        program: What is to be run.
        home: The folder that holds the program's working folder, as its warden sees it.

    Raises:
        UserError: The language is unknown, or a file name leaves the working folder or is no file name.
    """
    row = language(program.language)
    if program.role != "script" and row.run is not None:
        raise UserError(f"only Python can run as a {program.role}, not {program.language}")
    for name in (*program.files, *program.fetch):
        _check_name(name)
    _check_words(program)
    job = {
        "role": program.role,
        "filename": row.file,
        "source": text_bytes(program.source),
        "home": home,
        "files": dict(program.files),
        "compile": list(row.compile) if row.compile else None,
        "run": list(row.run) if row.run else None,
        "args": list(program.args),
        "env": dict(program.env),
        "fetch": list(program.fetch),
        "options": dict(program.options),
        "limits": limit_table(program.limits),
    }
    return marshal.dumps(job, plain.VERSION)


def _check_words(program: Program) -> None:
    """Refuse what the kernel cannot hand to a program."""
    for text in (*program.args, *program.env.keys(), *program.env.values()):
        if "\0" in text or not _is_encodable(text):
            raise UserError(f"{text[:40]!r} cannot be an argument or a variable; remove what is no UTF-8")
    if any(not name or "=" in name for name in program.env):
        raise UserError("the name of a variable is empty or holds a '='")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_name(name: str) -> None:
    if not _is_encodable(name):
        raise UserError(f"file name {name[:40]!r} is no UTF-8; rename the file")
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise UserError(f"file name {name!r} leaves the working folder; use a relative path inside it")
    if len(name.encode()) > _PATH_BYTES or any(len(part.encode()) > _NAME_BYTES for part in parts):
        raise UserError(f"file name {name[:40]!r}... is longer than the kernel takes; shorten it")


def text_bytes(text: str) -> bytes:
    """Encode text that stands for bytes; a surrogate that stands for none is left for Python to refuse."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def wall_deadline_s(program: Program) -> float:
    """Seconds after which even the warden has had enough time."""
    compiled = language(program.language).compile is not None
    return program.limits.wall_s + (program.limits.compile_wall_s if compiled else 0.0) + GRACE_S


class Capture:
    """Keeps the head of a stream up to a cap, and the last bytes beyond it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail_size = min(_TAIL_BYTES, limit // 2)
        self._head = bytearray()
        self._tail = b""
        self.truncated = False

    def feed(self, data: bytes) -> bool:
        """Take more bytes; True when the cap has just been passed or was before."""
        room = self._limit - len(self._head)
        self._head += data[:room]
        if len(data) > room:
            self.truncated = True
            joined = self._tail + data[max(room, 0) :]
            self._tail = joined[max(len(joined) - self._tail_size, 0) :]
        return self.truncated

    def value(self) -> bytes:
        """Return what was kept, never more than the cap."""
        return bytes(self._head[: self._limit - len(self._tail)]) + self._tail


@dataclass
class Ended:
    """All that is known of a program once it is gone.

    Args:
        report: The warden's last word, empty when it never came.
        usage: What the kernel counted.
        killed: Why the supervisor ended it ("output", "wall", "killed"), or empty.
        error: A fault of the backend, or empty.
    """

    report: Mapping[str, Any]
    stdout: Capture
    stderr: Capture
    cpu_s: float = 0.0
    memory_bytes: int = 0
    oom_kills: int = 0
    pids_hits: int = 0
    killed: str = ""
    error: str = ""
    wall_s: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)


def to_result(
    ended: Ended, *, backend: str, guarantee: Guarantee, launcher: str, image_digest: str = ""
) -> Result:
    """Judge how a program ended, from what was seen outside of it."""
    report = ended.report
    code, number = report.get("exit_code"), report.get("signal")
    flags = [
        name
        for name, hit in (
            ("memory_limit_hit", ended.oom_kills > 0),
            ("pids_limit_hit", ended.pids_hits > 0),
            ("disk_limit_hit", bool(report.get("disk_full"))),
            ("output_limit_hit", ended.stdout.truncated or ended.stderr.truncated),
        )
        if hit
    ]
    verdict, detail = _verdict(ended, code, number)
    if verdict is Verdict.MEMORY and "memory_limit_hit" not in flags:
        flags.append("memory_limit_hit")
    return Result(
        verdict=verdict,
        exit_code=code,
        signal=number,
        stdout=ended.stdout.value(),
        stderr=ended.stderr.value(),
        stdout_truncated=ended.stdout.truncated,
        stderr_truncated=ended.stderr.truncated,
        wall_s=float(report.get("wall_s", ended.wall_s)),
        cpu_s=ended.cpu_s,
        memory_bytes=ended.memory_bytes,
        flags=flags,
        files=ended.files,
        backend=backend,
        guarantee=guarantee,
        launcher=launcher,
        image_digest=image_digest,
        detail=detail,
    )


def _verdict(ended: Ended, code: int | None, number: int | None) -> tuple[Verdict, str]:
    report = ended.report
    reason = report.get("reason", "")
    if ended.killed == "output":
        return Verdict.OUTPUT, "output limit"
    if not report:
        if ended.oom_kills:
            return Verdict.MEMORY, "memory limit"
        if ended.killed == "wall":
            return Verdict.TIMEOUT, "wall limit"
        return Verdict.SANDBOX_ERROR, ended.error or _last_line(
            ended.stderr
        ) or "the warden ended without a report"
    if reason in ("wall", "cpu"):
        return Verdict.TIMEOUT, f"{reason} limit"
    if reason == "disk":
        return Verdict.DISK, "disk limit"
    if report.get("too_large"):
        return Verdict.DISK, "the files that the compiler left are larger than the disk limit"
    if code == 0 and not reason:
        return Verdict.OK, ""
    if ended.oom_kills or (code == 1 and _last_line(ended.stderr).startswith("MemoryError")):
        return Verdict.MEMORY, "memory limit"
    if report.get("phase") == "compile":
        return Verdict.COMPILE_ERROR, ""
    if report.get("disk_full") or number == signal.SIGXFSZ:
        return Verdict.DISK, "disk limit"
    if ended.pids_hits:
        return Verdict.PIDS, "process limit"
    if number is not None and reason != "killed":
        return Verdict.SIGNAL, f"signal {number}"
    return Verdict.ERROR, f"killed: {ended.killed}" if reason == "killed" else f"exit code {code}"


def _last_line(stream: Capture) -> str:
    text = stream.value().rstrip().rpartition(b"\n")[2]
    return text[:500].decode("utf-8", "replace")
