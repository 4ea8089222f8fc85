"""``/v1/account``: plan, credits, usage and API keys."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Connection, Float, func, select

from photoplay.service.accounts import credits
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.principals import Principal
from photoplay.service.api import problems
from photoplay.service.api.security import HubOf, need, session_only
from photoplay.service.api.shapes_account import (
    Account,
    Credits,
    KeyAnswer,
    KeyAsk,
    KeyId,
    NewKey,
    Revoked,
    Usage,
    WebhookSecret,
)
from photoplay.service.ground.tables import jobs
from photoplay.service.jobs import webhooks

router = APIRouter(tags=["account"])
AccountReader = Annotated[Principal, Depends(need("account:read"))]
AccountWriter = Annotated[Principal, Depends(need("account:write"))]


def usage(conn: Connection, tenant_id: str, now: float) -> Usage:
    """Films asked for and seconds of film made since the month began (UTC)."""
    today = datetime.fromtimestamp(now, UTC)
    began = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    made = func.coalesce(func.sum(jobs.c.film["seconds"].as_string().cast(Float)), 0.0)
    mine = (jobs.c.tenant_id == tenant_id, jobs.c.created_at >= began)
    count, seconds = conn.execute(select(func.count(), made).where(*mine)).one()
    return Usage(jobs_this_month=count, seconds_this_month=round(float(seconds), 3))


@router.get("/v1/account", summary="Your account", response_model=Account, responses=problems.documented(401, 403))
def retrieve_account(hub: HubOf, who: AccountReader) -> Account:
    """Plan, credits, what was used this month, and the API keys (never the keys themselves)."""
    plan, now = hub.plans[who.plan], time.time()
    with hub.database.read() as conn:
        tenant = accounts.get_tenant(conn, who.tenant_id)
        left = credits.balance(conn, who.tenant_id)
        return Account(
            tenant=tenant.name,
            plan=plan,
            credits=Credits(available=left.available, held=left.held, unmetered=plan.unmetered),
            usage=usage(conn, who.tenant_id, now),
            keys=[KeyAnswer(**asdict(key)) for key in accounts.list_keys(conn, who.tenant_id, now)],
        )


@router.post(
    "/v1/account/keys",
    summary="Make an API key",
    response_model=NewKey,
    status_code=201,
    responses=problems.documented(401, 403, 409, 415, 422),
)
def create_key(hub: HubOf, who: AccountWriter, ask: KeyAsk) -> NewKey:
    """A new key, shown this once. It can do no more than its maker and lasts no longer, and no key makes one that could
    make further keys."""
    if "account:write" in ask.scopes:
        session_only(who)
    with hub.database.begin() as conn:
        info, token = accounts.create_key(
            conn, who.tenant_id, ask.name, ask.scopes, time.time(), ask.days, may=who.scopes, maker=who
        )
    return NewKey(**asdict(info), key=token)


@router.delete(
    "/v1/account/keys/{key_id}",
    summary="Revoke an API key",
    response_model=Revoked,
    responses=problems.documented(401, 403, 404),
)
def revoke_key(hub: HubOf, who: AccountWriter, key_id: KeyId) -> Revoked:
    """Ends a key at once, and the keys that were made with it."""
    with hub.database.begin() as conn:
        accounts.revoke_key(conn, who.tenant_id, key_id, time.time())
    return Revoked(id=key_id)


@router.get(
    "/v1/account/webhook-secret",
    summary="What webhooks are signed with",
    response_model=WebhookSecret,
    responses=problems.documented(401, 403),
)
def webhook_secret(hub: HubOf, who: AccountWriter) -> WebhookSecret:
    """The secret that tells our webhooks from anybody's: `photoplay-signature: t=…,v1=…` is made with it."""
    return WebhookSecret(secret=webhooks.secret(hub.settings, who.tenant_id))
