"""A client's measurements for OpenTelemetry: `metrics.subscribe(OpenTelemetryExport())`.

Names are those of `metrics.INSTRUMENTS` with `voxway.client.` before. Needs opentelemetry-api,
which the extra `otel` brings; where they go is the application's choice of an SDK.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import Counter, Histogram, Meter, get_meter

from .. import __version__
from .metrics import INSTRUMENTS, Instrument, Measurement

PREFIX = "voxway.client."


class OpenTelemetryExport:
    """One for all sessions of a process. `meter` is that of the global provider by default."""

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter = meter or get_meter("voxway.client", __version__)
        self._instruments = {each.name: self._instrument(each) for each in INSTRUMENTS}

    def __call__(self, measurement: Measurement) -> None:
        match self._instruments[measurement.instrument.name]:
            case Counter() as counter:
                counter.add(measurement.value, measurement.labels)
            case Histogram() as histogram:
                histogram.record(measurement.value, measurement.labels)
            case gauge:
                gauge.set(measurement.value, measurement.labels)

    def _instrument(self, instrument: Instrument) -> Counter | Histogram | Any:
        name, unit, help = PREFIX + instrument.name, instrument.unit, instrument.help
        match instrument.kind:
            case "counter":
                return self._meter.create_counter(name, unit, help)
            case "gauge":
                return self._meter.create_gauge(name, unit, help)
            case "histogram":
                return self._meter.create_histogram(name, unit, help)
