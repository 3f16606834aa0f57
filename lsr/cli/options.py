"""Arguments and options that several commands share, so that one word means one thing everywhere."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.errors import InvalidArgumentError

if TYPE_CHECKING:
    from lsr.models import ModelOptions

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


class Precision(StrEnum):
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"


class SplitAt(StrEnum):
    SENTENCES = "sentences"
    DEFINITIONS = "definitions"


class Passages(StrEnum):
    MERGED = "merged"
    BEST = "best"


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
EncoderModel = Annotated[str, typer.Option(help="Built-in name (splade-tiny), folder, or hub name of a model.")]
QueryTimeModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="The model, if it is not found where the index says it is.", show_default=False
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="Published method that a plain model folder was trained for: splade-max, unicoil, …"
        "  [default: what the folder says, or splade-max]",
        show_default=False,
    ),
]
Queries = Annotated[
    str | None,
    typer.Option(
        help="Another model for queries, or a table of token weights (idf.json) for queries without a model.",
        show_default=False,
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="Arithmetic of the model; int8 stores its weights in 8 bits."),
]
DocumentLength = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens read of a document.  [default: the model's own]", show_default=False),
]
QueryLength = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens read of a query.  [default: the model's own]", show_default=False),
]
Transform = Annotated[
    str | None,
    typer.Option(
        help="Function of yours, as module:function, that changes documents and queries before encoding.",
        show_default=False,
    ),
]
Split = Annotated[
    SplitAt | None,
    typer.Option(
        "--split",
        help="Cut long documents into passages at sentences, or at definitions of Python source.",
        show_default=False,
    ),
]
PassageLength = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens of a passage.  [default: what the model reads]", show_default=False),
]
Overlap = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Tokens that neighbours share at most.  [default: an eighth of a passage]",
        show_default=False,
    ),
]
PassagesOption = Annotated[
    Passages,
    typer.Option(
        "--passages", help="What stands for a split document: one merged vector, or its best passage."
    ),
]
Device = Annotated[str, typer.Option(help="Where the model runs: cpu, cuda, cuda:1.")]
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
Reorder = Annotated[
    bool,
    typer.Option(
        "--reorder",
        help="Put like documents next to each other: searches of large indexes take 0.8 to 1 of their time, the"
        " build 20 seconds more a million documents on two cores. Equal scores then rank by that order.",
    ),
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


def model_options(
    *,
    method: str | None,
    queries: str | None,
    precision: Precision,
    document_length: int | None,
    query_length: int | None,
    transform: str | None,
    split: SplitAt | None,
    passage_length: int | None,
    overlap: int | None,
    passages: Passages,
) -> ModelOptions:
    """The flags that say how a model is used, as one value."""
    from lsr.models import ModelOptions

    reach_own_modules(transform)
    return ModelOptions(
        method=method,
        queries=queries,
        precision=precision.value,
        document_length=document_length,
        query_length=query_length,
        transform=transform,
        split=split.value if split is not None else None,
        passage_length=passage_length,
        overlap=overlap,
        passages=passages.value,
    )


def reach_own_modules(transform: str | None) -> None:
    """Let ``--transform`` name a module in the current folder, as ``python -m`` would; only if it is given."""
    here = str(Path.cwd())
    if transform is not None and here not in sys.path:
        sys.path.insert(0, here)


def parse_memory(value: str | None) -> int | None:
    """``512M`` or ``4G`` (decimal, `MiB` and `GiB` too) as bytes."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", value.strip().lower())
    if match is None or float(match[1]) <= 0:
        raise InvalidArgumentError(f"{value!r} is no size; write for example 512M or 4G", field="memory")
    power = "kmgt".find(match[2]) + 1 if match[2] else 0
    return int(float(match[1]) * (1024**power if match[3] else UNITS[match[2]]))


def check_file(path: Path, option: str, *, instead: str = "") -> None:
    """Raise InvalidArgumentError, before the long part, where no file of this name can be written.

    instead: what to do where the name is a folder's, besides naming a file
    """
    if path.is_dir():
        raise InvalidArgumentError(f"{option}: {path} is a folder; name a file{instead}", field=option)
    if not path.absolute().parent.is_dir():
        raise InvalidArgumentError(f"{option}: there is no folder {path.parent}; make it first", field=option)


def check_whole_file(path: Path, option: str, *, instead: str = "") -> None:
    """As ``check_file``, for a file that appears when it is complete: it would take the place of a device."""
    check_file(path, option, instead=instead)
    if path.exists() and not path.is_file():
        raise InvalidArgumentError(f"{option}: {path} is a device or a pipe; name a file", field=option)
