"""A client's measurements for Prometheus: `metrics.subscribe(PrometheusExport())`.

Names are those of `metrics.INSTRUMENTS` with `voxway_client_` before and, where they are seconds,
`_seconds` behind. Needs prometheus-client, which the extra `otel` brings.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from .metrics import INSTRUMENTS, Instrument, Measurement

PREFIX = "voxway_client_"
_KINDS: dict[str, type[Counter | Gauge | Histogram]] = {
    "counter": Counter,
    "gauge": Gauge,
    "histogram": Histogram,
}


class PrometheusExport:
    """One for all sessions of a process. `labels` are those that the sessions' metrics have: each
    must have all of them."""

    def __init__(
        self,
        labels: Sequence[str] = ("task", "model"),
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._labels = tuple(labels)
        self._metrics = {each.name: self._metric(each, registry) for each in INSTRUMENTS}

    def __call__(self, measurement: Measurement) -> None:
        instrument, value = measurement.instrument, measurement.value
        names = self._labels + instrument.labels
        metric = self._metrics[instrument.name]
        if names:
            metric = metric.labels(*(measurement.labels.get(name, "") for name in names))
        match metric:
            case Counter():
                metric.inc(value)
            case Gauge():
                metric.set(value)
            case Histogram():
                metric.observe(value)

    def _metric(
        self, instrument: Instrument, registry: CollectorRegistry
    ) -> Counter | Gauge | Histogram:
        unit = "_seconds" if instrument.unit == "s" else ""
        name, labels = f"{PREFIX}{instrument.name}{unit}", self._labels + instrument.labels
        kind = _KINDS[instrument.kind]
        return kind(name, instrument.help, labels, registry=registry)
