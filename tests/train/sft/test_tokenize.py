"""From rows to shards: every row is in them or named among the rejects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from opencoder.errors import DataError
from opencoder.records import Message
from opencoder.store import read_jsonl, write_jsonl
from train.sft.command import tokenize_chat
from train.sft.encode import ChatEncoder
from train.sft.tokenize import REJECTS, ChatPlan, tokenize_chats
from train.tokens.format import SHARDS, Manifest
from train.tokens.read import TokenShards
from train.tokens.write import write_manifest

GOOD = [
    {"instruction": "Say hi", "output": "hello"},
    {
        "messages": [
            {"role": "user", "content": "Say hi in Chinese."},
            {"role": "assistant", "content": "你好"},
        ]
    },
    {"prompt": "Say bye", "response": "bye. " * 40},
]
BAD = [{"instruction": "x", "output": ""}, {"text": "x"}, {"instruction": "x"}]
TWO_TURNS = {"messages": [{"role": role, "content": "two"} for role in ("user", "assistant") * 2]}


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Two files: good and bad rows in turn, and a dialogue of two turns."""
    write_jsonl(tmp_path / "a.jsonl", [row for pair in zip(GOOD, BAD, strict=True) for row in pair])
    write_jsonl(tmp_path / "b.jsonl.zst", [TWO_TURNS])
    return [tmp_path / "a.jsonl", tmp_path / "b.jsonl.zst"]


def test_every_row_is_kept_or_named(inputs: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    made = tokenize_chats(ChatPlan(inputs, tmp_path / "out", tokenizer_folder))
    encoder = ChatEncoder(tokenizer_folder)
    shards = TokenShards(tmp_path / "out")
    shards.verify()
    shards.check_tokenizer(tokenizer_folder)
    assert [shard.source for shard in made.shards] == ["a.jsonl", "b.jsonl.zst"]
    assert [shard.documents for shard in made.shards] == [3, 1]
    expected = [
        encoder.dialogue([Message("user", "Say hi"), Message("assistant", "hello")]),
        encoder.dialogue([Message("user", "Say hi in Chinese."), Message("assistant", "你好")]),
        encoder.dialogue([Message("user", "Say bye"), Message("assistant", "bye. " * 40)]),
        encoder.dialogue([Message("user", "two"), Message("assistant", "two")] * 2),
    ]
    for number, dialogue in enumerate(expected):
        assert shards.document(number).tolist() == dialogue.tokens.tolist()
        assert shards.mask(number).tolist() == dialogue.mask.tolist()
    assert list(read_jsonl(tmp_path / "out" / REJECTS)) == [
        {"file": str(inputs[0]), "line": 2, "reason": "empty_answer"},
        {"file": str(inputs[0]), "line": 4, "reason": "unknown_shape"},
        {"file": str(inputs[0]), "line": 6, "reason": "no_assistant"},
    ]
    trained = sum(int(dialogue.mask.sum()) for dialogue in expected)
    assert made.counts == {
        "read": 7,
        "dialogues": 4,
        "dropped": 3,
        "dropped_empty_answer": 1,
        "dropped_unknown_shape": 1,
        "dropped_no_assistant": 1,
        "tokens": shards.tokens,
        "trained": trained,
        "masked": shards.tokens - trained,
        "over_long": 0,
        "truncated_tokens": 0,
        "without_target": 0,
    }


def test_over_long_dialogues_are_cut_and_counted(
    inputs: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    whole = tokenize_chats(ChatPlan(inputs, tmp_path / "whole", tokenizer_folder))
    lengths = [TokenShards(tmp_path / "whole").document(number).size for number in range(4)]
    cut = tokenize_chats(ChatPlan(inputs, tmp_path / "cut", tokenizer_folder, max_length=20))
    shards = TokenShards(tmp_path / "cut")
    assert [shards.document(number).size for number in range(4)] == [20] * 4
    assert shards.document(2).tolist() == TokenShards(tmp_path / "whole").document(2)[:20].tolist()
    assert cut.counts["over_long"] == 4
    assert cut.counts["truncated_tokens"] == sum(lengths) - 80 == whole.tokens - cut.tokens
    # The default system line alone has 13 tokens: of a question of six nothing is left to answer.
    assert cut.counts["without_target"] == sum(not shards.mask(number).any() for number in range(4)) > 0


def test_paper_form_takes_single_turns_only(
    inputs: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    made = tokenize_chats(ChatPlan(inputs, tmp_path / "out", tokenizer_folder, form="paper"))
    assert made.template == "paper"
    assert (made.counts["dialogues"], made.counts["dropped_not_single_turn"]) == (3, 1)
    last = TokenShards(tmp_path / "out").document(0)[-1]
    assert last == made.tokenizer.special["<|im_end|>"]


def test_equal_inputs_give_equal_bytes(inputs: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tokenize_chats(ChatPlan(inputs, tmp_path / name, tokenizer_folder))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert len(names) == 8
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_earlier_result_is_replaced_whole(
    inputs: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tokenize_chats(ChatPlan(inputs, out, tokenizer_folder))
    tokenize_chats(ChatPlan(inputs[1:], out, tokenizer_folder))
    assert sorted(path.name for path in out.glob("dialogues-*")) == [
        f"dialogues-00000.{ending}" for ending in ("ends", "mask", "tokens")
    ]
    assert list(read_jsonl(out / REJECTS)) == []
    # A run that fails leaves no manifest: what is there is not whole.
    (tmp_path / "broken.jsonl").write_text('{"instruction": "Say hi", "output": "hello"}\n{"instr')
    with pytest.raises(DataError, match=r"broken\.jsonl:2"):
        tokenize_chats(ChatPlan([tmp_path / "broken.jsonl"], out, tokenizer_folder))
    assert not (out / SHARDS).exists()


def test_shards_of_documents_are_not_overwritten(
    inputs: list[Path], tokenizer_folder: Path, tmp_path: Path, encoder: ChatEncoder
) -> None:
    manifest = Manifest(kind="documents", dtype="uint16", tokenizer=encoder.identity, shards=[])
    write_manifest(tmp_path, manifest)
    with pytest.raises(DataError, match="holds shards of documents"):
        tokenize_chats(ChatPlan(inputs, tmp_path, tokenizer_folder))


def test_command(
    inputs: list[Path], tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words: list[Any] = [*inputs, "-o", out, "--tokenizer", tokenizer_folder, "--max-length", 20, "--limit", 5]
    app = App(result_action="return_value")
    app.default(tokenize_chat)
    app(list(map(str, [*words, "--json"])))
    found = json.loads(capsys.readouterr().out)
    assert found["out"] == str(out)
    assert (found["read"], found["dialogues"], found["dropped"]) == (5, 3, 2)
    app(list(map(str, words)))
    told = capsys.readouterr().out
    assert told.startswith("5 rows: 3 dialogues, 2 dropped\n")
    assert "1 empty_answer" in told
    assert str(out / REJECTS) in told
