"""``lsr info``: what an index holds, and with what it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from lsr.cli import options
from lsr.cli.output import human_bytes, print_json, results
from lsr.wording import counted, were

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsr.describing import FieldDescription, IndexDescription


WORDS = {"queries": "queries", "log": "logged queries", "titles": "titles"}


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
    passages = f" as {counted(description.passages, 'passage')}" if description.passages is not None else ""
    out.print(
        f"{index}: {counted(description.documents, 'document')}{passages},"
        f" {human_bytes(description.size_bytes)}, generation {description.generation},"
        f" {counted(description.segments, 'segment')},"
        f" written {description.created} by lsr {description.package}"
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="bold")
    for heading in ("field", "kind", "weight", "encoder", "licence", "terms", "per document", "storage"):
        table.add_column(heading)
    for field in description.fields:
        table.add_row(*_row(field))
    out.print(table)
    for line in (*_staged(description), *_drifts(description), *_tuned(description), *_uses(description)):
        out.print(line)


def _uses(description: IndexDescription) -> Iterator[str]:
    """What became of documents and texts, and what was asked for besides the models' names."""
    if description.reordered:
        yield "reordered: like documents were put next to each other when the index was built"
    if description.truncated or description.split:
        cut, split = description.truncated or 0, description.split or 0
        yield (
            f"of all texts ever added {cut:,} {were(cut)} longer than the model reads and {were(cut)} cut;"
            f" {counted(split, 'document')} {were(split)} split into passages"
        )
    for field in description.fields:
        said = field.encoder.get("options")
        if isinstance(said, dict) and said:
            yield f"{field.name}: " + ", ".join(f"{name} {value}" for name, value in said.items())


def _staged(description: IndexDescription) -> Iterator[str]:
    if (staged := description.staged) is not None:
        yield (
            f"staged: {counted(staged.added, 'document')} to add, {staged.removed:,} to delete or replace;"
            " `lsr commit` makes that visible"
        )


def _tuned(description: IndexDescription) -> Iterator[str]:
    for each in description.tuned:
        yield (
            f"fast: recall {each.recall:g} at {counted(each.k, 'hit')}, measured {each.measured:.4f}"
            f" on {each.queries:,} {WORDS[each.source]}, {each.speed_up:.2f} times faster than exact"
        )


def _drifts(description: IndexDescription) -> Iterator[str]:
    """How far each counted field's recorded average length is from that of its documents now."""
    for field in description.fields:
        if field.average_length and field.live_length:
            drift = field.live_length / field.average_length - 1
            advice = "; `lsr merge --full` takes it anew" if drift else ""
            yield (
                f"{field.name}: weights are for documents of {field.average_length:.1f} terms on average,"
                f" which is {field.live_length:.1f} now ({drift:+.1%}){advice}"
            )


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
