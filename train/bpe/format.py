"""What every tokenizer of ours has in common: special tokens and how text is cut."""

from __future__ import annotations

from typing import Any

UNK, BOS, EOS, PAD = "<unk>", "<s>", "</s>", "<pad>"
IM_START, IM_END = "<|im_start|>", "<|im_end|>"
FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
REPO_NAME, FILE_SEP = "<|repo_name|>", "<|file_sep|>"

SPECIALS = (
    UNK,
    BOS,
    EOS,
    PAD,
    IM_START,
    IM_END,
    FIM_PREFIX,
    FIM_MIDDLE,
    FIM_SUFFIX,
    REPO_NAME,
    FILE_SEP,
    *(f"<|special_{place}|>" for place in range(11, 16)),
)
"""Special tokens; the place is the id, whatever the size of the vocabulary.

The first four have the ids of the released OpenCoder tokenizer. Its chat tokens have the same texts, but lie
at 96540 (start) and 96539 (end). The names of the others are those of Qwen2.5-Coder: no tokens for
fill-in-the-middle are known of OpenCoder. The last five are free for the user.
"""

PATTERN = (
    r"[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
"""How text is cut before merging: words with one leading character, single digits, punctuation with the
newlines behind it, newlines, the indentation before a word.

The released tokenizer cuts with the expression of GPT-4 (cl100k) and its SentencePiece model splits digits.
This one differs in three points: digits are cut one by one here already; combining marks belong to words
(Hindi, Thai and others fall apart without it); English contractions have no rule of their own, which in code
cut ``'data'`` into ``'d`` and ``ata``, while ``don't`` is cut the same without it.
"""

VOCAB = 96_640
"""Rows of the embedding of OpenCoder-1.5B and OpenCoder-8B."""
SMALLEST_VOCAB = len(SPECIALS) + 256
"""Special tokens and all bytes; no merges."""


def reserved(place: int) -> str:
    """Return the text of an id that the training text was too small to fill."""
    return f"<|reserved_{place}|>"


def pre_tokenizer() -> Any:
    """Return the ``tokenizers`` form of :data:`PATTERN` over bytes."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    return Sequence(
        [Split(Regex(PATTERN), behavior="isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
