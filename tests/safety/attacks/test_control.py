"""Who agreed gets a film through this very door: what the attacks fail at is what they changed."""

from __future__ import annotations

from datetime import UTC, datetime

from photoplay.safety.audit import AuditLog
from photoplay.safety.consent.record import Terms
from photoplay.safety.verify import verify
from tests.safety.attacks.door import GROWN, Door, sound
from tests.safety.consent.people import person


def test_a_statement_is_enough_at_home(door: Door) -> None:
    clip = door.ask(door.photo(1))
    assert verify(clip.path).state == "trusted"
    assert [one[:2] for one in door.entries()] == [("admit", "allowed"), ("seal", "done")]


def test_a_service_takes_the_record_that_is_named(door: Door) -> None:
    record = door.hosted().enrol(1)
    clip = door.ask(door.photo(1), records=(record.id,), consent=("granted",))
    assert verify(clip.path).state == "trusted"
    assert AuditLog(door.home / "audit").verify().intact


def test_two_who_agreed_embrace(door: Door) -> None:
    for who in (1, 2):
        door.enrol(who, "contact")
    assert door.ask(door.photo(1), door.photo(2), template="hug").path.exists()


def test_two_who_look_alike_and_are_said_to_be_two_embrace(door: Door) -> None:
    looks = [person(1, photo) for photo in (5, 6)]
    first, _ = door.store.enrol(looks[0], Terms(("contact",), 30, GROWN), datetime.now(UTC))
    door.store.enrol(looks[1], Terms(("contact",), 30, GROWN, unlike=(first.subject,)), datetime.now(UTC))
    photos = [door.photo(1, embedding=look) for look in looks]
    assert door.ask(*photos, template="hug").path.exists()


def test_who_agreed_to_speak_speaks(door: Door) -> None:
    record = door.hosted().enrol(1, "speech")
    clip = door.ask(door.photo(1), template="", audio=(sound(),), records=(record.id,))
    assert clip.recipe["request"]["category"] == "speech"


def test_a_bystander_can_be_blurred(door: Door) -> None:
    record = door.hosted().enrol(1)
    photo = door.photo(1, 7)
    clip = door.ask(photo, records=(record.id,), bystanders="blur")
    assert [notice.code for notice in clip.notices] == ["bystanders_blurred"]
    assert clip.recipe["request"]["bystanders"] == "blur"
    assert clip.recipe["photos"] == [photo.sha256]


def test_stills_and_a_sheet_come_with_the_film(door: Door) -> None:
    door.extras = {"stills": door.out / "stills", "sheet": door.out / "sheet.png"}
    door.ask(door.photo(1), seconds=1.0, fps=8.0)
    assert len(list((door.out / "stills").iterdir())) == 8
    assert verify(door.out / "sheet.png").state == "trusted"
