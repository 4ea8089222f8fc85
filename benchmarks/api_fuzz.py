"""Lets schemathesis run all its checks over the whole OpenAPI of an installation of its own, in memory, on no network.

    python -m benchmarks.api_fuzz [--examples 100] [--minutes 10] [--seed 1] [--write]

Tells every kind of failure once, and exits with 1 where there is any. A small run of it is a test of the suite.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import schemathesis
import structlog
from benchmarks.report import publish
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from tests.service.stage import Stage, open_stage

VERSION = importlib.metadata.version("schemathesis")
FINE = ["2xx", "304", "401", "402", "403", "404", "409", "416", "422", "429", "503"]
"""What a well-formed request may be answered: also that it asks for what cannot be done, but never 400 or 415."""
PATIENCE_S = 60
"""Seconds for an answer: the first photo waits for models to be read, on a busy machine for longer than 10."""
REFUSED = ["400", "401", "403", "404", "405", "413", "415", "422", "429", "503"]


@dataclass
class Fuzzed:
    """What came of a run."""

    scenarios: int = 0
    calls: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    operations: set[str] = field(default_factory=set)


def fuzz(
    stage: Stage,
    token: str,
    *,
    examples: int,
    seconds: float,
    seed: int = 1,
    stateful: bool = True,
    enough: Callable[[Fuzzed], bool] = lambda _: False,
) -> Fuzzed:
    """Runs every phase and every check of schemathesis as the holder of a key, or as far as it is ``enough``."""
    phases = {name: {"enabled": True} for name in ("examples", "coverage", "fuzzing")}
    said = {
        "seed": seed,
        "max-time": seconds,
        "continue-on-failure": True,
        "request-timeout": PATIENCE_S,
        "headers": {"Authorization": f"Bearer {token}"},
        "generation": {"max-examples": examples, "database": "none", "no-shrink": True},
        "phases": {**phases, "stateful": {"enabled": stateful, "max-steps": 4}},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": FINE},
            "negative_data_rejection": {"expected-statuses": REFUSED},
            "missing_required_header": {"expected-statuses": REFUSED},
        },
    }
    config = SchemathesisConfig.from_dict(said)
    schema = schemathesis.openapi.from_asgi("/openapi.json", stage.app, config=config, headers={"host": "127.0.0.1"})
    found = Fuzzed()
    told = from_schema(schema).execute()
    for event in told:
        if isinstance(event, events.ScenarioFinished):
            _note(found, event)
            if enough(found):
                told.stop()
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.failures.setdefault(f"error {getattr(event, 'label', '')}", str(getattr(event, "info", event)))
    return found


def _note(found: Fuzzed, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    found.scenarios += 1
    found.calls += len(recorder.interactions)
    found.operations.add(recorder.label)
    for one in recorder.interactions.values():
        found.statuses[str(one.response.status_code) if one.response else "none"] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            known = f"{recorder.label}: {check.name}: {failure.title}"
            if known not in found.failures:
                sample = check.failure_info.code_sample
                answer = recorder.interactions[case_id].response
                body = answer.content[:300] if answer is not None and answer.content else b""
                found.failures[known] = f"{failure.message}\n{sample}\n{body!r}"


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Stage, str]]:
    """An installation to run over, and the key of an operator who may do everything."""
    before = os.environ.get("PHOTOPLAY_HOME")
    os.environ["PHOTOPLAY_HOME"] = str(folder / "home")
    try:
        given = {
            "queue_limit": 1_000_000,
            "sign_up": True,
            "hosted": False,
            "allowed_hosts": ("127.0.0.1", "localhost", "testserver"),
        }
        with open_stage(folder / "data", **given) as stage:
            stage.app.state.watchers.longest = 0.3  # nobody works on the jobs: their streams would not end
            who = stage.someone("home", operator=True)
            stage.completed(who)
            yield stage, who.token
    finally:
        if before is None:
            del os.environ["PHOTOPLAY_HOME"]
        else:
            os.environ["PHOTOPLAY_HOME"] = before


def main() -> int:
    """Runs and tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    said = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (stage, token):
        found = fuzz(stage, token, examples=said.examples, seconds=said.minutes * 60, seed=said.seed)
    took = time.perf_counter() - began
    lines = [
        f"{found.scenarios} scenarios over {len(found.operations)} operations, {found.calls} calls in {took:.0f} s: "
        f"**{len(found.failures)} kinds of failure**.",
        "",
        "| answer | calls |",
        "|---|---:|",
        *(f"| {status} | {count} |" for status, count in sorted(found.statuses.items())),
        *(f"\n## {name}\n\n```text\n{text}\n```" for name, text in sorted(found.failures.items())),
    ]
    command = f"api_fuzz --examples {said.examples} --minutes {said.minutes:g} --seed {said.seed}"
    title = "schemathesis over the whole OpenAPI"
    publish(
        "\n".join(lines), "api-fuzz", title, command, write=said.write, conditions=f"schemathesis {VERSION}, in memory"
    )
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
