"""Dialogues as token ids with their loss masks.

Special tokens are put in as ids, one by one; every text is encoded with special tokens switched off. So a
content that spells ``<|im_end|>`` stays a text of several tokens, and no start token is ever added.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opencoder.errors import DataError
from train.sft.template import END, START, Form, Segment, segments
from train.tokens.encoder import TOKENIZER, identify, load_tokenizer

if TYPE_CHECKING:
    from opencoder.records import Message


class Encoded(NamedTuple):
    """A dialogue as a model sees it.

    Attributes:
        tokens: Its ids.
        mask: 1 where the model is trained to write the token, one for each.
    """

    tokens: NDArray[np.uint32]
    mask: NDArray[np.uint8]


class ChatEncoder:
    """Encodes dialogues with the tokenizer of a folder.

    Args:
        folder: Folder with ``tokenizer.json``.

    Attributes:
        special: Ids of all special tokens by their text.
        identity: Which tokenizer it is, for manifests.

    Raises:
        DataError: There is no tokenizer, or it lacks the chat tokens as special ones.
        UserError: It has no end-of-text token.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / TOKENIZER
        self.identity = identify(folder)
        self._tokenizer = load_tokenizer(folder)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self.special = {token.content: int(at) for at, token in sorted(added.items()) if token.special}
        for name in (START, END):
            if name not in self.special:
                raise DataError(
                    f"has no special token {name}; make one with `opencoder train tokenizer`",
                    path=self.path,
                )
        self._forbidden = frozenset(self.special.values())

    def encode(self, dialogues: Sequence[Sequence[Segment]]) -> list[Encoded]:
        """Return the tokens and masks of dialogues; many at a time are encoded on all cores.

        Raises:
            DataError: The tokenizer makes special tokens of plain text all the same.
        """
        texts = list({part.text: None for one in dialogues for part in one if not part.special})
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        ids = {text: encoding.ids for text, encoding in zip(texts, encodings, strict=True)}
        for text, found in ids.items():
            if not self._forbidden.isdisjoint(found):
                raise DataError(f"makes special tokens of the text {text[:80]!r}", path=self.path)
        return [self._join(one, ids) for one in dialogues]

    def dialogue(self, messages: Sequence[Message], form: Form = "template") -> Encoded:
        """Return the tokens and the mask of one dialogue."""
        return self.encode([segments(messages, form)])[0]

    def _join(self, parts: Sequence[Segment], ids: dict[str, list[int]]) -> Encoded:
        tokens: list[int] = []
        mask: list[int] = []
        for part in parts:
            found = [self.special[part.text]] if part.special else ids[part.text]
            tokens += found
            mask += [int(part.trained)] * len(found)
        return Encoded(np.array(tokens, dtype=np.uint32), np.array(mask, dtype=np.uint8))
