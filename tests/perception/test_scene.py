from __future__ import annotations

import numpy as np
import pytest

from photoplay.errors import CancelledError
from photoplay.perception import FaceReader, perceive
from photoplay.perception.draw import draw_scene
from photoplay.types import Notice, Photo, Rgb, Scene, StageEvent
from tests.perception.conftest import as_photo


def test_the_astronaut_becomes_a_scene(astronaut: Rgb, astronaut_scene: Scene) -> None:
    (subject,) = astronaut_scene.subjects
    assert astronaut_scene.photo.pixels is astronaut or np.array_equal(astronaut_scene.photo.pixels, astronaut)
    assert subject.face.embedding is not None
    assert subject.face.light is not None
    assert subject.body is not None
    assert subject.matte is not None
    assert astronaut_scene.matte.shape == astronaut.shape[:2]


def test_progress_is_told_and_can_cancel(reader: FaceReader, astronaut: Rgb) -> None:
    events: list[StageEvent] = []

    def stop_at_mattes(event: StageEvent) -> None:
        events.append(event)
        if event.message == "mattes":
            raise CancelledError

    with pytest.raises(CancelledError):
        perceive(as_photo(astronaut), progress=stop_at_mattes, reader=reader)
    assert [(event.stage, event.done, event.total) for event in events] == [("perceive", i, 4) for i in range(3)]


def test_subjects_stand_from_left_to_right_and_the_photos_notices_stay(
    reader: FaceReader, astronaut: Rgb, hopper: Rgb
) -> None:
    both = np.concatenate([hopper[:512], astronaut], axis=1)
    kept = Notice("icc_broken", "The colour profile is broken.", "Nothing to do.")
    scene = perceive(Photo(both, "0" * 64, notices=(kept,)), reader=reader)
    assert [subject.face.box[0] > 512 for subject in scene.subjects] == [False, True]
    assert scene.notices[0] == kept
    single = perceive(as_photo(both), max_faces=1, reader=reader)
    assert single.subjects[0].face.box[0] < 512, "the larger face is kept"
    assert single.notices[0].message.startswith("There are 2 faces")


def test_the_same_photo_gives_the_same_scene(reader: FaceReader, astronaut: Rgb, astronaut_scene: Scene) -> None:
    again = perceive(as_photo(astronaut), reader=reader)
    assert np.array_equal(again.matte, astronaut_scene.matte)
    for one, other in zip(again.subjects, astronaut_scene.subjects, strict=True):
        assert np.array_equal(one.face.landmarks, other.face.landmarks)
        assert one.face.light == other.face.light
        assert one.body is not None
        assert other.body is not None
        assert np.array_equal(one.body.joints, other.body.joints)


def test_a_scene_can_be_drawn(astronaut_scene: Scene) -> None:
    drawn = draw_scene(astronaut_scene)
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] == 1600
    assert drawn.shape[0] > 1600, "the advice stands below the photo"
    scale = 1600 / 512
    x, y = (astronaut_scene.subjects[0].face.landmarks[168, :2] * scale).round().astype(int)
    axis = drawn[y - 6 : y + 7, x + 60].astype(int)
    assert (axis[:, 0] - axis[:, 1]).max() > 100, "a red axis points to the image's right"
    corner = astronaut_scene.photo.pixels[3, 3].astype(int)
    assert np.abs(drawn[9, 9] - 0.45 * corner).max() < 12, "the background is dimmed"


def test_a_scene_without_people_can_be_drawn() -> None:
    photo = as_photo(np.full((90, 160, 3), 128, np.uint8))
    scene = Scene(photo, (), np.zeros((90, 160), np.uint8), (Notice("no_face", "No face.", "Try again.", "blocking"),))
    assert draw_scene(scene).shape[:2] > (900, 1599)
