"""Do queries made by an encoder fit a field's documents? By vocabulary, model and settings, not by shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lsr.indexer.manifest import FieldEntry

from lsr.errors import ModelMismatchError
from lsr.vocabulary import Vocabulary

_SAME_MODEL = "Query with the index's model, or index the documents again with the new one."


def require_same_encoder(
    index: Path, entry: FieldEntry, encoder: Mapping[str, object], vocabulary: Vocabulary | None
) -> None:
    """Raise ModelMismatchError unless they do. vocabulary: the encoder's; None for a counted field."""
    ours, theirs = (str(facts.get("name", "unnamed")) for facts in (entry.encoder, encoder))
    if vocabulary is not None and vocabulary.fingerprint != entry.vocabulary_fingerprint:
        raise ModelMismatchError(
            f"{index}: field {entry.name} was encoded by {ours}; {theirs} has another vocabulary"
            f" ({vocabulary.fingerprint[:12]}, not {entry.vocabulary_fingerprint[:12]}). {_SAME_MODEL}"
        )
    if entry.kind == "encoded" and encoder.get("identity") != entry.encoder.get("identity"):
        raise ModelMismatchError(
            f"{index}: field {entry.name} was encoded by {ours} ({_short(entry.encoder)}), but queries"
            f" would be by {theirs} ({_short(encoder)}): same vocabulary, other weights or settings."
            f" {_SAME_MODEL}"
        )
    if entry.kind == "counted" and dict(encoder) != dict(entry.encoder):
        raise ModelMismatchError(
            f"{index}: field {entry.name} was analyzed with {dict(entry.encoder)}, but queries would be with"
            f" {dict(encoder)}. Use the index's settings, or index the documents again."
        )


def _short(encoder: Mapping[str, object]) -> str:
    return str(encoder.get("identity", "no identity"))[:12]
