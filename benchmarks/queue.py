"""A simulated day of the queue, and far too many submits: who waits how long, and how fast a refusal comes.

    .venv/bin/python -m benchmarks.queue [--jobs 5000] [--workers 7 8 9 10 11] [--submits 3000] [--write]

The day runs on a virtual clock with the service's own priorities and the queue's order (lowest priority, then earliest),
and is told beside first come, first served. The submits go to the real admission
(``photoplay.service.jobs.lifecycle.submit`` on SQLite), 20 times as many as the workers can make.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.report import publish
from tests.service.opening import opened
from tests.service.simulation import MIX, START, Day, Overload, overload, p95, simulate

from photoplay.service.ground.plans import load_plans

TIMES = 20


def days(jobs: int, workers: list[int], seed: int) -> str:
    """The table of simulated days, one for each number of workers."""
    lines = [
        "| workers | worst wait if all were equal | p95 wait free | plus | pro | ultra | free : pro"
        " | beyond the ageing bound | done at the worst hour, share of first come first served |",
        "|" + "---:|" * 9,
    ]
    for count in workers:
        day = simulate(jobs, count, seed)
        worst = max(one.wait for one in day.plain)
        waits = " | ".join(f"{day.wait(plan):,.0f} s" for plan in MIX)
        ratio = min(day.ratio, 99.0)
        lines.append(
            f"| {count} | {worst / 60:.0f} min | {waits} | {ratio:.1f}{'+' if ratio == 99 else ''} |"
            f" {len(day.beyond())} | {day.throughput:.3f} |"
        )
    return "\n".join(lines)


def shape(day: Day) -> str:
    """What the day's jobs are."""
    work = sum(one.arrival.work for one in day.served)
    hours = [
        sum(one.arrival.work for one in day.served if int((one.arrival.at - START) // 3600) == hour)
        for hour in range(24)
    ]
    shares = ", ".join(f"{plan} {share:.0%}" for plan, share in MIX.items())
    delays = ", ".join(f"{name} {load_plans()[name].priority_delay} s" for name in MIX)
    return (
        f"{len(day.served):,} jobs ({shares}), {work / len(day.served):.0f} s of work each on average:"
        f" {work / 86_400:.1f} workers' work over the day, {max(hours) / 3600:.1f} at its busiest hour. Handicaps: {delays}."
    )


def admission(found: Overload) -> str:
    """The table of what far too many submits came to."""
    refused = sum(found.refusals.values())
    kinds = ", ".join(f"{code} {count:,}" for code, count in sorted(found.refusals.items()))
    rows = {
        "submits": f"{len(found.seconds):,}",
        "refused": f"{refused:,} ({kinds})",
        "of them without Retry-After": f"{found.without_retry}",
        "accepted": f"{found.accepted:,}",
        "accepted and never done": f"{found.lost}",
        "answer, median": f"{found.typical * 1000:.1f} ms",
        "answer, p95": f"{p95(found.seconds) * 1000:.1f} ms",
        "answer, p99": f"{sorted(found.seconds)[int(0.99 * len(found.seconds))] * 1000:.1f} ms",
        "answer, slowest": f"{found.slowest * 1000:.1f} ms",
        "answers over 100 ms": f"{sum(one > 0.1 for one in found.seconds)}",
        "what the ledger's audit finds": f"{len(found.audit)}",
    }
    return "\n".join(["| what | measured |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> None:
    """Measures, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--workers", type=int, nargs="+", default=[7, 8, 9, 10, 11])
    parser.add_argument("--submits", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, opened(Path(name) / "data") as hub:
        found = overload(hub, given.submits, TIMES, workers=8, seed=given.seed)
    text = "\n\n".join(
        [
            "## A day",
            shape(simulate(given.jobs, given.workers[0], given.seed)),
            days(given.jobs, given.workers, given.seed),
            f"## {TIMES} times too much",
            admission(found),
        ]
    )
    command = f"queue --jobs {given.jobs} --submits {given.submits} --seed {given.seed}"
    conditions = f"load average before {before:.1f}"
    publish(text, "queue", "The queue", command, write=given.write, conditions=conditions)


if __name__ == "__main__":
    main()
