"""``lsr idf``: a table of token weights from one's own documents, for queries without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import notes, print_json, progress, results
from lsr.cli.sources import open_source
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.data.documents import Document


def idf(
    source: options.Source,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, as idf.json.", show_default=False)
    ],
    model: options.EncoderModel = "splade-tiny",
    format_: options.Format = None,
    id_field: options.IdField = None,
    text_field: options.TextField = None,
    title_field: options.TitleField = None,
    on_error: options.OnErrorOption = options.OnError.STOP,
    as_json: options.Json = False,
) -> None:
    """Weigh each token of a model by how few documents hold it: inverse document frequencies.

    Given to `--queries`, the table is all that a query needs: its tokens, each with its weight, and no model.

    **Examples**

    `lsr idf docs.jsonl -o idf.json`

    `lsr index docs.jsonl -o my.index --method splade-doc --queries idf.json`
    """
    from lsr.encoders.loading import load_encoder
    from lsr.encoders.tables import UNSEEN_WEIGHT, idf_table, write_idf
    from lsr.errors import EmptySourceError

    options.check_whole_file(output, "--output")
    encoder = load_encoder(model)
    opened = open_source(
        source,
        format_=format_,
        id_field=id_field,
        text_field=text_field,
        title_field=title_field,
        metadata_field=None,
        on_error=on_error,
    )
    with progress("counting", opened.expected) as advance:
        texts = _counted(opened.documents, advance)
        table = idf_table(texts, encoder.plain_tokenizer, len(encoder.vocabulary))
    if opened.report.read == 0:
        raise EmptySourceError("no documents to count tokens in", path=source)
    write_idf(output, table, encoder.vocabulary.terms)
    held = int((table != UNSEEN_WEIGHT).sum())
    if as_json:
        said = {"path": str(output), "documents": opened.report.read, "skipped": opened.report.skipped}
        print_json({**said, "tokens": len(table), "tokens_held": held})
        return
    results().print(f"weights of {counted(len(table), 'token')} in {output}")
    notes().print(f"{held:,} of them stand in {counted(opened.report.read, 'document')}; the others weigh 1")


def _counted(documents: Iterable[Document], advance: Callable[[int], None]) -> Iterator[str]:
    for document in documents:
        yield document.encoder_text()
        advance(1)
