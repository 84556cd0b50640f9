"""Speed of the filter against opc_data_filtering, alternating in one run: from a text to its decision.

    git clone https://github.com/OpenCoder-llm/opc_data_filtering /tmp/opc
    .venv/bin/python benchmarks/corpus_filter.py --peer-source /tmp/opc --peer /tmp/opc-venv/bin/python

The peer runs unchanged in an environment of its own (Pygments 2.18, esprima, nltk 3.9.1, regex, pandas,
typing_extensions, beautifulsoup4, jieba, zhconv, mecab-python3, unidic-lite, numpy).
Inputs are the conformance files, or any folder by ``--folder``; each contender gets decoded text, names and
types, and has made one pass before the clock starts, so that neither compiling nor the loading of lexers and
dictionaries is measured. One thread each. Figures are CPU seconds; ratios are the figures to quote.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
CONFORMANCE = ROOT.parent / "shared" / "reference" / "refinecode-conformance"
BARS = {"default": 15, "compat": 4}
Row = dict[str, Any]


def conformance_rows(folder: Path) -> list[Row]:
    """Return inputs of the conformance files: what both contenders are told of each."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    with tarfile.open(folder / "files.tar.gz") as archive, tempfile.TemporaryDirectory() as scratch:
        archive.extractall(scratch, filter="data")
        return [_row(Path(scratch, row["path"]).read_bytes(), row) for row in rows]


def _row(raw: bytes, facts: Row) -> Row:
    text = raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    names = ("filename", "ext", "lang", "program_lang", "doc_type")
    return {"text": text, "size": len(raw), **{name: facts[name] for name in names}}


def folder_rows(folder: Path) -> list[Row]:
    """Return inputs of the files in a folder that decode and have a language that upstream's tables know."""
    sys.path.insert(0, str(ROOT))
    from corpus.languages.compat import detect_compat
    from corpus.natural import natural_language

    rows = []
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        with contextlib.suppress(UnicodeDecodeError):
            raw = path.read_bytes()
            found = detect_compat(path.name)
            facts = {
                "filename": path.name,
                "ext": path.suffix[1:],
                "lang": natural_language(raw.decode()),
                "program_lang": found.language,
                "doc_type": found.doc_type,
            }
            rows.append(_row(raw, facts))
    return rows


def peer_pass(source: str) -> Callable[[Sequence[Row]], None]:
    """Return one pass of the peer, both stages. Runs in the peer's environment."""
    sys.path.insert(0, source)
    from pipeline.compute_filtering import CodeFilter
    from pipeline.compute_quality_signals import ComputeCodeQualitySignal

    signals, rules = ComputeCodeQualitySignal(), CodeFilter()

    def run(rows: Sequence[Row]) -> None:
        for row in rows:
            measured = signals.evaluate(
                text=row["text"],
                filename=row["filename"],
                lang=row["lang"],
                ext=row["ext"],
                file_size_in_byte=row["size"],
                program_lang=row["program_lang"],
                doc_type=row["doc_type"],
            )
            rules.evaluate(
                doc_type=row["doc_type"],
                lang=row["lang"],
                program_lang=row["program_lang"],
                quality_signal=json.loads(measured).get("quality_signal", "{}"),
            )

    return run


def our_pass(mode: str) -> Callable[[Sequence[Row]], None]:
    """Return one pass of ours. Runs in our environment."""
    sys.path.insert(0, str(ROOT))
    from corpus.judge import NOT_JUDGED, judge
    from corpus.languages.doc_type import Detected

    def run(rows: Sequence[Row]) -> None:
        for row in rows:
            if row["doc_type"] not in NOT_JUDGED:
                detected = Detected(row["program_lang"], row["doc_type"])
                judge(
                    row["text"],
                    filename=row["filename"],
                    size_bytes=row["size"],
                    detected=detected,
                    mode=mode,  # type: ignore[arg-type]
                )

    return run


def serve(name: str, source: str) -> None:
    """Be one contender: read the inputs, make a pass, then one for each line, telling its CPU seconds."""
    rows = json.loads(sys.stdin.readline())
    answers, sys.stdout = sys.stdout, sys.stderr  # the peer prints what fails
    run = peer_pass(source) if name == "peer" else our_pass(name)
    run(rows)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        run(rows)
        print(time.process_time() - began, file=answers, flush=True)


@contextlib.contextmanager
def contender(name: str, python: str, source: str, rows: Sequence[Row]) -> Iterator[Callable[[], float]]:
    """Start one contender and yield a function that has it make a pass."""
    command = [python, __file__, "--serve", name, "--peer-source", source]
    quiet = subprocess.DEVNULL if name == "peer" else None
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, text=True
    ) as process:
        requests: IO[str] = process.stdin  # type: ignore[assignment]
        answers: IO[str] = process.stdout  # type: ignore[assignment]

        def ask(line: str) -> str:
            requests.write(line + "\n")
            requests.flush()
            answer = answers.readline()
            if not answer:
                raise SystemExit(f"contender {name} ended; run it by itself: {' '.join(command)}")
            return answer

        ask(json.dumps(rows))
        yield lambda: float(ask("pass"))
        requests.close()


def compare(rows: Sequence[Row], rounds: int, pythons: dict[str, str], source: str) -> dict[str, Any]:
    """Run all contenders in turn and return the medians and ratios."""
    times: dict[str, list[float]] = {name: [] for name in pythons}
    with contextlib.ExitStack() as stack:
        passes = {
            name: stack.enter_context(contender(name, python, source, rows))
            for name, python in pythons.items()
        }
        for _ in range(rounds):
            for name, one_pass in passes.items():
                times[name].append(one_pass())
    medians = {name: statistics.median(values) for name, values in times.items()}
    size = sum(row["size"] for row in rows)
    return {
        "files": len(rows),
        "bytes": size,
        "rounds": rounds,
        "cpu_s": {name: round(value, 4) for name, value in medians.items()},
        "mb_per_cpu_s": {name: round(size / value / 1e6, 3) for name, value in medians.items()},
        "speed": {
            name: round(medians["peer"] / value, 1)
            for name, value in medians.items()
            if name != "peer" and "peer" in medians
        },
        "bars": BARS,
    }


def main() -> None:
    """Compare and print one JSON object, and a line that a person reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer-source", default="", help="checkout of opc_data_filtering")
    parser.add_argument("--peer", default="", help="Python of the peer's environment; without it, ours alone")
    parser.add_argument("--rows", type=Path, default=CONFORMANCE, help="folder of the conformance rows")
    parser.add_argument("--folder", type=Path, help="files to judge instead of the conformance files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.peer_source)
        return
    rows = folder_rows(given.folder) if given.folder else conformance_rows(given.rows)
    pythons = {"peer": given.peer} if given.peer else {}
    pythons |= dict.fromkeys(BARS, sys.executable)
    row = compare(rows, given.rounds, pythons, given.peer_source)
    print(json.dumps(row))
    shown = [f"{name} {row['mb_per_cpu_s'][name]} MB per CPU second" for name in pythons]
    bars = [f"{name} {row['speed'][name]}x (bar {BARS[name]}x)" for name in row["speed"]]
    print("Filter: " + ", ".join(shown + bars), file=sys.stderr)


if __name__ == "__main__":
    main()
