"""What the service tells about itself: logs with request ids. See also metrics.py and traces.py, which it names."""

from __future__ import annotations

from photoplay.service.ground.logs import REQUEST_ID, current_request, logger, request_id, start_logging
from photoplay.service.ground.metrics import Metrics
from photoplay.service.ground.traces import span, start_tracing

__all__ = [
    "REQUEST_ID",
    "Metrics",
    "current_request",
    "logger",
    "request_id",
    "span",
    "start_logging",
    "start_tracing",
]
