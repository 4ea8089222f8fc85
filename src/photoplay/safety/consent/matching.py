"""Whose faces these are: every face in every picture belongs to a person of its own, who agreed to this.

First it is decided who somebody is, from all records there are, and only then whether that person agreed: a lookalike's
record with a wider scope never stands in for a narrower one, nor for one that ran out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from photoplay.errors import ConsentError, PhotoplayError
from photoplay.safety.consent.binding import SAME_PERSON, bits_apart, limit_among
from photoplay.safety.consent.record import CATEGORIES, METHODS, ConsentRecord
from photoplay.types import Array, Face

ADULTS_ONLY = frozenset({"romantic", "contact"})
"""Categories in which everybody in the pictures must be an adult by attestation."""
CLEARLY = 60
"""Bits by which the next person must be farther away than the nearest: three standard deviations of the difference of two
distances around the limit (1,024 bits, 260 of them different: 14 bits each, 20 for the difference)."""
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True)
class Matched:
    """Face ``face`` (from the left) of picture ``picture``, both counted from 0, shows the person of ``record``:
    ``distance`` of the 1,024 bits differ."""

    picture: int
    face: int
    record: ConsentRecord
    distance: int


def match_people(
    pictures: Sequence[Sequence[Face]], records: Sequence[ConsentRecord], category: str, now: datetime
) -> tuple[Matched, ...]:
    """A record for every face, or no.

    Args:
        pictures: for each picture its faces with embeddings, bystanders too. Who shall need no record must be made
            unrecognisable first, and the faces read after that.
        records: who may be in them, verified; also those that do not hold today. Better only those that the request
            names: the more people there are to choose from, the nearer a face must be.
        category: the template's.
        now: the time, with a time zone.

    Returns:
        One :class:`Matched` for each face, picture by picture, from left to right. A person may be in several pictures, but
        only once in each.

    Raises:
        ConsentError: ``consent_no_faces``, ``consent_face_unreadable``, ``consent_no_match``, ``consent_ambiguous``,
            ``consent_twice`` (two faces of one picture would be the same person), ``consent_scope``, ``consent_expired``,
            ``consent_not_yet``, ``consent_adult``; ``consent_check_failed`` for any other fault. The message names the face.
    """
    try:
        return _match(pictures, records, category, now)
    except PhotoplayError:
        raise
    except Exception as error:
        raise ConsentError(
            "consent_check_failed",
            "The faces could not be compared with the consent records, and what cannot be checked is not made.",
            "Try again. If it stays this way, please report it.",
        ) from error


def check_different_people(pictures: Sequence[Sequence[Face]], matched: Sequence[Matched], portraits: int) -> None:
    """Faces that were matched with several people are not one person who was put on record several times.

    An id is only what whoever signed a record says. So two people's faces must not look like one person's, neither to each
    other nor to the other one's record, unless one of the two records says that they are different people.

    Args:
        pictures: as :func:`match_people` got them.
        matched: what it returned for them; a face may have been matched several times.
        portraits: the first of the pictures, which show different people; of the others only the faces in one and the same
            picture are different people.

    Raises:
        ConsentError: ``consent_one_face``.
    """
    people = {(one.picture, one.face, one.record.id): one for one in matched}.values()
    for one, other in combinations(people, 2):
        somebody_else = one.picture == other.picture or max(one.picture, other.picture) < portraits
        if (one.picture, one.face) == (other.picture, other.face) or not somebody_else:
            continue
        stated = other.record.subject in one.record.unlike or one.record.subject in other.record.unlike
        if one.record.subject == other.record.subject or stated:
            continue
        first, second = (_from_left(pictures[each.picture])[each.face].embedding for each in (one, other))
        apart = (bits_apart(first, second), one.record.binding.distance(second), other.record.binding.distance(first))
        if min(apart) <= SAME_PERSON:
            raise ConsentError(
                "consent_one_face",
                "Two faces that are on record as two people look like one person.",
                "If they are two people who look alike, such as twins, make one of the records anew and say so there "
                "(on the command line: `photoplay consent create --unlike`).",
            )


def look_alike(embedding: Array | None, records: Sequence[ConsentRecord]) -> tuple[str, ...]:
    """The ids of the people on record whose faces could be that of this embedding ``[128]``.

    Raises:
        ConsentError: ``consent_face_unreadable``.
    """
    alike = (record.subject for record in records if record.binding.distance(embedding) <= SAME_PERSON)
    return tuple(dict.fromkeys(alike))


def _from_left(faces: Sequence[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: face.box[0] + face.box[2])


def _match(
    pictures: Sequence[Sequence[Face]], records: Sequence[ConsentRecord], category: str, now: datetime
) -> tuple[Matched, ...]:
    if not pictures or not all(pictures):
        raise ConsentError(
            "consent_no_faces",
            "No face was found that a consent record could be compared with.",
            "Use a photo in which the person's face can be seen.",
        )
    wanted = category.strip().casefold()
    matched = []
    for picture, faces in enumerate(pictures):
        seen: set[str] = set()
        for place, face in enumerate(_from_left(faces)):
            name = _name(place, len(faces), picture, len(pictures))
            record = _agreed_by_whoever(_candidates(face, records, wanted, name), records, wanted, now, name)
            if record.subject in seen:
                raise ConsentError(
                    "consent_twice",
                    f"{name} would be the same person as another face in this picture.",
                    "Every person needs a consent record of their own.",
                )
            seen.add(record.subject)
            matched.append(Matched(picture, place, record, record.binding.distance(face.embedding)))
    return tuple(matched)


def _candidates(face: Face, records: Sequence[ConsentRecord], category: str, name: str) -> list[str]:
    """The subject whose records the face matches best, then those who are not clearly farther away."""
    nearest: dict[str, int] = {}
    for record in records:
        try:
            distance = record.binding.distance(face.embedding)
        except ConsentError as error:
            raise ConsentError(error.code, f"{name} cannot be compared with a consent record.", error.hint) from error
        nearest[record.subject] = min(distance, nearest.get(record.subject, distance))
    limit = limit_among(len(nearest))
    ranked = sorted((distance, subject) for subject, distance in nearest.items() if distance <= limit)
    if not ranked and category in ADULTS_ONLY:
        raise ConsentError(
            "consent_no_match",
            f"A {category} film needs the consent records of both adults, whatever else is stated, and nobody on record is "
            f"{_lower(name)}.",
            "Put each of them on record, on the command line with "
            f"`photoplay consent create PHOTO --scope {category} --adult known`.",
        )
    if not ranked:
        raise ConsentError(
            "consent_no_match",
            f"Nobody on record is {_lower(name)}.",
            "Everybody in a picture must have agreed, bystanders too: add that person's record, or crop or blur the face.",
        )
    return [subject for distance, subject in ranked if distance - ranked[0][0] < CLEARLY]


def _agreed_by_whoever(
    subjects: Sequence[str], records: Sequence[ConsentRecord], category: str, now: datetime, name: str
) -> ConsentRecord:
    """The record of the likeliest subject. Where it could be several, each of them must have agreed."""
    found = []
    for subject in subjects:
        theirs = [record for record in records if record.subject == subject]
        try:
            found.append(_agreed(theirs, category, now, name))
        except ConsentError as error:
            if len(subjects) == 1:
                raise
            raise ConsentError(
                "consent_ambiguous",
                f"{name} could be more than one person on record, and not all of them agreed to this.",
                "Use a sharper picture. If it is one person with several records, revoke those that no longer count.",
            ) from error
    return found[0]


def _agreed(theirs: Sequence[ConsentRecord], category: str, now: datetime, name: str) -> ConsentRecord:
    """The strongest record of one person that allows this today; of equals the one that holds longest."""
    if category not in CATEGORIES:
        raise ConsentError(
            "consent_scope", "Nobody can agree to that kind of film.", f"The kinds are {', '.join(CATEGORIES)}."
        )
    in_scope = [record for record in theirs if category in record.scope]
    if not in_scope:
        raise ConsentError(
            "consent_scope",
            f"The person of {_lower(name)} did not agree to films of the category {category}.",
            "Choose another template, or ask that person for a new record.",
        )
    holding, late = [], None
    for record in in_scope:
        try:
            record.check_time(now)
            holding.append(record)
        except ConsentError as error:
            late = ConsentError(error.code, f"{error.message} It is that of {_lower(name)}.", error.hint)
    if late is not None and not holding:
        raise late
    if category in ADULTS_ONLY:
        holding = [record for record in holding if record.adult.adult]
        if not holding:
            raise ConsentError(
                "consent_adult",
                f"Nobody vouches that the person of {_lower(name)} is an adult.",
                "Films of this kind need the records of adults. Choose another template.",
            )
    return min(holding, key=lambda record: (METHODS.index(record.method), -record.expires.timestamp(), record.id))


def _name(place: int, count: int, picture: int, pictures: int) -> str:
    """``The second face from the left (first picture)``."""
    face = f"The {_ordinal(place)} face from the left" if count > 1 else "The face"
    return f"{face} in the {_ordinal(picture)} picture" if pictures > 1 else f"{face} in the picture"


def _ordinal(index: int) -> str:
    return _ORDINALS[index] if index < len(_ORDINALS) else f"number {index + 1}"


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
