from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from photoplay.errors import ConsentError
from photoplay.safety.consent.binding import Binding
from photoplay.safety.consent.record import ConsentRecord, Terms, issue, read
from photoplay.safety.consent.store import RecordStore, local_store, public_pem
from photoplay.safety.consent.tokens import thumbprint
from tests.safety.consent.people import DAY, NOW, person

TERMS = Terms(("face",), 30)


def enrolled(store: RecordStore, seed: int = 1, terms: Terms = TERMS) -> ConsentRecord:
    return store.enrol(person(seed), terms, NOW)[0]


def code(caught: pytest.ExceptionInfo[ConsentError]) -> str:
    return caught.value.code


def test_a_record_is_kept_and_found(store: RecordStore) -> None:
    record = enrolled(store)
    assert store.get(record.id, NOW) == record
    assert store.records() == (record,)
    assert store.still_valid((record,), NOW) == (record,)
    assert store.get(record.id, NOW).binding.distance(person(1)) == 0
    assert [(each.id, each.state) for each in store.entries(NOW)] == [(record.id, "valid")]
    assert [each.state for each in store.entries(NOW - DAY)] == ["not yet"]
    assert [each.state for each in store.entries(NOW + 31 * DAY)] == ["expired"]
    assert RecordStore(store.folder).records() == (record,)


def test_nobody_else_can_read_any_of_it(store: RecordStore) -> None:
    enrolled(store)
    store.challenge(NOW)
    store.revoke("a" * 32, "", NOW)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [store.folder, *store.folder.rglob("*")]}
    assert {modes[path] for path in modes if path.is_dir()} == {0o700}
    assert {modes[path] for path in modes if path.is_file()} == {0o600}
    assert not [path for path in modes if path.name.startswith(".")]


def test_a_record_says_nothing_without_the_key_of_its_place(store: RecordStore) -> None:
    token = store.enrol(person(1), TERMS, NOW)[1]
    stranger = RecordStore(store.folder.with_name("stranger"))
    stranger.trust(public_pem(store.issuer().public_key()), "issuer")
    with pytest.raises(ConsentError) as caught:
        stranger.add(token, NOW)
    assert code(caught) == "consent_elsewhere"


def test_a_portable_record_travels(store: RecordStore) -> None:
    record, token = store.enrol(person(1), TERMS, NOW, portable=True)
    other = RecordStore(store.folder.with_name("other"))
    with pytest.raises(ConsentError) as caught:
        other.add(token, NOW)
    assert code(caught) == "consent_untrusted"
    other.trust(public_pem(store.issuer().public_key()), "issuer")
    assert other.add(token, NOW) == other.add(token, NOW) == record
    assert other.records()[0].binding.distance(person(1)) == 0


def test_somebodys_own_record_is_taken_from_their_key_alone(store: RecordStore) -> None:
    theirs = RecordStore(store.folder.with_name("theirs"))
    record, token = theirs.enrol(person(1), Terms(("face",), 30, method="record"), NOW)
    assert store.trust(public_pem(theirs.issuer().public_key()), "person") == record.subject
    assert store.add(token, NOW) == record
    with pytest.raises(ConsentError) as caught:
        store.add(theirs.enrol(person(2), TERMS, NOW, portable=True)[1], NOW)
    assert code(caught) == "consent_untrusted"


def test_the_key_is_made_once_and_kept(store: RecordStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: thumbprint(RecordStore(store.folder).issuer()), range(16)))
    assert len(set(keys)) == 1
    assert stat.S_IMODE((store.folder / "issuer.pem").stat().st_mode) == 0o600


def test_attack_a_key_that_others_can_read(store: RecordStore) -> None:
    record = enrolled(store)
    (store.folder / "issuer.pem").chmod(0o640)
    for ask in (store.records, store.issuer, lambda: store.still_valid((record,), NOW)):
        with pytest.raises(ConsentError) as caught:
            ask()
        assert code(caught) == "consent_key"


@pytest.mark.parametrize("content", [b"", b"not a key", b"\x00" * 9000])
def test_attack_a_broken_key(store: RecordStore, content: bytes) -> None:
    enrolled(store)
    (store.folder / "issuer.pem").write_bytes(content)
    with pytest.raises(ConsentError) as caught:
        store.records()
    assert code(caught) == "consent_key"


def test_attack_a_new_key_makes_old_records_worthless(store: RecordStore) -> None:
    record = enrolled(store)
    (store.folder / "issuer.pem").unlink()
    assert store.records() == ()
    assert [each.state for each in store.entries(NOW)] == ["broken"]
    with pytest.raises(ConsentError):
        store.still_valid((record,), NOW)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt"
        b"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n",
    ],
)
def test_attack_a_key_of_another_kind_is_not_trusted(store: RecordStore, pem: bytes) -> None:
    with pytest.raises(ConsentError) as caught:
        store.trust(pem, "issuer")
    assert code(caught) == "consent_key"


def test_a_trusted_file_that_is_no_key_stops_everything(store: RecordStore) -> None:
    enrolled(store)
    (store.folder / "trusted" / "issuers" / "odd.pem").write_text("hello")
    with pytest.raises(ConsentError) as caught:
        store.records()
    assert code(caught) == "consent_key"


def test_nobody_is_trusted_as_this_store(store: RecordStore) -> None:
    with pytest.raises(ConsentError):
        store.trust(public_pem(store.issuer().public_key()), "own")


# --- revoking ------------------------------------------------------------------------------------------------------------


def test_what_is_revoked_stays_revoked_and_leaves_no_face(store: RecordStore) -> None:
    record, token = store.enrol(person(1), TERMS, NOW)
    store.revoke(record.id, "changed my mind", NOW)
    store.revoke(record.id, "again", NOW)
    assert store.records() == ()
    entry = store.entries(NOW)[0]
    assert (entry.state, entry.reason, entry.record) == ("revoked", "changed my mind", None)
    face = record.binding.bits
    assert not [path for path in store.folder.rglob("*") if path.is_file() and face in path.read_bytes()]
    assert not list((store.folder / "records").iterdir())
    for ask in (
        lambda: store.get(record.id, NOW),
        lambda: store.add(token, NOW),
        lambda: store.still_valid((record,), NOW),
        lambda: store.check_revoked(record.id),
    ):
        with pytest.raises(ConsentError) as caught:
            ask()
        assert code(caught) == "consent_revoked"


def test_attack_the_record_put_back_by_hand(store: RecordStore) -> None:
    record, token = store.enrol(person(1), TERMS, NOW)
    store.revoke(record.id, "", NOW)
    (store.folder / "records" / f"{record.id}.jws").write_text(token)
    assert store.records() == ()
    with pytest.raises(ConsentError) as caught:
        store.still_valid((record,), NOW)
    assert code(caught) == "consent_revoked"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"revoked": 1}', "\udcff"])
def test_attack_a_mark_whose_content_is_lost_still_revokes(store: RecordStore, content: str) -> None:
    record = enrolled(store)
    (store.folder / "revoked" / f"{record.id}.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ConsentError) as caught:
        store.still_valid((record,), NOW)
    assert code(caught) == "consent_revoked"
    assert store.entries(NOW)[0].state == "revoked"


@pytest.mark.parametrize("lost", ["revoked", "records", "trusted", "trusted/people"])
def test_attack_a_folder_that_vanished(store: RecordStore, lost: str) -> None:
    """Without the list of what was revoked nobody knows, so nothing counts."""
    record = enrolled(store)
    (store.folder / lost).rename(store.folder.parent / "away")
    for ask in (store.records, lambda: store.still_valid((record,), NOW), lambda: store.get(record.id, NOW)):
        with pytest.raises(ConsentError) as caught:
            ask()
        assert code(caught) == "consent_store"


def test_a_record_can_be_revoked_before_it_comes(store: RecordStore) -> None:
    record, token = issue(Binding.of(person(1)), TERMS, store.issuer(), NOW)
    store.revoke(record.id, "", NOW)
    with pytest.raises(ConsentError) as caught:
        store.add(token, NOW)
    assert code(caught) == "consent_revoked"


@pytest.mark.parametrize("id_", ["", "..", "../issuer", "a" * 31, "A" * 32, "a" * 32 + "\n", "/etc/passwd"])
def test_attack_an_id_that_leads_elsewhere(store: RecordStore, id_: str) -> None:
    enrolled(store)
    for ask in (lambda: store.get(id_, NOW), lambda: store.revoke(id_, "", NOW)):
        with pytest.raises(ConsentError) as caught:
            ask()
        assert code(caught) == "consent_unknown"
    with pytest.raises(ConsentError) as caught:
        store.take_challenge(id_)
    assert code(caught) == "live_expired"


def test_attack_a_record_behind_a_link(store: RecordStore, tmp_path: Path) -> None:
    record, token = store.enrol(person(1), TERMS, NOW)
    place = store.folder / "records" / f"{record.id}.jws"
    (tmp_path / "elsewhere").write_text(token)
    place.unlink()
    place.symlink_to(tmp_path / "elsewhere")
    assert store.records() == ()
    with pytest.raises(ConsentError) as caught:
        store.get(record.id, NOW)
    assert code(caught) == "consent_store"


def test_attack_a_record_under_another_records_name(store: RecordStore) -> None:
    narrow, wide = enrolled(store), enrolled(store, 2, Terms(("romantic",), 30))
    files = store.folder / "records"
    (files / f"{narrow.id}.jws").write_bytes((files / f"{wide.id}.jws").read_bytes())
    with pytest.raises(ConsentError) as caught:
        store.still_valid((narrow,), NOW)
    assert code(caught) == "consent_unknown"
    assert store.records() == (wide,)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"a.b.c", b"A" * 100_000])
def test_a_broken_file_counts_for_nobody(store: RecordStore, content: bytes) -> None:
    good, bad = enrolled(store, 1), enrolled(store, 2)
    (store.folder / "records" / f"{bad.id}.jws").write_bytes(content)
    assert store.records() == (good,)
    assert {each.state for each in store.entries(NOW)} == {"valid", "broken"}
    with pytest.raises(ConsentError):
        store.still_valid((good, bad), NOW)


# --- while a job runs ----------------------------------------------------------------------------------------------------


def test_attack_revoked_while_the_job_waits_or_runs(store: RecordStore) -> None:
    """At admission, at the start, as it runs, before it is sealed: the question is the same and so is the answer."""
    first, second = enrolled(store, 1), enrolled(store, 2)
    jobs = [(first,), (first, second), (second,)]
    for job in jobs:
        store.still_valid(job, NOW)
    RecordStore(store.folder).revoke(first.id, "", NOW)  # another process
    for job in jobs[:2]:
        with pytest.raises(ConsentError) as caught:
            store.still_valid(job, NOW)
        assert code(caught) == "consent_revoked"
    store.still_valid(jobs[2], NOW)


def test_attack_it_runs_out_while_the_job_runs(store: RecordStore) -> None:
    record = enrolled(store)
    store.still_valid((record,), NOW + 29 * DAY)
    with pytest.raises(ConsentError) as caught:
        store.still_valid((record,), NOW + 30 * DAY)
    assert code(caught) == "consent_expired"


def test_attack_its_issuer_is_no_longer_trusted_while_the_job_runs(store: RecordStore) -> None:
    issuer = RecordStore(store.folder.with_name("issuer"))
    name = store.trust(public_pem(issuer.issuer().public_key()), "issuer")
    record = store.add(issuer.enrol(person(1), TERMS, NOW, portable=True)[1], NOW)
    store.still_valid((record,), NOW)
    (store.folder / "trusted" / "issuers" / f"{name}.pem").unlink()
    with pytest.raises(ConsentError) as caught:
        store.still_valid((record,), NOW)
    assert code(caught) == "consent_untrusted"


def test_attack_a_record_that_was_never_taken_in(store: RecordStore) -> None:
    record, _ = issue(Binding.of(person(1)), TERMS, store.issuer(), NOW)
    with pytest.raises(ConsentError) as caught:
        store.still_valid((record,), NOW)
    assert code(caught) == "consent_unknown"


def test_erasing_a_person_stops_their_jobs_and_leaves_only_random_ids(store: RecordStore) -> None:
    first = enrolled(store)
    second = enrolled(store, 1, Terms(("head",), 30, subject=first.subject))
    other = enrolled(store, 2)
    store.revoke(second.id, "I do not want to be Anna's friend any more", NOW)
    assert set(store.records_of(first.subject)) == {first.id, second.id}
    assert store.entries(NOW)[0].subject == first.subject
    assert set(store.erase(first.subject, NOW)) == {first.id, second.id}
    assert store.erase(first.subject, NOW) == store.records_of(first.subject) == ()
    assert store.records() == (other,)
    assert [entry.state for entry in store.entries(NOW)] == ["revoked", "revoked", "valid"]
    left = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert first.subject.encode() not in left
    assert b"Anna" not in left
    with pytest.raises(ConsentError):
        store.still_valid((first,), NOW)


def test_still_valid_asks_about_now_where_no_time_is_given(store: RecordStore) -> None:
    from datetime import UTC, datetime

    record = store.enrol(person(1), TERMS, datetime.now(UTC))[0]
    assert store.still_valid([record]) == (record,)


def test_the_folder_lies_in_photoplays_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path))
    assert local_store().records() == ()
    assert (tmp_path / "consent" / "revoked").is_dir()


def test_a_folder_that_cannot_be_made_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConsentError) as caught:
        RecordStore(tmp_path / "file" / "consent").records()
    assert code(caught) == "consent_store"
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_with_other_things_in_it_is_left_alone(store: RecordStore) -> None:
    store.folder.mkdir()
    (store.folder / "holiday.txt").write_text("sun")
    with pytest.raises(ConsentError) as caught:
        store.records()
    assert code(caught) == "consent_store"
    assert [path.name for path in store.folder.parent.iterdir()] == ["consent"]
    assert [path.name for path in store.folder.iterdir()] == ["holiday.txt"]


def test_the_token_that_is_kept_is_the_one_that_came(store: RecordStore) -> None:
    record, token = store.enrol(person(1), TERMS, NOW)
    kept = (store.folder / "records" / f"{record.id}.jws").read_text()
    assert kept == token
    assert read(kept, store.trusted()) == record
