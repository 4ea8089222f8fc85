from __future__ import annotations

import typing
from dataclasses import FrozenInstanceError

import pytest

from photoplay.service.accounts.principals import OPERATE, SCOPES, Principal
from photoplay.service.api import shapes_account


def test_the_scopes_are_what_the_api_offers() -> None:
    assert set(typing.get_args(shapes_account.Scope)) == SCOPES | {OPERATE}
    assert OPERATE not in SCOPES, "a browser session would have it"
    assert all({f"{what}:read", f"{what}:write"} <= SCOPES for what in {one.split(":")[0] for one in SCOPES})


def test_nobody_is_an_operator_or_a_session_unless_it_is_said() -> None:
    who = Principal("tenant_a", "free", frozenset({"videos:read"}))
    assert (who.operator, who.session, who.user_id, who.key_id, who.until) == (False, False, None, None, None)
    with pytest.raises(FrozenInstanceError):
        who.operator = True  # type: ignore[misc]
