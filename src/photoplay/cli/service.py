"""``photoplay serve``, ``photoplay worker`` and ``photoplay service``: the service and its operator."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photoplay.cli import show, tenants, trust
from photoplay.cli.installation import load_settings, open_database, open_hub
from photoplay.cli.options import AsJson, Yes, group
from photoplay.cli.tables import print_table, size
from photoplay.errors import InputError

if TYPE_CHECKING:
    from photoplay.service.ground.settings import Settings

MARKS = {"fine": "ok ", "weak": "!  ", "failed": "NO "}
COLOURS = {"fine": None, "weak": "yellow", "failed": "red"}


class PartChoice(StrEnum):
    """What a backup holds."""

    DATABASE = "database"
    STORE = "store"
    TRUST = "trust"


service = group("Look after the service: accounts, keys, credits, backups.")
service.add_typer(tenants.user, name="user")
service.add_typer(tenants.key, name="key")
service.command("grant")(tenants.grant)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen at; anything but loopback is a hosted service.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at.", min=1, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes to start; 0: the web alone.", min=0)] = None,
    backend: Annotated[list[str] | None, typer.Option(help="What films can be made with; once for each.")] = None,
) -> None:
    """Serve the API and the studio, with workers beside: photoplay serve

    On one's own machine it prints a link that signs in. What is not given is as the settings say, which are environment
    variables (docs/service/settings.md).
    """
    options = {"host": host, "port": port, "workers": workers, "backends": tuple(backend) if backend else None}
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(**given).checked()
    from photoplay.service.operations.serving import serve as run

    overrides = {f"PHOTOPLAY_{name.upper()}": _written(value) for name, value in given.items()}
    raise typer.Exit(run(settings, overrides, typer.echo))


def worker(
    backend: Annotated[
        list[str] | None, typer.Option(help="What it makes films with; once for each. Default: as the settings say.")
    ] = None,
    id_: Annotated[str, typer.Option("--id", hidden=True)] = "",
    leash: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Make the films of the queue, one at a time, until SIGTERM: photoplay worker

    It finishes its film first; a second SIGTERM leaves the film to another worker.
    """
    settings = load_settings().checked()
    from photoplay.service.ground import telemetry
    from photoplay.service.operations.serving import hold
    from photoplay.service.upkeep.worker import run

    telemetry.start_logging(settings)
    telemetry.start_tracing(settings)
    queues = _queues(settings, backend)
    if leash >= 0:
        hold(leash)
    raise typer.Exit(run(settings, queues, worker_id=id_ or None))


@service.command("check")
def check(as_json: AsJson = False) -> None:
    """Look whether the service can run here: settings, database, store, trust folder, filter, backends.

    Exit status 8 where something keeps it from running.
    """
    settings = load_settings()
    from photoplay.service.operations.checkup import check_up

    found = check_up(settings)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            typer.secho(f"{MARKS[one.state]} {one.name:<14}{one.message}", fg=COLOURS[one.state])
            if one.hint:
                typer.echo(f"  {'':<14}{one.hint}")
    if any(one.state == "failed" for one in found):
        raise typer.Exit(8)


@service.command("migrate")
def migrate() -> None:
    """Bring the database up to date. `serve` and `worker` do so too when they start."""
    with open_database():
        typer.echo("The database is up to date.")


@service.command("overview")
def overview(as_json: AsJson = False) -> None:
    """Tell what waits, who works, what failed, and whether the ledger of credits is balanced."""
    with open_hub() as hub:
        from photoplay.service.api.routes.admin import Audited, look

        found = look(hub, Audited(), time.time())
    if as_json:
        typer.echo(found.model_dump_json())
        return
    queues = [
        (one.queue, one.plan, str(one.waiting), str(one.running), f"{one.oldest_wait_s:.0f} s") for one in found.queues
    ]
    print_table(("queue", "plan", "wait", "run", "oldest"), queues, wrapped="queue")
    workers = [
        (one.id, one.state, f"{one.beat_age_s:.0f} s ago", one.device, one.job_id or "", " ".join(one.queues))
        for one in found.workers
    ]
    print_table(("worker", "state", "heard of", "device", "film", "queues"), workers, wrapped="queues")
    failures = [
        (one.id, tenants.day(one.finished_at) if one.finished_at else "", str(one.attempts), one.code, one.message)
        for one in found.failures
    ]
    if failures:
        print_table(("failed", "when", "tries", "code", "why"), failures, wrapped="why")
    typer.echo("The ledger is balanced." if found.ledger.balanced else "\n".join(found.ledger.problems))


@service.command("sweep")
def sweep() -> None:
    """Do one round of what `serve` does all the time: delete what ran out, renew credits, call webhooks."""
    with open_hub() as hub:
        from photoplay.service.upkeep.janitor import sweep as run

        done = run(hub, time.time()).lines()
    typer.echo("\n".join(done) or "There was nothing to do.")


@service.command("erase")
def erase(
    subject: Annotated[str, typer.Argument(help="The person's id, as `photoplay consent show` tells it.")],
    yes: Yes = False,
) -> None:
    """Erase a person from the service: films and photos of whatever account, records, and what is known of them."""
    show.confirm("This deletes films for good. Go on?", yes)
    with open_hub() as hub:
        from photoplay.service.jobs.maker import open_guard
        from photoplay.service.upkeep.erasing import erase_person

        done = erase_person(hub, open_guard(hub.settings), subject, time.time())
    typer.echo(f"{done.removed} films and uploads of the service are removed.")
    trust.tell_erased(done.rest)


@service.command("backup")
def backup(
    out: Annotated[Path, typer.Argument(help="The archive to write (.tar). It holds secrets: keep it so.")],
    part: Annotated[list[PartChoice] | None, typer.Option(help="Only this; once for each.", show_default=False)] = None,
) -> None:
    """Write database, store and trust folder into one archive, also while the service runs.

    A database server and a bucket are backed up with their own tools: docs/service/backup.md."""
    settings = load_settings()
    from photoplay.service.operations.backup import back_up

    done = back_up(settings, out, [one.value for one in part or PartChoice])
    typer.echo(f"{done.files} files, {size(done.bytes)}, every one with its digest in the archive's manifest.")


@service.command("restore")
def restore(
    archive: Annotated[Path, typer.Argument(help="What `photoplay service backup` wrote.", show_default=False)],
    verify: Annotated[bool, typer.Option("--verify", help="Only check it; restore nothing.")] = False,
) -> None:
    """Check an archive against its manifest and put everything back. Only where no service and no trust folder is yet."""
    settings = load_settings()
    from photoplay.service.operations.backup import read_back

    done = read_back(settings, archive, check_only=verify)
    typer.echo(f"{done.files} files, {size(done.bytes)}: {'whole' if verify else 'restored'}.")


@service.command("move")
def move(
    to: Annotated[
        str,
        typer.Option(
            envvar="PHOTOPLAY_MOVE_TO",
            help="postgresql://user:password@host/name of an empty database. In the environment nobody else sees it.",
            show_default=False,
        ),
    ],
) -> None:
    """Move accounts, credits, history and what waits from the SQLite file into PostgreSQL, while the service is stopped.

    Uploads, films and the trust folder stay where they are: docs/service/upgrade.md."""
    settings = load_settings()
    from photoplay.service.operations.moving import move as moved

    done = moved(settings, to)
    typer.echo(
        f"{done.rows} rows are copied, {done.waiting} films wait in the new queue; the ledger of credits adds up."
    )
    typer.echo(
        "Set PHOTOPLAY_DATABASE_URL to that address before the next start: none begins on the old file any more."
    )


def _queues(settings: Settings, backends: list[str] | None) -> list[str]:
    """The queues of backends that the settings allow."""
    from photoplay.service.engine import queue_name

    wanted = backends or list(settings.backends)
    if unknown := [name for name in wanted if name not in settings.backends]:
        raise InputError(
            "backend_not_served",
            f"The settings do not name these backends: {', '.join(unknown)}.",
            f"Served are {', '.join(settings.backends)}; PHOTOPLAY_BACKENDS changes that.",
        )
    return [queue_name(name) for name in wanted]


def _written(value: object) -> str:
    """A setting as its environment variable."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
