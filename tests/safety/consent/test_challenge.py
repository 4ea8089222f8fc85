from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from photoplay.errors import ConsentError
from photoplay.safety.consent import challenge as challenges
from photoplay.safety.consent.binding import SAME_PERSON, Binding
from photoplay.safety.consent.challenge import (
    ACTIONS,
    ASKED,
    IDENTITY_EVERY,
    LASTS,
    TURNS,
    WORDS,
    Action,
    Challenge,
    Sight,
    check_live,
    new_challenge,
    watch,
)
from photoplay.types import Box, Face, Frames, HeadPose, Rgb
from tests.safety.consent.acting import FPS, ID, Actor, asked, orders
from tests.safety.consent.people import NOW, direction, face, person

ORDER: tuple[Action, ...] = ("turn_left", "blink_twice", "smile", "turn_right")
Clip = list[Sight]


def refused(clip: Sequence[Sight], challenge: Challenge | None = None) -> str:
    with pytest.raises(ConsentError) as caught:
        check_live(clip, challenge or asked(*ORDER), NOW)
    return caught.value.code


def changed(sight: Sight, **changes: object) -> Sight:
    return replace(sight, faces=tuple(replace(face, **changes) for face in sight.faces))  # type: ignore[arg-type]


def test_challenges_cannot_be_foreseen_and_always_turn_the_head() -> None:
    made = [new_challenge(NOW) for _ in range(400)]
    assert len({one.id for one in made}) == 400
    assert len({one.actions for one in made}) > 200  # of 336; 400 draws show 233 on average
    assert all(len(set(one.actions)) == ASKED and TURNS & set(one.actions) for one in made)
    assert {one.expires for one in made} == {NOW + LASTS}
    told = made[0].instructions()
    assert all(WORDS[action] in told for action in made[0].actions)


@pytest.mark.parametrize("order", orders())
def test_who_does_what_was_asked_passes(actor: Actor, order: tuple[Action, ...]) -> None:
    embedding = check_live(actor.clip(order), asked(*order), NOW)
    assert Binding.of(embedding).distance(person(1)) < SAME_PERSON


@pytest.mark.parametrize("order", orders())
def test_attack_a_replay_of_another_order(actor: Actor, order: tuple[Action, ...]) -> None:
    """The clip of one challenge answers no other."""
    clip = actor.clip(order)
    place = orders().index(order)
    for step in (1, 3, 4):
        other = orders()[(place + step) % len(orders())]
        assert refused(clip, asked(*other)) == "live_actions"


@pytest.mark.parametrize(
    "done",
    [
        (),
        ORDER[:-1],
        ORDER[1:],
        ORDER[::-1],
        (*ORDER, "nod"),
        ("open_mouth", *ORDER),
        (*ORDER, *ORDER),
        ACTIONS * 3,
        ("turn_right", "blink_twice", "smile", "turn_left"),
        ("turn_left", "blink_once", "smile", "turn_right"),
        ("blink_twice", "turn_left", "smile", "turn_right"),
    ],
    ids=["still", "one less", "first missing", "backwards", "one more", "one before", "twice", "everything", "mirrored",
         "blinked once", "blinked early"],
)  # fmt: skip
def test_attack_something_else_is_done(actor: Actor, done: tuple[str, ...]) -> None:
    assert refused(actor.clip(done or ("still", "still"))) == "live_actions"


def test_blinks_that_nobody_asked_for_do_not_matter(actor: Actor) -> None:
    order: tuple[Action, ...] = ("nod", "turn_left", "open_mouth", "smile")
    check_live(actor.clip(("nod", "blink_twice", "turn_left", "blink_once", "open_mouth", "smile")), asked(*order), NOW)


def test_an_action_may_be_done_twice_in_a_row(actor: Actor) -> None:
    check_live(actor.clip(("turn_left", "turn_left", "blink_twice", "smile", "turn_right")), asked(*ORDER), NOW)


def test_what_was_seen_is_told(actor: Actor) -> None:
    with pytest.raises(ConsentError) as caught:
        check_live(actor.clip(("nod", "smile")), asked(*ORDER), NOW)
    assert "nod once, smile broadly" in caught.value.message


# --- who it is -----------------------------------------------------------------------------------------------------------


def other_from(start: float, end: float = 1.0) -> Callable[[Clip], Clip]:
    def swap(clip: Clip) -> Clip:
        inside = range(round(start * len(clip)), round(end * len(clip)))
        return [
            changed(sight, embedding=person(2, index))
            if index in inside and sight.faces[0].embedding is not None
            else sight
            for index, sight in enumerate(clip)
        ]

    return swap


def looks(value: np.ndarray | None) -> Callable[[Clip], Clip]:
    return lambda clip: [changed(sight, embedding=value) for sight in clip]


def one_look(value: np.ndarray) -> Callable[[Clip], Clip]:
    def swap(clip: Clip) -> Clip:
        return [changed(sight, embedding=value) if index == 12 else sight for index, sight in enumerate(clip)]

    return swap


@pytest.mark.parametrize(
    "swap",
    [
        other_from(0.5), other_from(0.9), other_from(0.0, 0.1), other_from(0.4, 0.6), looks(None),
        looks(np.full(128, np.nan, np.float32)), one_look(np.full(128, np.nan, np.float32)),
        one_look(np.full(128, np.inf, np.float32)),
    ],
    ids=["midway", "at the end", "at the start", "in the middle", "nobody", "nan", "nan once", "infinite once"],
)  # fmt: skip
def test_attack_not_one_person_throughout(actor: Actor, swap: Callable[[Clip], Clip]) -> None:
    assert refused(swap(actor.clip(ORDER))) == "live_person"


@pytest.mark.parametrize(("apart", "same"), [(0.45, True), (0.55, False)])
def test_a_face_may_look_a_little_otherwise_while_it_acts(actor: Actor, apart: float, same: bool) -> None:
    """A look is compared with those at rest, not with others in which the face does something else."""
    clip = actor.clip(ORDER)
    for index, sight in enumerate(clip):
        if sight.faces[0].embedding is not None:
            way = 0 if index < FPS else (-1) ** (index % 4 // 2) * apart
            clip[index] = changed(sight, embedding=(person(1, 0, 0.0) + way * direction(77)).astype(np.float32))
    if same:
        check_live(clip, asked(*ORDER), NOW)
    else:
        assert refused(clip) == "live_person"


def test_attack_too_few_looks_at_the_face(actor: Actor) -> None:
    clip = [changed(sight, embedding=None) if index % 60 else sight for index, sight in enumerate(actor.clip(ORDER))]
    assert refused(clip) == "live_person"


def test_attack_a_second_face(actor: Actor) -> None:
    clip = actor.clip(ORDER)
    clip[40] = replace(clip[40], faces=(*clip[40].faces, face(person(2))))
    assert refused(clip) == "live_face"


# --- the clip ------------------------------------------------------------------------------------------------------------


def lost(first: int, count: int) -> Callable[[Clip], Clip]:
    return lambda clip: [
        replace(sight, faces=()) if first <= index < first + count else sight for index, sight in enumerate(clip)
    ]


def timed(time: Callable[[int], float]) -> Callable[[Clip], Clip]:
    return lambda clip: [replace(sight, time=time(index)) for index, sight in enumerate(clip)]


def moved(index: int, by: float) -> Callable[[Clip], Clip]:
    def jump(clip: Clip) -> Clip:
        shift = np.array([by, 0, 0], np.float32)
        return clip[:index] + [changed(one, landmarks=one.faces[0].landmarks + shift) for one in clip[index:]]

    return jump


def scaled(index: int, factor: float) -> Callable[[Clip], Clip]:
    def grow(clip: Clip) -> Clip:
        return clip[:index] + [
            changed(one, landmarks=(one.faces[0].landmarks * np.float32(factor)).astype(np.float32))
            for one in clip[index:]
        ]

    return grow


def without(first: int, last: int) -> Callable[[Clip], Clip]:
    """Cut out, with the time stamps of a clip that was not cut."""
    return lambda clip: [replace(sight, time=index / FPS) for index, sight in enumerate(clip[:first] + clip[last:])]


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (timed(lambda index: index / 5), "live_clip"),
        (timed(lambda index: -index / FPS), "live_clip"),
        (timed(lambda index: 0.0), "live_clip"),
        (timed(lambda index: index / 100), "live_clip"),
        (timed(lambda index: float("nan") if index == 30 else index / FPS), "live_clip"),
        (timed(lambda index: float("inf") if index > 100 else index / FPS), "live_clip"),
        (timed(lambda index: index / FPS + (3 if index > 50 else 0)), "live_clip"),
        (lambda clip: clip[:20], "live_clip"),
        (lambda clip: clip[:1], "live_clip"),
        (lambda clip: [], "live_clip"),
        (lambda clip: [replace(one, time=index / FPS) for index, one in enumerate(clip * 6)], "live_clip"),
        (lost(0, 1000), "live_face"),
        (lost(40, 12), "live_face"),
        (lambda clip: [replace(one, faces=()) if index % 6 == 1 else one for index, one in enumerate(clip)], "live_face"),
        (moved(60, 200.0), "live_cut"),
        (scaled(60, 1.4), "live_cut"),
        (without(32, 55), "live_cut"),
        (scaled(0, 0.2), "live_face"),
        (lambda clip: [changed(one, mouth_opening=float("nan")) for one in clip], "live_face"),
        (lambda clip: [changed(one, eye_opening=(float("nan"), 0.3)) for one in clip], "live_face"),
        (lambda clip: [changed(one, head_pose=HeadPose(float("inf"), 0, 0)) for one in clip], "live_face"),
        (lambda clip: [changed(one, landmarks=one.faces[0].landmarks * np.float32(np.nan)) for one in clip], "live_face"),
        (lambda clip: [changed(one, eye_opening=(0.0, 0.0)) for one in clip], "live_face"),
        (lambda clip: [changed(one, head_pose=HeadPose(40.0, 0, 0)) for one in clip], "live_face"),
    ],
    ids=range(24),
)  # fmt: skip
def test_attack_a_clip_that_is_none(actor: Actor, bend: Callable[[Clip], Clip], code: str) -> None:
    order: tuple[Action, ...] = ("turn_left", "turn_right", "blink_twice", "smile")
    clip = list(actor.clip(order))
    assert check_live(clip, asked(*order), NOW) is not None
    assert refused(bend(clip), asked(*order)) == code


@pytest.mark.parametrize(
    ("expires", "actions", "code"),
    [
        (NOW, ORDER, "live_expired"),
        (NOW - timedelta(hours=1), ORDER, "live_expired"),
        (NOW + timedelta(days=1), ORDER, "live_expired"),
        (NOW + LASTS, (), "live_actions"),
        (NOW + LASTS, ("blink_twice",), "live_actions"),
        (NOW + LASTS, ("smile", "nod", "blink_twice", "open_mouth"), "live_actions"),
    ],
)
def test_attack_a_challenge_that_was_never_asked(
    actor: Actor, expires: object, actions: tuple[Action, ...], code: str
) -> None:
    challenge = Challenge(ID, actions, expires)  # type: ignore[arg-type]
    assert refused(actor.clip(actions or ORDER), challenge) == code


def test_attack_a_check_that_breaks_means_no(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr(challenges, "check_solid", broken)
    assert refused(actor.clip(ORDER)) == "consent_check_failed"


class Reader:
    """Follows one face, and notes how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, bool]] = []

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        self.asked.append((near is not None, identity))
        return (face(person(1) if identity else None),)


def test_watching_looks_around_the_whole_picture_again_and_again() -> None:
    """Between the looks the face is followed; somebody else who comes into the picture is seen within 0.4 s."""
    frames = Frames(np.zeros((31, 8, 8, 3), np.uint8), 10.0)
    reader = Reader()
    told: list[int] = []
    sights = watch(frames, reader, lambda event: told.append(event.done))
    assert [round(sight.time, 3) for sight in sights] == [round(index / 10, 3) for index in range(31)]
    whole = [index for index, (near, identity) in enumerate(reader.asked) if not near and identity]
    assert whole[0] == 0
    assert max(np.diff(whole)) / 10 <= IDENTITY_EVERY + 0.1
    assert all(near or identity for near, identity in reader.asked)
    assert told == list(range(1, 32))
