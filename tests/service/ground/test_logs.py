"""Every line of the log is JSON, names its request, and holds no secret."""

import contextvars
import io
import json
import logging
import re
import threading
from pathlib import Path

import pytest
import structlog
from dbos._logger import init_logger

from photoplay.service.ground.logs import OTHERS, current_request, logger, request_id, start_logging
from photoplay.service.ground.traces import make_provider
from tests.service.groundwork import SECRET, make_settings


def written() -> io.TextIOWrapper:
    """Something to log to."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def text(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode()


@pytest.fixture
def restored():
    """Logging as it was, after the test."""
    loggers = [logging.getLogger(name) for name in ("", *OTHERS)]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(restored, settings):
    """Starts logging; called, it tells the lines so far."""
    stream = written()
    start_logging(settings, stream)
    return lambda: [json.loads(line) for line in text(stream).splitlines()]


def test_a_line_is_an_object_with_time_level_event_and_values(lines):
    logger().info("job_started", job_id="video_a", attempt=2)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "job_started", "level": "info", "logger": "photoplay", "job_id": "video_a", "attempt": 2}


def test_lines_of_a_request_name_it_also_in_a_thread(lines):
    logger().info("outside")
    with request_id("0123456789abcdef") as id_:
        assert (id_, current_request()) == ("0123456789abcdef", "0123456789abcdef")
        logger().info("inside")
        thread = threading.Thread(target=contextvars.copy_context().run, args=(logger().info, "beside"))
        thread.start()
        thread.join()
        with request_id() as other:
            logger().info("deeper")
        logger().info("back")
    assert current_request() == ""
    assert [(line["event"], line.get("request_id")) for line in lines()] == [
        ("outside", None), ("inside", id_), ("beside", id_), ("deeper", other), ("back", id_),
    ]  # fmt: skip


@pytest.mark.parametrize("asked", ["", "short", "x" * 65, 'a"}\n{"event": "forged', "with space", "ümlaut-ümlaut"])
def test_a_request_id_that_could_break_a_line_is_replaced(asked):
    with request_id(asked) as id_:
        assert id_ != asked
        assert id_.startswith("request_")


@pytest.mark.parametrize("name", ["dbos", "uvicorn.error", "sqlalchemy.engine", "somebody.else"])
def test_what_others_log_goes_the_same_way_once(lines, name):
    with request_id("0123456789abcdef"):
        logging.getLogger(name).warning("pool %s is %d%% full", "a", 90)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("pool a is 90% full", "warning", name)
    assert line["request_id"] == "0123456789abcdef"


def test_dbos_adds_no_handler_of_its_own(lines):
    init_logger()
    logging.getLogger("dbos").error("once")
    assert len(lines()) == 1


def test_routine_of_others_is_left_out(lines):
    for name in ("uvicorn.access", "httpx", "alembic.runtime.migration"):
        logging.getLogger(name).info("GET /v1/files/a-signed-link")
    logger().debug("detail")
    assert lines() == []


def test_an_error_is_logged_with_where_it_happened(lines):
    try:
        raise ValueError("no such film")
    except ValueError:
        logger().exception("request_failed", status=500)
    (line,) = lines()
    assert (line["event"], line["level"], line["status"]) == ("request_failed", "error", 500)
    assert "ValueError: no such film" in line["exception"]


def test_secrets_do_not_come_into_the_log(lines, tmp_path):
    key = "pp_" + "Ab-_9" * 8 + "xyz"
    log = logger()
    log.info("a", password="hunter2", api_key="k-123", Authorization="Bearer b-456", cookie="photoplay_session=c-789")
    log.info("b", url="postgresql://me:hunter2@db/films", other=f"sent {key} to them")
    log.info("c", headers={"authorization": "Basic b-456", "deep": [{"session_token": "c-789", "text": key}]})
    log.info(
        "d",
        link="https://photoplay.example.org/#link=k-123&x=1",
        file="GET /v1/files/k-123.k-123 200",
        header="bearer b-456",
    )
    log.info("e", settings=make_settings(tmp_path, database_url="postgresql://me:hunter2@db/films"))
    logging.getLogger("other").warning("connecting to postgresql://me:hunter2@db/films with %s", key)
    try:
        raise RuntimeError(f"refused {key} at s3://akid:k-123@bucket")
    except RuntimeError:
        log.exception("f")
    told = lines()
    assert len(told) == 7
    shown = json.dumps(told)
    assert not any(secret in shown for secret in ("hunter2", "k-123", "b-456", "c-789", key[3:], SECRET))
    assert "photoplay.example.org" in shown  # what is no secret stays


def test_values_of_any_kind_can_be_logged(lines):
    deep: dict = {}
    deep["self"] = deep
    logger().info(
        "odd", path=b"bytes", thing=object(), number=float("inf"), some={1, 2}, deep=deep, none=None, text="ü\n\0\ud800"
    )
    (line,) = lines()
    assert (line["none"], line["text"], sorted(line["some"])) == (None, "ü\n\0\ud800", [1, 2])
    assert line["number"] == "inf"  # JSON has no such number


def test_a_line_names_its_trace(lines):
    provider = make_provider("http://127.0.0.1:9")
    with provider.get_tracer("test").start_as_current_span("a") as span:
        logger().info("traced")
    assert lines()[0]["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    provider._active_span_processor._span_processors = ()  # nothing is sent: there is nobody
    provider.shutdown()


def test_text_is_for_people(restored, tmp_path):
    stream = written()
    start_logging(make_settings(tmp_path, log_format="text"), stream)
    logger().info("job_started", job_id="video_a", password="hunter2")
    assert "job_started" in text(stream)
    assert "video_a" in text(stream)
    assert "hunter2" not in text(stream)
    assert "\x1b" not in text(stream)  # no colours in a file


def test_what_a_line_can_be_called_is_written_down():
    """Operators search for these names: each is a name, and stands in the table of docs/service/operate.md."""
    root = Path(__file__).parents[3]
    called = re.compile(r'(?:\.(?:exception|error|warning|info)|\blog|\bwarning\)|_surviving)\(\s*"([^"]+)"')
    names = {
        name
        for path in (root / "src" / "photoplay" / "service").rglob("*.py")
        for name in called.findall(path.read_text())
    }
    assert {"janitor_failed", "attempt_failed", "worker_ended", "worker_not_buried"} <= names
    listed = set(re.findall(r"`([a-z_]+)`", (root / "docs" / "service" / "operate.md").read_text()))
    assert names <= listed
