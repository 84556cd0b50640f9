"""``opencoder synth export``: a data set with its card."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from opencoder import __version__
from opencoder.config import Common
from opencoder.errors import GateError, UserError, needs
from opencoder.files import sha256_file, write_bytes
from opencoder.log import emit
from opencoder.store import write_json
from synth.export.about import read_about
from synth.export.folder import whole_folder
from synth.export.form import Config, Format, Writer
from synth.export.reading import read_all, row_files
from synth.export.tally import Tally, in_order

MARK = "export.json"
NEEDED = ("pyarrow", "numpy", "datasketch")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Options of an export."""

    format: Format
    """opc-sft-stage2 (as published, JSON lines and Parquet), messages (chats), parquet (whole records)."""
    out: Annotated[Path | None, Parameter(name=("--out", "-o"))] = None
    """Folder of the data set; DIR/export/FORMAT if not given. An earlier export there is replaced."""
    strict: Annotated[bool, Parameter(negative="")] = False
    """Fail, and write nothing, where the format cannot hold a row."""


class File(msgspec.Struct, kw_only=True, frozen=True):
    """A file of an export: its path in the folder, bytes and SHA-256."""

    path: str
    bytes: int
    sha256: str


class ExportSummary(msgspec.Struct, kw_only=True, frozen=True):
    """What an export did (``export.json``).

    Attributes:
        format: Its form.
        read: Rows read; written and skipped together.
        written: Rows written.
        skipped: Rows that the form cannot hold, by reason.
        left_out: What the form has no place for, in rows that were written.
        configs: Rows by configuration of the data set.
        files: All files but this one.
    """

    format: Format
    read: int
    written: int
    skipped: dict[str, int]
    left_out: dict[str, int]
    configs: dict[str, int]
    files: list[File]


def export(
    folder: Annotated[Path, Parameter(name="DIR", help="Folder of a run or a mixture, or a file of rows.")],
    *,
    options: ExportOptions,
    common: Common | None = None,
) -> None:
    """Write the rows of a run as a data set with its card."""
    out = options.out or _default_out(folder, options.format)
    with needs(NEEDED, "synth"):
        done = export_rows(folder, options.format, out, strict=options.strict)
    emit(done, json=common is not None and common.json, text=lambda: _text(done, out))


def export_rows(folder: Path, form: Format, out: Path, *, strict: bool = False) -> ExportSummary:
    """Write a data set and its card; memory does not grow with the rows.

    Args:
        folder: Of a run or a mixture, or a file of rows.
        form: Of the data set.
        out: Its folder, which appears when all is written.
        strict: Fail where the form cannot hold a row.

    Raises:
        DataError: The rows cannot be read.
        GateError: ``strict``, and there is such a row; nothing was written.
        UserError: ``out`` holds something else.
    """
    from synth.export.card import Content, render_card
    from synth.export.formats import open_writer

    row_files(folder)
    about = read_about(folder)
    tally = Tally()
    skipped: Counter[str] = Counter()
    with whole_folder(out, mark=MARK) as stage:
        writer = open_writer(form, stage)
        configs = _write(folder, writer, tally, skipped, strict=strict)
        content = Content(
            about=about,
            form=form,
            tally=tally,
            configs=configs,
            num_read=tally.rows + skipped.total(),
            skipped=in_order(skipped),
            left_out=in_order(writer.left_out),
            digest=_digest(_files(stage)),
            version=__version__,
        )
        write_bytes(stage / "README.md", render_card(content).encode())
        done = ExportSummary(
            format=form,
            read=content.num_read,
            written=tally.rows,
            skipped=dict(content.skipped),
            left_out=dict(content.left_out),
            configs={config.name: config.rows for config in configs},
            files=_files(stage),
        )
        write_json(stage / MARK, done)
    return done


def _write(
    folder: Path, writer: Writer, tally: Tally, skipped: Counter[str], *, strict: bool
) -> list[Config]:
    try:
        for number, row in enumerate(read_all(folder)):
            reason = writer.add(number, row)
            if reason and strict:
                raise GateError(
                    f"{folder}: row {number + 1} ({row.id}) cannot be written: {reason}; leave out --strict "
                    "or choose another --format"
                )
            if reason:
                skipped[reason] += 1
            else:
                tally.add(row)
        return writer.close()
    except BaseException:
        with contextlib.suppress(Exception):
            writer.close()
        raise


def _files(stage: Path) -> list[File]:
    paths = sorted(path for path in stage.rglob("*") if path.is_file())
    return [
        File(path=str(path.relative_to(stage)), bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in paths
    ]


def _digest(files: list[File]) -> str:
    return hashlib.sha256(msgspec.json.encode(files)).hexdigest()


def _default_out(folder: Path, form: Format) -> Path:
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of a run; say with -o where the data set shall be")
    return folder / "export" / form


def _text(done: ExportSummary, out: Path) -> str:
    lines = [f"{done.written:,} of {done.read:,} rows written to {out}"]
    lines += [f"  {name}: {rows:,} rows" for name, rows in done.configs.items()]
    lines += [f"  skipped, {reason}: {num:,} rows" for reason, num in done.skipped.items()]
    lines += [f"  left out, {name}: {num:,} rows" for name, num in done.left_out.items()]
    return "\n".join(lines)
