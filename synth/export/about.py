"""What is known of a run from its own files, read tolerantly: older and other writers leave things out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from opencoder.store import read_json, read_jsonl

MANIFEST = "manifest.json"


class _Rejected(msgspec.Struct):
    stage: str = ""
    reason: str = ""


class About(msgspec.Struct, kw_only=True):
    """What the folder of a run or of a mixture says of it.

    Attributes:
        name: Of the folder, or of the file of rows.
        manifest: ``manifest.json``; empty where there is none.
        rejects: Rows of ``rejects.jsonl`` by stage and reason, or the manifest's ``reasons`` without a stage.
    """

    name: str
    manifest: dict[str, Any]
    rejects: dict[tuple[str, str], int]

    def value(self, *keys: str) -> object:
        """Return what stands under these keys of the manifest; None where something else does."""
        found: object = self.manifest
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def table(self, *keys: str) -> dict[str, Any]:
        """Return the table under these keys; empty where there is none."""
        found = self.value(*keys)
        return found if isinstance(found, dict) else {}

    def text(self, *keys: str) -> str:
        """Return the text or number under these keys; empty where there is none."""
        found = self.value(*keys)
        return str(found) if isinstance(found, str | int | float) else ""

    def number(self, *keys: str) -> float | None:
        """Return the number under these keys."""
        found = self.value(*keys)
        return found if isinstance(found, int | float) else None


def read_about(path: Path) -> About:
    """Read what is beside the rows: ``manifest.json`` and ``rejects.jsonl`` of a run.

    Args:
        path: The folder of a run, or a file of rows, of which nothing more is known.

    Raises:
        DataError: A file is there and cannot be read.
    """
    name = path.resolve().name.removesuffix(".parquet").partition(".jsonl")[0]
    if not path.is_dir():
        return About(name=name, manifest={}, rejects={})
    manifest: dict[str, Any] = {}
    if (path / MANIFEST).is_file():
        manifest = read_json(path / MANIFEST, dict[str, Any])
    rejects: Counter[tuple[str, str]] = Counter()
    for file in sorted(path.glob("rejects.jsonl*")):
        rejects.update((row.stage, row.reason) for row in read_jsonl(file, _Rejected))
    if not rejects:
        rejects.update({("", reason): num for reason, num in _counts(manifest.get("reasons")).items()})
    return About(name=str(manifest.get("name") or name), manifest=manifest, rejects=dict(rejects))


def _counts(value: object) -> Mapping[str, int]:
    if not isinstance(value, dict):
        return {}
    return {str(name): num for name, num in value.items() if isinstance(num, int) and name}
