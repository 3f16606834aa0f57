"""A model as one asks for it: how it is loaded, and what is done to texts before it reads them.

The command line says it, an index records it, and a search of that index repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lsr.errors import InvalidArgumentError, ModelMismatchError

if TYPE_CHECKING:
    from lsr.encoders.base import SparseEncoder
    from lsr.encoders.composition import Precision
    from lsr.encoders.splitting import Splitting
    from lsr.indexer.fields import QueryTable

SplitAt = Literal["sentences", "definitions"]
Passages = Literal["merged", "best"]

# Of a passage's tokens, those that the next one repeats if nothing else is said.
DEFAULT_OVERLAP = 1 / 8


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Everything but the model's name that decides its vectors.

    method, queries, precision, document_length, query_length: as for ``load_encoder``
    transform: ``package.module:function`` that changes documents and queries before they are encoded
    split: cut documents that are longer than a passage at sentence ends, or at definitions of Python source
    passage_length, overlap: tokens of a passage, and of whole sentences that two neighbours share; None: what
        the model reads, and an eighth of it
    passages: what stands for a document: one vector "merged" of all its passages, or its "best" passage
    """

    method: str | None = None
    queries: str | None = None
    precision: Precision = "float32"
    document_length: int | None = None
    query_length: int | None = None
    transform: str | None = None
    split: SplitAt | None = None
    passage_length: int | None = None
    overlap: int | None = None
    passages: Passages = "merged"

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError for settings of passages where nothing is split."""
        settings = {"passage_length": self.passage_length, "overlap": self.overlap}
        given = [name for name, value in settings.items() if value is not None]
        given += ["passages"] if self.passages != "merged" else []
        if self.split is None and given:
            raise InvalidArgumentError(
                f"{given[0]}: documents are not split; say where with split (sentences or definitions)",
                field=given[0],
            )

    @property
    def of_passages(self) -> bool:
        """Whether an index holds each passage as an entry of its own."""
        return self.split is not None and self.passages == "best"

    def require_none(self, model: str) -> None:
        """Raise InvalidArgumentError if anything is asked for, because this model has no encoder."""
        for part in fields(self):
            if getattr(self, part.name) != part.default:
                raise InvalidArgumentError(
                    f"{part.name}: {model} counts terms with an analyzer and has no model to set this for",
                    field=part.name,
                )

    def load(
        self,
        model: str | Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        memory: int | None = None,
        query_table: QueryTable | None = None,
    ) -> SparseEncoder:
        """The model with its texts prepared. query_table: takes the place of what ``queries`` names"""
        plain = self.load_plain(model, device=device, threads=threads, memory=memory, query_table=query_table)
        return self.prepared(plain)

    def load_plain(
        self,
        model: str | Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        memory: int | None = None,
        query_table: QueryTable | None = None,
    ) -> SparseEncoder:
        """The model alone, which reads texts as they are given."""
        from lsr.encoders.loading import load_encoder

        return load_encoder(
            model,
            method=self.method,
            queries=query_table or self.queries,
            device=device,
            threads=threads,
            memory=memory,
            document_length=self.document_length,
            query_length=self.query_length,
            precision=self.precision,
        )

    def prepared(self, encoder: SparseEncoder) -> SparseEncoder:
        """``encoder`` behind the transform, and behind the splitting where passages are merged."""
        if self.transform is None and (self.split is None or self.of_passages):
            return encoder
        from lsr.encoders.prepared import PreparedEncoder, TextTransform

        return PreparedEncoder(
            encoder,
            transform=TextTransform.load(self.transform) if self.transform is not None else None,
            splitting=None if self.of_passages else self.splitting(encoder),
        )

    def splitting(self, encoder: SparseEncoder) -> Splitting | None:
        """How documents are cut for this encoder; None if they are not.

        Raises InvalidArgumentError if a passage is longer than what the encoder reads.
        """
        if self.split is None:
            return None
        from lsr.encoders.splitting import Splitting

        length = self.passage_length or encoder.describe().document_room
        if not length:
            raise InvalidArgumentError(
                "passage_length: this model reads documents of any length; say how long passages are",
                field="passage_length",
            )
        overlap = self.overlap if self.overlap is not None else int(length * DEFAULT_OVERLAP)
        return Splitting(length, overlap, self.split)

    def recorded(self, model: str | Path, encoder: SparseEncoder) -> dict[str, object]:
        """What an index keeps besides the encoder's description: where the model is, and these options.

        Paths become absolute, and passages keep the length that they were cut to.
        """
        splitting = self.splitting(encoder)
        settled = replace(
            self,
            queries=_located(self.queries) if self.queries is not None else None,
            passage_length=splitting.length if splitting is not None else None,
            overlap=splitting.overlap if splitting is not None else None,
        )
        said = {
            part.name: getattr(settled, part.name)
            for part in fields(settled)
            if getattr(settled, part.name) != part.default
        }
        facts: dict[str, object] = {"model": _located(str(model)), "options": said}
        if self.transform is not None:
            from lsr.encoders.prepared import TextTransform

            facts["transform_fingerprint"] = TextTransform.load(self.transform).fingerprint
        return facts


def options_of(facts: Mapping[str, object]) -> ModelOptions:
    """The options in a field's record, and in any case the lengths it was made with."""
    said = facts.get("options")
    known = {part.name for part in fields(ModelOptions)}
    given = (
        {str(key): value for key, value in said.items() if key in known} if isinstance(said, Mapping) else {}
    )
    lengths = {side: facts.get(side) for side in ("document_length", "query_length")}
    given |= {side: value for side, value in lengths.items() if isinstance(value, int) and value > 0}
    return ModelOptions(**given)


def model_of(facts: Mapping[str, object]) -> str:
    """Where the model of a field's record is: its folder as long as that is there, else its name."""
    return str(facts["name"] if lost_folder(facts) else facts.get("model") or facts["name"])


def lost_folder(facts: Mapping[str, object]) -> str | None:
    """The folder that a field's record names as its model, if it is not there any more."""
    model = str(facts.get("model") or "")
    return model if Path(model).is_absolute() and not Path(model).exists() else None


def check_transform(facts: Mapping[str, object], given: str | None, where: str) -> None:
    """Raise ModelMismatchError unless queries are changed by the function that documents were changed by.

    An index names that function but never has it run by itself: whoever searches says which code runs.
    """
    recorded = facts.get("transform") or None
    if recorded == given and given is not None:
        from lsr.encoders.prepared import TextTransform

        if TextTransform.load(given).fingerprint != facts.get("transform_fingerprint"):
            raise ModelMismatchError(
                f"{where}: the function {given} was changed since the documents were encoded behind it."
                " Restore it, or index the documents again."
            )
    elif recorded is not None:
        instead = f", not by {given}" if given is not None else ""
        raise ModelMismatchError(
            f"{where}: documents were changed by {recorded} before they were encoded{instead}, and queries"
            f" must be as well. Add `--transform {recorded}` (in Python transform={recorded!r}); an index"
            " does not run code by itself."
        )
    elif given is not None:
        raise ModelMismatchError(
            f"{where}: documents were encoded as they are, so queries must not be changed by {given} either."
            " Leave the transform out."
        )


def _located(name: str) -> str:
    """A folder or file by its absolute path; a name as it is."""
    return str(Path(name).resolve()) if Path(name).exists() else name
