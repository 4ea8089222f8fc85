"""Spans come to a collector as OTLP's JSON says, and a collector that is away disturbs nothing."""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SpanExportResult

from photoplay.errors import RefusedError, UnavailableError
from photoplay.service.ground.traces import OtlpJsonExporter, make_provider, span, start_tracing
from tests.service.groundwork import make_settings


class Collector:
    """A collector on loopback: keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.bodies: list[dict] = []
        self.heads: list[tuple[str, str]] = []
        self.answers: list[int] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.bodies.append(json.loads(body))
                collector.heads.append((self.path, self.headers["content-type"]))
                self.send_response(collector.answers.pop(0) if collector.answers else 200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def spans(self) -> list[dict]:
        return [
            one
            for body in self.bodies
            for group in body["resourceSpans"]
            for scope in group["scopeSpans"]
            for one in scope["spans"]
        ]


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def tracer(collector, monkeypatch):
    """``span`` of photoplay, sent to ``collector`` at the end."""
    provider = make_provider(collector.url)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield provider
    provider.shutdown()


def attributes(one: dict) -> dict:
    return {pair["key"]: pair["value"] for pair in one["attributes"]}


def test_spans_come_as_otlp_json(collector, tracer):
    before = time.time_ns()
    with span("film", job_id="video_a", frames=72, seconds=3.5, sealed=True), span("make"):
        pass
    tracer.force_flush()
    assert collector.heads == [("/v1/traces", "application/json")]
    inner, outer = collector.spans()
    assert (inner["name"], outer["name"]) == ("make", "film")
    assert inner["traceId"] == outer["traceId"]
    assert inner["parentSpanId"] == outer["spanId"]
    assert "parentSpanId" not in outer
    assert (len(outer["traceId"]), len(outer["spanId"])) == (32, 16)
    assert before <= int(outer["startTimeUnixNano"]) <= int(inner["startTimeUnixNano"])
    assert int(inner["endTimeUnixNano"]) <= int(outer["endTimeUnixNano"]) <= time.time_ns()
    assert outer["kind"] == 1  # INTERNAL
    assert outer["status"] == {"code": 0}
    assert attributes(outer) == {
        "job_id": {"stringValue": "video_a"}, "frames": {"intValue": "72"},
        "seconds": {"doubleValue": 3.5}, "sealed": {"boolValue": True},
    }  # fmt: skip
    (group,) = collector.bodies[0]["resourceSpans"]
    assert attributes(group["resource"])["service.name"] == {"stringValue": "photoplay"}
    assert [scope["scope"]["name"] for scope in group["scopeSpans"]] == ["photoplay"]


def test_an_error_leaves_its_code_and_not_its_text(collector, tracer):
    with pytest.raises(RefusedError), span("film"):
        raise RefusedError("content_refused", "A picture of somebody.", "Use another.")
    with pytest.raises(ValueError, match="secret"), span("make"):
        raise ValueError("/secret/path")
    tracer.force_flush()
    film, make = collector.spans()
    assert film["status"] == {"code": 2, "message": "content_refused"}
    assert make["status"] == {"code": 2, "message": "ValueError"}
    assert attributes(film)["error.type"] == {"stringValue": "content_refused"}
    assert film["events"] == make["events"] == []
    assert "secret" not in json.dumps(collector.bodies)


def test_events_links_and_lists_are_told(collector, tracer):
    with span("film") as current:
        current.add_event("preview", {"sizes": [320, 640], "raw": b"\x00\xff"})
    tracer.force_flush()
    (event,) = collector.spans()[0]["events"]
    assert event["name"] == "preview"
    told = attributes(event)
    assert told["sizes"] == {"arrayValue": {"values": [{"intValue": "320"}, {"intValue": "640"}]}}
    assert told["raw"] == {"bytesValue": "AP8="}


def some_spans() -> list:
    from opentelemetry.sdk.trace import TracerProvider

    one = TracerProvider().get_tracer("test").start_span("a")
    one.end()
    return [one]


@pytest.mark.parametrize(
    ("answers", "result", "tries"),
    [
        ([], SpanExportResult.SUCCESS, 1),
        ([503, 429, 200], SpanExportResult.SUCCESS, 3),
        ([400], SpanExportResult.FAILURE, 1),
        ([307], SpanExportResult.FAILURE, 1),
        ([503] * 9, SpanExportResult.FAILURE, 3),
    ],
)
def test_a_collector_that_asks_for_it_is_tried_again(collector, answers, result, tries):
    collector.answers = list(answers)
    exporter = OtlpJsonExporter(collector.url, pauses=(0.01, 0.01))
    assert exporter.export(some_spans()) == result
    assert len(collector.bodies) == tries
    exporter.shutdown()
    assert exporter.export(some_spans()) == SpanExportResult.FAILURE


def test_a_collector_that_is_away_loses_spans_and_nothing_else():
    exporter = OtlpJsonExporter("http://127.0.0.1:9", pauses=(0.01,))
    assert exporter.export(some_spans()) == SpanExportResult.FAILURE
    exporter.shutdown()


def test_an_endpoint_may_name_the_path(collector):
    exporter = OtlpJsonExporter(collector.url + "/otlp/v1/traces", pauses=())
    exporter.export(some_spans())
    exporter.shutdown()
    assert collector.heads[0][0] == "/otlp/v1/traces"


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector", "http://", "http://[::1"])
def test_an_endpoint_that_is_no_address_is_refused(tmp_path, endpoint):
    with pytest.raises(UnavailableError) as refused:
        start_tracing(make_settings(tmp_path, otlp_endpoint=endpoint))
    assert refused.value.code == "settings_invalid"


def test_without_a_collector_there_is_nothing_to_start(tmp_path):
    assert start_tracing(make_settings(tmp_path)) is None
    with span("film") as current:
        assert not current.is_recording()


def test_a_process_sends_what_is_left_when_it_ends(collector, tmp_path):
    code = (
        "import sys; from photoplay.service.ground.settings import Settings; from photoplay.service.ground.traces import *;"
        "start_tracing(Settings(data=sys.argv[1], otlp_endpoint=sys.argv[2]))\n"
        "with span('last'): pass"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path, collector.url], check=True, timeout=60)
    assert [one["name"] for one in collector.spans()] == ["last"]
