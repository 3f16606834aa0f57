"""Texts as callers give them: strings in a list, each with a UTF-8 form.

A text has none where half of a surrogate pair stands in it, as bytes that were no UTF-8 leave it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lsr.errors import InvalidArgumentError

SHOWN = 40  # characters of a text in a message


def check_characters(text: str, name: str) -> None:
    r"""Raise InvalidArgumentError for half a character: JSON can spell it (``\ud800``), nothing can store it.

    name: what the caller calls this text, for the message and its ``field``
    """
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"{name}: {error.object[error.start]!r} at character {error.start + 1} is half a character (a lone"
            " surrogate); repair the text's encoding, which has to be UTF-8",
            field=name,
        ) from error


def check_list(values: object, name: str) -> None:
    """Raise InvalidArgumentError for one string in the place of a list, which Python would take apart."""
    if isinstance(values, str):
        raise InvalidArgumentError(
            f"{name} must be a list of strings, not one string; for one alone write [{_shown(values)}]",
            field=name,
        )


def check_strings(texts: Sequence[str]) -> None:
    """Raise InvalidArgumentError for a bare string, and for an item that is none."""
    check_list(texts, "texts")
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgumentError(
                f"texts[{at}] is a {type(text).__name__}, not a string", field=f"texts[{at}]"
            )


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
