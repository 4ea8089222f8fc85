"""Traces: spans of OpenTelemetry, sent as OTLP/HTTP in its JSON form. Without a collector a span costs next to nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, TypeAlias

import httpx
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, Status, StatusCode

from photoplay.errors import PhotoplayError, UnavailableError
from photoplay.service.ground.safe_settings import address
from photoplay.service.ground.settings import Settings
from photoplay.version import __version__

Json: TypeAlias = dict[str, Any]
PATH = "/v1/traces"
PATIENCE_S = 5.0
PAUSES_S = (0.5, 1.0, 2.0)
"""Before each further try, when the collector asks for one."""
AGAIN = (429, 502, 503, 504)
"""Answers after which OTLP lets a client try again."""


def start_tracing(settings: Settings) -> TracerProvider | None:
    """Sends this process's spans to ``settings.otlp_endpoint``; None where there is none. Call it once a process.

    Raises:
        UnavailableError: ``settings_invalid``: the endpoint is no http or https address.
    """
    if settings.otlp_endpoint is None:
        return None
    provider = make_provider(settings.otlp_endpoint)
    trace.set_tracer_provider(provider)
    return provider


def make_provider(endpoint: str) -> TracerProvider:
    """A source of spans that go to ``endpoint`` in the background; ``shutdown()`` sends the rest."""
    provider = TracerProvider(resource=Resource.create({"service.name": "photoplay", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OtlpJsonExporter(endpoint)))
    return provider


@contextmanager
def span(name: str, **attributes: str | bool | int | float) -> Iterator[Span]:
    """A span around what is done inside. An error leaves its code there, and neither its text nor where it happened."""
    tracer = trace.get_tracer("photoplay", __version__)
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            code = error.code if isinstance(error, PhotoplayError) else type(error).__name__
            current.set_attribute("error.type", code)
            current.set_status(Status(StatusCode.ERROR, code))
            raise


class OtlpJsonExporter(SpanExporter):
    """Posts spans to an OpenTelemetry collector as JSON (OTLP 1, section "JSON Protobuf Encoding").

    OpenTelemetry's own exporter wants a protobuf that mediapipe cannot live with.
    """

    def __init__(self, endpoint: str, pauses: Sequence[float] = PAUSES_S) -> None:
        parts = address(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnavailableError(
                "settings_invalid", "otlp_endpoint is no http address.", "Set it to http://collector:4318."
            )
        self._url = endpoint if parts.path.endswith(PATH) else endpoint.rstrip("/") + PATH
        self._pauses = pauses
        self._client = httpx.Client(timeout=PATIENCE_S, headers={"user-agent": f"photoplay/{__version__}"})
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans; a collector that is down loses them, and never stops the service."""
        if self._closed:
            return SpanExportResult.FAILURE
        body = json.dumps(encode(spans), separators=(",", ":")).encode()
        for pause in (*self._pauses, None):
            try:
                answer = self._client.post(self._url, content=body, headers={"content-type": "application/json"})
            except httpx.HTTPError:
                pass
            else:
                if answer.is_success:
                    return SpanExportResult.SUCCESS
                if answer.status_code not in AGAIN:
                    return SpanExportResult.FAILURE
            if pause is not None and not self._closed:
                time.sleep(pause)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Closes the connection."""
        self._closed = True
        self._client.close()


def encode(spans: Sequence[ReadableSpan]) -> Json:
    """Spans as the JSON of an ExportTraceServiceRequest."""
    groups = []
    for resource, some in groupby(spans, lambda one: one.resource):
        scopes = []
        for scope, of_scope in groupby(some, lambda one: one.instrumentation_scope):
            named = {"name": scope.name, "version": scope.version or ""} if scope else {}
            scopes.append({"scope": named, "spans": [_span(one) for one in of_scope]})
        groups.append({"resource": {"attributes": _attributes(resource.attributes)}, "scopeSpans": scopes})
    return {"resourceSpans": groups}


def _span(one: ReadableSpan) -> Json:
    context = one.get_span_context()
    told: Json = {
        "traceId": trace.format_trace_id(context.trace_id) if context else "",
        "spanId": trace.format_span_id(context.span_id) if context else "",
        "name": one.name,
        "kind": one.kind.value + 1,
        "startTimeUnixNano": str(one.start_time or 0),
        "endTimeUnixNano": str(one.end_time or 0),
        "attributes": _attributes(one.attributes),
        "events": [
            {"timeUnixNano": str(event.timestamp), "name": event.name, "attributes": _attributes(event.attributes)}
            for event in one.events
        ],
        "status": {"code": one.status.status_code.value},
    }
    if one.parent is not None:
        told["parentSpanId"] = trace.format_span_id(one.parent.span_id)
    if one.status.description:
        told["status"]["message"] = one.status.description
    return told


def _attributes(values: Mapping[str, Any] | None) -> list[Json]:
    return [{"key": name, "value": _value(value)} for name, value in (values or {}).items()]


def _value(value: object) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # 64-bit integers are strings in protobuf's JSON
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": str(value)}
