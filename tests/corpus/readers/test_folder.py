"""Folders with names and things that are meant to mislead."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corpus.document import Document, Unread
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_shard
from corpus.readers.shard import InputPlan
from opencoder.errors import DataError


def read(plan: InputPlan, **options: Any) -> dict[str, Document | Unread]:
    # As the workers get them: through JSON.
    plan = msgspec.json.decode(msgspec.json.encode(plan), type=InputPlan)
    found = [one for shard in plan.shards for one in read_shard(shard, **options)]
    values = {one.id: one for one in found}
    assert len(values) == len(found)
    return values


def reasons(found: dict[str, Document | Unread]) -> dict[str, str | None]:
    return {name: getattr(one, "reason", None) for name, one in found.items()}


def test_names(tmp_path: Path) -> None:
    top = os.fsencode(tmp_path)
    long = b"l" * 255
    names = [
        b"new\nline.py",
        b"a\\xff",
        b"a\xff",
        b"a\\xff\xff",
        b"a\xff\xff",
        b"..a",
        b"a..",
        b" ",
        b"\xe2\x80\xae",
        long,
    ]
    for name in names:
        Path(os.fsdecode(top + b"/" + name)).write_bytes(name)
    found = read(plan_inputs([str(tmp_path)]))
    assert {one.content for one in found.values() if isinstance(one, Document)} == set(names)
    assert len(found) == len(names)
    for one in found.values():
        one.id.encode()
        assert isinstance(one, Document)
        assert one.file.read_bytes() == one.content
    assert found["a\\xff"].path == "a\\xff"


def test_deep_folders(tmp_path: Path) -> None:
    # Deeper than a path can be long; made step by step.
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        here, above = os.open("d" * 200, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("deep", os.O_CREAT, dir_fd=here))
    os.close(here)
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="File name too long"):
        plan_inputs([str(tmp_path)])
    plan = plan_inputs([str(tmp_path)], skip_bad=True)
    assert len(plan.bad) == 1
    assert reasons(read(plan)) == {"a": None}


def test_links_and_other_things_are_not_followed_but_counted(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "file").write_text("x")
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "dangling").symlink_to("nothing")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket"))
        found = read(plan_inputs([str(root)]))
    links = dict.fromkeys(("link", "folder", "loop", "dangling"), "link")
    assert reasons(found) == {"file": None, "pipe": "special", "socket": "special", **links}
    # The root may be a link: it was asked for.
    (tmp_path / "alias").symlink_to(root)
    assert reasons(read(plan_inputs([str(tmp_path / "alias")])))["file"] is None


def test_what_changes_after_the_plan(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    for name in ("gone", "link", "grown", "folder", "sub/secret", "same"):
        (root / name).write_text("x")
    plan = plan_inputs([str(root)])
    (root / "gone").unlink()
    (root / "link").unlink()
    (root / "link").symlink_to("same")
    (root / "grown").write_text("x" * 11)
    (root / "folder").unlink()
    (root / "folder").mkdir()
    (outside / "secret").write_text("secret")
    (root / "sub").rename(root / "moved")
    (root / "sub").symlink_to(outside)
    assert reasons(read(plan, max_bytes=10)) == {
        "gone": "unreadable",
        "link": "link",
        "grown": "size",
        "folder": "special",
        "sub/secret": "unreadable",
        "same": None,
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0)
    (tmp_path / "folder").mkdir(mode=0)
    with pytest.raises(DataError, match=r"folder: Permission denied"):
        plan_inputs([str(tmp_path)])
    assert reasons(read(plan_inputs([str(tmp_path)], skip_bad=True))) == {"file": "unreadable"}


def test_large_files_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "fits").write_bytes(b"x" * 100)
    (tmp_path / "over").write_bytes(b"x" * 101)
    (tmp_path / "empty").touch()
    found = read(plan_inputs([str(tmp_path)]), max_bytes=100)
    assert reasons(found) == {"large": "size", "fits": None, "over": "size", "empty": None}
    assert isinstance(found["large"], Unread)
    assert found["large"].num_bytes == 1 << 40
    assert found["large"].detail == f"{tmp_path}/large: {1 << 40} bytes, of at most 100"


def test_license_of_the_folder_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("SPDX-License-Identifier: MIT\n")
    (tmp_path / "a.c").write_text("/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */\n")
    (tmp_path / "b.py").write_text("# (SPDX-License-Identifier: (MIT or x))\n")
    (tmp_path / "c.py").write_text("x = 1\n")
    found = read(plan_inputs([str(tmp_path)]))
    licenses = {name: one.license for name, one in found.items() if isinstance(one, Document)}
    assert licenses == {
        "LICENSE": "MIT",
        "a.c": "GPL-2.0-only WITH Linux-syscall-note",
        "b.py": "(MIT OR x)",
        "c.py": "MIT",
    }
