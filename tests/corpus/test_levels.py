"""Files, chunks and repositories as what is compared."""

from __future__ import annotations

import hashlib
import random
import re
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.dedup.levels import Level, chunks_of, keep_chunks, merge_shingles, merge_signatures, repo_digest
from corpus.dedup.minhash import BandHasher
from corpus.dedup.profiles import choose_profile
from corpus.dedup.run import Settings, Summary, deduplicate
from opencoder.errors import UserError

Rows = list[dict[str, Any]]


def run(rows: Rows, folder: Path, level: Level, **more: Any) -> tuple[Summary, Rows, Rows]:
    source = folder / "in.parquet"
    fields = ("id", "repo", "stars", "content")
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in fields}), source)
    out = folder / f"out-{level}"
    done = deduplicate(Settings(source=source, out=out, profile=choose_profile("near"), level=level, **more))
    kept, dropped = (pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("kept", "dropped"))
    return done, kept, dropped


@given(content=st.binary(max_size=200), num=st.integers(1, 7))
def test_chunks_are_the_document(content: bytes, num: int) -> None:
    chunks = chunks_of(content, num)
    assert keep_chunks(content, chunks) == content
    words = [len(re.findall(rb"[A-Za-z0-9_\x80-\xff]+", content[part])) for part in chunks]
    assert all(count == num for count in words[:-1])
    assert len(chunks) == 1 or 1 <= words[-1] <= num


def test_a_repeated_chunk_is_cut_out(tmp_path: Path) -> None:
    common = "".join(f"c{i}\n" for i in range(4096))
    rows: Rows = [
        {"id": "a", "content": common + "tail of a with words", "stars": 5},
        {"id": "b", "content": common + "another tail of b here"},
        {"id": "c", "content": common},
        {"id": "d", "content": ""},
    ]
    done, kept, dropped = run(rows, tmp_path, "chunk")
    assert (done.documents, done.units, done.exact_duplicates, done.kept) == (4, 6, 2, 3)
    assert [(row["id"], row["content"]) for row in kept] == [
        ("a", rows[0]["content"]),
        ("b", "another tail of b here"),
        ("d", ""),
    ]
    assert [row["sha256"] for row in kept] == [
        hashlib.sha256(row["content"].encode()).hexdigest() for row in kept
    ]
    assert [(row["id"], row["kept_id"]) for row in dropped] == [("b#0", "a#0"), ("c#0", "a#0")]


def test_repositories_are_sets_of_files(tmp_path: Path) -> None:
    texts = [" ".join(f"w{k}_{i}" for i in range(200)) for k in range(6)]
    rows: Rows = [{"id": f"a{i}", "repo": "a", "content": texts[i]} for i in range(4)]
    # The same files in another order and under other names, with more stars on one of them.
    rows += [
        {"id": f"b{i}", "repo": "b", "content": texts[3 - i], "stars": 9 if i == 2 else None}
        for i in range(4)
    ]
    # One more file: similar, but no copy.
    rows += [{"id": f"c{i}", "repo": "c", "content": texts[i]} for i in range(5)]
    rows += [{"id": "d0", "repo": "d", "content": texts[0]}, {"id": "d1", "repo": "d", "content": texts[5]}]
    done, kept, dropped = run(rows, tmp_path, "repo", verify=0.75)
    assert (done.units, done.exact_duplicates, done.fuzzy_duplicates) == (4, 1, 1)
    assert {row["id"][0] for row in kept} == {"b", "d"}
    assert [(row["id"], row["reason"], row["kept_id"]) for row in dropped] == [
        ("a", "exact", "b"),
        ("c", "fuzzy", "b"),
    ]
    assert dropped[1]["jaccard"] == pytest.approx(4 / 5)


def test_repositories_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--level repo needs a `repo` of every document; 'x' has none"):
        run([{"id": "x", "content": "a"}], tmp_path, "repo")


def test_pieces_of_the_pipeline() -> None:
    hasher = BandHasher(choose_profile("stack"))
    texts = [b"a b c d e f g", b"c d e f g h i", b"x y z u v w"]
    parts = [hasher.shingles(text) for text in texts]
    merged = merge_shingles(parts)
    assert merged.tolist() == sorted({value for part in parts for value in part.tolist()})
    lanes = merge_signatures([hasher.signature(part) for part in parts])
    assert np.array_equal(lanes, hasher.signature(merged))
    digests = [hashlib.sha256(text).digest() for text in texts]
    assert repo_digest(digests) == repo_digest(digests[::-1]) != repo_digest(digests[:2])


def test_levels_of_real_files(tmp_path: Path) -> None:
    """As in the paper's table 9: the repository level keeps more, and the file level over it drops more."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [path.read_bytes() for path in sorted(library.glob("[a-g]*.py"))]
    seed = random.Random(1)
    # Forks of packages that lost or changed a few files: what makes repositories differ though files do not.
    rows: Rows = []
    for fork in range(6):
        for i, content in enumerate(files):
            if seed.random() < (0 if fork in (0, 1) else 0.3):
                continue
            touched = content + f"\n# fork {fork}\n".encode() if seed.random() < 0.1 and fork > 1 else content
            rows.append({"id": f"{fork}/{i}", "repo": str(fork), "stars": fork, "content": touched})
    by_file, kept, _ = run(rows, tmp_path, "file")
    by_repo, kept_repos, _ = run(rows, tmp_path, "repo", verify=0.9)
    assert by_repo.exact_duplicates == 1
    assert by_file.kept == len(kept) < by_repo.kept == len(kept_repos) < len(rows)
    both, kept_both, _ = run(kept_repos, tmp_path, "file")
    assert both.kept < by_repo.kept * 0.6
    assert len(kept_both) == both.kept
    by_chunk, kept_chunks, _ = run(rows, tmp_path, "chunk")
    size = sum(len(row["content"]) for row in kept_chunks)
    assert size < sum(len(row["content"]) for row in rows) / 3
    assert by_chunk.units > len(rows)
