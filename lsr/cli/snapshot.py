"""``lsr snapshot`` and ``lsr restore``: keep a state of an index, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsr.cli import options
from lsr.cli.output import print_json, results


def snapshot(
    index: options.Index,
    target: Annotated[Path, typer.Argument(help="Folder of the snapshot; must not exist.", show_default=False)],
    *,
    as_json: options.Json = False,
) -> None:
    """Keep an index's newest state in a folder of its own, while it is searched and written.

    A snapshot is an index like any other. It is made of hard links where it can be: it takes no space until the
    index changes, and protects from mistakes, not from a broken disk.

    **Examples**

    `lsr snapshot my.index my.index-monday`
    """
    from lsr.indexer.snapshots import snapshot as keep

    generation = keep(index, target)
    if as_json:
        print_json({"path": str(target), "generation": generation})
    else:
        results().print(f"generation {generation} of {index} is kept in {target}")


def restore(
    source: Annotated[Path, typer.Argument(help="Folder of a snapshot, or of any index.", show_default=False)],
    index: options.Index,
    *,
    as_json: options.Json = False,
) -> None:
    """Make a snapshot's state the newest of an index, which may be damaged or missing.

    Every file is checked first. Servers of the index go on and pick it up. What was committed since the
    snapshot is gone.

    **Examples**

    `lsr restore my.index-monday my.index`
    """
    from lsr.indexer.snapshots import restore as bring_back

    generation = bring_back(source, index)
    if as_json:
        print_json({"path": str(index), "generation": generation})
    else:
        results().print(f"{index} is at generation {generation}, with the documents of {source}")
