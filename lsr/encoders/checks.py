"""Checks of what callers hand in."""

from __future__ import annotations

from collections.abc import Sequence

from lsr.errors import InvalidArgumentError


def check_texts(texts: Sequence[str]) -> None:
    """Raises InvalidArgumentError for a bare string or an item that is none: both are easy slips."""
    if isinstance(texts, str):
        raise InvalidArgumentError("texts must be a list of strings, not one string", field="texts")
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgumentError(
                f"texts[{at}] is a {type(text).__name__}, not a string", field=f"texts[{at}]"
            )


def check_length(length: int, longest: int, name: str) -> None:
    """longest: tokens the model has positions for, 0 for no limit."""
    if length < 1 or (longest and length > longest):
        upto = f"to {longest} for this model" if longest else "or more"
        raise InvalidArgumentError(f"{name} must be 1 {upto}, not {length}", field=name)
