"""What /metrics shows: this process's counts, and what the database says at that moment."""

import socket
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from photoplay.service.ground.database import Database
from photoplay.service.ground.metrics import Metrics
from photoplay.service.ground.tables import jobs, tenants, workers


def samples(metrics: Metrics) -> dict:
    """Every sample by its name and label values, these in the order of the alphabet."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_counts_of_this_process():
    metrics = Metrics()
    metrics.requests.labels(route="/v1/videos", status="200").inc()
    metrics.requests.labels(route="/v1/videos", status="200").inc()
    metrics.request_seconds.labels(route="/v1/videos").observe(0.02)
    metrics.jobs.labels(state="completed", plan="pro").inc()
    metrics.wait_seconds.labels(plan="pro").observe(12)
    metrics.stage_seconds.labels(stage="generate").observe(3)
    metrics.films.inc()
    metrics.webhook_failures.inc()
    told = samples(metrics)
    assert told["photoplay_requests_total", "/v1/videos", "200"] == 2
    assert told["photoplay_request_seconds_count", "/v1/videos"] == 1
    assert told["photoplay_request_seconds_bucket", "/v1/videos", "0.01"] == 0
    assert told["photoplay_request_seconds_bucket", "/v1/videos", "0.025"] == 1
    assert told["photoplay_jobs_total", "completed", "pro"] == 1
    assert told["photoplay_wait_seconds_sum", "pro"] == 12
    assert told["photoplay_stage_seconds_sum", "generate"] == 3
    assert (told["photoplay_films_total",], told["photoplay_webhook_failures_total",]) == (1, 1)


def test_two_of_them_do_not_meet():
    one, other = Metrics(), Metrics()
    one.films.inc()
    assert samples(other)["photoplay_films_total",] == 0


def job(number: int, state: str, plan: str, queued_at: float, **more) -> dict:
    return {
        "id": f"video_{number}", "tenant_id": "tenant_a", "plan": plan, "queue": "films-pocket", "priority": 1,
        "request": {}, "state": state, "cost": 1, "created_at": 1.0, "queued_at": queued_at, **more,
    }  # fmt: skip


def worker(name: str, state: str, beat_at: float) -> dict:
    return {
        "id": name, "queues": [], "device": "cpu", "memory_gb": 1.0, "version": "1", "state": state,
        "started_at": 1.0, "beat_at": beat_at,
    }  # fmt: skip


def test_the_database_tells_queue_jobs_and_workers(either):
    metrics, now = Metrics(), time.time()
    metrics.watch(either)
    assert samples(metrics)["photoplay_database_up",] == 1
    with either.begin() as conn:
        conn.execute(tenants.insert().values(id="tenant_a", name="a", plan="free", created_at=now))
        for row in (
            job(1, "queued", "free", now - 100),
            job(2, "queued", "free", now - 50),
            job(3, "queued", "pro", now),
            job(4, "running", "pro", now),
            job(5, "queued", "pro", now, deleted_at=now),
        ):
            conn.execute(jobs.insert().values(row))
        for row in (
            worker("a", "up", now),
            worker("b", "up", now - 60),
            worker("c", "draining", now),
            worker("d", "gone", now),
        ):
            conn.execute(workers.insert().values(row))
    told = samples(metrics)
    assert told["photoplay_queue_length", "free"] == 2
    assert told["photoplay_queue_length", "pro"] == 1
    assert told["photoplay_queue_oldest_seconds", "free"] == pytest.approx(100, abs=30)
    assert told["photoplay_jobs_now", "pro", "running"] == 1
    assert told["photoplay_workers", "up"] == 1
    assert told["photoplay_workers", "draining"] == 1
    assert ("photoplay_workers", "gone") not in told


def test_a_database_that_is_away_is_shown_as_such():
    metrics = Metrics()
    metrics.films.inc()
    metrics.watch(Database("postgresql://me@127.0.0.1:9/films"))
    told = samples(metrics)
    assert (told["photoplay_database_up",], told["photoplay_films_total",]) == (0, 1)


def test_workers_show_theirs_at_ports_of_their_own():
    one, other = Metrics(), Metrics()
    one.films.inc()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] - 64
    first, second = one.serve("127.0.0.1", port), other.serve("127.0.0.1", port)
    try:
        assert first.port < second.port
        assert "photoplay_films_total 1.0" in httpx.get(f"http://127.0.0.1:{first.port}/metrics").text
        assert "photoplay_films_total 0.0" in httpx.get(f"http://127.0.0.1:{second.port}/metrics").text
    finally:
        first.close()
        second.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{first.port}/metrics")
