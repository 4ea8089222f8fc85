"""The root command and what happens to errors."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Annotated, Any, Never

import typer
from typer.core import TyperGroup

from photoplay.cli import consent, film, look, models, replay, service, system, trust
from photoplay.errors import (
    CancelledError,
    InputError,
    PhotoplayError,
    RefusedError,
    ReviewError,
    SceneError,
    SealError,
    UnavailableError,
)
from photoplay.service.ground.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    QuotaError,
    TooManyError,
    UnauthorizedError,
)
from photoplay.version import __version__

STOPPED = 130
"""Exit status of a command that Ctrl-C ended."""

EXIT_CODES: tuple[tuple[type[PhotoplayError], int], ...] = (
    (InputError, 3),
    (SceneError, 4),
    (RefusedError, 5),
    (ReviewError, 6),
    (SealError, 7),
    (UnavailableError, 8),
    (CancelledError, STOPPED),
    (NotFoundError, 3),
    (ConflictError, 3),
    (UnauthorizedError, 5),
    (ForbiddenError, 5),
    (QuotaError, 5),
    (TooManyError, 8),
)
"""Exit status of each branch of the error tree. 0 is success, 1 a bug, 2 a wrong command line."""


class Commands(TyperGroup):
    """The commands. What is wrong with an option is said without pydantic's word for it."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that is asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    cls=Commands,
    name="photoplay",
    help="Turns a photograph into a short film, with the consent of the people in it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("animate")(film.animate)
app.command("demo")(film.demo)
app.command("inspect")(look.inspect)
app.command("capture")(look.capture)
app.add_typer(look.templates, name="templates")
app.add_typer(consent.consent, name="consent")
app.command("verify")(system.verify)
app.command("replay")(replay.replay)
app.add_typer(trust.audit, name="audit")
app.command("takedown")(trust.takedown)
app.command("erase")(trust.erase)
app.command("backends")(system.backends)
app.add_typer(models.models, name="models")
app.command("doctor")(system.doctor)
app.command("serve")(service.serve)
app.command("worker")(service.worker)
app.add_typer(service.service, name="service")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"photoplay {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turns a photograph into a short film, with the consent of the people in it."""


def exit_code(error: PhotoplayError) -> int:
    """The exit status for an error of the tree."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def main() -> None:
    """Entry point of ``photoplay``: errors become two lines for a person (or JSON) and an exit status."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    # as an exception, so that nothing unfinished is left behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except PhotoplayError as error:
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}))
        else:
            typer.secho(error.message, err=True, fg="red", bold=True)
            if error.hint:
                typer.echo(error.hint, err=True)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:  # so early that no command had begun
        _stopped()
    except SystemExit as end:
        if end.code == STOPPED:  # what the command line makes of Ctrl-C
            _stopped()
        raise


def _stopped() -> Never:
    """Ends what Ctrl-C stopped; commands that know what it left say so by an error of their own."""
    typer.echo("Stopped.", err=True)
    sys.exit(STOPPED)
