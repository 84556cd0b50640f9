"""Folders: what lies in them, and their files as documents. No link is ever followed.

Links, pipes, sockets and devices are entries too: they are read as ``Unread``, so that nothing is lost from
the count. A folder is opened part by part from the root, without links, so that one that takes the place of
a folder between planning and reading leads nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from corpus.document import Document, Unread
from corpus.readers.shard import Item, Shard, digest_of
from opencoder.spdx import tag_of

_LEAST_BYTES = 4096
"""What a file costs at least: opening many small ones takes time too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something in a folder that is no folder.

    Attributes:
        name: Path relative to the root.
        size: Bytes.
        time: Last change, nanoseconds since 1970.
    """

    name: bytes
    size: int
    time: int


@dataclass(kw_only=True, slots=True)
class Walked:
    """What lies below a folder.

    Attributes:
        entries: In the order of their names.
        checkouts: Folders with a ``.git``, relative; not entered.
        bad: Reason by folder that cannot be listed.
    """

    entries: list[Entry] = field(default_factory=list)
    checkouts: list[bytes] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


def walk(root: Path, *, skip: Path | None = None, checkouts: bool = True) -> Walked:
    """List a folder and all folders below, without ``.git``.

    Args:
        root: The folder; may itself be a link.
        skip: A folder to pass over.
        checkouts: Tell folders with a ``.git`` apart in place of entering them (never the root).
    """
    found = Walked()
    passed_over = None if skip is None else os.fsencode(skip.resolve())
    top = os.fsencode(root.resolve())
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(_join(top, folder)) as listed:
                inside = list(listed)
        except OSError as error:
            found.bad[told(_join(top, folder))] = error.strerror or str(error)
            continue
        if checkouts and folder and any(entry.name == b".git" for entry in inside):
            found.checkouts.append(folder)
            continue
        for entry in inside:
            name = _join(folder, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name != b".git" and _join(top, name) != passed_over:
                    waiting.append(name)
            elif entry.name != b".git":
                _add(found.entries, entry, name)
    found.entries.sort(key=lambda entry: entry.name)
    found.checkouts.sort()
    return found


def told(name: str | bytes) -> str:
    """Return a name of a file as text that can be written, with escapes for bytes that are no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _join(folder: bytes, name: bytes) -> bytes:
    # Bytes, as names on disk are; pathlib has text only.
    return folder + b"/" + name if folder and name else folder or name


def _add(entries: list[Entry], entry: os.DirEntry[bytes], name: bytes) -> None:
    try:
        state = entry.stat(follow_symlinks=False)
    except OSError:
        # Gone or refused: told when it is read.
        entries.append(Entry(name=name, size=0, time=0))
    else:
        entries.append(Entry(name=name, size=state.st_size, time=state.st_mtime_ns))


def plan_files(
    root: Path,
    entries: Sequence[Entry],
    *,
    shard_bytes: int,
    prefix: str = "",
    repo: str | None = None,
    stars: int | None = None,
    license: str | None = None,  # noqa: A002 - the name that the record has
    time_of: Callable[[bytes], int | None] = lambda _: None,
) -> list[Shard]:
    """Cut the entries of a folder, in their order, into shards of about ``shard_bytes``."""
    shards: list[Shard] = []
    waiting: list[Entry] = []
    cost = 0

    def flush() -> None:
        items = tuple(_item(entry.name, time_of(entry.name)) for entry in waiting)
        states = [(entry.size, entry.time) for entry in waiting]
        shards.append(
            Shard(
                kind="files",
                root=str(root),
                items=items,
                prefix=prefix,
                repo=repo,
                stars=stars,
                license=license,
                num_bytes=sum(entry.size for entry in waiting),
                digest=digest_of(items, states, prefix, repo, stars, license),
            )
        )

    for entry in entries:
        waiting.append(entry)
        cost += max(entry.size, _LEAST_BYTES)
        if cost >= shard_bytes:
            flush()
            waiting, cost = [], 0
    if waiting:
        flush()
    return shards


def _item(name: bytes, time: int | None) -> Item:
    try:
        return Item(name=name.decode(), commit_time=time)
    except UnicodeDecodeError:
        return Item(name=told(name), commit_time=time, raw=name)


def read_files(shard: Shard, max_bytes: int) -> Iterator[Document | Unread]:
    """Yield the entries of a shard. Raises nothing: what cannot be read is told as unread."""
    with _Root(Path(shard.root)) as root:
        for item in shard.items:
            raw = os.fsencode(item.name) if item.raw is None else item.raw
            # A path holds no two slashes in a row, so this is no other file's id.
            mark = "" if item.raw is None else f"//{hashlib.sha256(raw).hexdigest()[:8]}"
            name = shard.prefix + item.name + mark
            got = root.read(raw, max_bytes)
            if isinstance(got, _Refusal):
                yield Unread(
                    id=name,
                    reason=got.reason,
                    detail=f"{shard.root}/{item.name}: {got.detail}",
                    num_bytes=got.num_bytes,
                    path=item.name,
                    repo=shard.repo,
                )
                continue
            yield Document(
                id=name,
                content=got,
                path=item.name,
                repo=shard.repo,
                stars=shard.stars,
                commit_time=item.commit_time,
                license=tag_of(got) or shard.license,
                file=Path(shard.root) / os.fsdecode(raw),
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    reason: str
    detail: str
    num_bytes: int = 0


class _Root:
    """A folder whose files are opened without following links; the last folder stays open."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: tuple[bytes, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, name: bytes, max_bytes: int) -> bytes | _Refusal:
        folder, _, base = name.rpartition(b"/")
        size = 0
        try:
            handle = self._folder(folder)
            state = os.stat(base, dir_fd=handle, follow_symlinks=False)
            size = state.st_size
            # A device may act on being opened, so its kind is asked first.
            if (refused := _refused(state, max_bytes)) is not None:
                return refused
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(base, flags, dir_fd=handle), "rb") as file:
                state = os.fstat(file.fileno())
                if (refused := _refused(state, max_bytes)) is not None:
                    return refused
                content = file.read(state.st_size + 1)
                if len(content) > state.st_size:
                    # It grows, or is one of those that say nothing of their size.
                    content += file.read(max(0, max_bytes + 1 - len(content)))
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            reason = "link" if getattr(error, "errno", None) == errno.ELOOP else "unreadable"
            return _Refusal(reason=reason, detail=f"cannot be read: {said}", num_bytes=size)
        if len(content) > max_bytes:
            return _too_large(len(content), max_bytes)
        return content

    def _folder(self, folder: bytes) -> int:
        if self._open is not None and self._open[0] == folder:
            return self._open[1]
        self._close()
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        handle = os.open(self._root, flags)
        for part in folder.split(b"/") if folder else ():
            try:
                deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
            finally:
                os.close(handle)
            handle = deeper
        self._open = (folder, handle)
        return handle

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None


def _refused(state: os.stat_result, max_bytes: int) -> _Refusal | None:
    if stat.S_ISLNK(state.st_mode):
        return _Refusal(reason="link", detail="a link, which is not followed", num_bytes=state.st_size)
    if not stat.S_ISREG(state.st_mode):
        return _Refusal(reason="special", detail="a pipe, socket, device or folder, not a file")
    return _too_large(state.st_size, max_bytes) if state.st_size > max_bytes else None


def _too_large(size: int, max_bytes: int) -> _Refusal:
    return _Refusal(reason="size", detail=f"{size} bytes, of at most {max_bytes}", num_bytes=size)
