"""``opencoder synth mix``: rows of several runs as the data of one training stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import needs
from opencoder.log import emit


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class MixOptions:
    """Options of a mixture."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the mixture; an earlier mixture there is replaced."""


def mix(
    mixture: Annotated[str, Parameter(name="CONFIG", help="TOML or YAML file, or a preset: stage1, stage2.")],
    *,
    options: MixOptions,
    common: Common | None = None,
) -> None:
    """Draw, deduplicate and shuffle rows of several runs into the data of one training stage."""
    from synth.export.command import NEEDED

    with needs(NEEDED, "synth"):
        from synth.mix.build import build
        from synth.mix.config import find_config, load_mixture

        manifest = build(load_mixture(find_config(mixture)), options.out)
    emit(manifest, json=common is not None and common.json, text=lambda: _text(manifest, options.out))


def _text(manifest: dict[str, Any], out: Path) -> str:
    columns = ("read", "filtered", "duplicates", "not_drawn", "unique", "repeats", "rows")
    head = ("source", *(name.replace("_", " ") for name in columns), "share")
    rows = [
        (part.name, *(f"{getattr(part, name):,}" for name in columns), f"{part.share:.1%}")
        for part in manifest["sources"]
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in [head, *rows]
    ]
    warned = [
        f"warning: {part.name}: {num:,} rows: {reason}"
        for part in manifest["sources"]
        for reason, num in part.warnings.items()
    ]
    counts = manifest["counts"]
    total = (
        f"{counts['rows']:,} rows in {out}; {counts['dropped']:,} dropped, each with its reason, beside them"
    )
    return "\n".join([*lines, *warned, total])
