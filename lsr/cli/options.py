"""Arguments and options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lsr.errors import InvalidArgumentError

UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


class OnError(StrEnum):
    STOP = "stop"
    SKIP = "skip"


class Storage(StrEnum):
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    UINT8 = "uint8"


class Mode(StrEnum):
    EXACT = "exact"
    FAST = "fast"


class Load(StrEnum):
    MAP = "map"
    MEMORY = "memory"


Index = Annotated[Path, typer.Argument(help="Folder of the index.", show_default=False)]
Source = Annotated[
    str,
    typer.Argument(
        help="File or folder with the documents, `-` for standard input, `sample` for the built-in one.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Model = Annotated[
    str,
    typer.Option(
        help="Built-in name (splade-tiny), folder, or hub name of a model; `bm25` for term counts alone."
    ),
]
Fields = Annotated[
    str | None,
    typer.Option(
        help="Fields and their weights in the sum, as `learned=1,bm25=0.5`; a name alone weighs 1.",
        show_default=False,
    ),
]
SearchMode = Annotated[
    Mode,
    typer.Option("--mode", help="exact: the best hits; fast: most of them, sooner, after `lsr tune`."),
]
Recall = Annotated[
    float | None,
    typer.Option(
        help="With --mode fast: share of the exact hits wished for.  [default: 0.99]", show_default=False
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads to use.  [default: all processors]", show_default=False),
]
Memory = Annotated[
    str | None,
    typer.Option(help="Working memory to stay within, as 512M or 4G.", show_default=False),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="How the source is read, if its name does not say.", show_default=False),
]
IdField = Annotated[
    str | None, typer.Option(help="Field that holds the id; `#` numbers the records.", show_default=False)
]
TextField = Annotated[
    list[str] | None,
    typer.Option(help="Field that holds the text; repeat it to join several.", show_default=False),
]
TitleField = Annotated[str | None, typer.Option(help="Field that holds the title.", show_default=False)]
MetadataField = Annotated[
    list[str] | None,
    typer.Option(
        help="Field to keep as metadata; repeat it for more.  [default: all others]", show_default=False
    ),
]
OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="At a record that cannot be used: stop, or skip and count it.")
]


def parse_memory(value: str | None) -> int | None:
    """``512M`` or ``4G`` (decimal, `MiB` and `GiB` too) as bytes."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", value.strip().lower())
    if match is None or float(match[1]) <= 0:
        raise InvalidArgumentError(f"{value!r} is no size; write for example 512M or 4G", field="memory")
    power = "kmgt".find(match[2]) + 1 if match[2] else 0
    return int(float(match[1]) * (1024**power if match[3] else UNITS[match[2]]))
