"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

SCOPES: frozenset[str] = frozenset(
    f"{what}:{how}" for what in ("videos", "photos", "consents", "account") for how in ("read", "write")
)
"""What a key can be allowed. A browser session has all of them."""
OPERATE = "operate"
"""The scope of an operator's key: the whole service, not one tenant. Only operators can give it."""


@dataclass(frozen=True)
class Principal:
    """Who asks: a user's browser session (``user_id``, ``session``) or a program's key (``key_id``), for one tenant."""

    tenant_id: str
    plan: str
    scopes: frozenset[str]
    user_id: str | None = None
    key_id: str | None = None
    session: bool = False
    operator: bool = False
    until: float | None = None
    """When the key ends, if it does."""
