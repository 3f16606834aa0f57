"""All commands under one ``lsr``. Each lives in a module of its own and imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Annotated

import typer

from lsr.cli.alias import alias, reencode
from lsr.cli.encode import encode
from lsr.cli.evaluate import evaluate
from lsr.cli.exchange import export, import_
from lsr.cli.idf import idf
from lsr.cli.index import index
from lsr.cli.info import info
from lsr.cli.search import search
from lsr.cli.serve import serve
from lsr.cli.snapshot import restore, snapshot
from lsr.cli.tune import tune
from lsr.cli.update import add, commit, delete, merge
from lsr.cli.upgrade import upgrade
from lsr.cli.verify import verify

app = typer.Typer(
    name="lsr",
    help="Learned sparse retrieval: index documents, search them, serve them, and measure how good it is.",
    epilog="Start with `lsr index docs.jsonl -o my.index`, then `lsr search my.index 'your question'`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lsr {metadata.version('lsr')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options before the command."""


COMMANDS: dict[str, Callable[..., None]] = {
    "index": index,
    "search": search,
    "serve": serve,
    "eval": evaluate,
    "encode": encode,
    "idf": idf,
    "info": info,
    "verify": verify,
    "add": add,
    "delete": delete,
    "commit": commit,
    "merge": merge,
    "tune": tune,
    "upgrade": upgrade,
    "alias": alias,
    "reencode": reencode,
    "snapshot": snapshot,
    "restore": restore,
    "export": export,
    "import": import_,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
