"""Speed of the transform step: megabytes of real files per CPU second, one thread.

    .venv/bin/python benchmarks/corpus_redact.py --folder /usr/lib/python3 --folder /usr/include

There is no peer: upstream released neither the removal of headers nor that of personal data, and what
others released (BigCode's pii-lib, detect-secrets) does a part of it with other aims. Each text has its
language before the clock starts, and a pass over a few hundred of them has been made. The figure is the
median over the rounds; what was found tells that the files had something to find.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 1_000_000
_HEAD = 1 << 14
_WARM = 300
Row = tuple[str, str, str]


def rows(folders: Sequence[Path], most_mb: int) -> Iterator[Row]:
    """Yield text, language and name of each file that decodes, up to so many megabytes."""
    from corpus.languages.detect import detect

    left = most_mb * 1_000_000
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if path.is_symlink() or not path.is_file() or not 0 < path.stat().st_size <= LARGEST:
            continue
        raw = path.read_bytes()
        try:
            text = raw.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            continue
        left -= len(raw)
        if left < 0:
            return
        yield text, detect(path.name, raw[:_HEAD]).language, path.name


def measure(texts: Sequence[Row], rounds: int) -> dict[str, Any]:
    """Redact all of them so many times and return the figures."""
    from corpus.redact.redact import redact

    for text, language, filename in texts[:_WARM]:
        redact(text, language=language, filename=filename)
    took = []
    found: Counter[str] = Counter()
    for _ in range(rounds):
        found.clear()
        began = time.process_time()
        for text, language, filename in texts:
            found.update(redact(text, language=language, filename=filename).counts)
        took.append(time.process_time() - began)
    megabytes = sum(len(text.encode()) for text, _, _ in texts) / 1_000_000
    return {
        "files": len(texts),
        "mb": round(megabytes, 1),
        "rounds": rounds,
        "cpu_s": round(statistics.median(took), 2),
        "mb_per_cpu_s": round(megabytes / statistics.median(took), 1),
        "found": dict(sorted(found.items())),
    }


def main() -> None:
    """Measure and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--folder", type=Path, action="append", help="default: the standard library and /usr/include"
    )
    parser.add_argument("--most-mb", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    folders = given.folder or [Path(sysconfig.get_path("stdlib")), Path("/usr/include")]
    texts = list(rows(folders, given.most_mb))
    if not texts:
        raise SystemExit("no text in the folders")
    row = measure(texts, given.rounds)
    print(json.dumps(row))
    print(f"redaction: {row['mb_per_cpu_s']} MB per CPU second over {row['mb']} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
