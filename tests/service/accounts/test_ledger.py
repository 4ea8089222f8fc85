"""Any order of grants, reservations, settlements, refunds and rounds leaves a ledger that a simple model agrees with."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import create_engine, func, insert, select, update

from photoplay.service.accounts import credits
from photoplay.service.ground.errors import QuotaError
from photoplay.service.ground.plans import load_plans
from photoplay.service.ground.tables import entries, jobs, metadata, tenants

PLANS = load_plans()
TENANTS = ("ann", "bob")
MONTH = 31 * 86_400.0

who = st.sampled_from(TENANTS)
some = st.integers(min_value=0, max_value=120)
pick = st.integers(min_value=0, max_value=10_000)


@dataclass
class Modelled:
    """A job as the model knows it: its last round, and what that round holds (None: ended)."""

    tenant: str
    cost: int
    round: int = 1
    held: int | None = None


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        metadata.create_all(self.engine)
        self.conn = self.engine.connect()
        self.now = 1.77e9
        self.free = dict.fromkeys(TENANTS, 0)
        self.issued = self.revenue = 0
        self.months: dict[tuple[str, str], int] = {}
        self.jobs: list[Modelled] = []

    def teardown(self) -> None:
        self.conn.close()
        self.engine.dispose()

    @initialize()
    def begin(self) -> None:
        for tenant in TENANTS:
            self.conn.execute(insert(tenants).values(id=tenant, name=tenant, plan="free", created_at=self.now))

    def _state(self, number: int, **values: object) -> None:
        self.conn.execute(update(jobs).where(jobs.c.id == f"job {number}").values(**values))

    @rule(tenant=who, amount=st.integers(min_value=-150, max_value=200))
    def grant(self, tenant: str, amount: int) -> None:
        try:
            credits.grant(self.conn, tenant, amount, "", self.now)
        except QuotaError:
            assert -amount > self.free[tenant]
        else:
            self.free[tenant] += amount
            self.issued += amount
            assert self.free[tenant] >= 0

    @rule(tenant=who, plan=st.sampled_from(sorted(PLANS)))
    def renew(self, tenant: str, plan: str) -> None:
        month = (tenant, credits.datetime.fromtimestamp(self.now, credits.UTC).strftime("%Y-%m"))
        amount = max(0, PLANS[plan].monthly_credits - self.months.get(month, 0))
        assert credits.renew(self.conn, tenant, PLANS[plan], self.now) == (amount > 0)
        self.months[month] = self.months.get(month, 0) + amount
        self.free[tenant] += amount
        self.issued += amount

    @rule(days=st.sampled_from([1.0, 31.0]))
    def wait(self, days: float) -> None:
        self.now += days * 86_400

    @rule(tenant=who, cost=some)
    def submit(self, tenant: str, cost: int) -> None:
        number = len(self.jobs)
        try:
            assert credits.reserve(self.conn, tenant, f"job {number}", 1, cost, self.now)
        except QuotaError:
            assert cost > self.free[tenant]
            return
        row = {"tenant_id": tenant, "plan": "free", "queue": "films", "priority": 1, "request": {}, "cost": cost}
        self.conn.execute(
            insert(jobs).values(id=f"job {number}", state="queued", created_at=self.now, queued_at=self.now, **row)
        )
        self.free[tenant] -= cost
        self.jobs.append(Modelled(tenant, cost, held=cost))

    @precondition(lambda self: self.jobs)
    @rule(pick=pick)
    def submit_again(self, pick: int) -> None:
        number = pick % len(self.jobs)
        job = self.jobs[number]
        assert not credits.reserve(self.conn, job.tenant, f"job {number}", job.round, job.cost + 1, self.now)

    @precondition(lambda self: self.jobs)
    @rule(pick=pick, part=st.floats(min_value=0, max_value=1))
    def settle(self, pick: int, part: float) -> None:
        number = pick % len(self.jobs)
        job = self.jobs[number]
        charged = int(job.cost * part)
        assert credits.settle(self.conn, f"job {number}", job.round, self.now, charged) == (job.held is not None)
        if job.held is not None:
            self.revenue += charged
            self.free[job.tenant] += job.held - charged
            job.held = None
            self._state(number, state="completed")

    @precondition(lambda self: self.jobs)
    @rule(pick=pick, state=st.sampled_from(["failed", "cancelled"]))
    def refund(self, pick: int, state: str) -> None:
        number = pick % len(self.jobs)
        job = self.jobs[number]
        assert credits.refund(self.conn, f"job {number}", job.round, self.now) == (job.held is not None)
        if job.held is not None:
            self.free[job.tenant] += job.held
            job.held = None
            self._state(number, state=state)

    @precondition(lambda self: self.jobs)
    @rule(pick=pick)
    def another_round(self, pick: int) -> None:
        number = pick % len(self.jobs)
        job = self.jobs[number]
        if job.held is not None:
            return
        try:
            assert credits.reserve(self.conn, job.tenant, f"job {number}", job.round + 1, job.cost, self.now)
        except QuotaError:
            assert job.cost > self.free[job.tenant]
            return
        job.round, job.held = job.round + 1, job.cost
        self.free[job.tenant] -= job.cost
        self._state(number, state="running", round=job.round)

    @precondition(lambda self: self.jobs)
    @rule(pick=pick, kind=st.sampled_from([credits.settle, credits.refund]))
    def an_old_round_ends_late(self, pick: int, kind: object) -> None:
        number = pick % len(self.jobs)
        for round in (0, *range(1, self.jobs[number].round)):
            assert not kind(self.conn, f"job {number}", round, self.now)  # type: ignore[operator]

    @rule(tenant=who, cost=some)
    def begin_and_undo(self, tenant: str, cost: int) -> None:
        undone = self.conn.begin_nested()
        credits.grant(self.conn, tenant, cost, "", self.now)
        credits.reserve(self.conn, tenant, "undone", 1, cost, self.now)
        undone.rollback()

    @invariant()
    def it_agrees_with_the_model(self) -> None:
        holds = dict.fromkeys(TENANTS, 0)
        for job in self.jobs:
            holds[job.tenant] += job.held or 0
        for tenant in TENANTS:
            assert credits.balance(self.conn, tenant) == credits.Balance(self.free[tenant], holds[tenant])
        assert min(self.free.values()) >= 0
        assert self.issued == sum(self.free.values()) + sum(holds.values()) + self.revenue

    @invariant()
    def it_is_balanced(self) -> None:
        assert credits.audit(self.conn) == []
        assert self.conn.execute(select(func.sum(entries.c.amount))).scalar_one() in (None, 0)


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
