"""Texts changed or cut before they are encoded: a user's own transform, and passages of long documents."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from lsr.characters import check_strings
from lsr.encoders.base import Batching, EncoderInfo, EncodeStatistics, SparseEncoder, TableWeighing, TermSpan
from lsr.encoders.batching import windows
from lsr.encoders.checks import check_texts
from lsr.encoders.splitting import Splitting, merge_passages, passages, split
from lsr.errors import InvalidArgumentError
from lsr.indexer.fields import QueryTable
from lsr.vectors import SparseVectors, UInt32Array
from lsr.vocabulary import Vocabulary

# Documents whose passages are held together before they are merged.
WINDOW = 1024
SHOWN = 60  # characters of a text in a message


@dataclass(frozen=True, slots=True)
class TextTransform:
    """A function from text to text, by the name it is imported by.

    fingerprint: SHA-256, in hex, of the function's own source, so that an index notices when it changed; what
        the function calls is not in it
    """

    name: str
    function: Callable[[str], str]
    fingerprint: str

    @classmethod
    def load(cls, name: str) -> TextTransform:
        """``package.module:function``. Raises InvalidArgumentError if that is not to be had."""
        module, separator, attribute = name.partition(":")
        try:
            function = getattr(importlib.import_module(module), attribute) if separator else None
        except Exception as error:  # a module of the user's may raise anything
            raise InvalidArgumentError(
                f"transform {name!r} cannot be imported: {_one_line(error)}. Modules are looked for where"
                " Python does, and by the command line in the current folder.",
                field="transform",
            ) from error
        if not callable(function):
            raise InvalidArgumentError(
                f"transform {name!r} names no function; write it as package.module:function.", field="transform"
            )
        return cls(name, function, hashlib.sha256(_source_of(function).encode()).hexdigest())

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Raises InvalidArgumentError for what are no texts, and for whatever the function does wrong."""
        check_strings(texts)
        return [self._changed(at, text) for at, text in enumerate(texts)]

    def _changed(self, at: int, text: str) -> str:
        """The function is the user's own, so whatever it does wrong is theirs to mend."""
        try:
            changed = self.function(text)
        except Exception as error:
            raise InvalidArgumentError(
                f"transform {self.name!r} failed at texts[{at}], {text[:SHOWN]!r}: {_one_line(error)}.",
                field="transform",
            ) from error
        if not isinstance(changed, str):
            raise InvalidArgumentError(
                f"transform {self.name!r} gave a {type(changed).__name__} for texts[{at}], not a string.",
                field="transform",
            )
        return changed


class PreparedEncoder:
    """An encoder behind a transform (documents and queries alike), a splitting (documents), or both.

    A split document's vector holds each term with its largest weight in any passage.
    """

    def __init__(
        self,
        encoder: SparseEncoder,
        *,
        transform: TextTransform | None = None,
        splitting: Splitting | None = None,
    ) -> None:
        inner = encoder.describe()
        if splitting is not None:
            check_fits(splitting, inner)
        self._encoder = encoder
        self._transform = transform
        self._splitting = splitting
        self._n_split = 0
        self._info = replace(
            inner,
            identity=_identity(inner.identity, transform, splitting),
            transform=transform.name if transform is not None else "",
            splitting=_described(splitting) if splitting is not None else "",
        )

    @property
    def vocabulary(self) -> Vocabulary:
        return self._encoder.vocabulary

    @property
    def statistics(self) -> EncodeStatistics:
        """The inner encoder's, whose texts are passages, and the documents that were cut."""
        return self._encoder.statistics + EncodeStatistics(split=self._n_split)

    @property
    def batch_tokens(self) -> int:
        return self._encoder.batch_tokens if isinstance(self._encoder, Batching) else 0

    @property
    def query_table(self) -> QueryTable | None:
        return self._encoder.query_table if isinstance(self._encoder, TableWeighing) else None

    def describe(self) -> EncoderInfo:
        return self._info

    def spans(self, text: str) -> list[TermSpan]:
        return self._encoder.spans(text)

    def sources(self, text: str, terms: UInt32Array) -> list[tuple[int, int] | None]:
        """In the passage that gave a term its weight. Words of a text that the transform changed have no place
        in what was given, so they are not named.
        """
        if self._transformed([text])[0] != text:
            return [None] * len(terms)
        if self._splitting is None:
            return self._encoder.sources(text, terms)
        return self._sources_in_passages(text, self._splitting, terms)

    def _sources_in_passages(
        self, text: str, splitting: Splitting, terms: UInt32Array
    ) -> list[tuple[int, int] | None]:
        ranges = passages(text, splitting, self._encoder.spans)
        if len(ranges) == 1:
            return self._encoder.sources(text, terms)
        vectors = self._encoder.encode_documents([text[start:end].strip() for start, end in ranges])
        best = vectors.to_scipy().tocsc()[:, terms].toarray().argmax(axis=0)
        found: list[tuple[int, int] | None] = [None] * len(terms)
        for number in np.unique(best).tolist():
            start, end = ranges[number]
            passage = text[start:end]
            start += len(passage) - len(passage.lstrip())
            chosen = np.flatnonzero(best == number)
            words = self._encoder.sources(passage.strip(), terms[chosen])
            for at, word in zip(chosen.tolist(), words, strict=True):
                found[at] = None if word is None else (start + word[0], start + word[1])
        return found

    def encode_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self._encoder.encode_queries(self._transformed(texts))

    def encode_documents(self, texts: Sequence[str]) -> SparseVectors:
        if self._splitting is None:
            return self._encoder.encode_documents(self._transformed(texts))
        check_texts(texts)
        parts = [self._encode_window(texts[window], self._splitting) for window in windows(len(texts), WINDOW)]
        return SparseVectors.concatenate(parts or [SparseVectors.empty(0, len(self.vocabulary))])

    def _encode_window(self, texts: Sequence[str], splitting: Splitting) -> SparseVectors:
        cut = [split(text, splitting, self._encoder.spans) for text in self._transformed(texts)]
        self._n_split += sum(len(each) > 1 for each in cut)
        document_of = [number for number, each in enumerate(cut) for _ in each]
        vectors = self._encoder.encode_documents([passage for each in cut for passage in each])
        return merge_passages(vectors, document_of, len(texts))

    def _transformed(self, texts: Sequence[str]) -> Sequence[str]:
        check_texts(texts)
        return self._transform(texts) if self._transform is not None else texts


def _one_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0].rstrip('.')}" if said else type(error).__name__


def check_fits(splitting: Splitting, info: EncoderInfo) -> None:
    """Raise InvalidArgumentError for passages that the encoder would cut."""
    if splitting.length > info.document_room > 0:
        raise InvalidArgumentError(
            f"passages of {splitting.length} tokens are longer than the {info.document_room} that"
            f" {info.name} reads of a text; make them shorter.",
            field="passage_length",
        )


def _identity(inner: str, transform: TextTransform | None, splitting: Splitting | None) -> str:
    if transform is None and splitting is None:
        return inner
    decides = {
        "encoder": inner,
        "transform": [transform.name, transform.fingerprint] if transform is not None else None,
        "splitting": asdict(splitting) if splitting is not None else None,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _described(splitting: Splitting) -> str:
    return f"{splitting.length} tokens at {splitting.at}, {splitting.overlap} overlapping, merged by maximum"


def _source_of(function: Callable[[str], str]) -> str:
    """Its source, or its name where there is none to be read."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(function)
