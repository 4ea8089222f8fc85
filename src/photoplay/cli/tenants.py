"""``photoplay service user``, ``key`` and ``grant``: who may use the service, with what, for how much."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photoplay.cli import show
from photoplay.cli.installation import open_database
from photoplay.cli.options import AsJson, Yes, group
from photoplay.cli.tables import print_table
from photoplay.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from photoplay.service.accounts.tenants import User
    from photoplay.service.ground.plans import Plan
    from photoplay.service.ground.settings import Settings

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's e-mail address.", show_default=False)]

user = group("Who may sign in.")
key = group("API keys.")


@user.command("add")
def add(
    email: Email,
    plan: Annotated[str, typer.Option(help="The plan of the account.")] = "free",
    name: Annotated[str, typer.Option(help="Its name. Default: the e-mail address.", show_default=False)] = "",
    operator: Annotated[bool, typer.Option("--operator", help="May see and take down everything.")] = False,
    password: Annotated[
        bool, typer.Option("--password-stdin", help="Take a password from standard input instead of printing a link.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account with one user. It prints a link that signs them in, once."""
    word = sys.stdin.readline().rstrip("\r\n") if password else None
    with open_database() as (settings, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        now = time.time()
        tenant = accounts.create_tenant(conn, name or email[: accounts.NAME], _plan(settings, plan), now)
        made = accounts.create_user(conn, tenant.id, email, now, password=word, operator=operator)
        link = _link(settings, conn, made.id, now) if word is None else None
    if as_json:
        typer.echo(json.dumps({**asdict(made), "plan": plan, "link": link}))
        return
    typer.echo(f"{made.email} is {made.id} of {tenant.id}, plan {plan}{', operator' if operator else ''}.")
    if link:
        typer.echo(f"Open {link}\n(it signs them in once, and not for long)")


@user.command("link")
def link_(email: Email) -> None:
    """Print a new link that signs a user in, once."""
    with open_database() as (settings, database), database.begin() as conn:
        typer.echo(_link(settings, conn, _found(conn, email).id, time.time()))


@user.command("plan")
def plan_(email: Email, plan: Annotated[str, typer.Argument(help="Its name.", show_default=False)]) -> None:
    """Change the plan of a user's account. More monthly credits come at once, fewer from next month on."""
    with open_database() as (settings, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        accounts.set_plan(conn, _found(conn, email).tenant_id, _plan(settings, plan), time.time())
    typer.echo(f"The plan is {plan} now.")


@user.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the users with plan and credits."""
    with open_database() as (_, database), database.read() as conn:
        from sqlalchemy import select

        from photoplay.service.accounts.credits import balance_columns
        from photoplay.service.ground.tables import tenants, users

        told = (users.c.id, users.c.email, users.c.tenant_id, tenants.c.plan, users.c.operator, users.c.created_at)
        ended = (users.c.disabled_at, tenants.c.closed_at)
        joined = (
            select(*told, *ended, *balance_columns(users.c.tenant_id))
            .join(tenants, tenants.c.id == users.c.tenant_id)
            .order_by(users.c.email)
        )
        rows = [dict(row) for row in conn.execute(joined).mappings()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    print_table(
        ("e-mail", "plan", "credits", "held", "since", "state", "tenant"),
        [
            (
                row["email"],
                row["plan"],
                str(row["available"]),
                str(row["held"]) if row["held"] else "",
                day(row["created_at"]),
                _state(row),
                row["tenant_id"],
            )
            for row in rows
        ],
        wrapped="e-mail",
    )


@user.command("disable")
def disable(email: Email, yes: Yes = False) -> None:
    """Shut a user out at once: sessions, links and passwords end; with an account's last user its keys, too."""
    show.confirm(f"Shut out {email}?", yes)
    with open_database() as (_, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        accounts.disable_user(conn, _found(conn, email).id, time.time())
    typer.echo("The user is shut out.")


@user.command("close")
def close(email: Email, yes: Yes = False) -> None:
    """Close a user's account: everybody of it is shut out at once, its films, uploads and consents go within minutes, and
    after a day the names and e-mail addresses, too."""
    show.confirm(f"Close the account of {email}, and delete its films for good?", yes)
    with open_database() as (_, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        accounts.close_tenant(conn, _found(conn, email).tenant_id, time.time())
    typer.echo("The account is closed; the service deletes what it owned.")


@key.command("create")
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="What it is for.")] = "key",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do, such as videos:write; once for each. Default: all of it.", show_default=False
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="For how many days; 0: until it is revoked.", min=0, max=3650)] = 365,
    operate: Annotated[bool, typer.Option("--operator", help="Also the operator's pages and metrics.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is shown this once."""
    with open_database() as (_, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        owner = _found(conn, email)
        may = accounts.SCOPES | ({accounts.OPERATE} if owner.operator else set())
        scopes = [*(scope or sorted(accounts.SCOPES)), *([accounts.OPERATE] if operate else [])]
        info, token = accounts.create_key(conn, owner.tenant_id, name, scopes, time.time(), days or None, may)
    if as_json:
        typer.echo(json.dumps({**asdict(info), "key": token}))
        return
    typer.echo(token)
    typer.echo(f"{info.id}: {', '.join(info.scopes)}; {_until(info.expires_at)}. It is not shown again.", err=True)


@key.command("list")
def keys(email: Email, as_json: AsJson = False) -> None:
    """List the keys of a user's account."""
    with open_database() as (_, database), database.read() as conn:
        from photoplay.service.accounts import tenants as accounts

        found = accounts.list_keys(conn, _found(conn, email).tenant_id, time.time())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
        return
    print_table(
        ("id", "name", "starts with", "made", "used", "state", "scopes"),
        [
            (
                one.id,
                one.name,
                one.start,
                day(one.created_at),
                day(one.used_at) if one.used_at else "",
                "revoked" if one.revoked_at else _until(one.expires_at),
                " ".join(one.scopes),
            )
            for one in found
        ],
        wrapped="scopes",
    )


@key.command("revoke")
def revoke(email: Email, id_: Annotated[str, typer.Argument(metavar="ID", show_default=False)]) -> None:
    """End a key at once, and the keys that were made with it."""
    with open_database() as (_, database), database.begin() as conn:
        from photoplay.service.accounts import tenants as accounts

        accounts.revoke_key(conn, _found(conn, email).tenant_id, id_, time.time())
    typer.echo("The key is revoked.")


def grant(
    email: Email,
    amount: Annotated[int, typer.Argument(help="Credits.", min=1, show_default=False)],
    note: Annotated[str, typer.Option(help="What for; it stays in the ledger.")] = "granted by the operator",
) -> None:
    """Give credits to a user's account."""
    with open_database() as (_, database), database.begin() as conn:
        from photoplay.service.accounts import credits

        tenant_id = _found(conn, email).tenant_id
        credits.grant(conn, tenant_id, amount, note, time.time())
        now = credits.balance(conn, tenant_id)
    typer.echo(f"{now.available} credits are available now.")


def day(when: float) -> str:
    """A time as the day it was, in UTC."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}"


def _state(row: Mapping[str, Any]) -> str:
    if row["closed_at"] or row["disabled_at"]:
        return "closed" if row["closed_at"] else "disabled"
    return "operator" if row["operator"] else ""


def _until(when: float | None) -> str:
    return f"until {day(when)}" if when else "without an end"


def _found(conn: Connection, email: str) -> User:
    """Raises InputError: ``user_unknown``."""
    from photoplay.service.accounts import tenants as accounts

    found = accounts.find_user(conn, email)
    if found is None:
        raise InputError(
            "user_unknown", "There is no user with this e-mail address.", "`photoplay service user list` shows them."
        )
    return found


def _plan(settings: Settings, name: str) -> Plan:
    """Raises InputError: ``plan_unknown``."""
    from photoplay.service.ground.plans import load_plans

    plans = load_plans(settings.plans)
    if name not in plans:
        raise InputError("plan_unknown", f"There is no plan {name}.", f"There are {', '.join(plans)}.")
    return plans[name]


def _link(settings: Settings, conn: Connection, user_id: str, now: float) -> str:
    from photoplay.service.accounts import tenants as accounts
    from photoplay.service.operations.serving import base_url, sign_in_url

    return sign_in_url(base_url(settings, settings.host, settings.port), accounts.sign_in_link(conn, user_id, now))
