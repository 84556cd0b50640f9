import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
import zstandard

from opencoder.errors import DataError, OpenCoderError, UserError
from opencoder.store import read_jsonl
from train.tokens.encoder import identify, open_encoder
from train.tokens.read import TokenShards
from train.tokens.tokenize import tokenize

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (
    "from cyclopts import App; from train.tokens.command import tokenize; "
    "app = App(); app.default(tokenize); app()"
)


def write_rows(path: Path, texts: list[str], field: str = "text") -> None:
    data = b"".join(json.dumps({field: text}).encode() + b"\n" for text in texts)
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)


def texts_of(shards: TokenShards, tokenizer: Path) -> list[str]:
    """What the documents say, without their end."""
    decoder = tokenizers.Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    eos = shards.manifest.tokenizer.eos
    documents = [shards.document(number).tolist() for number in range(shards.documents)]
    assert all(document[-1] == eos and eos not in document[:-1] for document in documents)
    return [decoder.decode(document[:-1]) for document in documents]


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name == "shards.json" or path.suffix in {".tokens", ".ends"}
    }


def test_rows_of_every_packing(tmp_path: Path, tokenizer_folder: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    texts = {
        "a.jsonl": ["x = 1\n", "", "代码 ä\n"],
        "b.jsonl.gz": ["y = 2\n"],
        "c.jsonl.zst": ["z", "<|endoftext|> <|fim_prefix|>"],
    }
    for name, rows in texts.items():
        write_rows(source / name, rows)
    pq.write_table(pa.table({"content": ["p = 1\n", None, "q = 2\n"], "id": [1, 2, 3]}), source / "d.parquet")
    (source / "README.md").write_text("not a document")
    manifest = tokenize([source], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    shards = TokenShards(tmp_path / "out")
    wanted = [text for rows in texts.values() for text in rows if text] + ["p = 1\n", "q = 2\n"]
    assert texts_of(shards, tokenizer_folder) == wanted
    assert [shard.source for shard in manifest.shards] == [
        "a.jsonl",
        "b.jsonl.gz",
        "c.jsonl.zst",
        "d.parquet",
    ]
    assert manifest.counts == {
        "read": 9,
        "documents": 7,
        "tokens": shards.tokens,
        "bytes": sum(len(text.encode()) for text in wanted),
        "empty": 2,
        "not_text": 0,
    }
    shards.verify()
    shards.check_tokenizer(tokenizer_folder)


def test_a_folder_of_sources_and_a_built_corpus(tmp_path: Path, tokenizer_folder: Path) -> None:
    source = tmp_path / "in"
    (source / "pkg" / ".git").mkdir(parents=True)
    (source / "a.txt").write_text("text\n")
    (source / "pkg" / "m.py").write_text("m = 1\n")
    (source / "pkg" / "rows.jsonl").write_text('{"not": "a corpus"}\n')
    (source / "pkg" / "blob.bin").write_bytes(b"\xff\xfe\0")
    (source / "pkg" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (source / "link.py").symlink_to(source / "a.txt")
    corpus = tmp_path / "corpus"
    (corpus / "documents").mkdir(parents=True)
    (corpus / "rejects").mkdir()
    (corpus / "manifest.json").write_text("{}")
    pq.write_table(pa.table({"content": ["kept\n"]}), corpus / "documents" / "part-0.parquet")
    pq.write_table(pa.table({"content": ["rejected\n"]}), corpus / "rejects" / "part-0.parquet")
    manifest = tokenize([source, corpus], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    assert texts_of(TokenShards(tmp_path / "out"), tokenizer_folder) == [
        "text\n",
        "m = 1\n",
        '{"not": "a corpus"}\n',
        "kept\n",
    ]
    assert manifest.counts["not_text"] == 1


def test_a_large_parquet_file_becomes_several_shards(
    tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"row {number}\n" for number in range(100)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "all.parquet", row_group_size=10)
    monkeypatch.setattr("train.tokens.texts._PIECE_BYTES", 300)
    manifest = tokenize([tmp_path / "all.parquet"], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    assert len(manifest.shards) > 2
    assert texts_of(TokenShards(tmp_path / "out"), tokenizer_folder) == texts


def test_text_never_becomes_special_tokens(tmp_path: Path, tokenizer_folder: Path) -> None:
    identity = identify(tokenizer_folder)
    assert identity.eos == 0
    assert sorted(identity.special.values()) == [1, 2, 3]
    texts = ["a<|endoftext|>b", "<|fim_prefix|>", "<|endoftext|>"]
    found = open_encoder(tokenizer_folder).encode_batch(texts)
    assert all(token > 3 for ids in found for token in ids)
    decoder = tokenizers.Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    assert [decoder.decode(list(ids)) for ids in found] == texts


def test_a_tokenizer_that_reads_specials_out_of_text_is_refused(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    other = tmp_path / "tokenizer"
    other.mkdir()
    content = json.loads((tokenizer_folder / "tokenizer.json").read_text())
    # Now the library takes it for an ordinary word that is cut out of text.
    content["added_tokens"][0]["special"] = False
    (other / "tokenizer.json").write_text(json.dumps(content))
    write_rows(tmp_path / "a.jsonl", ["fine\n", "a<|endoftext|>b"])
    with pytest.raises(DataError, match=r"tokenizer\.json: makes special tokens out of plain text"):
        tokenize([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer=other, workers=1)


def test_another_tokenizer_is_refused(tmp_path: Path, tokenizer_folder: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ["x\n"])
    tokenize([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes() + b"\n")
    (other / "tokenizer_config.json").write_bytes((tokenizer_folder / "tokenizer_config.json").read_bytes())
    with pytest.raises(UserError) as caught:
        TokenShards(tmp_path / "out").check_tokenizer(other)
    assert str(tmp_path / "out") in str(caught.value)
    assert str(other) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="other settings: tokenizer"):
        tokenize([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer=other, workers=1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"body": "x"}', "no column `content` or `text`"),
        ('{"text": 1}', "`text` is not text"),
        ("{", "broken"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, tokenizer_folder: Path, line: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n' + line + "\n")
    with pytest.raises(DataError, match=rf"a\.jsonl:2: {message}"):
        tokenize([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)


def test_an_error_of_a_worker_is_told_in_its_own_words(tmp_path: Path, tokenizer_folder: Path) -> None:
    for name in "abc":
        write_rows(tmp_path / f"{name}.jsonl", [name], field="text" if name != "b" else "body")
    with pytest.raises(OpenCoderError, match=r"b\.jsonl:1: no column `content` or `text`") as caught:
        tokenize([tmp_path], tmp_path / "out", tokenizer=tokenizer_folder, workers=2)
    assert caught.value.exit_code == UserError.exit_code


def test_the_limit_goes_over_all_shards(tmp_path: Path, tokenizer_folder: Path) -> None:
    for name in "abc":
        write_rows(tmp_path / f"{name}.jsonl", [f"{name} {number}" for number in range(4)])
    for out, limit in (("five", 5), ("all", 100)):
        tokenize([tmp_path], tmp_path / out, tokenizer=tokenizer_folder, limit=limit)
    wanted = [f"{name} {number}" for name in "abc" for number in range(4)]
    assert texts_of(TokenShards(tmp_path / "five"), tokenizer_folder) == wanted[:5]
    assert texts_of(TokenShards(tmp_path / "all"), tokenizer_folder) == wanted


def test_changed_inputs_are_not_mixed_with_old_shards(tmp_path: Path, tokenizer_folder: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_rows(path, ["x\n"])
    tokenize([path], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    write_rows(path, ["y = 2\n"])
    with pytest.raises(UserError, match="other settings: inputs"):
        tokenize([path], tmp_path / "out", tokenizer=tokenizer_folder, workers=1)
    tokenize([path], tmp_path / "out", tokenizer=tokenizer_folder, workers=1, resume=False)
    assert texts_of(TokenShards(tmp_path / "out"), tokenizer_folder) == ["y = 2\n"]


def start(source: Path, out: Path, tokenizer: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-P", "-c", PROGRAM, str(source), "-o", str(out), "--tokenizer", str(tokenizer)]
    return subprocess.Popen(
        [*words, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_killed_in_the_middle_and_gone_on_with(tmp_path: Path, tokenizer_folder: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(16):
        texts = [f"def f{number}_{row}(x):\n    return x + {row}\n" * 20 for row in range(60)]
        write_rows(source / f"{number:02}.jsonl", texts)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    tokenize([source], whole, tokenizer=tokenizer_folder, workers=1)
    process = start(source, stopped, tokenizer_folder, "--workers", "2")
    ledger = stopped / "ledger.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not ledger.exists() or ledger.read_bytes().count(b"\n") < 2):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    made = ledger.read_bytes().count(b"\n")
    assert 2 <= made < 16, "killed before the end"
    assert not (stopped / "shards.json").exists()
    before = {path.name: path.stat().st_mtime_ns for path in stopped.glob("part-*.tokens")}
    again = start(source, stopped, tokenizer_folder, "--workers", "2", "--json")
    out, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert json.loads(out)["documents"] == 16 * 60
    assert shard_bytes(stopped) == shard_bytes(whole)
    assert list(stopped.glob(".*")) == [], "nothing half-written is left"
    lines = list(read_jsonl(ledger))
    assert len({line["key"] for line in lines}) == len(lines) == 16
    for line in lines[:made]:
        name = f"{line['key']}.tokens"
        assert (stopped / name).stat().st_mtime_ns == before[name], "a finished shard is not made again"
