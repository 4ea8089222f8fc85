"""Workers are killed with SIGKILL at any moment: every job must come to one film or one clear error, charged once.

    .venv/bin/python -m benchmarks.chaos [--kills 100] [--jobs 300] [--database sqlite|postgres] [--workers 3] [--write]

Worker processes, queue, workflow, heartbeat, takeover, store and credits are the service's own; films are simulated
(50 to 400 ms each). Four deaths in five are told at once, as ``photoplay serve`` does that started the worker; the others
are found out by their silence. PostgreSQL is started on this machine and ends with the run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path

from benchmarks.report import publish
from tests.service import groundwork
from tests.service.chaos import Outcome, Trial, harm


def run(trial: Trial, database: str) -> Outcome:
    """One trial on a fresh database."""
    with tempfile.TemporaryDirectory(prefix="photoplay-chaos-") as name:
        folder = Path(name)
        if database == "sqlite":
            return harm(folder / "data", trial)
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        with warnings.catch_warnings(action="ignore"):
            server, handle = groundwork.start_postgres()
        try:
            return harm(folder / "data", trial, database_url=server.create())
        finally:
            handle.cleanup()


def report(outcome: Outcome) -> str:
    """What came of it, as a page."""
    lines = [
        "| what | how often |",
        "|---|---:|",
        f"| jobs | {sum(outcome.states.values())} |",
        *(f"| {state} | {count} |" for state, count in sorted(outcome.states.items())),
        *(f"| error `{code}` | {count} |" for code, count in sorted(outcome.errors.items())),
        f"| kill -9 | {outcome.kills} |",
        *(f"| of them in the step `{step}` | {count} |" for step, count in sorted(outcome.where.items())),
        *(f"| jobs that took {number} attempts | {count} |" for number, count in sorted(outcome.attempts.items())),
        f"| objects in the store that no film named, before the janitor's round | {outcome.orphans} |",
        f"| things that were wrong | {len(outcome.wrong)} |",
        "",
        "Looked at: one film or one clear error for each job; the film's bytes are those of its request; one reservation and"
        " one settlement or one refund for each job, what was earned is what finished films cost, and the audit of the"
        " ledger is clean; nothing half made in the store, and nothing but films after the janitor's round; each job told to"
        " be over once; nothing left in the queue.",
    ]
    return "\n".join([*lines, *(f"\n- {one}" for one in outcome.wrong)]) + "\n"


def main() -> None:
    """Runs, prints, and writes with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=580.0, help="seconds after which it ends in any case")
    parser.add_argument("--database", choices=("sqlite", "postgres", "postgresql"), default="sqlite")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    database = "postgres" if given.database.startswith("postgres") else "sqlite"
    trial = Trial(given.jobs, given.kills, given.workers, given.seed, limit=given.limit)
    outcome = run(trial, database)
    command = f"chaos --kills {trial.kills} --jobs {trial.jobs} --database {database} --seed {trial.seed}"
    publish(
        report(outcome), f"chaos-{database}", f"Chaos on {database}", command, write=given.write,
        conditions=f"{trial.workers} workers; {outcome.seconds:.0f} s",
    )  # fmt: skip
    raise SystemExit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
