"""From texts to token ids: lengths, prompts, truncation and which positions are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsr.encoders.base import TermSpan

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Token ids of some texts, laid end to end without padding.

    ids:     int32, shape (total,)
    offsets: int64, shape (n + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``
    truncated: bool, shape (n,)
    """

    ids: npt.NDArray[np.int32]
    offsets: IntArray
    truncated: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], truncated: Sequence[bool]) -> Tokens:
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        ids = np.fromiter((token for row in rows for token in row), np.int32, count=int(offsets[-1]))
        return cls(ids, offsets, np.array(truncated, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    def row(self, index: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, positions: npt.ArrayLike) -> Tokens:
        """The texts at ``positions``, in that order."""
        chosen = np.asarray(positions, dtype=np.int64)
        offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(self.lengths[chosen], out=offsets[1:])
        rows = [self.row(int(at)) for at in chosen]
        ids = np.concatenate(rows) if rows else np.zeros(0, np.int32)
        return Tokens(ids, offsets, self.truncated[chosen])


class TextTokenizer:
    """A tokenizer with one side's length, prompt and special tokens.

    Wraps its own copy of a fast tokenizer, so that settings made here touch nobody else's.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, length: int, prompt: str = "", add_special_tokens: bool = True
    ) -> None:
        """length: tokens kept of a text, special tokens and prompt included; 0 for no limit."""
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        if length:
            self._tokenizer.enable_truncation(length)
        else:
            self._tokenizer.no_truncation()
        self._prompt = prompt
        self._add_special_tokens = add_special_tokens

    def __call__(self, texts: Sequence[str]) -> Tokens:
        encodings = self.encodings(texts)
        return Tokens.of([each.ids for each in encodings], [bool(each.overflowing) for each in encodings])

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """The tokenizer's own records, with character offsets; those count from the start of the prompt."""
        inputs = [self._prompt + text for text in texts] if self._prompt else list(texts)
        return list(self._tokenizer.encode_batch(inputs, add_special_tokens=self._add_special_tokens))

    def spans(self, text: str) -> list[TermSpan]:
        """The text's tokens with their places, beyond the length and without prompt and special tokens."""
        encoding = self._untruncated.encode(text, add_special_tokens=False)
        places = zip(encoding.offsets, encoding.ids, strict=True)
        return [TermSpan(start, end, token) for (start, end), token in places]

    @cached_property
    def _untruncated(self) -> Tokenizer:
        from tokenizers import Tokenizer

        copy = Tokenizer.from_str(self._tokenizer.to_str())
        copy.no_truncation()
        return copy
