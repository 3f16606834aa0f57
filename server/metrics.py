"""What ``/metrics`` shows: one prefix, base units, and never an id or a query text as a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class _EncodedTokens(Collector):
    """The encoders count for themselves; this reads their sum."""

    def __init__(self, count_tokens: Callable[[], int]) -> None:
        self._count_tokens = count_tokens

    def collect(self) -> Iterator[Metric]:
        tokens = self._count_tokens()
        yield CounterMetricFamily("lsr_encode_tokens", "Tokens of query texts encoded", value=tokens)


class Metrics:
    """The numbers of one server. Each has its own registry, so that two apps in a process do not mix."""

    def __init__(self, version: str, count_tokens: Callable[[], int]) -> None:
        """count_tokens: query tokens encoded so far; asked when the numbers are read."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lsr_http_requests",
            "Requests answered",
            ["route", "method", "code"],
            registry=self.registry,
        )
        self.durations = Histogram(
            "lsr_request_duration_seconds",
            "Time from request to answer",
            ["route"],
            buckets=LATENCIES,
            registry=self.registry,
        )
        self.stages = Histogram(
            "lsr_search_stage_seconds",
            "Time of a search by stage",
            ["stage"],
            buckets=LATENCIES,
            registry=self.registry,
        )
        self.documents = Gauge("lsr_documents", "Live documents of the index", registry=self.registry)
        self.index_bytes = Gauge("lsr_index_bytes", "Size of the index on disk", registry=self.registry)
        self.generation = Gauge("lsr_index_generation", "Committed state being served", registry=self.registry)
        self.registry.register(_EncodedTokens(count_tokens))
        self.queue_depth = Gauge("lsr_queue_depth", "Searches waiting or running", registry=self.registry)
        build = Gauge("lsr_build_info", "Always 1", ["version"], registry=self.registry)
        build.labels(version).set(1)

    def observe_stages(self, took_ms: Mapping[str, float]) -> None:
        for stage, milliseconds in took_ms.items():
            self.stages.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self.registry)
