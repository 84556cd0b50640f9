"""Tokenizers: CPU time of training and of counting, against the ``tokenizers`` library, one thread.

    .venv/bin/python -P benchmarks/train_tokenizer.py --megabytes 100

Text is the Python of this machine: the standard library and the installed packages. ``training`` compares
``train_tokenizer`` with the library's own ``train_from_iterator`` on the same texts, each in a process of its
own; ``sampling`` is what the two passes over the files take on top. ``counting`` takes turns, so that both
see the same machine: ``encode_batch`` of the library against ``FastTokenizer.count`` and ``encode_batch``,
after the ids of all texts were found equal. Figures are CPU seconds; ratios are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
COUNT_BAR, TRAIN_BAR = 5.0, 2.0
_LARGEST = 1_000_000
_HAN = "函数返回排好序的列表，不改变原来的列表。快速排序的平均时间复杂度是对数级的。\n"


def gather(most: int) -> list[str]:
    """Return Python files of this machine up to so many bytes, in a fixed order."""
    found, left = [], most
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    for path in dict.fromkeys(path for folder in folders for path in sorted(folder.rglob("*.py"))):
        if left <= 0:
            break
        raw = path.read_bytes() if path.is_file() and path.stat().st_size <= _LARGEST else b""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        if text:
            found.append(text)
            left -= len(raw)
    return found


def train_once(way: str, megabytes: int, vocab: int, out: Path) -> None:
    """Train in this process and print the CPU seconds; ``ours`` writes the folder."""
    sys.path.insert(0, str(ROOT))
    from train.bpe.format import SPECIALS, pre_tokenizer
    from train.bpe.train import train_tokenizer

    texts = gather(megabytes * 1_000_000)
    began = time.process_time()
    if way == "ours":
        content = train_tokenizer(texts, vocab)
        took = time.process_time() - began
        from train.bpe.folder import write_folder

        write_folder(out, content, chat_template="")
    else:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        peer = Tokenizer(models.BPE())
        peer.pre_tokenizer = pre_tokenizer()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab,
            min_frequency=2,
            special_tokens=list(SPECIALS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        peer.train_from_iterator(texts, trainer)
        took = time.process_time() - began
    sys.stdout.write(json.dumps({"cpu_s": took, "mb": sum(len(text.encode()) for text in texts) / 1e6}))


def train_both(megabytes: int, vocab: int, out: Path) -> dict[str, Any]:
    """Train both ways, each in its own process."""
    found = {}
    for way in ("library", "ours"):
        command = [sys.executable, "-P", __file__, "--train-once", way, "--out", str(out)]
        command += ["--megabytes", str(megabytes), "--vocab", str(vocab)]
        run = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True)
        found[way] = json.loads(run.stdout)
    ratio = found["ours"]["cpu_s"] / found["library"]["cpu_s"]
    return {**found, "vocab": vocab, "ratio": round(ratio, 3), "bar": TRAIN_BAR, "held": ratio <= TRAIN_BAR}


def sampling(folder: Path, megabytes: int) -> dict[str, Any]:
    """Return the CPU seconds of the two passes over the files of a folder."""
    from train.bpe.sample import plan_sample

    began = time.process_time()
    sample = plan_sample([folder], budget=megabytes * 1_000_000)
    taken = sum(len(text) for _, text in sample.texts())
    corpus = sum(one.bytes for one in sample.languages.values())
    return {
        "cpu_s": round(time.process_time() - began, 2),
        "corpus_mb": corpus // 10**6,
        "taken_mb": taken // 10**6,
    }


def counting(folder: Path, texts: list[str], rounds: int) -> dict[str, Any]:
    """Return the CPU seconds of each way for the texts, in turns."""
    from tokenizers import Tokenizer

    from train.tokens.fast import FastTokenizer

    fast = FastTokenizer.open(folder)
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.encode_special_tokens = True
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    if fast.why_slow or [ids.tolist() for ids in fast.encode_batch(texts)] != expected:
        raise SystemExit(f"the ids are not those of the library {fast.why_slow}")
    ways: dict[str, Callable[[], list[Any]]] = {
        "library": lambda: [len(encoding.ids) for encoding in library.encode_batch(texts)],
        "library_fast": lambda: [len(encoding.ids) for encoding in library.encode_batch_fast(texts)],
        "count": lambda: fast.count(texts),
        "encode_batch": lambda: fast.encode_batch(texts),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            took[name].append(time.process_time() - began)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ratios = [slow / quick for slow, quick in zip(took["library"], took["count"], strict=True)]
    return {
        "mb": round(megabytes, 1),
        "bytes_per_token": round(megabytes * 1e6 / sum(map(len, expected)), 3),
        "mb_per_cpu_s": {name: round(megabytes / statistics.median(some), 2) for name, some in took.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratio_lowest": round(min(ratios), 2),
        "ratio_encode": round(
            statistics.median(took["library"]) / statistics.median(took["encode_batch"]), 2
        ),
        "bar": COUNT_BAR,
        "held": statistics.median(ratios) >= COUNT_BAR,
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=100, help="text to train on")
    parser.add_argument("--count-megabytes", type=int, default=6, help="text to count")
    parser.add_argument("--vocab", type=int, default=96_640)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="keep the tokenizer here; one that is there is used")
    parser.add_argument("--train-once", choices=("ours", "library"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train_once:
        train_once(given.train_once, given.megabytes, given.vocab, given.out)
        return
    os.environ.update(ONE_THREAD)
    sys.path.insert(0, str(ROOT))
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary) / "tokenizer"
        if not out.exists():
            result["training"] = train_both(given.megabytes, given.vocab, out)
            result["sampling"] = sampling(Path(sysconfig.get_path("stdlib")), given.megabytes)
        texts = gather(given.count_megabytes * 1_000_000)
        result["counting"] = {
            "code": counting(out, texts, given.rounds),
            "code_crlf": counting(out, [text.replace("\n", "\r\n") for text in texts[:100]], given.rounds),
            "chinese": counting(out, [_HAN * 200] * 20, given.rounds),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
