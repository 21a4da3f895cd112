"""Who is told of a session's doings: its metrics, its log, and the application."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from ..events import ListenOptions, Options
from .log import Session, SessionLog
from .metrics import Measurement, Metrics
from .notices import Notice
from .owner import Manner
from .service import Route


class Observers:
    """Of one session. What the application does with it never disturbs the session: its callbacks
    are called when the loop comes to it, and what they raise is the loop's."""

    def __init__(self, route: Route, options: Options, manner: Manner) -> None:
        self.metrics = Metrics({"task": route.task, "model": route.model})
        self._log = SessionLog(_session(route, options), route.secrets)
        self._on_notice = manner.on_notice
        if manner.on_measurement is not None:
            self.metrics.subscribe(_later(manner.on_measurement))

    def note(self, notice: Notice) -> None:
        self.metrics.notice(notice)
        self._log.notice(notice)
        if self._on_notice is not None:
            asyncio.get_running_loop().call_soon(self._on_notice, notice)


def _later(call: Callable[[Measurement], None]) -> Callable[[Measurement], None]:
    def soon(measurement: Measurement) -> None:
        asyncio.get_running_loop().call_soon(call, measurement)

    return soon


def _session(route: Route, options: Options) -> Session:
    return Session(
        uuid.uuid4().hex[:8],
        route.task,
        route.engine,
        route.model,
        options.encoding or "",
        options.sample_rate or 0,
        options.partials if isinstance(options, ListenOptions) else None,
        options.language or "",
    )
