"""The attacks before work begins: each is a function that asks for a film that nobody may have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from photoplay.safety import age
from photoplay.safety.audit import AuditLog
from photoplay.safety.consent.record import Adult, Terms
from photoplay.safety.consent.store import RecordStore
from photoplay.safety.content import ContentGate
from photoplay.types import Frames, Lora, Photo, Rgb, Sampling, Video
from tests.safety.attacks import forging
from tests.safety.attacks.door import Door, sound
from tests.safety.consent.people import between, person

ATTACKS: dict[str, Attack] = {}


@dataclass(frozen=True)
class Attack:
    """``codes``: one of these is the answer. ``written``: the log can hold it (it is not the log that is attacked)."""

    run: Callable[[Door], object]
    codes: tuple[str, ...]
    written: bool = True


def attack(*codes: str, written: bool = True) -> Callable[[Callable[[Door], object]], Callable[[Door], object]]:
    def register(run: Callable[[Door], object]) -> Callable[[Door], object]:
        ATTACKS[run.__name__] = Attack(run, codes, written)
        return run

    return register


def each(name: str, codes: tuple[str, ...], runs: dict[str, Callable[[Door], object]]) -> None:
    for which, run in runs.items():
        ATTACKS[f"{name}: {which}"] = Attack(run, codes)


# --- faces ----------------------------------------------------------------------------------------------------------------


def _named(door: Door, photo: Photo, *people: int, scope: tuple[str, ...] = ("face",), **fields: Any) -> object:
    """The record of each of these people, named, in a service."""
    ids = tuple(door.hosted().enrol(who, *scope).id for who in people)
    return door.ask(photo, records=ids, **fields)


@attack("consent_no_match")
def somebody_elses_face(door: Door) -> object:
    return _named(door, door.photo(2), 1)


@attack("consent_no_match")
def a_lookalike(door: Door) -> object:
    return _named(door, door.photo(1, embedding=between(1, 2, 0.65)), 1)


@attack("consent_twice")
def a_photo_of_the_person_beside_the_person(door: Door) -> object:
    return _named(door, door.photo(1, 1), 1)


@attack("consent_no_match")
def a_bystander_without_a_record(door: Door) -> object:
    return _named(door, door.photo(1, 7), 1)


@attack("consent_no_match")
def the_main_face_only_is_said_to_move(door: Door) -> object:
    return _named(door, door.photo(1, 7), 1, who="main")


@attack("consent_no_match")
def one_of_two_photos_shows_somebody_else(door: Door) -> object:
    door.enrol(1, "contact")
    return door.ask(door.photo(1), door.photo(2), template="hug")


@attack("consent_twice")
def the_same_person_in_both_photos(door: Door) -> object:
    door.enrol(1, "contact")
    return door.ask(door.photo(1), door.photo(1), template="hug")


def _enrolled_twice(door: Door, **terms: Any) -> tuple[Photo, Photo]:
    """Two photos of one person, each with a record of its own, as of two people."""
    looks = [person(1, photo) for photo in (5, 6)]
    for look in looks:
        door.store.enrol(look, Terms(("contact", "duet"), 30, Adult(True, "document"), **terms), datetime.now(UTC))
    return door.photo(1, embedding=looks[0]), door.photo(1, embedding=looks[1])


@attack("consent_one_face")
def one_person_with_two_records_as_a_couple(door: Door) -> object:
    return door.ask(*_enrolled_twice(door), template="hug")


@attack("consent_one_face")
def one_person_with_two_records_shakes_their_own_hand(door: Door) -> object:
    photos = _enrolled_twice(door)
    records = tuple(record.id for record in door.store.records())
    return door.hosted().ask(*photos, template="handshake", records=records)


@attack("consent_one_face")
def one_person_with_two_records_who_is_unlike_somebody_else(door: Door) -> object:
    stranger = door.enrol(3, "contact")
    return door.ask(*_enrolled_twice(door, unlike=(stranger.subject,)), template="hug")


@attack("consent_one_of_two")
def an_embrace_of_one_face(door: Door) -> object:
    door.enrol(1, "contact")
    return door.ask(door.photo(1), template="hug")


@attack("consent_one_of_two")
def an_embrace_of_one_face_that_is_on_no_record(door: Door) -> object:
    """Whom it lacks is told before whose record: no record would help."""
    return door.ask(door.photo(1), template="hug")


@attack("consent_no_faces")
def a_face_that_is_not_found(door: Door) -> object:
    return _named(door, door.photo(), 1)


@attack("consent_no_faces")
def a_second_photo_without_a_face(door: Door) -> object:
    for who in (1, 2):
        door.enrol(who, "contact")
    return door.ask(door.photo(1), door.photo(), template="hug")


@attack("consent_face_unreadable")
def a_face_too_small_to_be_told(door: Door) -> object:
    return _named(door, door.photo(None), 1)


@attack("consent_no_match")
def a_last_picture_of_somebody_else(door: Door) -> object:
    door.guard = replace(door.guard, hosted=True)
    return _named(door, door.photo(1), 1, last=door.photo(2), backend="all-modes")


@attack("consent_no_match")
def a_clip_with_somebody_else_in_the_middle(door: Door) -> object:
    frames = np.stack([door.photo(1).pixels] * 12)
    frames[5:7] = door.photo(3).pixels
    clip = Video(Frames(frames, 24.0), "9" * 64)
    return _named(door, door.photo(1), 1, scope=("face", "head", "body"), video=clip, backend="all-modes")


@attack("backdrop_people")
def somebody_in_the_backdrop(door: Door) -> object:
    from photoplay.types import Staging

    ids = tuple(door.hosted().enrol(who, "duet").id for who in (1, 2))
    behind = {"backdrop": door.photo(3), "staging": Staging(backdrop="photo")}
    return door.ask(door.photo(1), door.photo(2), template="wave_together", records=ids, **behind)


@attack("consent_unmatched")
def a_face_that_only_perception_sees(door: Door) -> object:
    record, photo = door.hosted().enrol(1), door.photo(1)
    door.when("admit done", lambda: door.eyes.known.update({(40, 40, 40): person(9, 1)}))
    return door.ask(photo, records=(record.id,))


each(
    "an embedding of",
    ("consent_face_unreadable",),
    {
        name: lambda door, value=value: _named(door, door.photo(1, embedding=np.full(128, value, np.float32)), 1)
        for name, value in (("NaN", np.nan), ("infinity", np.inf), ("zeros", 0.0), ("huge numbers", 1e30))
    },
)


class Blind:
    """A face reader that is broken."""

    def __init__(self, trouble: Exception) -> None:
        self.trouble = trouble
        self.known: dict[Any, Any] = {}

    def read(self, rgb: Rgb, near: Any = None, identity: bool = False) -> Any:
        raise self.trouble


def _blind(door: Door, trouble: Exception) -> object:
    record, photo = door.hosted().enrol(1), door.photo(1)
    door.eyes.read = Blind(trouble).read  # type: ignore[method-assign]
    return door.ask(photo, records=(record.id,))


each(
    "a face reader that raises",
    ("check_failed",),
    {type(one).__name__: partial(_blind, trouble=one) for one in (ValueError(), MemoryError(), RecursionError())},
)

# --- records --------------------------------------------------------------------------------------------------------------


@attack("consent_unnamed")
def a_service_is_not_told_whose_records(door: Door) -> object:
    door.hosted().enrol(1)
    return door.ask(door.photo(1))


@attack("consent_unnamed")
def a_service_is_given_everybodys_records(door: Door) -> object:
    record = door.hosted().enrol(1)
    return door.ask(door.photo(1), records=(*(f"{n:032x}" for n in range(40)), record.id))


@attack("consent_unknown")
def a_record_that_never_was(door: Door) -> object:
    door.hosted().enrol(1)
    return door.ask(door.photo(1), records=("0" * 32,))


@attack("consent_unknown")
def a_path_instead_of_an_id(door: Door) -> object:
    door.hosted().enrol(1)
    return door.ask(door.photo(1), records=("../../etc/passwd",))


@attack("consent_expired")
def a_record_that_ran_out(door: Door) -> object:
    record = door.hosted().enrol(1, days=1, now=datetime.now(UTC) - timedelta(days=2))
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_expired")
def a_record_that_ran_out_at_home(door: Door) -> object:
    for who in (1, 2):
        door.enrol(who, "contact", days=1, now=datetime.now(UTC) - timedelta(days=2))
    return door.ask(door.photo(1), door.photo(2), template="hug")


@attack("consent_not_yet")
def a_record_that_holds_from_tomorrow_on(door: Door) -> object:
    record = door.hosted().enrol(1, not_before=datetime.now(UTC) + timedelta(days=1))
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_revoked")
def a_record_that_was_revoked(door: Door) -> object:
    record = door.hosted().enrol(1)
    door.store.revoke(record.id, "", datetime.now(UTC))
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_revoked")
def a_revoked_record_is_put_back(door: Door) -> object:
    record = door.hosted().enrol(1)
    path = door.store.folder / "records" / f"{record.id}.jws"
    token = path.read_text()
    door.store.revoke(record.id, "", datetime.now(UTC))
    path.write_text(token)
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_scope")
def a_record_of_another_scope(door: Door) -> object:
    return _named(door, door.photo(1), 1, scope=("head", "body", "idle"))


@attack("consent_scope")
def a_record_for_smiles_used_for_an_embrace(door: Door) -> object:
    for who in (1, 2):
        door.enrol(who, "face", "duet")
    return door.ask(door.photo(1), door.photo(2), template="hug")


@attack("consent_scope")
def a_template_with_sound_without_consent_to_speech(door: Door) -> object:
    return _named(door, door.photo(1), 1, audio=(sound(),))


@attack("consent_scope")
def words_that_move_everything(door: Door) -> object:
    asked = {"template": "", "prompt": "she dances", "backend": "all-modes"}
    return _named(door, door.photo(1), 1, **asked)


@attack("consent_ambiguous", "consent_scope")
def the_wider_record_of_a_twin(door: Door) -> object:
    own = door.hosted().enrol(1, "face")
    twin = door.store.enrol(between(1, 2, 0.26), Terms(("face", "head"), 30), datetime.now(UTC))[0]
    return door.ask(door.photo(1), template="nod", records=(own.id, twin.id))


@attack("consent_adult")
def nobody_says_that_they_are_adults(door: Door) -> object:
    for who in (1, 2):
        door.enrol(who, "contact", adult=Adult())
    return door.ask(door.photo(1), door.photo(2), template="hug")


@attack("consent_adult")
def one_of_two_is_no_adult(door: Door) -> object:
    door.enrol(1, "romantic")
    door.enrol(2, "romantic", adult=Adult())
    return door.ask(door.photo(1), door.photo(2), template="kiss")


def _forged(door: Door, forge: Callable[[str, RecordStore], str], **terms: Any) -> object:
    record = door.hosted().enrol(1, **terms)
    forging.plant(door.store, record, forge)
    return door.ask(door.photo(1), records=(record.id,))


for _name, _codes, _forge in (
    ("alg none", ("consent_malformed", "consent_algorithm"), forging.alg_none),
    ("alg none under the old signature", ("consent_algorithm",), forging.alg_none_with_old_signature),
    ("HS256 with the public key", ("consent_algorithm",), forging.hs256_with_the_public_key),
    ("a stranger's key", ("consent_untrusted",), forging.a_strangers_key),
    ("a stranger's key under our name", ("consent_signature",), forging.a_strangers_key_under_our_name),
    ("a key in the header", ("consent_header",), forging.a_key_in_the_header),
    ("another type of token", ("consent_type",), forging.resigned({"typ": "JWT"})),
    ("a critical extension", ("consent_header",), forging.resigned({"crit": ["b64"], "b64": False})),
    ("a scope that was widened", ("consent_signature",), forging.changed(scope=["contact", "face"])),
    ("an end that was put off", ("consent_signature",), forging.changed(exp=2**34)),
    ("ten years", ("consent_lifetime",), forging.resigned(exp=2**31)),
    ("no time at all", ("consent_lifetime",), forging.resigned(exp=1, nbf=2)),
    ("a scope that is unknown", ("consent_malformed",), forging.resigned(scope=["everything"])),
    ("a member too many", ("consent_malformed",), forging.resigned(admin=True)),
    ("a member twice", ("consent_malformed",), forging.twice),
    ("infinity", ("consent_malformed",), forging.not_a_number),
    ("half a token", ("consent_malformed",), forging.cut),
    ("a token that is too large", ("consent_oversized",), forging.swollen),
    ("another record's id", ("consent_unknown",), forging.resigned(jti="f" * 32)),
    ("a person who vouches for themselves", ("consent_untrusted",), forging.resigned(method="record")),
    ("a face binding of another length", ("consent_malformed",), forging.resigned(face="AAAA")),
):
    ATTACKS[f"a forged record: {_name}"] = Attack(partial(_forged, forge=_forge), _codes)


@attack("consent_no_match")
def a_forged_record_at_home(door: Door) -> object:
    for who in (1, 2):
        record = door.enrol(who, "contact")
        forging.plant(door.store, record, forging.a_strangers_key)
    return door.ask(door.photo(1), door.photo(2), template="hug")


def _elsewhere(door: Door, name: str) -> RecordStore:
    """A store on another machine whose key is trusted here."""
    other = RecordStore(door.home / name)
    door.store.trust(forging.public_pem(other), "issuer")
    return other


@attack("consent_elsewhere")
def a_record_from_another_machine(door: Door) -> object:
    other = _elsewhere(door.hosted(), "other")
    record, token = other.enrol(person(1), Terms(("face",), 30), datetime.now(UTC))
    door.store.issuer()
    (door.store.folder / "records" / f"{record.id}.jws").write_text(token)
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_untrusted")
def a_person_who_enrols_somebody_else(door: Door) -> object:
    other = RecordStore(door.hosted().home / "hers")
    door.store.trust(forging.public_pem(other), "person")
    record, token = other.enrol(person(1), Terms(("face",), 30), datetime.now(UTC), portable=True)
    (door.store.folder / "records" / f"{record.id}.jws").write_text(token)
    return door.ask(door.photo(1), records=(record.id,))


# --- the records' folder --------------------------------------------------------------------------------------------------


@attack("consent_store")
def the_marks_of_revoked_records_vanished(door: Door) -> object:
    record = door.hosted().enrol(1)
    shutil.rmtree(door.store.folder / "revoked")
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_store", "consent_unknown")
def the_records_are_a_file(door: Door) -> object:
    record = door.hosted().enrol(1)
    shutil.rmtree(door.store.folder)
    door.store.folder.write_text("")
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_unknown")
def the_whole_store_vanished(door: Door) -> object:
    record = door.hosted().enrol(1)
    shutil.rmtree(door.store.folder)
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_key")
def others_can_read_the_issuers_key(door: Door) -> object:
    record = door.hosted().enrol(1)
    (door.store.folder / "issuer.pem").chmod(0o644)
    return door.ask(door.photo(1), records=(record.id,))


@attack("consent_untrusted")
def the_issuers_key_was_exchanged(door: Door) -> object:
    record = door.hosted().enrol(1)
    (door.store.folder / "issuer.pem").unlink()
    return door.ask(door.photo(1), records=(record.id,))


# --- age ------------------------------------------------------------------------------------------------------------------


class Estimator:
    """An age estimator that answers, raises or sleeps."""

    name = "age-1"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def lower_bound(self, face: Rgb) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer


def _aged(door: Door, answer: Any) -> object:
    door.guard = replace(door.guard, age=Estimator(answer))
    for who in (1, 2):
        door.enrol(who, "contact")
    return door.ask(door.photo(1), door.photo(2), template="hug")


each("an age of", ("age_refused",), {str(years): partial(_aged, answer=years) for years in (24.9, 0.0, -3.0)})
each(
    "an age estimator that says",
    ("age_unchecked",),
    {name: partial(_aged, answer=answer)
     for name, answer in (("NaN", np.nan), ("infinity", np.inf), ("nothing", None), ("words", "old enough"),
                          ("an error", RuntimeError()))},
)  # fmt: skip


@attack("age_unchecked")
def an_age_estimator_that_never_answers(door: Door) -> object:
    from threading import Event

    age.PATIENCE = 0.05
    go_on = Event()
    try:
        return _aged(door, lambda: go_on.wait(5))
    finally:
        age.PATIENCE = 20.0
        go_on.set()


@attack("age_unchecked")
def a_service_without_an_age_estimator(door: Door) -> object:
    ids = tuple(door.hosted().enrol(who, "contact").id for who in (1, 2))
    return door.ask(door.photo(1), door.photo(2), template="hug", records=ids)


# --- statements, words, other inputs --------------------------------------------------------------------------------------


@attack("consent_missing")
def no_statement(door: Door) -> object:
    return door.ask(door.photo(1), consent=())


@attack("consent_missing")
def one_statement_for_two_photos(door: Door) -> object:
    return door.ask(door.photo(1), door.photo(2), template="wave_together", consent=("self",))


@attack("consent_no_match")
def a_statement_where_records_are_asked_for(door: Door) -> object:
    return door.ask(door.photo(1), door.photo(2), template="kiss", consent=("fictional", "historical"))


@attack("photo_unidentified")
def a_photo_without_a_digest(door: Door) -> object:
    return door.ask(replace(door.photo(1), sha256=""))


@attack("prompt_refused")
def words_that_nobody_may_say(door: Door) -> object:
    return door.ask(door.photo(1), prompt="she u.n.d.r.e.s.s.e.s")


@attack("romantic_needs_records")
def a_kiss_in_words_under_a_smile(door: Door) -> object:
    return door.ask(door.photo(1), prompt="they kiss", backend="all-modes")


@attack("consent_no_match")
def a_kiss_that_only_the_prompt_asks_for(door: Door) -> object:
    return door.ask(door.photo(1), door.photo(2), template="", prompt="they kiss")


@attack("lora_unknown")
def a_lora_of_somebody_in_a_service(door: Door) -> object:
    sampling = Sampling(loras=(Lora("somebody.safetensors"),))
    return door.hosted().ask(template="", prompt="a man waves", sampling=sampling, backend="all-modes")


@attack("photo_blocked")
def a_blocked_photo(door: Door) -> object:
    photo = door.photo(1)
    door.guard.blocklist.folder.mkdir(parents=True)
    (door.guard.blocklist.folder / "list.sha256").write_text(photo.sha256)
    return door.ask(photo)


@attack("blocklist_unreadable")
def a_blocklist_that_is_damaged(door: Door) -> object:
    door.guard.blocklist.folder.mkdir(parents=True)
    (door.guard.blocklist.folder / "list.sha256").write_text("half a ha")
    return door.ask(door.photo(1))


@attack("bystanders_clip")
def a_clip_whose_bystanders_shall_be_blurred(door: Door) -> object:
    clip = Video(Frames(np.stack([door.photo(1).pixels] * 12), 24.0), "9" * 64)
    fields = {"video": clip, "bystanders": "blur", "backend": "all-modes"}
    return _named(door, door.photo(1), 1, scope=("face", "head", "body"), **fields)


@attack("consent_no_faces")
def nobody_is_left_when_bystanders_are_blurred(door: Door) -> object:
    return _named(door, door.photo(7), 1, bystanders="blur")


@attack("bystander_seen")
def a_bystander_who_stays_recognisable(door: Door) -> object:
    photo = door.photo(1, 7)
    read = door.eyes.read
    door.eyes.read = lambda rgb, near=None, identity=False: read(photo.pixels, near, identity)  # type: ignore[method-assign]
    return _named(door, photo, 1, bystanders="blur")


# --- the filter and the log before work begins ----------------------------------------------------------------------------


def _filtered(door: Door, says: Callable[[int], Any]) -> object:
    door.filter.says = says
    return door.ask(door.photo(1))


def down(count: int) -> Any:
    raise ConnectionError("down")


SAYINGS: dict[str, Callable[[int], Any]] = {
    "down": down,
    "NaN": lambda count: np.full(count, np.nan, np.float32),
    "more than one": lambda count: np.full(count, 7.0, np.float32),
    "too few answers": lambda count: np.zeros(count - 1, np.float32),
}
each("a filter that is", ("content_unchecked",), {name: partial(_filtered, says=say) for name, say in SAYINGS.items()})
each("a filter that says", ("content_refused",), {"no": partial(_filtered, says=lambda n: np.full(n, 0.9, np.float32))})


@attack("audit_failed", written=False)
def a_log_that_cannot_be_written(door: Door) -> object:
    (door.home / "audit").parent.mkdir(parents=True, exist_ok=True)
    (door.home / "audit").write_text("")
    door.guard = replace(door.guard, audit=AuditLog(door.home / "audit"))
    return door.ask(door.photo(1))


@attack("content_unchecked")
def a_filter_that_never_answers(door: Door) -> object:
    from threading import Event

    go_on = Event()
    door.guard = replace(door.guard, content=ContentGate(door.filter, patience=0.05))
    try:
        return _filtered(door, lambda count: np.zeros(count * go_on.wait(5), np.float32))
    finally:
        go_on.set()
