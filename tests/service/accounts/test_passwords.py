from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from photoplay.errors import RequestError
from photoplay.service.accounts import passwords
from photoplay.service.accounts.passwords import hash_password, outdated, password_holds

PASSWORD = "five brown boats at dawn"


@pytest.mark.parametrize(
    "password", ["", "short", "elevenchars", "aaaaaaaaaaaaaaaaaaaa", "abcdabcdabcd", "x" * 150 + "abcdef" * 9]
)
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(RequestError) as weak:
        hash_password(password)
    assert weak.value.code == "password_weak"
    assert password == "" or password not in str(weak.value)


def test_a_password_is_kept_as_argon2id_with_salt() -> None:
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert password_holds(first, PASSWORD)
    assert password_holds(second, PASSWORD)
    assert not password_holds(first, PASSWORD.upper())


def test_a_password_is_the_same_however_it_is_composed() -> None:
    kept = hash_password("zwölf große Brücken")
    assert password_holds(kept, "zwo\u0308lf große Bru\u0308cken")
    assert not password_holds(kept, "zwolf große Brucken")


@pytest.mark.parametrize("password", ["\ud800 is half a character", "\0" * 12, "x" * 5000, "\ufdfa" * 300])
def test_odd_passwords_break_nothing(password: str) -> None:
    kept = hash_password(PASSWORD)
    assert not password_holds(kept, password)
    assert not password_holds(None, password)
    assert not password_holds("not a hash", password)


def test_who_has_no_password_is_refused_by_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    class Noting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            checked.append(str(hash))
            return super().verify(hash, password)

    kept = hash_password(PASSWORD)
    monkeypatch.setattr(passwords, "_HASHER", Noting(time_cost=2, memory_cost=19 * 1024, parallelism=1))
    assert password_holds(kept, PASSWORD)
    assert not password_holds(None, PASSWORD)
    assert not password_holds(kept, PASSWORD * 20)
    assert [one.rsplit("$", 2)[0] for one in checked] == [kept.rsplit("$", 2)[0]] * 3
    assert kept not in checked[1:]


def test_only_so_many_checks_take_memory_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(passwords.AT_ONCE, timeout=20)

    class Slow(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
            together.wait()  # as many as there may be do meet
            time.sleep(0.01)
            with lock:
                at_work -= 1
            return True

    monkeypatch.setattr(passwords, "_HASHER", Slow())
    with ThreadPoolExecutor(3 * passwords.AT_ONCE) as pool:
        assert all(pool.map(lambda _: password_holds("kept", PASSWORD), range(3 * passwords.AT_ONCE)))
    assert most == passwords.AT_ONCE


def test_todays_parameters_are_not_outdated_and_others_are() -> None:
    assert not outdated(hash_password(PASSWORD))
    assert outdated(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD))
