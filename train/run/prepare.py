"""Tokenizer and token shards of a run: those that are given, or made in the run folder, once.

::

    tokenizer/            trained when there is none (tiny recipes)
    data/NAME/            token shards, made from text or dialogues
    data/NAME.made.json   what they were made from; other sources or another tokenizer make them anew
    data/builtin/         what every machine has: the standard library of Python, as text and as dialogues
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from opencoder.errors import DataError, UserError
from opencoder.files import make_folder, sha256_file, writing_to
from opencoder.log import logger
from opencoder.store import read_json, write_json
from train.origin import Origin, find_origin
from train.recipe import Recipe
from train.run.options import RunOptions
from train.sources import sources_of
from train.spec import Source
from train.tokens.format import SHARDS

log = logger.getChild("train")
DATA, TOKENIZER, BUILTIN = "data", "tokenizer", "builtin"
SAMPLE_BYTES = 4_000_000
"""Text that a tokenizer of a tiny recipe is trained on."""
BuiltinKind = Literal["documents", "educational", "sft1", "sft2"]
MIXED_SHARE = 0.16
"""Share of the synthetic part in annealing (arXiv 2411.04905, table 3: 16 of 100 B tokens)."""


class Prepared(NamedTuple):
    """What a run reads.

    Attributes:
        tokenizer: Folder with ``tokenizer.json``, absolute.
        sources: Folders of token shards, absolute.
        origin: Where the weights come from; ``None`` for random ones.
    """

    tokenizer: Path
    sources: list[Source]
    origin: Origin | None


class Part(NamedTuple):
    """A part of the mixture: token shards, or what they are made from."""

    path: Path
    weight: float
    builtin: BuiltinKind | None = None


class _Made(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    tokenizer_sha256: str
    template: str


def prepare(recipe: Recipe, options: RunOptions, folder: Path) -> Prepared:
    """Have tokenizer and shards ready; what an earlier session made is taken as it is.

    Args:
        recipe: What is trained.
        options: What was given.
        folder: The run folder, absolute.

    Raises:
        UserError: Something is missing and cannot be made here; the message says what to give.
        DataError: A source cannot be read.
    """
    origin = origin_of(recipe, options)
    parts = list(parts_of(recipe, options, folder))
    tokenizer = tokenizer_of(recipe, options, folder, origin, parts)
    if not (tokenizer / "tokenizer.json").is_file():
        _train_tokenizer(recipe, folder, _texts(parts, folder))
    sources = [
        Source(folder=str(_shards(part, number, recipe, tokenizer, folder)), weight=part.weight)
        for number, part in enumerate(parts)
    ]
    return Prepared(tokenizer, sources, origin)


def origin_of(recipe: Recipe, options: RunOptions) -> Origin | None:
    """Return where the weights come from; ``None`` for random ones.

    Raises:
        UserError: The recipe goes on from another one and no ``--start`` is given.
    """
    if options.start is not None:
        return find_origin(recipe, options.start)
    if recipe.start.recipe:
        raise UserError(
            f"{recipe.name} goes on from {recipe.start.recipe}: first "
            f"opencoder train run {recipe.start.recipe} -o RUN, then give --start RUN, "
            "one of its checkpoints, or a Hugging Face folder"
        )
    return None


def parts_of(recipe: Recipe, options: RunOptions, folder: Path) -> Iterator[Part]:
    """Yield what is trained on; tiny recipes that are given nothing take what every machine has.

    Raises:
        UserError: A folder is missing, a weight is none, or nothing is given.
    """
    yield from (
        Part(Path(source.folder), source.weight) for source in sources_of(recipe, options.data, here=True)
    )
    if options.data:
        return
    if not recipe.name.startswith("tiny"):
        raise UserError(
            f"{recipe.name} needs data: --data FOLDER, with token shards (opencoder train tokenize), text or "
            "dialogues"
        )
    kinds: dict[str, list[tuple[BuiltinKind, float]]] = {
        "pretrain": [("documents", 1.0)],
        "anneal": [("documents", 1 - MIXED_SHARE), ("educational", MIXED_SHARE)],
        "sft": [("sft2" if recipe.name.endswith("2") else "sft1", 1.0)],
    }
    for kind, share in kinds[recipe.stage]:
        yield Part(folder / DATA / BUILTIN / f"{kind}.jsonl", share, kind)


def tokenizer_of(
    recipe: Recipe, options: RunOptions, folder: Path, origin: Origin | None, parts: list[Part]
) -> Path:
    """Return the tokenizer's folder; one below the run folder may still have to be trained.

    Raises:
        UserError: There is none and none can be trained.
    """
    given = options.tokenizer or (origin.tokenizer if origin else None)
    if given is not None:
        if not (given / "tokenizer.json").is_file():
            raise UserError(f"{given} has no tokenizer.json; give --tokenizer a folder that has one")
        return given.resolve()
    shards = [part.path for part in parts if _is_shards(part.path)]
    if origin is not None or shards or not recipe.name.startswith("tiny"):
        why = f"{shards[0]} holds tokens" if shards else f"{recipe.name} needs a tokenizer"
        raise UserError(f"{why}; give --tokenizer FOLDER (opencoder train tokenizer makes one)")
    return folder / TOKENIZER


def _is_shards(path: Path) -> bool:
    return (path / SHARDS).is_file()


def _texts(parts: list[Part], folder: Path) -> list[Path]:
    return [_built_in(part, folder) for part in parts]


def _built_in(part: Part, folder: Path) -> Path:
    """Return the part's own files, written first where they are the built-in ones."""
    if part.builtin is not None and not part.path.exists():
        from train.builtin.rows import write_builtin

        log.info("writing the built-in data: %s", part.builtin)
        write_builtin(part.builtin, folder / DATA / BUILTIN)
    return part.path


def _train_tokenizer(recipe: Recipe, folder: Path, inputs: list[Path]) -> None:
    from train.bpe.folder import write_folder
    from train.bpe.sample import plan_sample
    from train.bpe.train import train_tokenizer
    from train.sft.template import CHAT_TEMPLATE

    log.info("training a tokenizer of %d ids", recipe.shape.vocab)
    sample = plan_sample(inputs, budget=SAMPLE_BYTES)
    content = train_tokenizer((text.text for text in sample.texts()), recipe.shape.vocab)
    partial = folder / f".{TOKENIZER}.partial"
    with writing_to(folder):
        shutil.rmtree(partial, ignore_errors=True)
        write_folder(partial, content, chat_template=CHAT_TEMPLATE, max_length=recipe.shape.max_positions)
        shutil.rmtree(folder / TOKENIZER, ignore_errors=True)
        partial.replace(folder / TOKENIZER)


def place_of(part: Part, number: int, folder: Path) -> Path:
    """Return where the token shards of a part are, or will be."""
    return part.path if _is_shards(part.path) else folder / DATA / f"{number}-{part.path.stem}"


def _shards(part: Part, number: int, recipe: Recipe, tokenizer: Path, folder: Path) -> Path:
    out = place_of(part, number, folder)
    if out == part.path:
        return out
    note = out.with_name(f"{out.name}.made.json")
    made = _Made(
        source=str(part.path),
        tokenizer_sha256=sha256_file(tokenizer / "tokenizer.json"),
        template=recipe.data.template,
    )
    if not note.exists() or read_json(note, _Made) != made:
        make_folder(out.parent)
        with writing_to(out):
            shutil.rmtree(out, ignore_errors=True)
        write_json(note, made)
    if not _is_shards(out):
        _tokenize(_built_in(part, folder), out, recipe, tokenizer)
    return out


def _tokenize(source: Path, out: Path, recipe: Recipe, tokenizer: Path) -> None:
    log.info("tokenising %s", source)
    if recipe.stage == "sft":
        from train.sft.tokenize import ChatPlan, tokenize_chats

        manifest = tokenize_chats(ChatPlan([source], out, tokenizer, recipe.data.template or "template"))
    else:
        from train.tokens.tokenize import tokenize

        manifest = tokenize([source], out, tokenizer=tokenizer)
    if not manifest.tokens:
        raise DataError("no text in it that a run could be trained on", path=source)
