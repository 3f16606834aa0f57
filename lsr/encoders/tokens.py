"""From texts to token ids: lengths, prompts, echoes, truncation, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsr.encoders.base import TermSpan
from lsr.encoders.composition import Reading

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IntArray = npt.NDArray[np.int64]
# Numbers of one text's tokens. Where there may be many texts, an array: Python's own integers take ten times
# the room, and its allocator seldom gives that back.
Row = Sequence[int] | npt.NDArray[np.int32]
NO_TERM = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Token ids of some texts, laid end to end without padding.

    ids:     int32, shape (total,)
    offsets: int64, shape (n + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``
    truncated: bool, shape (n,)
    terms: int32, shape (total,): the vocabulary's term that each token stands for, NO_TERM for none; None
        where tokens are the terms
    """

    ids: npt.NDArray[np.int32]
    offsets: IntArray
    truncated: npt.NDArray[np.bool_]
    terms: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        truncated: Sequence[bool],
        terms: Sequence[Row] | None = None,
    ) -> Tokens:
        if len(rows) == 1 and terms is None:  # a lone query, which waits for every microsecond
            alone = np.asarray(rows[0], np.int32)
            return cls(alone, np.array([0, len(alone)], np.int64), np.array(truncated, dtype=np.bool_))
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        ids = _joined(rows)
        joined_terms = _joined(terms) if terms is not None else None
        return cls(ids, offsets, np.array(truncated, dtype=np.bool_), joined_terms)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    @property
    def row_of(self) -> IntArray:
        """The text of each token, shape (total,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def row(self, index: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, positions: npt.ArrayLike) -> Tokens:
        """The texts at ``positions``, in that order."""
        chosen = np.asarray(positions, dtype=np.int64)
        lengths = self.lengths[chosen]
        offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        source = np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
        terms = self.terms[source] if self.terms is not None else None
        return Tokens(self.ids[source], offsets, self.truncated[chosen], terms)


@dataclass(frozen=True, slots=True)
class Frame:
    """Tokens around a text: special tokens before and after it, and the prompt's of an echo."""

    before: int = 0
    prompt: int = 0
    after: int = 0


class TextTokenizer:
    """A tokenizer with one side's way of reading.

    Wraps its own copy of a fast tokenizer, so that settings made here touch nobody else's. Special tokens are
    those that the tokenizer's own settings add: a text begins with BOS if and only if its checkpoint's
    tokenizer puts it there and the reading keeps special tokens. It is never added a second time.
    """

    def __init__(self, tokenizer: Tokenizer, reading: Reading, words: Mapping[str, int] | None = None) -> None:
        """words: term ids of whole words, for methods that index words and not tokens."""
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._reading = reading
        self._words = words
        self._before, self._after = _special_tokens(self._tokenizer) if reading.special_tokens else ([], [])
        self._prompt = (
            self._tokenizer.encode(reading.prompt, add_special_tokens=False).ids if reading.echo else []
        )
        if reading.length and not reading.echo:
            self._tokenizer.enable_truncation(reading.length)

    @classmethod
    def plain(cls, tokenizer: Tokenizer) -> TextTokenizer:
        """Whole texts without prompt or special tokens."""
        return cls(tokenizer, Reading(length=0, special_tokens=False))

    @property
    def frame(self) -> Frame:
        return Frame(len(self._before), len(self._prompt), len(self._after))

    @property
    def room(self) -> int:
        """Tokens that a text itself can have, beside special tokens and a prompt; 0 for no limit."""
        if not self._reading.length:
            return 0
        if self._reading.echo:
            return self._room(self._reading.length)
        prompt = self._tokenizer.encode(self._reading.prompt, add_special_tokens=False).ids
        return max(1, self._reading.length - len(self._before) - len(prompt) - len(self._after))

    def __call__(self, texts: Sequence[str]) -> Tokens:
        if self._reading.echo:
            return self._echo(texts)
        encodings = self.encodings(texts)
        terms = None
        if self._words is not None:
            terms = [
                self._words_of(each, text, self._words) for each, text in zip(encodings, texts, strict=True)
            ]
        return Tokens.of(
            [self._ids(each) for each in encodings], [bool(each.overflowing) for each in encodings], terms
        )

    def encodings(self, texts: Sequence[str]) -> list[Any]:
        """The tokenizer's own records, with character offsets where they are needed: they cost a fifth."""
        special = self._reading.special_tokens and not self._reading.echo
        inputs = [self._read(text) for text in texts]
        if len(inputs) == 1:  # a lone query: waking the tokenizer's thread pool costs more than the work
            return [self._tokenizer.encode(inputs[0], add_special_tokens=special)]
        if self._words is None and not self._reading.echo:
            return list(self._tokenizer.encode_batch_fast(inputs, add_special_tokens=special))
        return list(self._tokenizer.encode_batch(inputs, add_special_tokens=special))

    def spans(self, text: str) -> list[TermSpan]:
        """The text's tokens with their places in it, in order."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        places = zip(encoding.offsets, encoding.ids, strict=True)
        return [TermSpan(start, end, token) for (start, end), token in places]

    def places(self, text: str) -> list[tuple[int, int] | None]:
        """For each token of ``self([text])`` the characters of its word; None for what is not the text's."""
        encoding = self.encodings([text])[0]
        shift = 0 if self._reading.echo else len(self._reading.prompt)
        words = {
            word: _without_space(text, start - shift, end - shift)
            for word, (start, end) in _word_ranges(encoding).items()
        }
        found = [words.get(word) for word in encoding.word_ids]
        if not self._reading.echo:
            return found
        copy = found[: self._room(len(found))]
        around = [None] * (len(self._before) + len(self._prompt))
        return [*around, *copy, *copy, *([None] * len(self._after))]

    def _ids(self, encoding: Any) -> npt.NDArray[np.int32]:
        ids = np.array(encoding.ids, np.int32)
        if self._reading.first is not None and self._before:
            ids[0] = self._reading.first
        return ids

    def _read(self, text: str) -> str:
        prompted = text if self._reading.echo else self._reading.prompt + text
        return prompted.lower() if self._reading.lowercase else prompted

    def _echo(self, texts: Sequence[str]) -> Tokens:
        """Special tokens, prompt, the text's tokens, the same tokens again. Each copy gets half of the room."""
        rows, truncated = [], []
        for encoding in self.encodings(texts):
            copy = encoding.ids[: self._room(len(encoding))]
            row = [*self._before, *self._prompt, *copy, *copy, *self._after]
            rows.append(np.array(row, np.int32))
            truncated.append(len(copy) < len(encoding))
        return Tokens.of(rows, truncated)

    def _room(self, wanted: int) -> int:
        """Tokens that each copy of an echoed text may have."""
        around = len(self._before) + len(self._prompt) + len(self._after)
        return min(wanted, (self._reading.length - around) // 2) if self._reading.length else wanted

    def _words_of(self, encoding: Any, text: str, words: Mapping[str, int]) -> npt.NDArray[np.int32]:
        """For each token the id of the word that it begins; NO_TERM for continuations and unlisted words."""
        ends: dict[int, int] = {}
        for word, (_, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
            if word is not None:
                ends[word] = end
        terms, seen = [], set()
        whole = self._reading.prompt + text
        for word, (start, _) in zip(encoding.word_ids, encoding.offsets, strict=True):
            begins = word is not None and word not in seen
            seen.add(word)
            terms.append(words.get(self._normal(whole[start : ends[word]]), NO_TERM) if begins else NO_TERM)
        return np.array(terms, np.int32)

    def _normal(self, word: str) -> str:
        normalizer = self._tokenizer.normalizer
        return normalizer.normalize_str(word).strip() if normalizer is not None else word


def _word_ranges(encoding: Any) -> dict[int | None, tuple[int, int]]:
    """Characters of each word of an encoding, from the first of its tokens to the last."""
    ranges: dict[int | None, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            first, last = ranges.get(word, (start, end))
            ranges[word] = (min(first, start), max(last, end))
    return ranges


def _without_space(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range without white space at its ends; None if nothing of the text is left."""
    if start < 0:
        return None
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def _special_tokens(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a text."""
    encoding = tokenizer.encode("a")
    mask = list(encoding.special_tokens_mask)
    before = mask.index(0) if 0 in mask else len(mask)
    after = mask[::-1].index(0) if 0 in mask else 0
    ids = list(encoding.ids)
    return ids[:before], ids[len(ids) - after :]


def _joined(rows: Sequence[Row]) -> npt.NDArray[np.int32]:
    return np.concatenate([np.zeros(0, np.int32), *(np.asarray(row, np.int32) for row in rows)])
