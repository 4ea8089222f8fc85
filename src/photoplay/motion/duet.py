"""A template for two put on two people: tracks whose contacts meet, whatever the two bodies are like.

Both roles are first put on their people as if each were alone (:func:`photoplay.motion.retarget.make_track`). Then the
contact solver shifts whole bodies, trunks, heads and hands just so far that the points meet, soft tissue gives way there,
and the eyes look where the gaze lines say.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photoplay.motion.duet_bodies import Body
from photoplay.motion.duet_curves import DuetPerformance, perform_duet
from photoplay.motion.duet_gaze import aimed
from photoplay.motion.duet_level import face_touch, level, widest_turn
from photoplay.motion.duet_meeting import Cast, bring_together, meeting_place
from photoplay.motion.duet_notices import notices_of
from photoplay.motion.duet_order import stands_before
from photoplay.motion.duet_overlap import FACE_SEEN, Head, kept_apart, own_matte
from photoplay.motion.duet_points import Spot
from photoplay.motion.duet_template import DuetTemplate
from photoplay.motion.library import partner_at_right
from photoplay.motion.priors import add_priors
from photoplay.motion.retarget import make_track
from photoplay.types import Box, Contact, Duet, MotionTrack, Notice, Performance, Scene

SECOND_SEED = 7919
"""What is added to the seed for the second person's natural motion."""
FACE_RADIUS, BODY_RADIUS = 1.1, 0.35
"""Size of the region that a contact changes: in inter-ocular distances for faces, in shoulder widths else."""


def make_duet(
    scene: Scene,
    subjects: tuple[int, int],
    template: DuetTemplate,
    *,
    seconds: float,
    fps: float,
    seed: int = 0,
    intensity: float = 1.0,
    speed: float = 1.0,
    priors: bool = True,
    frame: Box | None = None,
) -> tuple[tuple[MotionTrack, MotionTrack], Duet]:
    """Puts ``template`` on two people of ``scene``: ``subjects`` are who plays the first and who the second role.

    Returns their tracks in that order and how they belong together. Frame 0 is the photo. ``intensity`` scales what both do
    but not how near they come: where a contact's strength is 1 its points meet. With ``priors`` both blink, sway and look
    about as living people do. They breathe in step. ``frame`` is the part of the photo that the film shows (None: all of
    it): faces stay inside. Notices are on the tracks.

    Raises:
        RequestError: the film's length or rate is not a positive number, or it has too many frames.
        ValueError: both roles are the same person.
    """
    if subjects[0] == subjects[1]:
        raise ValueError("a duet needs two people")
    first, second = (scene.subjects[index] for index in subjects)
    at_right = partner_at_right(first, second)
    near, ways = (at_right, not at_right), ((1.0, -1.0) if at_right else (-1.0, 1.0))
    mattes = own_matte(scene, *subjects), own_matte(scene, *subjects[::-1])
    before = stands_before(template, (first, second), mattes, ways)
    heads = Head.of(first, mattes[0], ways[0]), Head.of(second, mattes[1], ways[1])
    played = perform_duet(template, seconds=seconds, fps=fps, left_is_near=near, speed=speed, seed=seed, before=before)
    faces = face_touch(np.array([touch.faces for touch in template.contacts], bool), played.strengths)
    roles = (
        level(played.roles[0], first.face.head_pose, ways[0], faces),
        level(played.roles[1], second.face.head_pose, ways[1], faces),
    )
    played = replace(played, roles=roles)
    alive = _in_step(*(_alive(played, seed) if priors else played.roles))
    cast = _cast(scene, subjects, heads, template, played, alive, intensity, frame)
    together = bring_together(cast, rounds=1)
    seeing = tuple(
        replace(
            alive[which], gaze=aimed(played, which, together, meeting_place(cast, together), alive[which], intensity)
        )
        for which in (0, 1)
    )
    cast = _cast(scene, subjects, heads, template, played, (seeing[0], seeing[1]), intensity, frame)
    together = bring_together(cast)
    contacts = tuple(_contact(cast, together, number) for number in range(len(cast.touches)))
    found = (*played.notices, *notices_of(template, cast.bodies, together, contacts))
    tracks = tuple(
        replace(body.finished(), notices=(*body.track.notices, *_for(found, body.track.subject, which)))
        for which, body in enumerate(together)
    )
    duet = Duet(subjects, played.front, played.arms_before, contacts, played.phases)
    return (tracks[0], tracks[1]), duet


def _for(notices: tuple[Notice, ...], subject: int, which: int) -> tuple[Notice, ...]:
    """What is told of one person; what is told of both is told by the first."""
    return tuple(n for n in notices if n.subject == subject or (n.subject is None and which == 0))


def _alive(played: DuetPerformance, seed: int) -> tuple[Performance, Performance]:
    """Both with blinks, sway, saccades and breath."""
    return add_priors(played.roles[0], seed=seed), add_priors(played.roles[1], seed=seed + SECOND_SEED)


def _in_step(first: Performance, second: Performance) -> tuple[Performance, Performance]:
    """The second breathes with the first."""
    return first, replace(second, breath=first.breath)


def _cast(
    scene: Scene,
    subjects: tuple[int, int],
    heads: tuple[Head, Head],
    template: DuetTemplate,
    played: DuetPerformance,
    roles: tuple[Performance, Performance],
    intensity: float,
    frame: Box | None,
) -> Cast:
    """Both roles put on their people (``heads`` at rest), and those contacts for which the photos show the arms."""
    bodies = []
    for which, index in enumerate(subjects):
        towards = heads[which].towards
        widest = widest_turn(scene.subjects[index].face.head_pose, towards)
        track = make_track(scene, index, roles[which], intensity=intensity, widest=widest)
        body = Body.of(scene, track, towards, frame)
        bodies.append(body.stepped(played.places[which] * intensity))
    touches, spots, strengths = [], [], []
    for touch, strength in zip(template.contacts, played.strengths, strict=True):
        pair = Spot.of(touch.first, heads[0].towards > 0), Spot.of(touch.second, heads[1].towards > 0)
        if all(
            spot.arm is None or body.skeleton.arm_is_free(spot.arm) for spot, body in zip(pair, bodies, strict=True)
        ):
            touches.append(touch)
            spots.append(pair)
            strengths.append(strength)
    shape = (len(touches), len(played.front))
    curves, both = np.array(strengths).reshape(shape), (bodies[0], bodies[1])
    keeps = kept_apart(heads, both, tuple(spots), curves, played.front, FACE_SEEN[template.category])
    return Cast(both, tuple(touches), tuple(spots), curves, keeps)


def _contact(cast: Cast, together: tuple[Body, Body], number: int) -> Contact:
    touch = cast.touches[number]
    first, second = (body.at(spot) for body, spot in zip(together, cast.spots[number], strict=True))
    faces = touch.faces
    size = [FACE_RADIUS * body.unit if faces else BODY_RADIUS * body.width for body in together]
    return Contact(
        name=touch.name,
        where=((first + second) / 2).astype(np.float32),
        gap=np.linalg.norm(second - first - cast.keeps[number], axis=1).astype(np.float32),
        strength=cast.strengths[number].astype(np.float32),
        radius=float(sum(size) / 2),
        faces=faces,
    )
