from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from photoplay import topology
from photoplay.perception import FaceReader, perceive
from photoplay.perception.advice import advise, head_is_cut, notice
from photoplay.types import Body, Face, Rgb, Scene, Subject
from tests.perception.conftest import as_photo


def _blurred(rgb: Rgb) -> Rgb:
    return cv2.GaussianBlur(rgb, (0, 0), 3.5)


def _dark(rgb: Rgb) -> Rgb:
    return (rgb * 0.12).astype(np.uint8)


def _mask_over_mouth(rgb: Rgb) -> Rgb:
    covered = rgb.copy()
    covered[135:182, 182:270] = (40, 90, 190)
    return covered


def _black_bar(rgb: Rgb) -> Rgb:
    grey = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    grey[130:182, 176:276] = 10
    return np.ascontiguousarray(grey)


def _cut_at_the_forehead(rgb: Rgb) -> Rgb:
    return np.ascontiguousarray(rgb[66:])


def _small(rgb: Rgb) -> Rgb:
    return cv2.resize(rgb, (300, 300), interpolation=cv2.INTER_AREA)


def _gravel(rgb: Rgb) -> Rgb:
    gravel = skimage.data.gravel()
    busy = np.repeat(gravel[..., None], 3, 2)
    busy[5:512, 140:310] = rgb[5:512, 140:310]
    return np.ascontiguousarray(busy)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_blurred, "blurred"),
        (_dark, "dark"),
        (_mask_over_mouth, "occluded"),
        (_black_bar, "occluded"),
        (_cut_at_the_forehead, "clipped_head"),
        (_small, "face_too_small"),
        (_gravel, "busy_background"),
    ],
)
def test_each_damage_is_noticed(
    reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene, damage: Callable[[Rgb], Rgb], code: str
) -> None:
    assert astronaut_scene.notices == (), "the clean photo gives no advice"
    found = perceive(as_photo(damage(astronaut)), reader=reader).notices
    (one,) = [one for one in found if one.code == code]
    assert one.message.endswith(".")
    assert one.hint.endswith(".")
    assert one.subject == (None if code == "busy_background" else 0)


def test_a_clean_portrait_gives_no_warning(reader: FaceReader, hopper: Rgb) -> None:
    assert [one.code for one in perceive(as_photo(hopper), reader=reader).notices if one.severity != "info"] == []


def test_no_face_blocks(reader: FaceReader) -> None:
    scene = perceive(as_photo(skimage.data.coffee()), reader=reader)
    assert [(one.code, one.severity) for one in scene.notices] == [("no_face", "blocking")]
    assert "at least 40 pixels" in scene.notices[0].hint  # as large as a face has to be for a film, not for being found
    assert scene.subjects == ()
    assert scene.matte.max() == 0


def test_a_very_small_face_blocks(reader: FaceReader, astronaut: Rgb) -> None:
    tiny = cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA)
    found = perceive(as_photo(tiny), reader=reader).notices
    (one,) = [one for one in found if one.code == "face_too_small"]
    assert one.severity == "blocking"
    assert "too small to film: at least 40 are needed." in one.message  # not "will look soft": there is no film


def test_a_crowd_is_too_many(reader: FaceReader, astronaut: Rgb) -> None:
    crowd = np.tile(astronaut[0:200, 130:320], (2, 4, 1))
    found = perceive(as_photo(crowd), reader=reader).notices
    assert "too_many_faces" in [one.code for one in found]
    assert {one.subject for one in found if one.subject is not None} <= set(range(8))


def test_a_profile_and_closed_eyes(
    reader: FaceReader, astronaut: Rgb, astronaut_face: Face, astronaut_scene: Scene
) -> None:
    aside = replace(astronaut_face, head_pose=replace(astronaut_face.head_pose, yaw=-58.0))
    asleep = replace(astronaut_face, eye_opening=(0.04, 0.06))
    lying = replace(astronaut_face, head_pose=replace(astronaut_face.head_pose, roll=-92.0))
    for face, code in ((aside, "profile"), (asleep, "eyes_closed"), (lying, "face_lies")):
        found = advise(astronaut, (Subject(face),), astronaut_scene.matte, reader.models)
        assert [one.code for one in found] == [code]


def test_a_hand_at_the_face(reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene) -> None:
    """The body's wrist lies at the cheek."""
    body = astronaut_scene.subjects[0].body
    assert body is not None
    wrist = topology.POSE_INDEX["left_wrist"]
    joints, visible = body.joints.copy(), body.visibility.copy()
    joints[wrist, :2], visible[wrist] = (262, 140), 0.95
    subject = replace(astronaut_scene.subjects[0], body=Body(joints, visible))
    found = advise(astronaut, (subject,), astronaut_scene.matte, reader.models)
    assert [one.code for one in found] == ["hands_in_front"]


def test_a_painted_hand_pasted_to_a_face(reader: FaceReader, shared_data: Path) -> None:
    painting = cv2.cvtColor(cv2.imread(str(shared_data / "photos" / "davinci_mona_lisa.jpg")), cv2.COLOR_BGR2RGB)
    scene = perceive(as_photo(painting), reader=reader)
    pasted = painting.copy()
    pasted[250:470, 230:510] = painting[930:1150, 200:480]
    assert "hands_in_front" not in [one.code for one in scene.notices]
    touched = advise(pasted, scene.subjects, scene.matte, reader.models)
    assert "hands_in_front" in [one.code for one in touched]


def test_the_edge_cuts_heads_in_every_turn(astronaut: Rgb, astronaut_face: Face) -> None:
    assert not head_is_cut(astronaut, astronaut_face)
    assert head_is_cut(astronaut[:, :265], astronaut_face)
    assert head_is_cut(astronaut[:170], astronaut_face)


def test_every_notice_is_a_sentence_for_a_person() -> None:
    made = notice("face_too_small", 2, size=31.4)
    assert made.message == "This face is only 31 pixels high, so the film will look soft."
    assert made.subject == 2
