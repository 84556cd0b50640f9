"""Git checkouts: tracked files, the time of the last commit of each, the name of the repository.

What git does not track (builds, dependencies, caches) is no part of the repository and is passed over; so are
submodules, and repositories that lie untracked within another. A checkout may come from anyone, so nothing
that its configuration names is run: no hooks, file monitor, pager, filter, signature check or fetch.

In a shallow clone, files that were not changed since carry the time of the oldest commit there is.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.readers.folder import Entry
from opencoder.errors import DependencyError
from opencoder.log import logger

_TIMEOUT_S = 300.0
"""For commands that only read the index or the configuration."""
_SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "safe.directory=*"),
    *("-c", "log.showSignature=false"),
    *("-c", "log.showRoot=true"),
    *("-c", "log.mailmap=false"),
)
_LOG = (
    *("log", "-z", "--raw", "-c", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-show-signature"),
    *("--no-mailmap", "--no-color", "--no-notes", "--no-decorate", "--ignore-submodules=all"),
    *("--format=C%ct", "HEAD", "--"),
)
_URL = re.compile(
    r"(?:https?|ssh|git)://(?:[^/@]*@)?[^/]+/(?P<url>.+)|(?:[^/@:]+@)?[^/:]+:(?P<scp>[^/].*|/.+)"
)
_CHUNK_BYTES = 1 << 16


class NoCheckoutError(Exception):
    """Git cannot make sense of a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """What git knows of a folder.

    Attributes:
        repo: ``owner/name`` as in the address of ``origin``, else the name of the folder.
        entries: Tracked files that are there, in the order of their names.
        times: Time of the last commit by file, microseconds since 1970.
    """

    repo: str
    entries: list[Entry]
    times: dict[bytes, int]


def read_checkout(root: Path) -> Checkout:
    """Ask git about a folder that holds ``.git``.

    Raises:
        NoCheckoutError: It is no working repository.
        DependencyError: Git is not installed.
    """
    root = root.resolve()
    tracked = _answer(root, "ls-files", "-z").split(b"\0")
    entries = list(_present(root, sorted(set(tracked))))
    return Checkout(repo=_repo(root), entries=entries, times=_times(root, {entry.name for entry in entries}))


def _command(root: Path, *words: str) -> list[str]:
    # Named outright, so that git does not search the folders above, whatever is wrong with this one.
    return ["git", *_SAFE, f"--git-dir={root}/.git", f"--work-tree={root}", *words]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        # A partial clone would fetch what it lacks, through whatever program its configuration names.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
    }


def _answer(root: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(
            _command(root, *words),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            cwd="/",
        )
    except FileNotFoundError as error:
        raise _no_git(root) from error
    except subprocess.TimeoutExpired as error:
        raise NoCheckoutError(f"git {words[0]} does not end") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise NoCheckoutError(said[-1])
    return done.stdout


def _no_git(root: Path) -> DependencyError:
    return DependencyError(f"{root} is a git checkout, and git is missing", repair="apt-get install git")


def _present(root: Path, names: list[bytes]) -> Iterator[Entry]:
    """Yield the files that are there; an index from elsewhere may name others, or lead out of the folder."""
    top = os.fsencode(root)
    real: dict[bytes, bool] = {b"": True}

    def is_real(folder: bytes) -> bool:
        if folder not in real:
            above = folder.rpartition(b"/")[0]
            real[folder] = is_real(above) and stat.S_ISDIR(_mode(top + b"/" + folder))
        return real[folder]

    for name in names:
        parts = name.split(b"/")
        if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts) or len(parts) > 500:
            continue
        if not is_real(name.rpartition(b"/")[0]):
            continue
        try:
            state = os.lstat(top + b"/" + name)
        except OSError:
            continue
        if not stat.S_ISDIR(state.st_mode):
            yield Entry(name=name, size=state.st_size, time=state.st_mtime_ns)


def _mode(path: bytes) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _times(root: Path, wanted: set[bytes]) -> dict[bytes, int]:
    """Return the time of the newest commit that changed each file; none where there is no commit."""
    times: dict[bytes, int] = {}
    if not wanted:
        return times
    process = subprocess.Popen(
        _command(root, *_LOG),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    with process:
        time = 0
        tokens = _tokens(process)
        for token in tokens:
            # Entries are a line about the change, with a colon first, and a name; heads of commits have a C.
            if token.startswith(b":"):
                name = next(tokens, b"")
                if name in wanted:
                    times.setdefault(name, time)
                    if len(times) == len(wanted):
                        process.kill()
                        break
            elif token.startswith(b"C") and token[1:].isdigit():
                time = int(token[1:]) * 1_000_000
    if process.returncode > 0 and _has_commits(root):
        logger.warning("%s: its history is damaged; %d files have no time", root, len(wanted) - len(times))
    return times


def _has_commits(root: Path) -> bool:
    try:
        return bool(_answer(root, "rev-parse", "--quiet", "--verify", "HEAD"))
    except NoCheckoutError:
        return False


def _tokens(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    rest = b""
    is_name = False
    while process.stdout is not None and (chunk := process.stdout.read(_CHUNK_BYTES)):
        *tokens, rest = (rest + chunk).split(b"\0")
        for token in tokens:
            if is_name:
                yield token
                is_name = False
                continue
            if head := token.lstrip(b"\n"):
                is_name = head.startswith(b":")
                yield head


def _repo(root: Path) -> str:
    try:
        urls = _answer(root, "config", "--local", "--get-all", "remote.origin.url")
    except NoCheckoutError:
        urls = b""
    url = urls.decode("utf-8", "replace").partition("\n")[0]
    return repo_of(url) or os.fsencode(root.name).decode("utf-8", "backslashreplace")


def repo_of(url: str) -> str | None:
    """Return the path of a remote address, such as ``owner/name``; None for a local one."""
    if url.startswith("file:"):
        return None
    found = _URL.fullmatch(url)
    if found is None:
        return None
    return (found["url"] or found["scp"]).strip("/").removesuffix(".git").strip("/") or None
