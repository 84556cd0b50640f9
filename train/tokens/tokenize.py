"""Tokenizing a corpus once: every piece of the input becomes a shard, on all CPUs; a stopped run goes on."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import msgspec

from opencoder.config import VOLATILE
from opencoder.errors import InfraError, OpenCoderError
from opencoder.log import progress
from opencoder.runs import Run
from opencoder.table import Table
from train.tokens.encoder import identify, open_encoder
from train.tokens.format import SHARDS, Manifest, TokenizerId
from train.tokens.texts import Piece, plan
from train.tokens.work import Done, Failed, Setting, make_shard, run_piece, start_worker
from train.tokens.write import dtype_for, write_manifest

# Unlike elsewhere the limit is part of what comes out: it ends the last shard early.
_VOLATILE = (VOLATILE | {"workers"}) - {"limit"}


def tokenize(
    inputs: Sequence[Path],
    out: Path,
    *,
    tokenizer: Path,
    workers: int | None = None,
    text_field: str | None = None,
    limit: int | None = None,
    resume: bool = True,
) -> Manifest:
    """Turn documents into token shards.

    A shard counts when its row and its ledger line are there; a process killed at any moment loses the shards
    in hand. The shards do not depend on the number of workers nor on how often the command was stopped.

    Args:
        inputs: Files and folders (see ``train.tokens.texts``).
        out: Folder of the shards.
        tokenizer: Folder with ``tokenizer.json``.
        workers: Processes; one per CPU if not given.
        text_field: Column of text; ``content`` or ``text`` if not given.
        limit: Keep only the first so many documents; the work is then done one shard after another.
        resume: Go on with what is there; ``False`` sets it aside.

    Returns:
        The manifest, as it was written.

    Raises:
        DataError: An input or the tokenizer is broken.
        UserError: The folder holds shards of other settings or inputs; there are no documents.
        DependencyError: The disk is full.
        InfraError: A worker process died; the same command goes on.
    """
    pieces, identity = plan(inputs), identify(tokenizer)
    config = {
        "inputs": hashlib.sha256(msgspec.json.encode(pieces)).hexdigest(),
        "tokenizer": identity.sha256,
        "text_field": text_field,
        "limit": limit,
    }
    with Run.open(out, command="train tokenize", config=config, resume=resume, volatile=_VOLATILE) as run:
        table = run.table("made", Done, key=lambda done: done.name)
        _own(run, [SHARDS, *(f"{piece.name}.{ending}" for piece in pieces for ending in ("tokens", "ends"))])
        setting = Setting(out=out, tokenizer=tokenizer, identity=identity, field=text_field)
        with progress("tokenizing", len(pieces), already=len(table)) as shown:
            counts = Counter[str]()
            for done in _work(pieces, table, setting, workers, limit):
                table.add(done)
                counts.update(done.counts)
                shown.note = f"{counts['tokens']:,} tokens"
                shown.advance()
        return _finish(run.folder, identity, table.finish())


def _finish(folder: Path, identity: TokenizerId, made: Sequence[Done]) -> Manifest:
    total = sum((Counter(done.counts) for done in made), Counter[str]())
    manifest = Manifest(
        kind="documents",
        dtype=dtype_for(identity.vocab),
        tokenizer=identity,
        shards=[done.shard for done in made if done.shard.documents],
        counts={name: total[name] for name in made[0].counts},
    )
    write_manifest(folder, manifest)
    return manifest


def _own(run: Run, names: Sequence[str]) -> None:
    """Have the run own these files; all at once, because there may be tens of thousands of them.

    What a killed process had begun to write is removed: nobody else writes here now.

    Raises:
        UserError: One of them is there and no run wrote it.
    """
    for begun in run.folder.glob(".part-*.tmp"):
        begun.unlink()
    owned = set(run.manifest.files)
    for name in names:
        if name not in owned and (run.folder / name).exists():
            run.path(name)  # tells why not
    run.manifest.files += [name for name in names if name not in owned]
    run.save()


def _work(
    pieces: Sequence[Piece], table: Table[Done], setting: Setting, workers: int | None, limit: int | None
) -> Iterator[Done]:
    """Yield the shards that are still to be made, as they are finished."""
    if limit is not None:
        yield from _one_by_one(pieces, table, setting, limit)
        return
    waiting = [piece for piece in pieces if piece.name not in table]
    # The largest first, so that no worker is left with one in the end.
    waiting.sort(key=lambda piece: -sum(size for size, _ in piece.sizes))
    num = min(workers or len(os.sched_getaffinity(0)), len(waiting))
    if num > 1:
        yield from _in_parallel(waiting, setting, num)
    elif waiting:
        encoder = open_encoder(setting.tokenizer)
        for piece in waiting:
            yield make_shard(piece, setting, encoder)


def _one_by_one(pieces: Iterable[Piece], table: Table[Done], setting: Setting, limit: int) -> Iterator[Done]:
    encoder, rest = open_encoder(setting.tokenizer), limit
    for piece in pieces:
        if rest <= 0:
            return
        if piece.name in table:
            done = table[piece.name]
        else:
            done = make_shard(piece, setting, encoder, rest)
            yield done
        rest -= done.shard.documents


def _in_parallel(pieces: Iterable[Piece], setting: Setting, num: int) -> Iterator[Done]:
    waiting = iter(pieces)
    with ProcessPoolExecutor(
        num,
        # A fork would copy this process with its threads and locks.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
        initargs=(setting, os.getpid()),
    ) as pool:
        running = {pool.submit(run_piece, piece) for piece in islice(waiting, num)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(run_piece, piece) for piece in islice(waiting, len(done))}
                yield from map(_result, done)
        except BrokenProcessPool as error:
            raise InfraError(
                "a worker process died, perhaps for want of memory; the same command goes on, with --workers "
                "for fewer"
            ) from error
        except BaseException:
            # Not in the library's hands: it would wait for shards that take minutes.
            for process in (pool._processes or {}).values():
                process.terminate()
            raise


def _result(future: Future[Done | Failed]) -> Done:
    result = future.result()
    if isinstance(result, Failed):
        error = OpenCoderError(result.message)
        error.exit_code = result.exit_code
        raise error
    return result
