"""The figures that `/metrics` shows, in a registry of their own: what this process counted, and what the database says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from photoplay.errors import UnavailableError
from photoplay.service.ground.database import Database
from photoplay.service.ground.states import SILENT_S
from photoplay.service.ground.tables import jobs, workers

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)
PORTS = 64


@dataclass(frozen=True)
class Served:
    """A small server that shows figures at ``port`` until it is closed."""

    port: int
    server: WSGIServer
    thread: Thread

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Metrics:
    """Counters and histograms of one process. Label values are few and never name a person, a tenant or an id."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = CollectorRegistry()
        self.requests: Counter = self._counter("requests", "Requests answered.", "route", "status")
        self.request_seconds: Histogram = self._histogram("request_seconds", "Time to answer.", QUICK, "route")
        self.jobs: Counter = self._counter("jobs", "Jobs that came to a state.", "state", "plan")
        self.wait_seconds: Histogram = self._histogram("wait_seconds", "From submit to the first work.", LONG, "plan")
        self.stage_seconds: Histogram = self._histogram("stage_seconds", "Work of a stage.", LONG, "stage")
        self.films: Counter = self._counter("films", "Films made and sealed.")
        self.webhook_failures: Counter = self._counter("webhook_failures", "Webhook deliveries that failed.")

    def watch(self, database: Database) -> None:
        """Adds what the database knows, asked for at each look: jobs by state, the queue, and the workers."""
        self.registry.register(_Watch(database))

    def render(self) -> bytes:
        """All figures in Prometheus's text format (:data:`MEDIA_TYPE`)."""
        return generate_latest(self.registry)

    def serve(self, host: str, port: int) -> Served:
        """Shows the figures of a process that has no page of its own: at ``port``, or the next one that is free.

        Raises:
            UnavailableError: ``metrics_port_taken``: none of :data:`PORTS` ports is free.
        """
        for tried in range(port, port + PORTS):
            try:
                server, thread = start_http_server(tried, addr=host, registry=self.registry)
            except OSError:
                continue
            return Served(tried, server, thread)
        raise UnavailableError(
            "metrics_port_taken",
            "No port for the worker's figures is free.",
            "Set PHOTOPLAY_METRICS_PORT to another one.",
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"photoplay_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"photoplay_{name}", about, labels, buckets=buckets, registry=self.registry)


class _Watch(Collector):
    """Asks the database, so that every web process shows the same and a worker's jobs count although it has no page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("photoplay_database_up", "Whether the database answers.")
        try:
            found = list(self._asked(time.time()))
        except UnavailableError:
            found = []
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        yield up
        yield from found

    def _asked(self, now: float) -> Iterator[Metric]:
        queue = GaugeMetricFamily("photoplay_queue_length", "Jobs that wait.", labels=["plan"])
        oldest = GaugeMetricFamily("photoplay_queue_oldest_seconds", "How long the oldest has waited.", labels=["plan"])
        by_state = GaugeMetricFamily("photoplay_jobs_now", "Jobs by state.", labels=["state", "plan"])
        up = GaugeMetricFamily("photoplay_workers", "Workers that were heard of lately.", labels=["state"])
        counted = select(jobs.c.state, jobs.c.plan, func.count(), func.min(jobs.c.queued_at))
        with self._database.read() as conn:
            rows = conn.execute(counted.where(jobs.c.deleted_at.is_(None)).group_by(jobs.c.state, jobs.c.plan)).all()
            alive = conn.execute(
                select(workers.c.state, func.count())
                .where(workers.c.beat_at > now - SILENT_S, workers.c.state != "gone")
                .group_by(workers.c.state)
            ).all()
        for state, plan, count, since in rows:
            by_state.add_metric([state, plan], count)
            if state == "queued":
                queue.add_metric([plan], count)
                oldest.add_metric([plan], max(0.0, now - since))
        for state, count in alive:
            up.add_metric([state], count)
        yield from (queue, oldest, by_state, up)
