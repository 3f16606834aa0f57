"""``lsr add``, ``lsr delete``, ``lsr commit`` and ``lsr merge``: change an index that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import print_json, progress, results, texts_cut
from lsr.cli.sources import open_source, standard_lines
from lsr.errors import InvalidArgumentError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.updating import Update

Stage = Annotated[
    bool, typer.Option("--stage", help="Keep the change aside until `lsr commit`, together with others.")
]


def add(
    index: options.Index,
    source: options.Source,
    *,
    format_: options.Format = None,
    id_field: options.IdField = None,
    text_field: options.TextField = None,
    title_field: options.TitleField = None,
    metadata_field: options.MetadataField = None,
    on_error: options.OnErrorOption = options.OnError.STOP,
    stage: Stage = False,
    model: options.QueryTimeModel = None,
    queries: options.Queries = None,
    transform: options.Transform = None,
    device: options.Device = "cpu",
    memory: options.Memory = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Add documents to an index, or replace those whose ids are there already.

    They are encoded with the models the index was built with and appear all at once, when the command is
    done; a server that serves the index picks them up.

    **Examples**

    `lsr add my.index new.jsonl`

    `echo '{"_id": "42", "text": "hello"}' | lsr add my.index -`

    `lsr add my.index new.jsonl --stage`
    """
    from lsr.updating import add_documents

    opened = open_source(
        source,
        format_=format_,
        id_field=id_field,
        text_field=text_field,
        title_field=title_field,
        metadata_field=metadata_field,
        on_error=on_error,
    )
    options.reach_own_modules(transform)
    with progress("adding", opened.expected) as advance:
        update = add_documents(
            index,
            opened.documents,
            stage=stage,
            model=model,
            queries=queries,
            transform=transform,
            device=device,
            memory=options.parse_memory(memory),
            threads=threads,
            progress=advance,
        )
    _report(update, "added or replaced", as_json=as_json)


def delete(
    index: options.Index,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids to delete; `-` reads one a line.", show_default=False)
    ] = None,
    *,
    stage: Stage = False,
    as_json: options.Json = False,
) -> None:
    """Delete documents by id. Ids that are not there are passed over.

    **Examples**

    `lsr delete my.index 42 43`

    `lsr delete my.index - < ids.txt`
    """
    from lsr.updating import delete_documents

    if not ids:
        raise InvalidArgumentError("name at least one id to delete, or `-` for standard input", field="ids")
    given = list(standard_lines()) if ids == ["-"] else ids
    _report(delete_documents(index, given, stage=stage), "deleted", as_json=as_json)


def commit(
    index: options.Index,
    *,
    discard: Annotated[bool, typer.Option("--discard", help="Forget what is staged instead.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make everything that `lsr add --stage` and `lsr delete --stage` kept aside visible, all at once.

    **Examples**

    `lsr commit my.index`

    `lsr commit my.index --discard`
    """
    from lsr.updating import commit_staged, discard_staged

    if discard:
        _report(discard_staged(index), "forgotten", as_json=as_json)
    else:
        _report(commit_staged(index), "added or removed", as_json=as_json)


def merge(
    index: options.Index,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Join all segments, and take BM25's average length anew.")
    ] = False,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Join small segments and give back the space of deleted documents.

    **Examples**

    `lsr merge my.index`

    `lsr merge my.index --full`
    """
    from lsr.indexing import available_threads
    from lsr.updating import merge_index

    update = merge_index(index, full=full, threads=threads or available_threads())
    _report(update, "removed for good", as_json=as_json)


def _report(update: Update, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(update)
        return
    said = f"{counted(update.changed, 'document')} {what}"
    if update.staged:
        results().print(f"{said}, staged; {update.documents:,} in {update.path} after `lsr commit`")
    else:
        results().print(f"{said}; {update.documents:,} in {update.path}, generation {update.generation}")
    for line in texts_cut(update.truncated, update.split):
        results().print(line)
