from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from photoplay.errors import ConsentError
from photoplay.safety.consent import matching
from photoplay.safety.consent.binding import SAME_PERSON, Binding, bits_apart
from photoplay.safety.consent.matching import ADULTS_ONLY, Matched, check_different_people, look_alike, match_people
from photoplay.safety.consent.record import Adult, ConsentRecord, Terms, issue
from photoplay.types import Face
from tests.safety.consent.people import DAY, NOW, between, face, person

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
GROWN = Adult(True, "document")


def record(seed: int, scope: tuple[str, ...] = ("face",), **terms: object) -> ConsentRecord:
    fields = {"adult": GROWN, "days": 30, **terms}
    return issue(Binding.of(person(seed)), Terms(scope, **fields), KEY, NOW)[0]  # type: ignore[arg-type]


def group(*seeds: int, photo: int = 1) -> tuple[Face, ...]:
    """People side by side, in another photo than that of their records."""
    return tuple(face(person(seed, photo), 100.0 * place) for place, seed in enumerate(seeds))


def refused(
    pictures: tuple[tuple[Face, ...], ...],
    records: tuple[ConsentRecord, ...],
    category: str = "face",
    now: datetime = NOW,
) -> tuple[str, str]:
    with pytest.raises(ConsentError) as caught:
        match_people(pictures, records, category, now)
    return caught.value.code, caught.value.message


def test_every_face_gets_its_own_record() -> None:
    one, two, three = record(1), record(2), record(3)
    found = match_people((group(2, 1), group(3, 1)), (one, two, three), "face", NOW)
    assert [(each.picture, each.face, each.record) for each in found] == [
        (0, 0, two), (0, 1, one), (1, 0, three), (1, 1, one)
    ]  # fmt: skip
    assert all(0 < each.distance <= SAME_PERSON for each in found)
    assert isinstance(found[0], Matched)


def test_faces_are_counted_from_the_left_in_whatever_order_they_come() -> None:
    one, two = record(1), record(2)
    found = match_people((group(2, 1)[::-1],), (one, two), "face", NOW)
    assert [each.record for each in found] == [two, one]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ((group(9),), "Nobody on record is the face in the picture."),
        ((group(1, 9),), "Nobody on record is the second face from the left in the picture."),
        ((group(9, 1, 2),), "Nobody on record is the first face from the left in the picture."),
        ((group(1), group(2, 1, 9)), "Nobody on record is the third face from the left in the second picture."),
        ((group(*([1] + [9] * 11)),), "Nobody on record is the second face from the left in the picture."),
    ],
)
def test_attack_a_face_without_a_record(pictures: tuple[tuple[Face, ...], ...], message: str) -> None:
    """Another face, one of two people, a bystander at any place."""
    assert refused(pictures, (record(1), record(2))) == ("consent_no_match", message)


@pytest.mark.parametrize("category", sorted(ADULTS_ONLY))
def test_what_needs_records_says_so_and_how_they_are_made(category: str) -> None:
    with pytest.raises(ConsentError) as caught:
        match_people((group(1), group(9)), (record(1, (category,)),), category, NOW)
    assert caught.value.code == "consent_no_match"
    assert "the consent records of both adults, whatever else is stated" in caught.value.message
    assert "the face in the second picture" in caught.value.message
    assert f"`photoplay consent create PHOTO --scope {category} --adult known`" in caught.value.hint


def test_far_places_are_named_too() -> None:
    many = tuple(range(1, 13))
    records = tuple(record(seed) for seed in many[:-1])
    assert "the face number 12" not in refused((group(*many),), records)[1]
    assert "number 12 face from the left" in refused((group(*many),), records)[1]


def test_attack_no_record_no_face_no_picture() -> None:
    assert refused((group(1),), ())[0] == "consent_no_match"
    assert refused(((),), (record(1),))[0] == "consent_no_faces"
    assert refused((group(1), ()), (record(1),))[0] == "consent_no_faces"
    assert refused((), (record(1),))[0] == "consent_no_faces"


@pytest.mark.parametrize(
    "embedding",
    [None, np.full(128, np.nan, np.float32), np.zeros(128, np.float32), np.full(128, np.inf, np.float32)],
    ids=["none", "nan", "zero", "infinite"],
)
def test_attack_a_face_that_cannot_be_compared(embedding: np.ndarray | None) -> None:
    code, message = refused(((*group(1), face(embedding, 500.0)),), (record(1), record(2)))
    assert code == "consent_face_unreadable"
    assert message.startswith("The second face from the left")


def test_attack_one_record_for_two_faces() -> None:
    assert refused((group(1, 1),), (record(1),))[0] == "consent_twice"
    assert refused((group(1, 1),), (record(1), record(1), record(2)))[0] == "consent_twice"


def test_attack_two_records_of_one_person_for_two_faces() -> None:
    """One person with two records under one id is still one person."""
    first = record(1)
    second = issue(Binding.of(person(1, 2)), Terms(("face",), 30, subject=first.subject), KEY, NOW)[0]
    assert refused((group(1, 1),), (first, second))[0] == "consent_twice"


def enrolled(embedding: np.ndarray, **terms: object) -> ConsentRecord:
    return issue(Binding.of(embedding), Terms(("face",), 30, **terms), KEY, NOW)[0]  # type: ignore[arg-type]


def together(first: np.ndarray, second: np.ndarray, records: tuple[ConsentRecord, ...], apart: bool = False) -> None:
    """Checks two faces, in one picture or in two, that are matched with ``records``."""
    faces = (face(first, 100.0), face(second, 300.0))
    pictures = tuple((one,) for one in faces) if apart else (faces[::-1],)
    check_different_people(pictures, match_people(pictures, records, "face", NOW), 2)


@pytest.mark.parametrize("apart", [False, True])
def test_attack_two_records_of_one_person_under_two_ids(apart: bool) -> None:
    looks = person(1, 5), person(1, 6)
    records = enrolled(looks[0]), enrolled(looks[1])
    assert records[0].subject != records[1].subject
    with pytest.raises(ConsentError) as caught:
        together(*looks, records, apart)
    assert caught.value.code == "consent_one_face"
    for stated in ("unlike the first", "unlike the second"):
        first = enrolled(looks[0], unlike=(records[1].subject,) if "second" in stated else ())
        others = (
            (first, records[1])
            if "second" in stated
            else (records[0], enrolled(looks[1], unlike=(records[0].subject,)))
        )
        together(*looks, others, apart)


def test_two_people_are_two() -> None:
    together(person(1, 1), person(2, 1), (record(1), record(2)))
    together(person(1, 1), person(1, 1), (record(1), record(2)), apart=True)  # one person in two pictures


def test_attack_a_face_that_is_like_the_other_ones_record() -> None:
    """The two faces are far apart, but one of them is as near to the other's record as one person is."""
    first, middle, second = (between(1, 2, share) for share in (0.0, 0.4, 0.75))  # far from the limit: salts differ
    assert bits_apart(middle, second) <= SAME_PERSON < bits_apart(first, second)
    with pytest.raises(ConsentError) as caught:
        together(first, second, (enrolled(middle), enrolled(second)))
    assert caught.value.code == "consent_one_face"


def test_one_person_under_two_ids_may_be_in_two_pictures_and_match_twice() -> None:
    """Who was enrolled anew is asked under both ids: for two scopes, or in the picture that the film ends on."""
    looks = person(1, 5), person(1, 6)
    records = enrolled(looks[0]), enrolled(looks[1])
    pictures = tuple((face(look),) for look in looks)
    matched = match_people(pictures, records, "face", NOW)
    assert {one.record.subject for one in matched} == {record.subject for record in records}
    check_different_people(pictures, matched, 1)
    check_different_people(pictures, (matched[0], Matched(0, 0, records[1], 9)), 2)
    with pytest.raises(ConsentError):
        check_different_people(pictures, matched, 2)


def test_who_looks_like_somebody_on_record() -> None:
    one, two = record(1), record(2)
    again = record(1, subject=one.subject)
    assert look_alike(person(1, 1), (one, two, again)) == (one.subject,)
    assert look_alike(person(3), (one, two)) == ()
    with pytest.raises(ConsentError):
        look_alike(None, (one,))


def test_attack_the_wrong_scope() -> None:
    code, message = refused((group(1, 2),), (record(1, ("face", "head")), record(2)), "head")
    assert code == "consent_scope"
    assert "second face from the left" in message
    assert "head" in message


@pytest.mark.parametrize("category", ["", "*", "face head", "nude", "every", "face\x00", "Face\u200b"])
def test_attack_a_category_that_nobody_can_agree_to(category: str) -> None:
    assert refused((group(1),), (record(1),), category)[0] == "consent_scope"


def test_a_category_may_be_written_in_capitals() -> None:
    assert match_people((group(1),), (record(1),), " Face ", NOW)


def test_attack_records_outside_their_time() -> None:
    code, message = refused((group(1),), (record(1),), now=NOW + 31 * DAY)
    assert code == "consent_expired"
    assert "the face in the picture" in message
    assert refused((group(1),), (record(1, not_before=NOW + DAY),))[0] == "consent_not_yet"
    assert refused((group(1),), (record(1),), now=NOW.replace(tzinfo=None))[0] == "consent_clock"


@pytest.mark.parametrize("category", sorted(ADULTS_ONLY))
def test_attack_romance_and_contact_without_two_adults(category: str) -> None:
    adult, child = record(1, (category,)), record(2, (category,), adult=Adult())
    code, message = refused((group(1, 2),), (adult, child), category)
    assert code == "consent_adult"
    assert "second face" in message
    assert refused((group(1), group(2)), (adult, child), category)[0] == "consent_adult"
    assert match_people((group(1, 3),), (adult, record(3, (category,))), category, NOW)


def test_attack_a_lookalikes_wider_record_does_not_stand_in() -> None:
    """Somebody who resembles the person agreed to more. Whose face it is comes first."""
    wide = issue(Binding.of(between(1, 2, 0.3)), Terms(("body",), 30), KEY, NOW)[0]
    face_of_1 = (face(person(1, 1)),)
    assert wide.binding.distance(face_of_1[0].embedding) <= SAME_PERSON, "the lookalike alone would pass"
    assert match_people((face_of_1,), (wide,), "body", NOW)
    assert refused((face_of_1,), (record(1), wide), "body")[0] in {"consent_scope", "consent_ambiguous"}


def test_attack_a_lookalike_does_not_stand_in_for_a_record_that_ran_out() -> None:
    lookalike = issue(Binding.of(between(1, 2, 0.3)), Terms(("face",), 300), KEY, NOW)[0]
    later = NOW + 31 * DAY
    assert refused(((face(person(1, 1)),),), (record(1), lookalike), now=later)[0] in {
        "consent_expired",
        "consent_ambiguous",
    }


def twins(scope: tuple[str, ...]) -> tuple[ConsentRecord, ConsentRecord]:
    return record(1, scope), issue(Binding.of(person(1, 5)), Terms(("face",), 30, GROWN), KEY, NOW)[0]


def test_attack_a_face_that_could_be_two_people_of_whom_one_did_not_agree() -> None:
    code, message = refused((group(1),), twins(("face", "body")), "body")
    assert code == "consent_ambiguous"
    assert message.startswith("The face in the picture")


def test_where_whoever_it_is_agreed_it_does_not_matter_who_it_is() -> None:
    assert match_people((group(1),), twins(("face",)), "face", NOW)


def test_the_strongest_record_of_a_person_counts() -> None:
    weak = record(1)
    fields = {"subject": weak.subject, "binding": weak.binding}
    live = replace(record(1, method="live"), **fields)
    longer = replace(record(1, method="live", days=90), **fields)
    found = match_people((group(1),), (weak, live, longer), "face", NOW)
    assert found[0].record == longer
    assert match_people((group(1),), (weak, longer, live), "face", NOW) == found


def test_attack_a_comparison_that_breaks_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(matching, "_candidates", broken)
    assert refused((group(1),), (record(1),))[0] == "consent_check_failed"


def test_just_over_the_limit_is_somebody_else() -> None:
    mine = record(1)
    shares = np.linspace(0, 1, 60)
    apart = [mine.binding.distance(between(1, 2, float(share))) for share in shares]
    for share, distance in zip(shares, apart, strict=True):
        pictures = ((face(between(1, 2, float(share))),),)
        if distance <= SAME_PERSON:
            assert match_people(pictures, (mine,), "face", NOW)[0].distance == distance
        else:
            assert refused(pictures, (mine,))[0] == "consent_no_match"
    assert min(apart) < 150
    assert max(apart) > 400


# --- photographs -----------------------------------------------------------------------------------------------------------


def test_real_faces(photographed: dict[str, list[np.ndarray]]) -> None:
    """Each photo in five treatments: all are the same person to the record of the plain one, and never anybody else."""
    for name, embeddings in photographed.items():
        binding = Binding.of(embeddings[0], salt=bytes(16))
        own = [binding.distance(embedding) for embedding in embeddings[1:]]
        others = [
            binding.distance(embedding) for other, these in photographed.items() if other != name for embedding in these
        ]
        assert max(own) <= SAME_PERSON < min(others), (name, own, others)
