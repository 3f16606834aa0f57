"""Texts without a UTF-8 form: half of a surrogate pair stands in them, as bytes that were no UTF-8 leave it."""

from __future__ import annotations

from lsr.errors import InvalidArgumentError


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
