"""Texts with their language, from the output of ``corpus build``, tables of others, and plain files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from opencoder.errors import DataError, UserError
from opencoder.files import reading_from
from opencoder.store import read_numbered

TEXT_COLUMNS = ("content", "text")
LANGUAGE_COLUMNS = ("language", "lang")
UNKNOWN = "unknown"
CHINESE = "Chinese"
"""Language of a text of which a fifth is Chinese characters, whatever its file says."""

_TABLES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_LANGUAGES = {
    "Assembly": "asm s",
    "C": "c h",
    "C#": "cs",
    "C++": "cc cpp cxx hh hpp hxx",
    "CSS": "css scss less",
    "Dart": "dart",
    "Go": "go",
    "HTML": "html htm",
    "Haskell": "hs",
    "JSON": "json",
    "Java": "java",
    "JavaScript": "js jsx mjs cjs",
    "Julia": "jl",
    "Kotlin": "kt kts",
    "Lua": "lua",
    "Markdown": "md markdown",
    "PHP": "php",
    "Perl": "pl pm",
    "Python": "py pyi",
    "R": "r",
    "Ruby": "rb",
    "Rust": "rs",
    "SQL": "sql",
    "Scala": "scala",
    "Shell": "sh bash",
    "Swift": "swift",
    "Text": "txt rst",
    "TypeScript": "ts tsx",
    "XML": "xml",
    "YAML": "yaml yml",
}
_BY_ENDING = {f".{ending}": name for name, endings in _LANGUAGES.items() for ending in endings.split()}
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_LOOK_CHARS = 4096
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_ROWS = 256


class Text(NamedTuple):
    """A text of a corpus."""

    language: str
    text: str


def find_files(inputs: Sequence[Path]) -> list[Path]:
    """Return the files to read, in an order that does not depend on the file system.

    A folder with tables (``.parquet``, ``.jsonl``, packed or not) stands for its tables, else for the files
    with endings that are known. The output of ``corpus build`` stands for its ``documents``. Hidden files are
    left out.

    Raises:
        DataError: There is no such input, or nothing to read in one.
    """
    found: list[Path] = []
    for given in inputs:
        if not given.is_dir():
            if not given.exists():
                raise DataError("no such file or folder; check the path", path=given)
            found.append(given)
            continue
        folder = given / "documents" if (given / "documents").is_dir() else given
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
        tables = [path for path in files if path.name.endswith(_TABLES)]
        some = tables or [path for path in files if path.suffix.lower() in _BY_ENDING]
        if not some:
            raise DataError("no .parquet, .jsonl or source files in this folder", path=given)
        found += some
    return found


def read_texts(files: Sequence[Path]) -> Iterator[Text]:
    """Yield the texts of files, in their order. Empty texts and plain files that are not UTF-8 are left out.

    Raises:
        DataError: A table cannot be read or has no column of texts.
    """
    for path in files:
        for language, text in _read(path):
            if text:
                yield Text(CHINESE if is_chinese(text) else language or UNKNOWN, text)


def is_chinese(text: str) -> bool:
    """Tell whether a fifth of a text is Chinese characters and it is not Japanese."""
    if text.isascii():
        return False
    head = text[:_LOOK_CHARS]
    num_han = len(_HAN.findall(head))
    return num_han * 5 >= len(head) and len(_KANA.findall(head)) * 20 < num_han


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _read(path: Path) -> Iterator[tuple[str | None, str]]:
    if path.name.endswith(".parquet"):
        yield from _parquet(path)
    elif path.name.endswith(_TABLES):
        yield from _jsonl(path)
    else:
        with reading_from(path):
            content = path.read_bytes()
        try:
            yield _BY_ENDING.get(path.suffix.lower()), content.decode()
        except UnicodeDecodeError:
            return


def _jsonl(path: Path) -> Iterator[tuple[str | None, str]]:
    for line, row in read_numbered(path, dict[str, Any]):
        text = next((row[name] for name in TEXT_COLUMNS if name in row), None)
        if not isinstance(text, str):
            raise DataError(f"no text: none of {', '.join(TEXT_COLUMNS)} is a string", path=path, line=line)
        yield next((str(row[name]) for name in LANGUAGE_COLUMNS if row.get(name)), None), text


def _parquet(path: Path) -> Iterator[tuple[str | None, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading_from(path), pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            text = next((name for name in TEXT_COLUMNS if name in names), None)
            language = next((name for name in LANGUAGE_COLUMNS if name in names), None)
            if text is None:
                raise DataError(f"no column {' or '.join(TEXT_COLUMNS)}", path=path)
            columns = [text, *([language] if language else [])]
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                texts = batch.column(text).to_pylist()
                languages = batch.column(language).to_pylist() if language else [None] * len(texts)
                yield from ((name, str(value)) for name, value in zip(languages, texts, strict=True) if value)
    except pa.ArrowInvalid as error:
        raise DataError(f"not a Parquet file, or damaged: {error}", path=path) from error


def parse_size(text: str) -> int:
    """Return the bytes of ``200000``, ``100MB`` (10^6) or ``1GiB`` (2^30).

    Raises:
        UserError: It is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Z]*)\s*", text.upper())
    size = int(float(match[1]) * _UNITS.get(match[2], 0)) if match else 0
    if size < 1:
        raise UserError(f"{text!r} is no size; write it as in 500MB, 4GB or 4GiB")
    return size
