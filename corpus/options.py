"""Options of the commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DedupOptions:
    """Options of ``dedup``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of kept.parquet and dropped.parquet."""
    profile: Literal["paper", "near", "stack"] = "paper"
    """How near is a duplicate: paper (16 bands of 128, threshold 0.98), near (128 of 16, 0.74), stack (25 of
    10 over 256 permutations, 0.72)."""
    bands: int | None = None
    """Bands in place of the profile's."""
    rows: int | None = None
    """Rows of a band in place of the profile's."""
    num_perm: int | None = None
    """Permutations in place of the profile's."""
    shingle: Literal["word5", "char5"] | None = None
    """Five words or five characters, in place of the profile's."""
    level: Literal["file", "chunk", "repo"] = "file"
    """What is compared: files, chunks of 4096 words (which are cut out), or whole repositories."""
    verify: float | None = None
    """Least Jaccard similarity (0 to 1) of a dropped near-duplicate to the file that stays; without it
    whatever shares a cluster goes, as in the paper."""
    concurrency: int | None = None
    """Threads; one per CPU if not given."""
    memory_mb: int = 1024
    """Most memory of the database that groups exact copies, in MiB; what is more goes to disk."""
    limit: int | None = None
    """Only the first so many documents."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    """Options of ``build``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the result."""
    executor: Literal["local", "ray"] = "local"
    """Worker processes here, or the Ray cluster at RAY_ADDRESS, whose nodes must share the folder."""
    workers: int | None = None
    """Worker processes; as many as CPUs and memory allow if not given."""
    memory: str | None = None
    """Most memory of all processes, as in 4GB; three quarters of what is free if not given."""
    languages: str = "default"
    """default (those of the paper), all, or names joined by commas."""
    stars: Path | None = None
    """Side table of stars: csv, jsonl or Parquet with the columns repo and stars."""
    notebooks: Literal["script", "markdown", "both", "drop"] = "script"
    """What notebooks become."""
    max_bytes: str = "8MiB"
    """Largest document."""
    shard_bytes: str = "64MiB"
    """How much a worker takes at a time."""
    skip_bad: Annotated[bool, Parameter(negative="")] = False
    """Go on without input files that are cut off or damaged."""
    level: Literal["file", "none"] = "file"
    """What is deduplicated."""
    profile: Literal["paper", "near", "stack"] = "paper"
    """How near is a near-duplicate (see dedup)."""
    bands: int | None = None
    """Bands in place of the profile's."""
    rows: int | None = None
    """Rows of a band in place of the profile's."""
    num_perm: int | None = None
    """Permutations in place of the profile's."""
    shingle: Literal["word5", "char5"] | None = None
    """Five words or five characters, in place of the profile's."""
    verify: float | None = None
    """Least Jaccard similarity (0 to 1) of dropped near-duplicates; the bands alone decide if not given."""
    redact: bool = True
    """Remove copyright headers, and replace personal data and secrets."""
    filter: bool = True
    """Apply the filter rules."""
    mode: Literal["compat", "default"] = "default"
    """compat filters as the filter that was published with the paper, default without its faults."""
    cap: dict[str, str] | None = None
    """Most bytes of a language, as in --cap.java 2GB; the paper's, scaled to the input, if none is given."""
    seed: int = 0
    """Which documents of a language with too many stay."""
    resume: bool = True
    """Go on with what is in the folder; --no-resume sets it aside."""
