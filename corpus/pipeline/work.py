"""The folder of what a build keeps between its steps, and the names in it."""

from __future__ import annotations

from pathlib import Path

from opencoder.files import make_folder

FOLDER = "work"
_FOLDERS = (
    *("shards", "read", "read-rejects", "keys", "bands", "shingles", "similar", "refined", "refined-rejects"),
    *("exact", "near", "spill", "suspects"),
)


class Work:
    """Places of the files between the steps of a build.

    Args:
        out: Folder of the build.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out / FOLDER

    def path(self, step: str, name: str) -> Path:
        """Return the place of a file that ``step`` writes."""
        return self.folder / step / name

    def prepare(self) -> None:
        """Create all folders."""
        for name in _FOLDERS:
            make_folder(self.folder / name)

    @property
    def settings(self) -> Path:
        """The settings, for the workers."""
        return self.folder / "settings.json"

    @property
    def copies(self) -> Path:
        """Exact copies, and which document stays for each."""
        return self.folder / "copies.parquet"

    @property
    def near(self) -> Path:
        """Members of clusters of near-duplicates, with their rank in it."""
        return self.folder / "near.parquet"

    @property
    def duplicates(self) -> Path:
        """Which documents go as duplicates, why, and which one stays for each."""
        return self.folder / "duplicates.parquet"

    @property
    def sampled_out(self) -> Path:
        """Which documents are more than their language's cap."""
        return self.folder / "sampled.parquet"

    def suspect(self, key: str) -> Path:
        """Number of the document that a careful task has begun with."""
        return self.path("suspects", key.replace("/", "-"))

    def shard(self, name: str) -> Path:
        """The piece of input ``name``."""
        return self.path("shards", f"{name}.json")

    def read(self, part: str) -> Path:
        """Documents after preprocessing."""
        return self.path("read", f"{part}.parquet")

    def read_rejects(self, shard: str) -> Path:
        """What preprocessing rejected."""
        return self.path("read-rejects", f"{shard}.parquet")

    def keys(self, part: str) -> Path:
        """What decides between the copies of a document."""
        return self.path("keys", f"{part}.parquet")

    def bands(self, part: str) -> Path:
        """Band keys of the documents that are no exact copies."""
        return self.path("bands", f"{part}.parquet")

    def shingles(self, part: str) -> Path:
        """Shingle hashes of the members of clusters."""
        return self.path("shingles", f"{part}.parquet")

    def similarities(self, partition: str) -> Path:
        """Jaccard similarities of near-duplicates."""
        return self.path("similar", f"{partition}.parquet")

    def refined(self, part: str) -> Path:
        """Documents that the filter let through."""
        return self.path("refined", f"{part}.parquet")

    def refined_rejects(self, part: str) -> Path:
        """What deduplication and filter rejected."""
        return self.path("refined-rejects", f"{part}.parquet")
