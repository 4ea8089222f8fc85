"""The service's own tables. Times are seconds since 1970 (UTC), ids are random, objects belong to a tenant.

DBOS keeps its workflows in tables of its own beside these, in the same database: a job is put in both in one transaction.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("closed_at", Double),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("password", Text),  # Argon2id; None: signs in by link alone
    Column("operator", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("start", Text, nullable=False),  # the first characters, to tell keys apart
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("used_at", Double),
    Column("maker_id", Text),  # the key that made it; None: a person did
)

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
)

links = Table(  # one-time links that sign somebody in
    "links",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
)

uploads = Table(  # photos, clips and sound
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # photo, video, audio
    Column("key", Text, nullable=False),  # in the store
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("seconds", Double),
    Column("found", JSON),  # what inspection saw
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("deleted_at", Double),
)

consents = Table(  # whose consent records these are; the records themselves are with safety
    "consents",
    metadata,
    Column("id", Text, primary_key=True),  # the record's id
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)

challenges = Table(
    "challenges",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),  # also the workflow's
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("state", Text, nullable=False),  # queued, running, completed, failed, cancelled
    Column("stage", Text, nullable=False, default=""),
    Column("percent", Integer, nullable=False, default=0),
    Column("attempt", Integer, nullable=False, default=0),  # times that work on it began
    Column("round", Integer, nullable=False, default=1),  # times that it was submitted: grows with retry and resume
    Column("worker_id", Text),
    Column("cost", Integer, nullable=False),  # credits reserved
    Column("charged", Integer),
    Column("error", JSON),  # {code, message, hint}
    Column(
        "film", JSON
    ),  # {key, bytes, sha256, width, height, seconds, thumbnail, spritesheet, recipe, report, notices}
    Column("webhook", Text),
    Column("remixed_from", Text),
    Column("cancel_at", Double),  # somebody asked to stop
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double, nullable=False),  # when this round was submitted
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("expires_at", Double),
    Column("deleted_at", Double),
    Index(None, "tenant_id", "created_at"),
    Index(None, "state", "queue"),
    Index(None, "tenant_id", "state"),
    Index(None, "state", "finished_at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("created_at", Double, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # state, stage, preview
    Column("data", JSON, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "job_id", "seq"),
)

transfers = Table(  # of credits; its entries add up to nothing
    "transfers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # grant, renew, reserve, settle, refund
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("job_id", Text),
    Column("round", Integer),
    Column("note", Text, nullable=False, default=""),
    Column("at", Double, nullable=False),
    UniqueConstraint("job_id", "round", "kind"),
    Index(None, "tenant_id", "at"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("transfer_id", ForeignKey("transfers.id"), nullable=False, index=True),
    Column("account", Text, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
)

balances = Table(  # what the entries of a wallet or of held credits add up to
    "balances",
    metadata,
    Column("account", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),  # the database itself keeps it from falling below 0
    CheckConstraint("amount >= 0", name="ck_balances_amount"),
)

throttles = Table(  # how often somebody tried something since when; subjects are hashed
    "throttles",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("since", Double, nullable=False),
    Column("count", Integer, nullable=False),
    Index(None, "since"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),  # DBOS's executor id
    Column("queues", JSON, nullable=False),
    Column("device", Text, nullable=False),
    Column("memory_gb", Double, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),  # up, draining, gone
    Column("job_id", Text),
    Column("started_at", Double, nullable=False),
    Column("beat_at", Double, nullable=False),
)

deliveries = Table(  # of webhooks
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Column("next_at", Double, index=True),  # None: delivered, or given up
    Column("delivered_at", Double),
    Column("status", Integer),
)
