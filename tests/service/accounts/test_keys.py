from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from photoplay.errors import RequestError
from photoplay.service.accounts import keys
from photoplay.service.accounts import tenants as accounts
from photoplay.service.accounts.keys import check_key, create_key, end_keys, list_keys, note_use, revoke_key
from photoplay.service.accounts.principals import OPERATE, SCOPES, Principal
from photoplay.service.ground.database import Database
from photoplay.service.ground.errors import ConflictError, ForbiddenError, NotFoundError
from photoplay.service.ground.plans import load_plans
from photoplay.service.ground.tables import api_keys
from tests.service import rowmaking

PLANS = load_plans()
NOW = 1.78e9


@pytest.fixture
def ann(database: Database) -> str:
    """A tenant."""
    with database.begin() as conn:
        return accounts.create_tenant(conn, "Ann", PLANS["pro"], NOW).id


def test_a_key_is_who_it_was_made_for(database: Database, ann: str) -> None:
    with database.begin() as conn:
        info, token = create_key(conn, ann, " my script ", ["videos:write", "videos:read", "videos:read"], NOW)
        assert re.fullmatch(r"pp_[A-Za-z0-9_-]{43}", token)
        assert (info.name, info.start, info.scopes) == ("my script", token[:8], ("videos:read", "videos:write"))
        assert list_keys(conn, ann, NOW) == [info]
        assert check_key(conn, token, NOW) == Principal(
            tenant_id=ann, plan="pro", scopes=frozenset({"videos:read", "videos:write"}), key_id=info.id
        )


def test_no_two_keys_are_alike_and_none_is_kept(database: Database, ann: str) -> None:
    with database.begin() as conn:
        tokens = [create_key(conn, ann, "k", ["videos:read"], NOW)[1] for _ in range(20)]
        assert len(set(tokens)) == 20
        kept = str(conn.execute(select(api_keys)).all())
    assert not [token for token in tokens if token in kept]


def test_a_key_lasts_no_longer_than_its_maker(database: Database, ann: str) -> None:
    end = NOW + 2 * keys.DAY
    with database.begin() as conn:
        info, token = create_key(conn, ann, "k", ["videos:read"], NOW, 2)
        maker = check_key(conn, token, NOW)
        assert maker is not None
        assert maker.until == info.expires_at == end
        ends = [
            create_key(conn, ann, "k", ["videos:read"], NOW, days, maker=maker)[0].expires_at for days in (None, 9, 1)
        ]
    assert ends == [end, end, NOW + keys.DAY]


@pytest.mark.parametrize("end", [revoke_key, lambda conn, tenant, _, now: keys.end_keys(conn, tenant, now, OPERATE)])
def test_a_key_ends_with_its_maker(either: Database, end: Callable[..., None]) -> None:
    """However far down, and whatever its own scopes; what somebody else made stays."""
    scopes, may = ["account:write", "videos:read"], SCOPES | {OPERATE}
    with either.begin() as conn:
        ann = rowmaking.tenant(conn, NOW)
        first, token = create_key(conn, ann, "first", [*scopes, OPERATE], NOW, may=may)
        made = [token]
        for name in ("child", "grandchild"):
            maker = check_key(conn, made[-1], NOW)
            assert maker is not None
            made.append(create_key(conn, ann, name, scopes, NOW, maker=maker)[1])
        _, other = create_key(conn, ann, "other", scopes, NOW)
        assert all(check_key(conn, one, NOW) for one in (*made, other))
        end(conn, ann, first.id, NOW + 1)
        assert [check_key(conn, one, NOW + 2) for one in made] == [None] * 3
        assert check_key(conn, other, NOW + 2) is not None
        with pytest.raises(ForbiddenError) as refused:  # it was let in before it was revoked
            create_key(conn, ann, "late", scopes, NOW + 2, maker=maker)
        assert refused.value.code == "key_over"


def test_a_list_has_an_end_and_all_that_is_in_force(
    database: Database, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LISTED", 3)
    with database.begin() as conn:
        oldest, _ = create_key(conn, ann, "k", ["videos:read"], NOW)
        for after in range(1, 7):
            info, _ = create_key(conn, ann, "k", ["videos:read"], NOW + after, days=1)
            if after % 2:
                revoke_key(conn, ann, info.id, NOW + after)
        listed = list_keys(conn, ann, NOW + 9)
        assert [key.created_at - NOW for key in listed] == [6, 5, 4, 3, 2, 1, 0]
        later = list_keys(conn, ann, NOW + 2 * keys.DAY)
        assert [key.created_at - NOW for key in later] == [6, 5, 4, 0]
        assert later[-1] == oldest


def test_keys_end_together_or_by_a_scope(database: Database, ann: str) -> None:
    with database.begin() as conn:
        bob = accounts.create_tenant(conn, "Bob", PLANS["free"], NOW).id
        made = [
            create_key(conn, tenant, "k", scopes, NOW, may=SCOPES | {OPERATE})[1]
            for tenant, scopes in ((ann, ["videos:read", OPERATE]), (ann, ["videos:read"]), (bob, [OPERATE]))
        ]
        end_keys(conn, ann, NOW, OPERATE)
        assert [check_key(conn, token, NOW) is not None for token in made] == [False, True, True]
        end_keys(conn, ann, NOW)
        assert [check_key(conn, token, NOW) is not None for token in made] == [False, False, True]


def test_a_key_that_is_not_quite_it_is_nobody(database: Database, ann: str) -> None:
    with database.begin() as conn:
        _, token = create_key(conn, ann, "k", ["videos:read"], NOW)
        other = "A" if token[-1] != "A" else "B"
        for wrong in (
            "",
            "pp_",
            token[:-1],
            token + "A",
            token[:-1] + other,
            token.upper(),
            f" {token}",
            "pp_" + "é" * 43,
        ):
            assert check_key(conn, wrong, NOW) is None
        assert check_key(conn, token, NOW) is not None


def test_a_key_ends_when_it_was_said_to(database: Database, ann: str) -> None:
    with database.begin() as conn:
        info, token = create_key(conn, ann, "k", ["videos:read"], NOW, days=2)
        assert info.expires_at == NOW + 2 * keys.DAY
        assert check_key(conn, token, NOW + 2 * keys.DAY - 1) is not None
        assert check_key(conn, token, NOW + 2 * keys.DAY) is None


def test_a_revoked_key_is_over_for_good(database: Database, ann: str) -> None:
    with database.begin() as conn:
        info, token = create_key(conn, ann, "k", ["videos:read"], NOW)
        revoke_key(conn, ann, info.id, NOW + 1)
        assert check_key(conn, token, NOW + 1) is None
        revoke_key(conn, ann, info.id, NOW + 9)
        assert [key.revoked_at for key in list_keys(conn, ann, NOW + 9)] == [NOW + 1]


def test_others_keys_are_not_there(database: Database, ann: str) -> None:
    with database.begin() as conn:
        bob = accounts.create_tenant(conn, "Bob", PLANS["free"], NOW).id
        info, token = create_key(conn, ann, "k", ["videos:read"], NOW)
        assert list_keys(conn, bob, NOW) == []
        for tenant, key in ((bob, info.id), (ann, "key_none"), (ann, "key\0"), (ann, "\ud800")):
            with pytest.raises(NotFoundError):
                revoke_key(conn, tenant, key, NOW)
        assert check_key(conn, token, NOW) is not None
        with pytest.raises(NotFoundError):
            create_key(conn, "none", "k", ["videos:read"], NOW)


def test_nobody_gives_a_key_more_than_they_may(database: Database, ann: str) -> None:
    with database.begin() as conn:
        with pytest.raises(ForbiddenError) as refused:
            create_key(conn, ann, "k", ["videos:read", "videos:write"], NOW, may=frozenset({"videos:read"}))
        assert refused.value.code == "scope_missing"
        with pytest.raises(ForbiddenError):
            create_key(conn, ann, "k", [OPERATE], NOW)
        _, token = create_key(conn, ann, "k", [OPERATE], NOW, may=SCOPES | {OPERATE})
        operator = check_key(conn, token, NOW)
        assert operator is not None
        assert operator.operator
        assert operator.scopes == frozenset()
        _, token = create_key(conn, ann, "k", sorted(SCOPES), NOW)
        principal = check_key(conn, token, NOW)
        assert principal is not None
        assert not principal.operator
        assert principal.scopes == SCOPES


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("k", [], None),
        ("k", ["videos:read", "everything"], None),
        ("", ["videos:read"], None),
        ("  ", ["videos:read"], None),
        ("x" * 81, ["videos:read"], None),
        ("a\nb", ["videos:read"], None),
        ("k", ["videos:read"], 0),
        ("k", ["videos:read"], 3651),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    database: Database, ann: str, name: str, scopes: list[str], days: int | None
) -> None:
    with pytest.raises(RequestError) as wrong, database.begin() as conn:
        create_key(conn, ann, name, scopes, NOW, days)
    assert wrong.value.code == "bad_key"


def test_there_are_so_many_keys_in_force(database: Database, ann: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 3)
    with database.begin() as conn:
        first, _ = create_key(conn, ann, "k", ["videos:read"], NOW, days=1)
        second, _ = create_key(conn, ann, "k", ["videos:read"], NOW)
        create_key(conn, ann, "k", ["videos:read"], NOW)
        with pytest.raises(ConflictError) as full:
            create_key(conn, ann, "k", ["videos:read"], NOW)
        assert full.value.code == "too_many_keys"
        revoke_key(conn, ann, second.id, NOW)
        create_key(conn, ann, "k", ["videos:read"], NOW)
        assert create_key(conn, ann, "k", ["videos:read"], NOW + keys.DAY)[0].id != first.id


def test_a_use_is_noted_now_and_then(database: Database, ann: str) -> None:
    with database.begin() as conn:
        info, _ = create_key(conn, ann, "k", ["videos:read"], NOW)
    seen = []
    for now in (NOW, NOW + 299, NOW + 301):
        note_use(database, info.id, now)
        with database.read() as conn:
            seen.append(list_keys(conn, ann, now)[0].used_at)
    assert seen == [NOW, NOW, NOW + 301]
    note_use(database, "key_none", NOW)


def test_a_check_only_reads(database: Database, ann: str) -> None:
    with database.begin() as conn:
        _, token = create_key(conn, ann, "k", ["videos:read"], NOW)
    with database.read() as conn:
        assert check_key(conn, token, NOW) is not None
