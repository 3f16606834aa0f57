"""``lsr eval``: how good a search is, on a collection with judgements."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields as fields_of
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsr.cli import options
from lsr.cli.output import notes, preflight, progress, results, say
from lsr.errors import InvalidArgumentError
from lsr.wording import counted

if TYPE_CHECKING:
    from lsr.data.beir import BeirDataset
    from lsr.eval.cache import VectorCache
    from lsr.eval.evaluate import SystemChoice
    from lsr.eval.running import Evaluation
    from lsr.eval.runs import Run
    from lsr.models import ModelOptions


class SelfMatchesOption(StrEnum):
    KEPT = "kept"
    REMOVED = "removed"


def evaluate(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="BEIR folder: corpus.jsonl, queries.jsonl, qrels/; or `sample`, the built-in one.",
            show_default=False,
        ),
    ],
    *,
    index: Annotated[
        Path | None,
        typer.Option(help="Search this index of the collection instead of building one.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="As for `lsr index`.  [default: splade-tiny, or the index's own]", show_default=False
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            help="A system to measure, as `learned=1,bm25=0.5`; repeat it for several."
            "  [default: each field alone, and their sum]",
            show_default=False,
        ),
    ] = None,
    mode: options.SearchMode = options.Mode.EXACT,
    recall: options.Recall = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            help="By its ir-measures name, as `P@5` or `AP(rel=2)`; repeat it for several."
            "  [default: nDCG@10 R@100 RR@10 AP]",
            show_default=False,
        ),
    ] = None,
    method: options.Method = None,
    queries: options.Queries = None,
    precision: options.PrecisionOption = options.Precision.FLOAT32,
    document_length: options.DocumentLength = None,
    query_length: options.QueryLength = None,
    transform: options.Transform = None,
    split: options.Split = None,
    passage_length: options.PassageLength = None,
    overlap: options.Overlap = None,
    passages: options.PassagesOption = options.Passages.MERGED,
    device: options.Device = "cpu",
    qrels: Annotated[str, typer.Option(help="Which judgements: qrels/NAME.tsv.")] = "test",
    corpus: Annotated[
        Path | None, typer.Option(help="Corpus file, if it lies elsewhere.", show_default=False)
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with a run made elsewhere, as NAME=FILE (TREC); repeat it for more.",
            show_default=False,
        ),
    ] = None,
    lucene: Annotated[
        bool, typer.Option("--lucene", help="Compare with Lucene's BM25 (needs the extra `lucene`).")
    ] = False,
    self_matches: Annotated[
        SelfMatchesOption, typer.Option(help="A hit with the query's own id: keep it, or remove it (ArguAna).")
    ] = SelfMatchesOption.KEPT,
    language: Annotated[str, typer.Option(help="Language of the BM25 field's analyzer.")] = "english",
    runs: Annotated[
        Path | None,
        typer.Option(
            help="Write each system's TREC run, and the judgements, to this folder.", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page with pictures, query by query: FILE.html.", show_default=False),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Keep the model's vectors here, for later runs.  [default: ~/.cache/lsr/vectors]",
            show_default=False,
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Encode everything anew, keep nothing.")] = False,
    seed: Annotated[int, typer.Option(help="Of the intervals and the significance tests.")] = 0,
    memory: options.Memory = None,
    threads: options.Threads = None,
    per_query: Annotated[
        bool, typer.Option("--per-query", help="With --json: give each measure for each query, too.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each system instead of a table.")
    ] = False,
) -> None:
    """Measure how good the search is, with intervals, and compare systems.

    Indexes the collection in a temporary folder (or takes `--index`), searches every judged query with each
    field alone and with their sum, and tests the differences for significance.

    **Examples**

    `lsr eval scifact/`

    `lsr eval scifact/ --index scifact.index --fields learned=1,bm25=0.5 --fields bm25`

    `lsr eval arguana/ --self-matches removed -m nDCG@10 -m R@1000 --json`

    `lsr eval scifact/ --lucene --baseline theirs=run.txt --runs out/ --report scifact.html`
    """
    from lsr.data.beir import BeirDataset
    from lsr.data.sample import located
    from lsr.eval.running import Settings, evaluate_dataset, evaluate_index, plan_evaluation
    from lsr.eval.tables import results_table
    from lsr.indexing import available_threads

    if per_query and not as_json:
        raise InvalidArgumentError("--per-query goes with --json; add it", field="--per-query")
    if mode is options.Mode.FAST and index is None:
        raise InvalidArgumentError(
            "--mode fast needs an index that was tuned; name it with --index", field="--mode"
        )
    if report is not None:
        options.check_file(report, "--report")
    if runs is not None:
        runs.mkdir(parents=True, exist_ok=True)
    used = options.model_options(
        method=method,
        queries=queries,
        precision=precision,
        document_length=document_length,
        query_length=query_length,
        transform=transform,
        split=split,
        passage_length=passage_length,
        overlap=overlap,
        passages=passages,
    )
    opened = BeirDataset.open(located(dataset), split=qrels, corpus=corpus)
    settings = Settings(
        measures=measure or Settings().measures,
        self_matches=self_matches.value,
        cache=None if no_cache else _cache(cache),
        seed=seed,
        threads=threads or available_threads(),
        memory=options.parse_memory(memory),
        device=device,
        baselines=dict(map(_baseline, baseline or ())),
        lucene=lucene,
        mode=mode.value,
        recall=recall,
    )
    systems = _systems(fields)
    if index is not None:
        if options_given := [name for name, value in _of_indexing(used) if value]:
            raise InvalidArgumentError(
                f"{options_given[0]}: the index was made already; leave --index out to make one for this",
                field=options_given[0],
            )
        done = evaluate_index(
            index, opened, settings, model=model, queries=queries, transform=transform, systems=systems
        )
    else:
        plan = plan_evaluation(model or "splade-tiny", systems, language=language, options=used)
        with progress("indexing", opened.estimated_documents()) as advance:
            done = evaluate_dataset(
                opened,
                plan,
                settings,
                systems=systems,
                on_forecast=lambda forecast: say(preflight(forecast)),
                progress=advance,
            )
    if runs is not None:
        _write_runs(runs, done, opened)
    if report is not None:
        _write_report(report, done, opened)
    if as_json:
        _print_json(done, per_query)
    else:
        results().print(results_table(done.results, done.comparisons))


def _of_indexing(used: ModelOptions) -> list[tuple[str, object]]:
    """What an index that exists has settled, by the option's name; with whether it was given."""
    settled = replace(used, queries=None, transform=None)
    plain = type(used)()
    return [
        (f"--{each.name.replace('_', '-')}", getattr(settled, each.name) != getattr(plain, each.name))
        for each in fields_of(used)
    ]


def _cache(folder: Path | None) -> VectorCache:
    from lsr.eval.cache import VectorCache, default_cache_folder

    return VectorCache(folder if folder is not None else default_cache_folder())


def _systems(fields: list[str] | None) -> list[SystemChoice] | None:
    """One system for each ``--fields``, called by what was written; None takes the default ones."""
    from lsr.eval.evaluate import SystemChoice
    from lsr.requests import parse_weights

    return [SystemChoice(text, parse_weights(text, "--fields") or {}) for text in fields] if fields else None


def _baseline(text: str) -> tuple[str, Run]:
    """``NAME=FILE`` as a name and the run in the file."""
    from lsr.eval.runs import read_run

    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise InvalidArgumentError(
            f"--baseline: {text!r} is not NAME=FILE; write for example theirs=run.txt", field="--baseline"
        )
    return name, read_run(Path(file))


def _write_runs(folder: Path, done: Evaluation, dataset: BeirDataset) -> None:
    """A file for each system, and ``qrels.txt``: what trec_eval and its relatives take."""
    from lsr.eval.qrels import write_qrels
    from lsr.eval.runs import write_run

    write_qrels(folder / "qrels.txt", dataset.qrels)
    for each in done.runs:
        name = re.sub(r"[^\w=.,-]", "_", each.result.system.name)
        write_run(folder / f"{name}.txt", each.run, tag=name)
    notes().print(f"wrote {counted(len(done.runs), 'run')} and qrels.txt to {folder}")


def _write_report(path: Path, done: Evaluation, dataset: BeirDataset) -> None:
    from lsr.eval.html import html_report

    texts = {query.id: query.text for query in dataset.queries}
    path.write_text(html_report(done.results, done.comparisons, texts), encoding="utf-8")
    notes().print(f"wrote {path}")


def _print_json(done: Evaluation, per_query: bool) -> None:
    from lsr.eval.results import to_json

    for result in done.results:
        answer = to_json(result, done.comparisons, per_query=per_query)
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
