"""The log: one JSON object a line, each with the id of the request it belongs to, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOBase
from math import isfinite
from typing import Any

import structlog
from opentelemetry import trace
from structlog.stdlib import BoundLogger
from structlog.typing import Processor

from photoplay.service.ground.ids import new_id
from photoplay.service.ground.settings import Settings

REQUEST_ID: ContextVar[str] = ContextVar("photoplay_request_id", default="")
"""The request that this thread or task works for; empty outside of one."""
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
"""A request id that somebody else may hand in: nothing that could break out of a log line."""
HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(
    r"secret|password|passwd|token|authori[sz]ation|cookie|csrf|api_?key|signature|database_url|credential",
    re.IGNORECASE,
)
SECRET_TEXTS = (
    (re.compile(r"\bpp_[A-Za-z0-9_-]{20,}"), "pp_" + HIDDEN),
    (re.compile(r"(?<=://)[^/\s@'\"]+(?=@)"), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), r"\1 " + HIDDEN),
    (re.compile(r"(/v1/files/)[^\s?'\"]+"), r"\1" + HIDDEN),
    (re.compile(r"([?&#](?:token|signature|key|secret|code|link)=)[^&\s'\"]+", re.IGNORECASE), r"\1" + HIDDEN),
)
OTHERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos", "alembic", "sqlalchemy", "httpx")
"""Loggers of other packages: what they say goes the same way."""
ROUTINE = ("alembic", "dbos", "httpx", "uvicorn.access")
"""Of those, the ones of which only warnings are worth a line; requests are logged by the app itself."""
DEEPEST = 6


def start_logging(settings: Settings, stream: TextIOBase | None = None) -> None:
    """Sends everything that this process logs to ``stream`` (None: standard error), also what other packages log."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request,
    ]
    as_json = settings.log_format == "json"
    out = stream or sys.stderr
    last: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_secrets,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in OTHERS:  # each has the handler itself: DBOS for one adds a handler of its own where it finds none
        other = logging.getLogger(name)
        other.handlers[:] = [handler]
        other.propagate = False
    for name in ROUTINE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger(name: str = "photoplay") -> Any:  # a lazy proxy of a BoundLogger
    """A logger: ``logger().info("worker_up", worker=…)``. The event is a name, everything else a named value."""
    return structlog.stdlib.get_logger(name)


def current_request() -> str:
    """The id of the request that is being worked for; empty outside of one."""
    return REQUEST_ID.get()


@contextmanager
def request_id(asked: str | None = None) -> Iterator[str]:
    """Everything inside belongs to one request: ``asked`` names it (a header, or what a job remembers) when that is a
    harmless name, else it gets a new id."""
    id_ = asked if asked and ACCEPTED.fullmatch(asked) else new_id("request")
    before = REQUEST_ID.set(id_)
    try:
        yield id_
    finally:
        REQUEST_ID.reset(before)


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Takes secrets out of a log line: by the name of the value, and by what keys and addresses look like."""
    return {name: HIDDEN if SECRET_NAMES.search(name) else _hidden(value, DEEPEST) for name, value in event.items()}


def _hidden(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        for pattern, instead in SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value
    if depth == 0:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if SECRET_NAMES.search(str(name)) else _hidden(one, depth - 1)
            for name, one in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hidden(one, depth - 1) for one in value]
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value)):
        return value
    return _hidden(str(value), depth)


def _add_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (id_ := REQUEST_ID.get()) and "request_id" not in event:
        event["request_id"] = id_
    if (context := trace.get_current_span().get_span_context()).is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
    return event
