"""Git checkouts: what git knows, and what a hostile one must not get done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from corpus.document import Document, Unread
from corpus.readers.checkout import repo_of
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
from corpus.readers.stars import read_stars
from opencoder.errors import DataError, UserError

ENV = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


def git(root: Path, *words: str, time: int = 1) -> str:
    env = ENV | {"GIT_COMMITTER_DATE": f"@{time} +0000", "GIT_AUTHOR_DATE": "@9 +0000"}
    done = subprocess.run(["git", *words], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(root: Path, time: int, **files: str) -> None:
    for name, text in files.items():
        (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "m", time=time)


def new(root: Path, url: str = "") -> Path:
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    if url:
        git(root, "remote", "add", "origin", url)
    return root


def read(*sources: Path, **options: Any) -> dict[str, Document | Unread]:
    plan = plan_inputs([str(source) for source in sources], **options)
    return {one.id: one for shard in plan.shards for one in read_shard(shard)}


def times(found: dict[str, Document | Unread]) -> dict[str, int | None]:
    return {
        name: None if one.commit_time is None else one.commit_time // 1_000_000
        for name, one in found.items()
        if isinstance(one, Document)
    }


def test_times_are_those_of_the_last_commit(tmp_path: Path) -> None:
    root = new(tmp_path / "repo")
    commit(root, 100, a="1", b="1", c="1", gone="1")
    commit(root, 200, b="2", **{"new\nline": "x", ":colon": "x", "C300": "x"})
    git(root, "rm", "-q", "gone")
    git(root, "mv", "c", "moved")
    commit(root, 300)
    commit(root, 400)
    git(root, "checkout", "-q", "-b", "side", "HEAD~1")
    commit(root, 500, b="side")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "--no-commit", "side")
    # Changed by the merge itself.
    commit(root, 600, a="merged")
    (root / ".gitignore").write_text("ignored\n")
    (root / "ignored").touch()
    assert times(read(root)) == {
        "a": 600,
        "b": 500,
        "moved": 300,
        "new\nline": 200,
        ":colon": 200,
        "C300": 200,
    }
    # Without commits, files that are staged are tracked; without an index there are none.
    fresh = new(tmp_path / "fresh")
    assert read(fresh) == {}
    (fresh / "a").touch()
    git(fresh, "add", "a")
    assert times(read(fresh)) == {"a": None}


def test_shallow_clones_worktrees_and_submodules(tmp_path: Path) -> None:
    root = new(tmp_path / "repo")
    commit(root, 100, a="1")
    commit(root, 200, b="1")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root}", "shallow")
    assert times(read(tmp_path / "shallow")) == {"a": 200, "b": 200}
    git(root, "worktree", "add", "-q", str(tmp_path / "tree"))
    assert times(read(tmp_path / "tree")) == {"a": 100, "b": 200}
    git(
        root,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "shallow"),
        "sub",
    )
    commit(root, 300)
    assert set(read(root)) == {"a", "b", ".gitmodules"}


def test_folder_of_checkouts(tmp_path: Path) -> None:
    commit(new(tmp_path / "in" / "one", "git@github.com:Owner/One.git"), 100, a="1", LICENSE="mit license")
    other = new(tmp_path / "in" / "deep" / "two")
    commit(other, 200, a="2")
    (tmp_path / "in" / "loose").touch()
    (tmp_path / "in" / "broken" / ".git").mkdir(parents=True)
    (tmp_path / "in" / "broken" / "b").touch()
    stars = tmp_path / "stars.csv"
    stars.write_text("repo,stars\nowner/ONE,42\nowner/one,7\nx/y,\n")
    found = read(tmp_path / "in", stars=stars)
    values = {
        name: (one.path, one.repo, one.stars) for name, one in found.items() if isinstance(one, Document)
    }
    assert values == {
        "loose": ("loose", None, None),
        "one/a": ("a", "Owner/One", 42),
        "one/LICENSE": ("LICENSE", "Owner/One", 42),
        "deep/two/a": ("a", "two", None),
        "broken/b": ("b", None, None),
    }
    assert set(read(tmp_path / "in", skip=other)) == set(found) - {"deep/two/a"}
    assert set(read(tmp_path / "in", skip=tmp_path / "in" / "one", shard_bytes=1)) == set(found) - {
        "one/a",
        "one/LICENSE",
    }


PROGRAMS = """
core.fsmonitor core.sshCommand core.pager core.editor core.gitProxy core.alternateRefsCommand gpg.program
diff.external diff.evil.textconv diff.evil.command filter.evil.clean filter.evil.smudge filter.evil.process
credential.helper uploadpack.packObjectsHook
"""
HOOKS = ("post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc")
SETTINGS = {
    "log.showSignature": "true",
    "log.showRoot": "false",
    "format.pretty": "%G?",
    "core.untrackedCache": "true",
    "core.repositoryFormatVersion": "1",
    "extensions.partialClone": "origin",
    "remote.origin.promisor": "true",
    "protocol.allow": "always",
    "protocol.ext.allow": "always",
}


def set_traps(root: Path, marker: Path) -> None:
    """Let the configuration of a checkout name a script, which writes ``marker``, wherever it may."""
    evil = marker.with_suffix(".sh")
    evil.write_text(f"#!/bin/sh\necho $0 $* >> {marker}\n")
    evil.chmod(0o755)
    for name in HOOKS:
        (root / ".git" / "hooks" / name).symlink_to(evil)
    settings = dict.fromkeys(PROGRAMS.split(), str(evil)) | SETTINGS
    settings |= {f"alias.{name}": f"!{evil}" for name in ("ls-files", "log", "config")}
    settings["remote.origin.url"] = f"ext::{evil} x"
    for key, value in settings.items():
        git(root, "config", key, value)


def test_hostile_checkout_runs_nothing_and_leads_nowhere(tmp_path: Path) -> None:
    root = new(tmp_path / "repo")
    commit(root, 100, a="1")
    (root / "sub").mkdir()
    (root / "sub" / "secret").write_text("tracked")
    (root / ".gitattributes").write_text("* diff=evil filter=evil\n")
    commit(root, 200)
    first = git(root, "rev-parse", "HEAD~1").strip()
    marker = tmp_path / "marker"
    set_traps(root, marker)
    marker.unlink(missing_ok=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "sub" / "secret").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(outside)
    (root / "a").unlink()
    (root / "a").symlink_to(outside / "secret")
    found = read(root)
    assert {name: getattr(one, "reason", None) for name, one in found.items()} == {
        "a": "link",
        ".gitattributes": None,
    }
    assert times(found) == {".gitattributes": 200}
    # A commit is missing: a partial clone would fetch it.
    (root / ".git" / "objects" / first[:2] / first[2:]).unlink()
    assert times(read(root)) == {".gitattributes": None}
    assert not marker.exists(), marker.read_text()
    # Asked without care, git does run the script: the traps work.
    for words in (["status"], ["log", "--raw"]):
        subprocess.run(["git", *words], cwd=root, env=ENV, capture_output=True, stdin=subprocess.DEVNULL)
        assert marker.exists()
        marker.unlink()


def test_index_that_leads_out(tmp_path: Path) -> None:
    root = new(tmp_path / "repo")
    (tmp_path / "outside").write_text("secret")
    commit(root, 100, axxoutside="1", xgitxconfig="1")
    index = root / ".git" / "index"
    data = index.read_bytes().replace(b"axxoutside", b"../outside").replace(b"xgitxconfig", b".git/config")
    index.write_bytes(data)
    # Git itself believes it.
    assert set(git(root, "ls-files").split()) == {"../outside", ".git/config"}
    assert plan_inputs([str(root)]).shards == ()


def test_without_git(tmp_path: Path) -> None:
    new(tmp_path / "repo")
    program = (
        "import sys\nfrom corpus.readers.plan import plan_inputs\n"
        "from opencoder.errors import DependencyError\n"
        "try: plan_inputs(sys.argv[1:])\nexcept DependencyError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path / "repo")],
        env={"PATH": "/none", "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("git is missing; run: apt-get install git\n"), done.stderr


@pytest.mark.parametrize(
    ("url", "repo"),
    [
        ("https://token:x@github.com/a/b.git", "a/b"),
        ("https://gitlab.com/group/sub/b/", "group/sub/b"),
        ("git@github.com:a/b.git", "a/b"),
        ("ssh://git@host:22/a/b", "a/b"),
        ("/srv/a/b.git", None),
        ("../b", None),
        ("file:///srv/a/b", None),
        ("", None),
    ],
)
def test_names_of_repositories(url: str, repo: str | None) -> None:
    assert repo_of(url) == repo


def test_tables_of_stars(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "a.csv").write_text('\ufefflanguage,repo,stars\nc,"A/b",3\n', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(
        '{"repo": "A/b", "stars": 3, "more": []}\n{"repo": "c", "stars": null}\n'
    )
    pq.write_table(pa.table({"repo": ["A/b", "c"], "stars": [3.0, None]}), tmp_path / "a.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        assert read_stars(tmp_path / f"a.{suffix}") == {"a/b": 3}
    (tmp_path / "bad.csv").write_text("repo,stars\na,3\nb,many\n")
    with pytest.raises(DataError, match=r"bad\.csv:3: needs `repo` and a whole number of `stars`, not 'b'"):
        read_stars(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("name,stars\na,3\n")
    with pytest.raises(DataError, match="no column `repo`"):
        read_stars(tmp_path / "bad.csv")
    with pytest.raises(UserError, match="must be"):
        read_stars(tmp_path / "a.txt")
