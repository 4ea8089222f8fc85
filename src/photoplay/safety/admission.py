"""Who and what may be animated: the only maker of :class:`~photoplay.types.Admitted`.

Every gate is a function that returns or raises. They run in the order of :data:`GATES`, and a gate that fails in any other
way than by saying no also means no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar, get_args

from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError
from photoplay.safety.age import check_adults
from photoplay.safety.bystanders import hide_all_but
from photoplay.safety.consent.matching import Matched, check_different_people, match_people
from photoplay.safety.consent.record import CATEGORIES, ConsentRecord
from photoplay.safety.guard import Guard
from photoplay.safety.looks import looks, stills
from photoplay.safety.prompts import asks_for_romance, check_negative_prompt, check_prompt, is_readable
from photoplay.safety.proof import make_proof
from photoplay.types import Admitted, Consent, Face, FaceReader, Photo, Request, Rgb
from photoplay.types.request import _GATE_KEY

Gate: TypeAlias = Callable[[Request], None]
Found = TypeVar("Found")

CONSENT: tuple[str, ...] = get_args(Consent)
ROMANTIC = frozenset({"romantic", "contact"})
"""Template categories that need the records of two adults."""

TOGETHER = ROMANTIC | {"duet"}
"""Template categories that need two people."""
WHOLE = frozenset({"face", "head", "body"})
"""What a film may move whose motion no template bounds: everything."""
CHUNK = 24
"""Frames of a clip that the content filter is asked about at once."""
STRANGER = frozenset({"consent_no_match", "consent_face_unreadable"})
"""Codes that say of a face that it is nobody's on record."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_photos(request: Request) -> None:
    """There is a photo (or the film shows nobody real), and each has the digest that its consent statement will name.

    Raises:
        RequestError: ``photo_missing``.   RefusedError: ``photo_unidentified``.
    """
    if not request.photos and request.mode != "text-to-video":
        raise RequestError("photo_missing", "There is no photo to animate.", "Give one photo.")
    if not all(_DIGEST.fullmatch(digest) for digest in request.pictured()):
        raise RefusedError(
            "photo_unidentified",
            "A photo came without the digest of its file, so no consent can be recorded for it.",
            "Load it with photoplay.media.load_photo.",
        )


def check_consent(request: Request) -> None:
    """There is one known statement for everything that shows people: each photo, the last one, the video.

    Raises:
        ConsentError: ``consent_missing`` or ``consent_invalid``.
    """
    stated, pictured = len(request.consent), len(request.pictured())
    if stated != pictured:
        raise ConsentError(
            "consent_missing",
            f"The statements about consent are {stated}, and the files that show people are {pictured}."
            if stated
            else "photoplay needs to know whether the person in each photo agrees to the film.",
            "State --consent once for each photo: self (it is me), granted (they agreed), historical or fictional.",
        )
    if any(statement not in CONSENT for statement in request.consent):
        raise ConsentError(
            "consent_invalid",
            "That is not one of the statements about consent that photoplay knows.",
            "Use self (it is me), granted (they agreed), historical or fictional.",
        )


def check_words(request: Request) -> None:
    """The prompt, and what a voice was told to say, ask for nothing that photoplay never makes.

    Raises:
        RefusedError: ``prompt_refused``.
    """
    check_prompt(request.prompt)
    check_prompt(request.said)
    check_negative_prompt(request.sampling.negative_prompt or "")


def check_romance(request: Request) -> None:
    """No words ask for romance between people in photos, or whom a LoRA may show: for models that read words themselves.

    Raises:
        RefusedError: ``romantic_needs_records``.
    """
    if (request.pictured() or request.sampling.loras) and asks_for_romance(request.prompt):
        raise RefusedError(
            "romantic_needs_records",
            "Romantic scenes of real people need the consent records of both, both adults.",
            "A statement is not enough for these. Describe another scene.",
        )


def check_readable(request: Request) -> None:
    """The words are in a script that the term policy reads: a model may know more languages than the policy does.

    Raises:
        RefusedError: ``prompt_unreadable``.
    """
    if not is_readable(f"{request.prompt} {request.sampling.negative_prompt or ''}"):
        raise RefusedError(
            "prompt_unreadable",
            "The prompt holds letters that photoplay cannot check.",
            "Write it in English.",
        )


def check_category(request: Request) -> None:
    """The film is of a kind that somebody can agree to.

    Raises:
        RefusedError: ``category_unknown``.
    """
    if _category(request) not in CATEGORIES:
        raise RefusedError(
            "category_unknown",
            "It is not known what kind of film this is, so nobody can have agreed to it.",
            f"The kinds are {', '.join(CATEGORIES)}.",
        )


GATES: tuple[Gate, ...] = (check_photos, check_consent, check_category, check_words)


def admit(
    request: Request, gates: tuple[Gate, ...] = (), guard: Guard | None = None, reader: FaceReader | None = None
) -> Admitted:
    """Lets a request in, or says why not; either is written into the audit log.

    Args:
        request: what the user asked for.
        gates: further gates, run after photoplay's own, which always run.
        guard: what the gates ask; :meth:`Guard.local` by default.
        reader: finds faces where records are needed: in a hosted service, for romance and for contact.

    Returns:
        The :class:`Admitted` request; its ``statements`` say who stated what about which photo on which day (UTC), which
        consent ``records`` it rests on, in which pictures each one's person was found, and for how many ``faces`` of the
        photos (None: none were needed). Its pictures are copies, those of bystanders without them: nobody who holds the
        request can change them afterwards.

    Raises:
        ConsentError: consent is not stated for every photo, or not on record for every face where that is needed.
        RefusedError: another gate says no; ``check_failed`` where a gate broke, since a broken gate means no.
        RequestError: there is no photo.
        UnavailableError: there is no content filter.
    """
    guard = guard or Guard.local()
    try:
        for gate in (*GATES, *gates):
            _pass(gate, request)
        request = _pass(_own_copy, request)
        _pass(partial(check_pictures, guard=guard), request)
        request, found = _pass(partial(_check_people, guard=guard, reader=reader), request)
    except PhotoplayError as refusal:
        guard.audit.append("admit", "refused", refusal.code, about(request))
        raise
    guard.audit.append("admit", "allowed", about=about(request))
    today = datetime.now(UTC).date().isoformat()
    consent = [
        {"photo": digest, "statement": statement, "date": today}
        for digest, statement in zip(request.pictured(), request.consent, strict=True)
    ]
    by_id = {match.record.id: match.record for match in found or ()}
    digests = _people_digests(request)
    records = [
        {"id": record.id, "sha256": record.digest, "method": record.method, "adult": record.adult.method}
        | {"pictures": sorted({digests[one.picture] for one in found or () if one.record.id == record.id})}
        for record in by_id.values()
    ]
    faces = None if found is None else {(one.picture, one.face) for one in found if one.picture < len(request.photos)}
    statements = {"consent": consent, "records": records, "faces": None if faces is None else len(faces)}
    return Admitted(request, statements, make_proof(request, statements), gate_key=_GATE_KEY)


def check_cast(admitted: Admitted, people: int) -> None:
    """Nobody more plays than the people whose consent was found on record, where records were needed.

    Raises:
        ConsentError: ``consent_unmatched``.
    """
    faces = admitted.statements["faces"]
    if faces is not None and people > faces:
        raise ConsentError(
            "consent_unmatched",
            "There is somebody in the photo whose face was not compared with any consent record.",
            "Use a photo in which every face is clearly seen.",
        )


def _own_copy(request: Request) -> Request:
    """The request with pictures of its own, which whoever asked cannot change any more."""

    def own(photo: Photo | None) -> Photo | None:
        return None if photo is None else replace(photo, pixels=photo.pixels.copy())

    photos = tuple(replace(photo, pixels=photo.pixels.copy()) for photo in request.photos)
    copied = replace(request, photos=photos, last=own(request.last), backdrop=own(request.backdrop))
    if (video := request.video) is None:
        return copied
    return replace(copied, video=replace(video, frames=replace(video.frames, rgb=video.frames.rgb.copy())))


def check_pictures(request: Request, guard: Guard) -> None:
    """No picture that comes in is on a blocklist or shows what photoplay never uses.

    Raises:
        RefusedError: ``photo_blocked``, ``content_refused``, or that a list or the filter does not work.
    """
    photos = stills(request)
    for photo in photos:
        guard.blocklist.check(photo)
    guard.content.check([photo.pixels for photo in photos])
    if request.video is not None:
        frames = request.video.frames.rgb
        for look in looks(request):
            guard.blocklist.check(Photo(look, request.video.sha256))
        for start in range(0, len(frames), CHUNK):
            guard.content.check(list(frames[start : start + CHUNK]))


def scopes(request: Request) -> tuple[str, ...]:
    """What everybody in the pictures must have agreed to: the template's category; ``speech`` where there is sound; and
    everything that can move where no template says what does, but the words or a clip."""
    category = _category(request)
    more = {"speech"} if request.audio else set()
    if request.video is not None or (category == "body" and not request.template):
        more |= WHOLE | ({"duet"} if len(request.photos) == 2 else set())
    return (category, *sorted(more - {category}))


def _check_people(
    request: Request, guard: Guard, reader: FaceReader | None
) -> tuple[Request, tuple[Matched, ...] | None]:
    """Every face in every picture belongs to somebody of their own who agreed to this, where that is asked for.

    Returns:
        The request, without its bystanders where that was asked for, and whose faces these are (None: nobody asked).

    Raises:
        ConsentError: as :func:`photoplay.safety.consent.matching.match_people` and ``Guard.candidates``; ``consent_twice``,
            ``consent_one_face``, ``bystander_seen``, ``backdrop_people``.
        RefusedError: as :func:`photoplay.safety.age.check_adults`; ``lora_unknown``.   RequestError: ``bystanders_clip``.
    """
    needed = guard.hosted or _category(request) in ROMANTIC or bool(request.records)
    if guard.hosted and request.sampling.loras:
        raise RefusedError(
            "lora_unknown",
            "Nobody knows whom that LoRA shows, so nobody can have agreed.",
            "Leave it out: a service for strangers takes none.",
        )
    if not request.pictured() or not (needed or request.bystanders == "blur"):
        return request, None
    if reader is None:
        raise ValueError("nobody who finds faces")
    now = datetime.now(UTC)
    candidates = guard.candidates(request, now) if needed else None
    if request.bystanders == "blur":
        request = _without_bystanders(request, reader, candidates, now)
    if candidates is None:
        return request, None
    if request.backdrop is not None and reader.read(request.backdrop.pixels):
        raise ConsentError("backdrop_people", "The backdrop shows people.", "Give a backdrop that shows nobody.")
    pictures = _people_pictures(request)
    faces = [reader.read(picture, identity=True) for picture in pictures]
    if _category(request) in TOGETHER and len(request.photos) == 1 and len(faces[0]) == 1:
        raise ConsentError(
            "consent_one_of_two",
            "This film is of two people, and the photo shows one.",
            "Give a photo in which both faces are seen, or a photo of each person.",
        )
    matched = tuple(one for scope in scopes(request) for one in match_people(faces, candidates, scope, now))
    guard.records.still_valid([match.record for match in matched])
    _check_pair(request, matched)
    if len(request.photos) == 2 or _category(request) in TOGETHER:
        couple = _category(request) in ROMANTIC
        check_different_people(faces, matched, len(pictures) if couple else len(request.photos))
    if _category(request) in ROMANTIC:
        seen = [(picture, face) for picture, several in zip(pictures, faces, strict=True) for face in several]
        check_adults(guard.age, seen, guard.hosted)
    return request, matched


def _check_pair(request: Request, matched: Sequence[Matched]) -> None:
    """Two photos show two people; a film of contact in one photo does as well.

    Raises:
        ConsentError: ``consent_twice`` or ``consent_one_of_two``.
    """
    if len(request.photos) == 2:
        people = [{match.record.subject for match in matched if match.picture == index} for index in (0, 1)]
        if people[0] & people[1]:
            raise ConsentError(
                "consent_twice",
                "Both photos show the same person, and this film needs two people who agreed.",
                "Give a photo of each person.",
            )
    if _category(request) in ROMANTIC and len({match.record.subject for match in matched}) < 2:
        raise ConsentError(
            "consent_one_of_two",
            "This film is of two people, and only one of them is known.",
            "Give a photo in which both faces are seen, or a photo of each person.",
        )


def _without_bystanders(
    request: Request, reader: FaceReader, candidates: Sequence[ConsentRecord] | None, now: datetime
) -> Request:
    """The request with everybody made unrecognisable who is on no record; where a statement is all there is, everybody but
    the largest face (the two largest, where one photo is of two people)."""
    if request.video is not None:
        raise RequestError(
            "bystanders_clip", "People in a clip cannot be blurred.", "Give a clip that shows only those who agreed."
        )
    two = len(request.photos) == 1 and _category(request) in TOGETHER

    def without(photo: Photo) -> Photo:
        faces = reader.read(photo.pixels, identity=candidates is not None)
        if candidates is None:
            largest = sorted(faces, key=lambda face: face.box[1] - face.box[3])[: 1 + two]
            stays = [any(face is one for one in largest) for face in faces]
        else:
            stays = [_known(face, candidates, _category(request), now) for face in faces]
        return hide_all_but(photo, faces, stays, reader)

    last = None if request.last is None else without(request.last)
    return replace(request, photos=tuple(without(photo) for photo in request.photos), last=last)


def _known(face: Face, candidates: Sequence[ConsentRecord], category: str, now: datetime) -> bool:
    """Whether a face is somebody's on record; whether that person agreed to this is asked later."""
    try:
        match_people([[face]], candidates, category, now)
    except ConsentError as error:
        return error.code not in STRANGER
    return True


def _category(request: Request) -> str:
    return request.category.strip().casefold()


def _people_pictures(request: Request) -> list[Rgb]:
    """Every picture that shows people: the photos, the last one, and frames all over the clip."""
    return [*(photo.pixels for photo in (*request.photos, request.last) if photo is not None), *looks(request)]


def _people_digests(request: Request) -> list[str]:
    """The digest of the file of each of these pictures."""
    photos = [photo.sha256 for photo in (*request.photos, request.last) if photo is not None]
    return photos + ([] if request.video is None else [request.video.sha256] * len(looks(request)))


def about(request: Request) -> dict[str, str]:
    """What the audit log may know of a request: digests, the category and what was stated."""
    digests = {
        f"picture-{index}": digest for index, digest in enumerate(request.pictured(), 1) if _DIGEST.fullmatch(digest)
    }
    stated = "+".join(said for said in request.consent if said in CONSENT)
    category = request.category if re.fullmatch(r"[a-z-]{1,40}", request.category) else ""
    return {**digests, "category": category, "consent": stated}


def _pass(gate: Callable[[Request], Found], request: Request) -> Found:
    try:
        return gate(request)
    except PhotoplayError:
        raise
    except Exception as error:
        raise RefusedError(
            "check_failed",
            "A safety check could not be completed, and what cannot be checked is not made.",
            "Try again. If it stays this way, please report it.",
        ) from error
