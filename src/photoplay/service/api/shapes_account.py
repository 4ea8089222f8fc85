"""What the API answers and reads about accounts, sessions and the operator's page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from photoplay.service.accounts.principals import SCOPES
from photoplay.service.api.shapes import Answer, Ask
from photoplay.service.ground.plans import Plan

KeyId = Annotated[str, StringConstraints(pattern=r"^key_[a-z2-7]{26}$")]
Scope = Literal[
    "videos:read",
    "videos:write",
    "photos:read",
    "photos:write",
    "consents:read",
    "consents:write",
    "account:read",
    "account:write",
    "operate",
]
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


class SignIn(Ask):
    """An e-mail address with its password, or the token of a link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "you@example.org", "password": "…"}]})

    email: str | None = Field(None, min_length=3, max_length=254, pattern=PRINTABLE)
    password: str | None = Field(None, min_length=1, max_length=1024)
    token: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{8,200}$", description="Of a link that signs in once.")


class SignUp(Ask):
    """A new account."""

    email: str = Field(min_length=3, max_length=254, pattern=PRINTABLE)
    password: str = Field(min_length=1, max_length=1024)


class LetterAsk(Ask):
    """Whom to write to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "you@example.org"}]})

    email: str = Field(min_length=3, max_length=254, pattern=PRINTABLE)
    language: Literal["en", "de"] = "en"


class LetterAnswer(Answer):
    """The same for every address."""

    taken: Literal[True] = True


class LetterOpen(Ask):
    """The token of a letter's link, and the password to be."""

    token: str = Field(pattern=r"^[A-Za-z0-9_-]{2,400}\.[0-9]{1,12}\.[A-Za-z0-9_-]{43}$")
    password: str = Field(min_length=1, max_length=1024)


class PasswordAsk(Ask):
    """A new password, for the current one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current": "…", "password": "five words nobody else has"}]}
    )

    current: str | None = Field(None, max_length=1024, description="Nothing where there is no password yet.")
    password: str = Field(min_length=1, max_length=1024)


class UserAnswer(Answer):
    """Who is signed in."""

    id: str
    email: str
    operator: bool
    has_password: bool = Field(description="Whether the password is asked for when it changes; if not, links sign in.")


class SessionAnswer(Answer):
    """Who is signed in at this browser, and what this installation can do."""

    user: UserAnswer | None
    plan: str | None
    hosted: bool
    sign_up: bool
    mail: bool = Field(description="Accounts begin, and passwords are renewed, by a link in a mail: `/v1/letters`.")
    csrf: str | None = Field(description="Goes along as `X-CSRF-Token` when something is changed.")
    backends: list[str]
    sizes: list[str]
    max_seconds: float


class Credits(Answer):
    """Credits that can be spent, and those that films in the making hold."""

    available: int
    held: int
    unmetered: bool


class Usage(Answer):
    """What was made since the month began (UTC)."""

    jobs_this_month: int
    seconds_this_month: float


class KeyAnswer(Answer):
    """An API key, without itself."""

    id: str
    name: str
    start: str
    scopes: list[str]
    created_at: float
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None


class NewKey(KeyAnswer):
    """A new API key. `key` is shown this once and kept nowhere."""

    key: str


class KeyAsk(Ask):
    """A key to be made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "my laptop", "scopes": ["videos:read", "videos:write"], "days": 90}]},
    )

    name: str = Field(min_length=1, max_length=80, pattern=PRINTABLE)
    scopes: list[Scope] = Field(default_factory=lambda: sorted(SCOPES), min_length=1, max_length=9)  # type: ignore[arg-type]
    days: int | None = Field(None, ge=1, le=3650, description="Days that it works; nothing: until it is revoked.")


class Account(Answer):
    """Plan, credits, usage and keys."""

    tenant: str
    plan: Plan
    credits: Credits
    usage: Usage
    keys: list[KeyAnswer]


class WebhookSecret(Answer):
    """What this account's webhooks are signed with (HMAC-SHA256)."""

    secret: str


class Revoked(Answer):
    """A key that works no more."""

    id: str
    revoked: Literal[True] = True


class QueueAnswer(Answer):
    """The jobs of one plan in one queue."""

    plan: str
    queue: str
    waiting: int
    running: int
    oldest_wait_s: float


class WorkerAnswer(Answer):
    """A worker process."""

    id: str
    queues: list[str]
    device: str
    state: str
    job_id: str | None
    beat_age_s: float


class FailureAnswer(Answer):
    """A job that failed."""

    id: str
    code: str
    message: str
    finished_at: float | None
    attempts: int


class LedgerAnswer(Answer):
    """Whether the credits add up."""

    balanced: bool
    problems: list[str]


class Overview(Answer):
    """How this installation is doing."""

    queues: list[QueueAnswer]
    workers: list[WorkerAnswer]
    failures: list[FailureAnswer]
    ledger: LedgerAnswer


class TakedownAsk(Ask):
    """What shall be taken down: a film by its number, or a file by its digest."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sha256": "0" * 64}]})

    id: str | None = Field(None, pattern=r"^[0-9a-f]{16}$", description="A work's number, as its watermark tells it.")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    sources: bool = Field(False, description="Block all pictures, also of films that were made of several.")


class TakedownAnswer(Answer):
    """What a takedown did. `token` is its signed receipt."""

    works: list[str]
    blocked: int
    removed: int = Field(description="Films and uploads that were removed from this service.")
    sources: list[str]
    token: str


class Health(Answer):
    """Alive."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Answer):
    """Whether it can work."""

    status: Literal["ok", "degraded"]
    database: bool
    storage: bool
    workers: int
