"""How this process logs: one JSON object a line on stderr, never with keys, audio or text."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge

REDIS_AWAY = Gauge("voxway_limits_redis_away", "1 while the limits' Redis cannot be reached")
UNCHECKED = Counter(
    "voxway_limits_unchecked", "Decisions about limits that were made while Redis was away"
)


def configure(level: str = "info") -> None:
    """Set up logging for a server process. `level` is debug, info, warning or error."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), format="%(message)s")


def limits_incident(incident: str) -> None:
    """Count what happened to the limits' Redis: `lost`, `back`, or a decision `unchecked`."""
    if incident == "unchecked":
        UNCHECKED.inc()
    else:
        REDIS_AWAY.set(incident == "lost")
