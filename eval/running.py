"""From a dataset's folder to results: index it, or take an index that exists, search, measure, compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lsr.eval.cache import VectorCache
from lsr.eval.cached_encoder import CachedEncoder
from lsr.eval.environment import environment
from lsr.eval.evaluate import Judged, SystemChoice, SystemRun, default_systems, evaluate, require_judged
from lsr.eval.lucene import bm25_run, require_lucene
from lsr.eval.measures import DEFAULT_MEASURES, evaluate_run, parse_measures, required_depth
from lsr.eval.results import Comparison, EvaluationResult, SelfMatches, System, compare, estimate

from lsr.errors import InvalidArgumentError
from lsr.models import ModelOptions
from lsr.passages import has_document

if TYPE_CHECKING:
    from lsr.data.beir import BeirDataset
    from lsr.eval.runs import Run
    from lsr.indexer.collection import Collection

    from lsr.encoders.base import SparseEncoder
    from lsr.fields import FieldEncoder
    from lsr.forecast import Forecast
    from lsr.indexing import IndexPlan
    from lsr.pipeline import Pipeline
    from lsr.requests import Mode


def _ignore(_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate; every field has the default of ``lsr eval``.

    cache:     where vectors are kept; None to encode everything anew
    seed:      of the intervals and the significance tests; the rankings do not depend on it
    threads:   for encoding, indexing and searching; the latency is measured on one
    memory:    bytes of working memory for encoding; None takes a part of what is available
    device:    where the model runs
    baselines: ranked lists made elsewhere, by name, compared with our own
    lucene:    Lucene's BM25 (k1 0.9, b 0.4, English) is one more baseline
    mode, recall: of the searches; "fast" is for an index that was tuned
    """

    measures: Sequence[str] = DEFAULT_MEASURES
    self_matches: SelfMatches = "kept"
    cache: VectorCache | None = None
    seed: int = 0
    threads: int = 1
    memory: int | None = None
    device: str = "cpu"
    baselines: Mapping[str, Run] = field(default_factory=dict)
    lucene: bool = False
    mode: Mode = "exact"
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Systems in the order given, baselines first, and every pair of them compared."""

    runs: Sequence[SystemRun]
    comparisons: Sequence[Comparison]

    @property
    def results(self) -> list[EvaluationResult]:
        return [each.result for each in self.runs]


def plan_evaluation(
    model: str,
    systems: Sequence[SystemChoice] | None,
    *,
    language: str = "english",
    options: ModelOptions | None = None,
) -> IndexPlan:
    """What to index so that ``systems`` can be searched; with None, the model's field and BM25's.

    The weights recorded for the model stay, because they are what its sum means; others are 1.
    """
    from lsr.indexing import COUNTED, COUNTED_ONLY, LEARNED, plan_index, recorded_sum

    everything = {COUNTED: 1.0} if model == COUNTED_ONLY else {LEARNED: 1.0, COUNTED: 1.0}
    weights = recorded_sum(model, options or ModelOptions()) or everything
    if systems is not None:
        weights = {name: weights.get(name, 1.0) for system in systems for name in system.weights}
    return plan_index(model, weights, language=language, options=options)


def evaluate_dataset(
    dataset: BeirDataset,
    plan: IndexPlan,
    settings: Settings,
    *,
    systems: Sequence[SystemChoice] | None = None,
    on_forecast: Callable[[Forecast], None] = _ignore,
    progress: Callable[[int], None] = _ignore,
) -> Evaluation:
    """Index the dataset by ``plan`` in a temporary folder and evaluate ``systems`` on it.

    systems:  None takes every field alone, and the sum where the plan has one
    progress: called with the number of documents indexed since the last call
    """
    _check_before_the_long_part(settings, dataset)
    with _temporary_index(dataset, plan, settings, on_forecast, progress) as pipeline:
        _require_judged_documents(
            pipeline.collection,
            dataset,
            str(dataset.corpus_path),
            "check that the ids of corpus and judgements are the same, or name the corpus with --corpus",
        )
        return _evaluate(pipeline, dataset, settings, systems)


def evaluate_index(
    index: Path,
    dataset: BeirDataset,
    settings: Settings,
    *,
    model: str | None = None,
    queries: str | None = None,
    transform: str | None = None,
    systems: Sequence[SystemChoice] | None = None,
) -> Evaluation:
    """Evaluate an index of the dataset's documents.

    model, queries, transform: as for ``Pipeline.open``
    Raises InvalidArgumentError if none of the relevant documents is in the index.
    """
    from lsr.pipeline import Pipeline

    _check_before_the_long_part(settings, dataset)
    opened = Pipeline.open(
        index,
        model=model,
        queries=queries,
        transform=transform,
        device=settings.device,
        threads=settings.threads,
    )
    pipeline = Pipeline(
        opened.collection, {name: _cached_field(each, settings.cache) for name, each in opened.encoders.items()}
    )
    _require_judged_documents(
        pipeline.collection, dataset, str(index), f"evaluate an index of {dataset.name}'s documents"
    )
    return _evaluate(pipeline, dataset, settings, systems)


def _check_before_the_long_part(settings: Settings, dataset: BeirDataset) -> None:
    """Queries and judgements are read first, too, so that a slip in them does not cost the encoding."""
    parse_measures(settings.measures)
    require_judged(_judged(dataset))
    if settings.lucene:
        require_lucene()


def _check_names(names: Sequence[str]) -> None:
    """Comparisons speak of systems by name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(
            f"two systems are called {twice[0]!r}; give a baseline another name, or name a system once"
        )


def _evaluate(
    pipeline: Pipeline,
    dataset: BeirDataset,
    settings: Settings,
    systems: Sequence[SystemChoice] | None,
) -> Evaluation:
    judged = _judged(dataset)
    chosen = systems if systems is not None else _default_systems(pipeline.collection, settings.mode)
    given = {**settings.baselines, **({"lucene": _lucene_run(dataset, settings)} if settings.lucene else {})}
    _check_names([*given, *(system.name for system in chosen)])
    baselines = [_baseline(name, run, judged, settings) for name, run in given.items()]
    own = evaluate(
        pipeline,
        judged,
        chosen,
        seed=settings.seed,
        measures=settings.measures,
        self_matches=settings.self_matches,
        threads=settings.threads,
        mode=settings.mode,
        recall=settings.recall,
    )
    runs = [*baselines, *own]
    return Evaluation(runs, compare([each.result for each in runs], settings.seed))


def _judged(dataset: BeirDataset) -> Judged:
    return Judged(dataset.name, dataset.all_queries, dataset.qrels)


def _default_systems(collection: Collection, mode: Mode) -> list[SystemChoice]:
    """In fast mode the index's own sum, which is what is tuned unless one asks for something else."""
    from lsr.pipeline import default_weights

    return (
        default_systems(collection) if mode == "exact" else [SystemChoice("sum", default_weights(collection))]
    )


def _lucene_run(dataset: BeirDataset, settings: Settings) -> Run:
    return bm25_run(
        ((document.id, document.encoder_text()) for document in dataset.documents()),
        {query.id: query.text for query in dataset.queries},
        k=required_depth(parse_measures(settings.measures)) + (settings.self_matches == "removed"),
        threads=settings.threads,
    )


def _baseline(name: str, run: Run, dataset: Judged, settings: Settings) -> SystemRun:
    """A result for ranked lists made elsewhere: measures only."""
    judged = {query.id: dataset.qrels[query.id] for query in dataset.judged}
    if settings.self_matches == "removed":
        run = {query: [hit for hit in ranking if hit[0] != query] for query, ranking in run.items()}
    values = evaluate_run(run, judged, parse_measures(settings.measures))
    result = EvaluationResult(
        dataset=dataset.name,
        system=System(name, (), mode="file"),
        values=values,
        measures={measure: estimate(each, settings.seed) for measure, each in values.items()},
        queries=len(dataset.queries),
        judged_queries=len(judged),
        unknown_queries=len(dataset.qrels) - len(judged),
        documents=None,
        truncated=None,
        split=None,
        self_matches=settings.self_matches,
        non_zeros=None,
        flops=None,
        latency_ms=None,
        index_bytes=None,
        environment=environment(settings.threads),
    )
    return SystemRun(result, run)


@contextmanager
def _temporary_index(
    dataset: BeirDataset,
    plan: IndexPlan,
    settings: Settings,
    on_forecast: Callable[[Forecast], None],
    progress: Callable[[int], None],
) -> Iterator[Pipeline]:
    """A pipeline over an index of the dataset that is gone afterwards."""
    from lsr.indexer.collection import Collection

    from lsr.indexing import DocumentEncoder, index_documents

    documents = DocumentEncoder(
        plan, encoder=_encoder(plan, settings), threads=settings.threads, memory=settings.memory
    )
    with tempfile.TemporaryDirectory(prefix="lsr-eval-") as folder:
        index = Path(folder) / "index"
        index_documents(
            dataset.documents(),
            index,
            documents,
            threads=settings.threads,
            expected=dataset.estimated_documents(),
            on_forecast=on_forecast,
            progress=progress,
        )
        yield documents.pipeline(Collection.open(index))


def _encoder(plan: IndexPlan, settings: Settings) -> SparseEncoder | None:
    """The plan's model behind the cache; None if it has none."""
    from lsr.indexing import LEARNED

    if LEARNED not in plan.weights:
        return None
    encoder = plan.options.load_plain(
        plan.model, device=settings.device, threads=settings.threads, memory=settings.memory
    )
    return plan.options.prepared(
        CachedEncoder(encoder, settings.cache) if settings.cache is not None else encoder
    )


def _cached_field(opened: FieldEncoder, cache: VectorCache | None) -> FieldEncoder:
    """The same field, its model behind the cache."""
    from lsr.fields import EncodedField

    if cache is None or not isinstance(opened, EncodedField):
        return opened
    return EncodedField(CachedEncoder(opened.encoder, cache))


def _require_judged_documents(collection: Collection, dataset: BeirDataset, place: str, advice: str) -> None:
    """Documents of something else than the judgements would silently score zero everywhere."""
    judged = (each for judgements in dataset.qrels.values() for each in judgements.items())
    relevant = {document for document, grade in judged if grade > 0}
    if relevant and not any(has_document(collection, document) for document in relevant):
        raise InvalidArgumentError(
            f"{place}: holds none of the documents ({len(relevant):,}) that {dataset.name} judges relevant;"
            f" {advice}"
        )
