"""``opencoder train tokenizer`` and ``opencoder train fertility``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from opencoder.config import Common
from opencoder.errors import UserError, needs
from opencoder.files import sha256_file
from opencoder.log import emit, logger, progress
from opencoder.store import write_json
from train.bpe.format import VOCAB

if TYPE_CHECKING:
    from train.bpe.sample import Sample

NEEDED = {"numpy", "pyarrow", "tiktoken", "tokenizers"}

_log = logger.getChild("train")
_MB = 1_000_000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerOptions:
    """Options of training a tokenizer."""

    out: Annotated[Path, Parameter(name=("--out", "-o"))]
    """Folder of the tokenizer; it must not hold one yet."""
    vocab_size: int = VOCAB
    """Number of ids, special tokens and bytes included."""
    sample_bytes: str = "100MB"
    """Text to train on, from all languages."""
    alpha: float = 0.3
    """Share of a language ~ its bytes to this power: 1 as in the corpus, 0 all alike."""
    chinese_share: float = 0.05
    """Least share of Chinese text, where the corpus has as much."""
    min_frequency: int = 2
    """Pairs that are seen less often are not merged."""
    seed: int = 0
    """Decides which documents are drawn."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class FertilityOptions:
    """Options of comparing tokenizers."""

    tokenizer: Path
    """Hugging Face folder with tokenizer.json."""
    against: tuple[Path, ...] = ()
    """Other folders to compare with."""
    sample_bytes: str = "16MB"
    """Text to measure, from all languages."""
    seed: int = 0
    """Decides which documents are drawn."""


_Inputs = Annotated[
    Path,
    Parameter(name="IN", help="Output of `corpus build`, .parquet, .jsonl(.gz, .zst), folders of files."),
]


def tokenizer(*inputs: _Inputs, options: TokenizerOptions, common: Common | None = None) -> None:
    """Train a byte-level BPE on a language-balanced sample and write a complete Hugging Face folder."""
    with needs(NEEDED, "train"):
        from train.bpe.fertility import measure, table
        from train.bpe.folder import REPORT, TOKENIZER, check_free, write_folder
        from train.bpe.train import check_vocab, train_tokenizer
        from train.sft.template import CHAT_TEMPLATE
        from train.tokens.fast import FastTokenizer

        check_free(options.out)
        check_vocab(options.vocab_size)
        sample = _plan(inputs, options.sample_bytes, options.seed, options.alpha, options.chinese_share)
        content = train_tokenizer(_shown(sample), options.vocab_size, min_frequency=options.min_frequency)
        write_folder(options.out, content, chat_template=CHAT_TEMPLATE)
        kept = [text for texts in sample.kept.values() for text in texts[:8]]
        opened = FastTokenizer.open(options.out, sample=kept)
        rows = measure([opened], sample.kept, {name: one.bytes for name, one in sample.languages.items()})
    result = {
        "folder": str(options.out),
        "vocab": options.vocab_size,
        "merges": len(content["model"]["merges"]),
        "sha256": sha256_file(options.out / TOKENIZER),
        "settings": _settings(options),
        "sample": sample.languages,
        "fertility": rows,
        "why_slow": opened.why_slow,
    }
    write_json(options.out / REPORT, result)
    emit(
        result,
        json=common is not None and common.json,
        text=lambda: (
            f"{_sample_table(sample)}\n\n{table(rows)}\n\n{options.vocab_size:,} ids in {options.out}"
        ),
    )


def fertility(*inputs: _Inputs, options: FertilityOptions, common: Common | None = None) -> None:
    """Count the tokens that tokenizers need for a corpus, by language."""
    with needs(NEEDED, "train"):
        from train.bpe.fertility import measure, table
        from train.bpe.sample import ALPHA
        from train.tokens.fast import FastTokenizer

        opened = [FastTokenizer.open(folder) for folder in (options.tokenizer, *options.against)]
        sample = _plan(inputs, options.sample_bytes, options.seed, ALPHA, 0)
        texts: dict[str, list[str]] = {}
        for language, text in sample.texts():
            texts.setdefault(language, []).append(text)
        rows = measure(opened, texts, {name: one.bytes for name, one in sample.languages.items()})
    emit(rows, json=common is not None and common.json, text=lambda: table(rows))


def _plan(inputs: Sequence[Path], size: str, seed: int, alpha: float, chinese_share: float) -> Sample:
    from train.bpe.documents import parse_size
    from train.bpe.sample import plan_sample

    if not inputs:
        raise UserError("no input; give the output of `corpus build`, tables or folders of files")
    budget = parse_size(size)
    _log.info("measuring the corpus")
    return plan_sample(inputs, budget=budget, alpha=alpha, chinese_share=chinese_share, seed=seed)


def _shown(sample: Sample) -> Iterator[str]:
    with progress("sampling, MB", -(-sample.target // _MB)) as shown:
        taken = 0
        for _, text in sample.texts():
            taken += len(text)
            if taken // _MB > shown.done:
                shown.advance(taken // _MB - shown.done)
            yield text
    _log.info("merging pairs")


def _settings(options: TokenizerOptions) -> dict[str, Any]:
    import tokenizers

    return {
        "sample_bytes": options.sample_bytes,
        "alpha": options.alpha,
        "chinese_share": options.chinese_share,
        "min_frequency": options.min_frequency,
        "seed": options.seed,
        "tokenizers": tokenizers.__version__,
    }


def _sample_table(sample: Sample) -> str:
    from train.bpe.fertility import columns

    total = sum(one.taken_bytes for one in sample.languages.values()) or 1
    lines = [("language", "documents", "bytes", "taken", "taken bytes", "share")]
    lines += [
        (
            name,
            f"{one.documents:,}",
            f"{one.bytes:,}",
            f"{one.taken_documents:,}",
            f"{one.taken_bytes:,}",
            f"{one.taken_bytes / total:.1%}",
        )
        for name, one in sample.languages.items()
    ]
    return columns(lines)
