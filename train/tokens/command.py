"""``opencoder train tokenize``: a corpus as token shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError, needs
from opencoder.log import emit

if TYPE_CHECKING:
    from train.tokens.format import Manifest

NEEDED = ("numpy", "pyarrow", "tokenizers")
"""Packages of the extra that tokenization imports."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizeOptions:
    """Options of ``tokenize``."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the token shards."""
    tokenizer: Path
    """Folder with tokenizer.json."""
    workers: int | None = None
    """Worker processes; one per CPU if not given."""
    text_field: str | None = None
    """Column of text; content or text if not given."""
    limit: int | None = None
    """Only the first so many documents."""
    resume: bool = True
    """Go on with the shards that are there; --no-resume sets them aside."""


def tokenize(
    inputs: Annotated[
        list[Path], Parameter(name="IN", negative="", help="Corpus, Parquet, JSON lines or folders of files.")
    ],
    *,
    options: TokenizeOptions,
    common: Common | None = None,
) -> None:
    """Tokenize documents once, into memory-mapped shards that training reads."""
    for flag, value in (("--workers", options.workers), ("--limit", options.limit)):
        if value is not None and value < 1:
            raise UserError(f"{flag} must be at least 1, not {value}")
    with needs(NEEDED, "train"):
        from train.tokens import tokenize as work

        manifest = work.tokenize(
            inputs,
            options.out,
            tokenizer=options.tokenizer,
            workers=options.workers,
            text_field=options.text_field,
            limit=options.limit,
            resume=options.resume,
        )
    emit(
        {"out": str(options.out), "dtype": manifest.dtype, "shards": len(manifest.shards), **manifest.counts},
        json=common is not None and common.json,
        text=lambda: _text(manifest, options.out),
    )


def _text(manifest: Manifest, out: Path) -> str:
    counts = manifest.counts
    dropped = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in ("empty", "not_text"))
    return (
        f"{counts['tokens']:,} tokens of {counts['documents']:,} documents ({counts['bytes']:,} bytes) in "
        f"{len(manifest.shards)} shards of {manifest.dtype} in {out}; dropped: {dropped}"
    )
