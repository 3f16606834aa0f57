"""``lsr info``: what an index holds, and with what it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from lsr.cli import options
from lsr.cli.output import human_bytes, print_json, results

if TYPE_CHECKING:
    from lsr.describing import FieldDescription


def info(index: options.Index, as_json: options.Json = False) -> None:
    """Show what an index holds: documents, fields, encoders, weights, size.

    **Examples**

    `lsr info my.index`

    `lsr info my.index --json`
    """
    from lsr.describing import describe
    from lsr.indexer.collection import Collection

    description = describe(Collection.open(index))
    if as_json:
        print_json(description)
        return
    out = results()
    out.print(
        f"{index}: {description.documents:,} documents, {human_bytes(description.size_bytes)},"
        f" generation {description.generation}, {description.segments} segments,"
        f" written {description.created} by lsr {description.package}"
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="bold")
    for heading in ("field", "kind", "weight", "encoder", "licence", "terms", "per document", "storage"):
        table.add_column(heading)
    for field in description.fields:
        table.add_row(*_row(field))
    out.print(table)


def _row(field: FieldDescription) -> tuple[str, ...]:
    return (
        field.name,
        field.kind,
        f"{field.weight:g}",
        str(field.encoder.get("name") or field.encoder.get("language") or ""),
        str(field.encoder.get("licence") or ""),
        f"{field.terms:,}",
        f"{field.non_zeros_per_document:.1f}",
        field.storage,
    )
