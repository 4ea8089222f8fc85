"""The built-in templates for two people, each of them: how they move, what they need, and whether faces stay to be seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_curves import DuetPerformance, perform_duet, repeats
from photoplay.motion.duet_template import FACE_POINTS, DuetTemplate, dump_duet, parse_duet
from photoplay.motion.library import built_in, built_in_duets, markdown_table
from photoplay.motion.prompts import match_prompt
from photoplay.types import Duet, MotionTrack
from tests.motion.duet_scenes import WIDTH, two
from tests.motion.test_library import LIMITS, curves

DUETS = built_in_duets()
ASKED_FOR = {
    "hug", "handshake", "dance", "pat", "cheek_kiss", "kiss", "high_five", "toast", "lean", "walk_together",
}  # fmt: skip
PLACE_LIMITS = (1.6, 14.0)
"""Shoulder widths per second and per second squared: a step to the side, not a jump."""
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


def named(template: DuetTemplate) -> str:
    return template.name


def played(template: DuetTemplate, fps: float, seconds: float | None = None) -> DuetPerformance:
    length = seconds or template.duration + template.lag
    return perform_duet(template, seconds=length, fps=fps, left_is_near=(True, False), speed=1.0, seed=0)


def test_there_are_enough() -> None:
    names = {template.name for template in DUETS}
    assert names >= ASKED_FOR
    assert len(DUETS) >= 18
    assert not names & {template.name for template in built_in()}
    portraits = [template for template in DUETS if not {"arms", "near_arm", "far_arm", "hands"} & set(template.needs)]
    assert len(portraits) >= 10
    assert {template.category for template in DUETS} == {"duet", "contact", "romantic"}


def test_names_are_the_files_names_and_texts_as_they_would_be_written() -> None:
    from importlib.resources import files

    folder = files("photoplay.motion").joinpath("duets")
    assert {entry.name.removesuffix(".yaml") for entry in folder.iterdir()} == {template.name for template in DUETS}
    for template in DUETS:
        text = folder.joinpath(f"{template.name}.yaml").read_text(encoding="utf-8")
        assert text == dump_duet(parse_duet(text))


@pytest.mark.parametrize("template", DUETS, ids=named)
def test_its_category_says_what_touches(template: DuetTemplate) -> None:
    assert template.tags
    assert template.cannot_live_with
    assert template.title != template.description
    faces = [{touch.first, touch.second} & set(FACE_POINTS) for touch in template.contacts]
    lips_meet = any(touch.first == touch.second == "lips" for touch in template.contacts)
    if template.category == "duet":
        assert not any(faces)
    if lips_meet:
        assert template.category == "romantic"
    for touch in template.contacts:
        assert touch.faces == ({touch.first, touch.second} <= set(FACE_POINTS))
        assert max(key.value for key in touch.keys) >= 0.9
        assert touch.keys[-1].value == 0


@pytest.mark.parametrize("template", DUETS, ids=named)
def test_each_plays_well(template: DuetTemplate) -> None:
    fine = played(template, 120)
    for role, place in zip(fine.roles, fine.places, strict=True):
        for name, curve in curves(role).items():
            speed, change = (np.abs(np.diff(curve, n, axis=0)) * 120**n for n in (1, 2))
            assert speed.max() <= LIMITS[name][0], f"{name} moves at {speed.max():.0f} a second"
            assert change.max() <= LIMITS[name][1], f"{name} jerks by {change.max():.0f}"
            assert not curve[0].any()
        speed, change = (np.abs(np.diff(place, n, axis=0)) * 120**n for n in (1, 2))
        assert speed.max() <= PLACE_LIMITS[0]
        assert change.max() <= PLACE_LIMITS[1]
        # A person who came back stands where the photo has them.
        assert np.abs(place[-1]).max() <= 0.02
        assert np.abs(role.torso[-1]).max() <= 0.05
        assert np.abs(role.arms[-1]).max() <= 1.0
        assert (role.blendshapes.min(axis=0) >= LEAST_WEIGHTS).all()
        assert np.abs(role.head[:, 0]).max() <= 28
        assert np.abs(role.head[:, 1:3]).max() <= 14
        # Everybody smiles at some time, and the eyes with the mouth.
        smile, cheeks = role.blendshapes[:, [44, 45]].max(), role.blendshapes[:, [7, 8]].max()
        assert smile >= 0.3 or template.name == "kiss"
        assert cheeks >= 0.25


@pytest.mark.parametrize("template", DUETS, ids=named)
def test_each_goes_on_in_a_longer_film_without_a_step(template: DuetTemplate) -> None:
    assert repeats(template)
    long = played(template, 60, 2.2 * template.duration)
    assert not long.notices
    for role, place in zip(long.roles, long.places, strict=True):
        for name, curve in (curves(role) | {"place": place}).items():
            limit = PLACE_LIMITS[0] if name == "place" else LIMITS[name][0]
            assert (np.abs(np.diff(curve, axis=0)) * 60).max(initial=0) <= limit, name


@pytest.mark.parametrize("template", DUETS, ids=named)
def test_both_do_not_move_as_one(template: DuetTemplate) -> None:
    first, second = played(template, 24).roles
    assert not np.allclose(first.head[:, 1], second.head[:, 1], atol=0.5)
    assert not np.allclose(first.blendshapes, second.blendshapes, atol=0.02)
    if template.category != "duet" and not template.mirrored:
        together = np.corrcoef(first.breath, second.breath)[0, 1]
        assert together > 0.6 or template.name == "whisper_to"


@cache
def film(name: str) -> tuple[tuple[MotionTrack, MotionTrack], Duet]:
    template = next(template for template in DUETS if template.name == name)
    roles = (1, 0) if template.side == "right" else (0, 1)
    return make_duet(two(), roles, template, seconds=template.duration, fps=8, priors=False)


@pytest.mark.parametrize("name", [template.name for template in DUETS if template.contacts])
def test_contacts_meet(name: str) -> None:
    tracks, duet = film(name)
    assert duet.contacts
    width = np.mean([np.linalg.norm(np.subtract(*track.rest_joints[[11, 12], :2])) for track in tracks])
    for contact in duet.contacts:
        touching = contact.strength >= 0.999
        if touching.any():
            assert contact.gap[touching].max() <= 0.02 * width
        assert contact.gap[contact.strength >= 0.85].max() < 0.35 * width


@pytest.mark.parametrize("name", [template.name for template in DUETS])
def test_faces_stay_to_be_seen(name: str) -> None:
    tracks, duet = film(name)
    template = next(template for template in DUETS if template.name == name)
    hidden = []
    for frame in range(len(duet.front)):
        masks = [_face(track.landmarks[frame]) for track in tracks]
        front = round(float(duet.front[frame]))
        behind = masks[1 - front]
        hidden.append(float((behind & masks[front]).sum() / behind.sum()))
    most = {"duet": 0.05, "contact": 0.4, "romantic": 0.65}[template.category]
    assert max(hidden) <= most, f"{max(hidden):.0%} of a face is hidden"


def _face(landmarks: np.ndarray) -> np.ndarray:
    mask = np.zeros((250, WIDTH // 4), np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[list(OVAL), :2] / 4).astype(np.int32)], 1)
    return mask.astype(bool)


SAID = {
    "arm_around": ("he puts his arm around her", "buddies with an arm around the shoulder"),
    "bow_to_each_other": ("they bow", "a respectful bow"),
    "cheek_kiss": ("she kisses him on the cheek", "grandma gives him a peck on the cheek"),
    "cheek_to_cheek": ("a cheek to cheek selfie", "mother and daughter cuddle cheek to cheek"),
    "dance": ("they dance together", "friends dancing at a party"),
    "fist_bump": ("a fist bump",),
    "forehead_kiss": ("the mother kisses her child on the forehead",),
    "forehead_touch": ("foreheads touching, a tender moment",),
    "handshake": ("the two men shake hands", "two businessmen greet each other with a handshake"),
    "high_five": ("a high five", "give me five"),
    "hold_hands": ("they hold hands",),
    "hug": ("they hug each other", "grandma gives a big warm hug", "the sisters embrace"),
    "kiss": ("the couple kisses", "they share a tender kiss on the lips"),
    "laugh_together": ("both laugh at a joke", "they crack up laughing"),
    "lean": ("she leans her head on his shoulder", "resting his head on her shoulder"),
    "look_and_smile": ("they look at each other and smile", "they exchange a glance"),
    "make_up": ("they argue and make up",),
    "nod_together": ("they nod in agreement", "they agree and nod"),
    "nose_to_nose": ("they rub noses",),
    "pat": ("he pats him on the shoulder", "a hand on his shoulder, well done"),
    "shoulder_bump": ("she nudges him playfully",),
    "slow_dance": ("a slow dance at their wedding", "they waltz slowly"),
    "toast": ("they raise a toast", "cheers! they clink glasses"),
    "turn_to_camera": ("they turn to the camera",),
    "walk_together": ("they walk towards the camera", "going for a walk side by side"),
    "wave_together": ("they wave goodbye", "both wave hello to the camera"),
    "whisper_to": ("he whispers a secret in her ear", "telling a secret"),
}


@pytest.mark.parametrize("template", DUETS, ids=named)
def test_words_find_it(template: DuetTemplate) -> None:
    for words in SAID[template.name]:
        assert match_prompt(words, DUETS)[0].name == template.name, words


DOCS = Path(__file__).parents[2] / "docs" / "duets.md"


def test_the_docs_show_every_template_as_it_is() -> None:
    # To bring it up to date: replace all that follows the mark by markdown_table(built_in_duets()).
    assert DOCS.read_text(encoding="utf-8").split("<!-- table -->\n")[1] == markdown_table(DUETS)


def test_the_example_in_the_docs_is_valid() -> None:
    example = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    template = parse_duet(example)
    assert template.name == "quick_hug"
    assert repeats(template)
    (contact,) = make_duet(two(), (0, 1), template, seconds=4, fps=8, priors=False)[1].contacts
    assert contact.gap[contact.strength >= 0.999].max() < 5
