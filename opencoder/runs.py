"""A run folder: what was done, how, and how to go on with it.

::

    run.json       manifest (``opencoder.records.RunManifest``), rewritten whole
    config.toml    the merged settings; ``-c config.toml`` repeats the run
    ledger.jsonl   one line per finished unit: the commit point of a resume
    NAME.jsonl     one table of rows per kind of result (see :class:`opencoder.table.Table`)
    log.jsonl      what was logged
    lock           held by the process that writes here

A unit is the smallest piece of work that is never done twice (one sample of one task, say). Its row is
written first and its ledger line second; only both together count, so a process killed at any moment loses
the units in flight and nothing else. ``--no-resume`` keeps what is there: the files of the old run move
to ``before-<time>/``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opencoder import __version__
from opencoder.config import VOLATILE, changed_keys, config_hash, load_file, plain, to_toml
from opencoder.errors import Interrupted, OpenCoderError, UserError
from opencoder.files import make_folder, write_bytes, writing_to
from opencoder.lock import FolderLock
from opencoder.machine import git_hash, hardware
from opencoder.records import SCHEMA_VERSION, RunManifest
from opencoder.store import JsonlAppender, read_json, read_jsonl, write_json
from opencoder.table import LedgerLine, Row, Table

MANIFEST = "run.json"
LEDGER = "ledger.jsonl"
CONFIG = "config.toml"
LOCK = "lock"

_SECRET = frozenset({"api_key"})


class Run:
    """An open run folder. Use it as a context manager, then :meth:`table` for the rows.

    Leaving the block records end and counts. Ctrl-C leaves it as ``Interrupted``, whose message holds the
    command that goes on; under asyncio this asks for the block to stand in the main task.

    Attributes:
        folder: The run folder.
        manifest: What will be written to ``run.json``; set ``model``, ``datasets``, ``seeds`` as they
            become known.
    """

    def __init__(self, folder: Path, manifest: RunManifest, lock: FolderLock) -> None:
        self.folder = folder
        self.manifest = manifest
        self._lock = lock
        self._tables: list[Table[Any]] = []
        self._ledger = JsonlAppender(folder / LEDGER)
        self._finished: dict[str, dict[str, str]] = {}
        for line in read_jsonl(folder / LEDGER, LedgerLine):
            self._finished.setdefault(line.table, {})[line.key] = line.status

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        command: str,
        config: Any,
        resume: bool = True,
        volatile: Collection[str] = VOLATILE,
        argv: Sequence[str] | None = None,
    ) -> Self:
        """Open a folder for a run: a new one, or an old one to go on with.

        Args:
            folder: Created if need be. It may hold other files; a file of the user's is never overwritten.
            command: What runs, as in ``eval score``.
            config: The merged settings (dataclass or mapping).
            resume: Go on with the run that is there; ``False`` moves it to ``before-<time>/``.
            volatile: Settings that may differ between the sessions of one run.
            argv: The arguments of the command line, ``sys.argv[1:]`` by default.

        Raises:
            UserError: The folder cannot be written, another process writes to it, or the run in it had
                other settings.
            DependencyError: The disk is full.
        """
        make_folder(folder)
        lock = FolderLock(folder / LOCK)
        try:
            if not resume:
                _set_aside(folder)
            manifest = _manifest(folder, command, config, volatile)
            manifest.command_line = _command_line(sys.argv[1:] if argv is None else argv)
            # The manifest comes first: it says that the other files are ours.
            write_json(folder / MANIFEST, manifest)
            shown = {key: value for key, value in plain(config).items() if key not in _SECRET}
            write_bytes(folder / CONFIG, to_toml(shown).encode("utf-8", "surrogateescape"))
            return cls(folder, manifest, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def resume_command(self) -> str:
        """The command line that goes on with this run."""
        words = [word for word in shlex.split(self.manifest.command_line) if word != "--no-resume"]
        given = any(word in {"-o", "--out"} or word.startswith(("-o=", "--out=")) for word in words)
        return shlex.join(words if given else [*words, "-o", str(self.folder)])

    def path(self, name: str) -> Path:
        """Return the place of a file that this run writes, and remember that the file is the run's.

        Raises:
            UserError: A file that no run wrote has this name.
        """
        path = self.folder / name
        if name not in self.manifest.files:
            if path.exists():
                raise UserError(
                    f"{path} is not of this run and would be overwritten; choose another folder with -o"
                )
            self.manifest.files.append(name)
            self.save()
        return path

    def table(
        self,
        name: str,
        kind: type[Row],
        *,
        key: Callable[[Row], str],
        status: Callable[[Row], str] = lambda _: "done",
        redo: Collection[str] = (),
    ) -> Table[Row]:
        """Open the table ``NAME.jsonl`` (see :class:`opencoder.table.Table`)."""
        path = self.path(f"{name}.jsonl")
        finished = {unit: how for unit, how in self._finished.get(name, {}).items() if how not in redo}
        table = Table(path, kind, key=key, status=status, finished=finished, ledger=self._ledger)
        self._tables.append(table)
        return table

    def save(self) -> None:
        """Write ``run.json`` with the counts of now."""
        if self._tables:
            self.manifest.counts = dict(
                sorted(sum((table.counts for table in self._tables), Counter[str]()).items())
            )
        write_json(self.folder / MANIFEST, self.manifest)

    def close(self) -> None:
        """Flush everything, write the manifest, and let the folder go."""
        try:
            with contextlib.ExitStack() as stack:
                stack.callback(self.save)
                stack.callback(self._ledger.close)
                for table in self._tables:
                    stack.callback(table.close)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.manifest.ended = _now()
            self.close()
            return
        # The first error is the one to tell: a full disk, for one, makes the manifest fail as well.
        with contextlib.suppress(OpenCoderError, OSError):
            self.close()
        # Inside asyncio Ctrl-C arrives as the cancellation of the main task.
        if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
            done = sum(len(table) for table in self._tables)
            raise Interrupted(
                f"stopped; {done} finished units are kept; to go on: {self.resume_command}"
            ) from error


def new_folder(command: str, slug: str, config: Any, *, root: Path = Path("runs")) -> Path:
    """Name the folder of a run that was given none: ``runs/<command>/<UTC time>-<slug>-<hash6>``.

    ``runs/<command>/latest`` points to it.
    """
    parent = make_folder(root / command.replace(" ", "-"))
    safe = "".join(char if char.isalnum() or char in "._+" else "-" for char in slug)
    folder = parent / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{safe}-{config_hash(config)[:6]}"
    link = parent / f".latest-{os.getpid()}"
    with writing_to(link):
        link.symlink_to(folder.name)
        link.replace(parent / "latest")
    return folder


def _manifest(folder: Path, command: str, config: Any, volatile: Collection[str]) -> RunManifest:
    """Return the manifest of the run in ``folder``, or of a new one.

    Raises:
        UserError: The run there is another one.
    """
    digest = config_hash(config, volatile=volatile)
    if not (folder / MANIFEST).exists():
        for name in (CONFIG, LEDGER):
            if (folder / name).exists():
                raise UserError(
                    f"{folder / name} is there without a {MANIFEST}; choose another folder with -o"
                )
        return RunManifest(
            tool_version=__version__,
            git_hash=git_hash(),
            command=command,
            command_line="",
            config_hash=digest,
            hardware=hardware(),
            python=platform.python_version(),
            started=_now(),
            files=[CONFIG, LEDGER],
        )
    manifest = read_json(folder / MANIFEST, RunManifest)
    if manifest.schema_version > SCHEMA_VERSION:
        raise UserError(
            f"{folder} was written by opencoder {manifest.tool_version}, which is newer; update this one"
        )
    if manifest.command != command:
        raise _another(folder, f"is a run of `{manifest.command}`, not of `{command}`")
    if manifest.config_hash != digest:
        old = load_file(folder / CONFIG) if (folder / CONFIG).exists() else {}
        keys = (
            ", ".join(changed_keys(old, config, volatile={*volatile, *_SECRET})) or "(config.toml was edited)"
        )
        raise _another(folder, f"holds a run with other settings: {keys}")
    manifest.sessions += 1
    manifest.ended = ""
    return manifest


def _another(folder: Path, why: str) -> UserError:
    return UserError(f"{folder} {why}; choose another folder with -o, or start over with --no-resume")


def _set_aside(folder: Path) -> None:
    """Move the files of the run in ``folder`` to ``before-<time>/``; others stay where they are."""
    if not (folder / MANIFEST).exists():
        return
    manifest = read_json(folder / MANIFEST, RunManifest)
    aside = folder / f"before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    with writing_to(aside):
        aside.mkdir()
        # The manifest goes last: were we stopped before, the next start would move the rest.
        for name in [*manifest.files, MANIFEST]:
            if (folder / name).exists():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).replace(aside / name)


def _command_line(argv: Sequence[str]) -> str:
    words = list(argv)
    for place, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if name.removeprefix("--").replace("-", "_") in _SECRET:
            if equals:
                words[place] = f"{name}=***"
            elif place + 1 < len(words):
                words[place + 1] = "***"
    return shlex.join(["opencoder", *words])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
