"""Credits, kept as double entry: every transfer's entries add up to zero, and nothing is charged twice.

A tenant's credits lie in ``wallet:{tenant}``, those of unfinished films in ``held:{tenant}``. ``issued`` is where credits
come from (it only falls), ``revenue`` is what films earned.

    grant, renew   issued -> wallet
    reserve        wallet -> held
    settle         held -> revenue, and what was not charged -> wallet
    refund         held -> wallet

A reservation, its settlement and its refund belong to one round of one job; each is made at most once, by the unique
constraint on (job_id, round, kind), and settlement and refund exclude each other. ``balances`` repeats what the entries
of wallets and holds add up to, so that a balance is one row, and the database refuses one below zero. Every function
takes the connection of a write transaction and holds the tenant in it; only :func:`balance` and :func:`audit` read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from photoplay.service.ground.errors import QuotaError
from photoplay.service.ground.ids import new_id
from photoplay.service.ground.plans import Plan
from photoplay.service.ground.rows import hold_tenant, insert_once
from photoplay.service.ground.states import LIVE
from photoplay.service.ground.tables import balances, entries, jobs, transfers

Named = TypeVar("Named", str, ColumnElement[str])
ISSUED, REVENUE = "issued", "revenue"


@dataclass(frozen=True)
class Balance:
    """Credits that can be spent, and those held for films that are not finished."""

    available: int
    held: int


def balance(conn: Connection, tenant_id: str) -> Balance:
    """The tenant's credits."""
    return Balance(_amount(conn, wallet(tenant_id)), _amount(conn, held(tenant_id)))


def balance_columns(tenant_id: ColumnElement[str]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """``available`` and ``held`` as columns of a query for many tenants, each of which ``tenant_id`` names in its row."""

    def amount(account: ColumnElement[str]) -> ColumnElement[int]:
        return func.coalesce(select(balances.c.amount).where(balances.c.account == account).scalar_subquery(), 0)

    return amount(wallet(tenant_id)).label("available"), amount(held(tenant_id)).label("held")


def grant(conn: Connection, tenant_id: str, amount: int, note: str, now: float) -> None:
    """Gives credits, or takes unspent ones back (``amount`` below zero).

    Errors: NotFoundError; QuotaError ``credits_short`` when more would be taken than is there.
    """
    hold_tenant(conn, tenant_id)
    _enough(conn, tenant_id, -amount)
    _post(conn, "grant", tenant_id, {ISSUED: -amount, wallet(tenant_id): amount}, now, note=note)


def renew(conn: Connection, tenant_id: str, plan: Plan, now: float) -> bool:
    """Gives the plan's monthly credits, once in a calendar month (UTC); returns whether any were given.

    After a change to a plan with more of them, the difference is given. Unspent credits stay.
    """
    if plan.unmetered or plan.monthly_credits == 0:
        return False
    month = datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
    hold_tenant(conn, tenant_id)
    given = conn.execute(
        select(func.coalesce(func.sum(entries.c.amount), 0))
        .join(transfers, transfers.c.id == entries.c.transfer_id)
        .where(transfers.c.tenant_id == tenant_id, transfers.c.kind == "renew", transfers.c.note == month)
        .where(entries.c.account == wallet(tenant_id))
    ).scalar_one()
    amount = plan.monthly_credits - int(given)
    if amount <= 0:
        return False
    moved = {ISSUED: -amount, wallet(tenant_id): amount}
    name = f"renew_{tenant_id}_{month}_{plan.monthly_credits}"
    return _post(conn, "renew", tenant_id, moved, now, note=month, transfer_id=name)


def reserve(conn: Connection, tenant_id: str, job_id: str, round: int, amount: int, now: float) -> bool:
    """Holds ``amount`` credits for a round of a job; False (and nothing changes) if they are or were held already.

    Errors: QuotaError ``credits_short``; NotFoundError.
    """
    if amount < 0:
        raise ValueError("an amount is 0 or more")
    hold_tenant(conn, tenant_id)
    if _made(conn, job_id, round, "reserve") is not None:
        return False
    _enough(conn, tenant_id, amount)
    moved = {wallet(tenant_id): -amount, held(tenant_id): amount}
    return _post(conn, "reserve", tenant_id, moved, now, job=(job_id, round))


def settle(conn: Connection, job_id: str, round: int, now: float, charged: int | None = None) -> bool:
    """Charges what a round of a job held, or a smaller part of it, and gives the rest back.

    False (and nothing changes) if it was settled or refunded already, or if nothing was ever reserved.
    """
    hold = _live_hold(conn, job_id, round)
    if hold is None:
        return False
    tenant_id, amount = hold
    charged = amount if charged is None else charged
    if not 0 <= charged <= amount:
        raise ValueError("what is charged is at most what is held")
    moved = {held(tenant_id): -amount, REVENUE: charged, wallet(tenant_id): amount - charged}
    return _post(conn, "settle", tenant_id, moved, now, job=(job_id, round))


def refund(conn: Connection, job_id: str, round: int, now: float) -> bool:
    """Gives back what a round of a job held.

    False (and nothing changes) if it was settled or refunded already, or if nothing was ever reserved.
    """
    hold = _live_hold(conn, job_id, round)
    if hold is None:
        return False
    tenant_id, amount = hold
    moved = {held(tenant_id): -amount, wallet(tenant_id): amount}
    return _post(conn, "refund", tenant_id, moved, now, job=(job_id, round))


def wallet(tenant_id: Named) -> Named:
    """The account of a tenant's free credits."""
    return "wallet:" + tenant_id


def held(tenant_id: Named) -> Named:
    """The account of a tenant's credits for unfinished films."""
    return "held:" + tenant_id


def _amount(conn: Connection, account: str) -> int:
    return conn.execute(select(balances.c.amount).where(balances.c.account == account)).scalar_one_or_none() or 0


def _enough(conn: Connection, tenant_id: str, amount: int) -> None:
    available = _amount(conn, wallet(tenant_id))
    if amount > available:
        raise QuotaError(
            "credits_short",
            f"This needs {amount} {'credit' if amount == 1 else 'credits'}, and {available or 'none'} "
            f"{'is' if available == 1 else 'are'} left.",
            "Choose a shorter or smaller film, wait for next month's credits, or ask for more.",
        )


def _made(conn: Connection, job_id: str, round: int, *kinds: str) -> tuple[str, str] | None:
    """Id and tenant of the transfer of such a kind for this round of a job."""
    mine = (transfers.c.job_id == job_id, transfers.c.round == round, transfers.c.kind.in_(kinds))
    row = conn.execute(select(transfers.c.id, transfers.c.tenant_id).where(*mine)).first()
    return None if row is None else (row.id, row.tenant_id)


def _live_hold(conn: Connection, job_id: str, round: int) -> tuple[str, int] | None:
    """Tenant and amount of a reservation that is neither settled nor refunded; the tenant is held from here on."""
    reserved = _made(conn, job_id, round, "reserve")
    if reserved is None:
        return None
    transfer_id, tenant_id = reserved
    hold_tenant(conn, tenant_id)
    if _made(conn, job_id, round, "settle", "refund") is not None:
        return None
    amount = select(func.coalesce(func.sum(entries.c.amount), 0)).where(
        entries.c.transfer_id == transfer_id, entries.c.account == held(tenant_id)
    )
    return tenant_id, int(conn.execute(amount).scalar_one())


def _post(
    conn: Connection,
    kind: str,
    tenant_id: str,
    moved: Mapping[str, int],
    now: float,
    *,
    job: tuple[str, int] | None = None,
    note: str = "",
    transfer_id: str | None = None,
) -> bool:
    """Writes a transfer with its entries and balances; False if the same one is there."""
    if sum(moved.values()) != 0:
        raise AssertionError("a transfer's entries add up to zero")
    transfer_id = transfer_id or new_id("transfer")
    job_id, round = job or (None, None)
    row = {"id": transfer_id, "kind": kind, "tenant_id": tenant_id, "job_id": job_id, "round": round, "at": now}
    if not insert_once(conn, transfers, row | {"note": note}):
        return False
    for account, amount in moved.items():
        if amount == 0:
            continue
        conn.execute(insert(entries).values(transfer_id=transfer_id, account=account, amount=amount))
        if account not in (ISSUED, REVENUE):
            _move(conn, account, amount)
    return True


def _move(conn: Connection, account: str, amount: int) -> None:
    """Only while the tenant is held, so nobody else inserts the row between both statements."""
    changed = update(balances).where(balances.c.account == account).values(amount=balances.c.amount + amount)
    if conn.execute(changed).rowcount == 0:
        conn.execute(insert(balances).values(account=account, amount=amount))


def audit(conn: Connection) -> list[str]:
    """What is wrong with the ledger, in sentences; empty when nothing is."""
    return [*_unbalanced(conn), *_misstated(conn), *_ill_ended(conn), *_stray_holds(conn)]


def _unbalanced(conn: Connection) -> Iterator[str]:
    total = func.sum(entries.c.amount)
    for (transfer_id,) in conn.execute(
        select(entries.c.transfer_id).group_by(entries.c.transfer_id).having(total != 0)
    ):
        yield f"The entries of {transfer_id} do not add up to zero."


def _misstated(conn: Connection) -> Iterator[str]:
    """Balances that differ from their entries, and any below zero."""
    total = select(entries.c.account, func.sum(entries.c.amount)).group_by(entries.c.account)
    summed = {account: int(amount) for account, amount in conn.execute(total)}
    kept = {account: int(amount) for account, amount in conn.execute(select(balances.c.account, balances.c.amount))}
    for account in sorted((summed.keys() | kept.keys()) - {ISSUED, REVENUE}):
        entered, stated = summed.get(account, 0), kept.get(account, 0)
        if entered != stated:
            yield f"{account} is kept as {stated}, and its entries add up to {entered}."
        if min(entered, stated) < 0:
            yield f"{account} is below zero."
    if summed.get(REVENUE, 0) < 0:
        yield "Revenue is below zero."


def _ill_ended(conn: Connection) -> Iterator[str]:
    """Rounds that were both settled and refunded, or ended without a reservation."""
    other = transfers.alias()
    same = and_(other.c.job_id == transfers.c.job_id, other.c.round == transfers.c.round)
    where = select(transfers.c.job_id, transfers.c.round)
    twice = where.where(transfers.c.kind == "settle").join(other, and_(same, other.c.kind == "refund"))
    for job_id, round in conn.execute(twice):
        yield f"{job_id}, round {round}, is both settled and refunded."
    ended = where.outerjoin(other, and_(same, other.c.kind == "reserve"))
    for job_id, round in conn.execute(
        ended.where(transfers.c.kind.in_(("settle", "refund")), other.c.id.is_(None)).distinct()
    ):
        yield f"{job_id}, round {round}, ended without a reservation."


def _stray_holds(conn: Connection) -> Iterator[str]:
    """Holds without a live job, live jobs without a hold, and finished films that were not settled."""
    end = transfers.alias()
    ended = and_(
        end.c.job_id == transfers.c.job_id,
        end.c.round == transfers.c.round,
        end.c.kind.in_(("settle", "refund")),
    )
    going_on = and_(jobs.c.state.in_(LIVE), jobs.c.deleted_at.is_(None))
    live = and_(jobs.c.id == transfers.c.job_id, jobs.c.round == transfers.c.round, going_on)
    holds = (
        select(transfers.c.job_id, transfers.c.round)
        .outerjoin(end, ended)
        .outerjoin(jobs, live)
        .where(transfers.c.kind == "reserve", end.c.id.is_(None))
    )
    for job_id, round in conn.execute(holds.where(jobs.c.id.is_(None))):
        yield f"Credits are held for {job_id}, round {round}, which is not waiting or running."
    reserved = and_(transfers.c.job_id == jobs.c.id, transfers.c.round == jobs.c.round, transfers.c.kind == "reserve")
    unpaid = (
        select(jobs.c.id, jobs.c.state)
        .outerjoin(transfers, reserved)
        .outerjoin(end, ended)
        .where(
            or_(
                and_(going_on, or_(transfers.c.id.is_(None), end.c.id.is_not(None))),
                and_(jobs.c.state == "completed", or_(end.c.id.is_(None), end.c.kind != "settle")),
            )
        )
    )
    for job_id, state in conn.execute(unpaid):
        yield f"{job_id} is {state}, and its credits are {'not settled' if state == 'completed' else 'not held'}."
