from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from photoplay.errors import CancelledError
from photoplay.generation.anchors import build_source, render
from photoplay.generation.people import subject_matte
from photoplay.generation.source import frame_photo
from photoplay.types import Anchor, HeadPose, Label, Photo, Scene, StageEvent
from tests.generation.actors import REST, astronaut, matte, plan, subject, track


def film(scene, tracks, render_plan) -> Anchor:
    windows = list(render(scene, tracks, render_plan))
    return Anchor(*(np.concatenate([getattr(w, field.name) for w in windows]) for field in fields(Anchor)))


@pytest.fixture(scope="module")
def turning() -> tuple[Scene, Anchor]:
    scene = astronaut()
    poses = [REST, HeadPose(6, 0, 0), HeadPose(12, 0, 0), HeadPose(-12, 0, 0), HeadPose(0, 8, 0), HeadPose(0, -8, 8)]
    return scene, film(scene, [track(scene, poses)], plan(6))


def test_a_track_that_rests_leaves_the_framed_photo_bit_for_bit():
    scene = astronaut()
    anchor = film(scene, [track(scene, [REST] * 2)], plan(2))
    assert (anchor.rgb == frame_photo(scene.photo.pixels, plan(2))).all()
    assert (anchor.flow == 0).all()


def test_an_unscaled_frame_is_the_photo_itself():
    scene = astronaut()
    crop = (100.0, 20.0, 420.0, 340.0)
    anchor = film(scene, [track(scene, [REST])], plan(1, 320, crop))
    assert (anchor.rgb[0] == scene.photo.pixels[20:340, 100:420]).all()


def test_shifting_the_whole_person_shifts_its_pixels():
    scene = astronaut()
    anchor = film(scene, [track(scene, [REST], [(12.8, 0.0)])], plan(1))
    framed = frame_photo(scene.photo.pixels, plan(1)).astype(int)
    inside = slice(40, 90), slice(120, 165)  # the face, well inside the person
    moved = anchor.rgb[0].astype(int)[40:90, 128:173]
    assert np.abs(moved - framed[inside]).mean() < 3.0
    assert np.abs(anchor.rgb[0].astype(int)[inside] - framed[inside]).mean() > 8.0
    assert np.allclose(anchor.flow[0, 40:90, 128:173, 0].astype(float), -8.0, atol=0.1)


def test_the_landmarks_arrive_where_the_track_says(turning):
    scene, anchor = turning
    tracked = track(scene, [HeadPose(12, 0, 0)])
    where = plan(1).to_frame(tracked.landmarks[0])
    rest = plan(1).to_frame(tracked.rest_landmarks)
    for landmark in (1, 9, 152, 61, 291, 105, 334):
        x, y = np.rint(where[landmark, :2]).astype(int)
        came_from = np.array([x, y]) + anchor.flow[2, y, x].astype(float)
        assert np.abs(came_from - (rest[landmark, :2] + [x, y] - where[landmark, :2])).max() < 1.5


def test_the_background_stands_still(turning):
    _, anchor = turning
    person = cv2.dilate(cv2.resize(matte(), (320, 320)), np.ones((61, 61), np.uint8))
    behind = person == 0
    assert behind.mean() > 0.15
    assert (anchor.rgb[:, behind] == anchor.rgb[0][behind]).all()
    assert (anchor.labels[:, behind] == Label.BACKGROUND).all()
    assert np.isinf(anchor.depth[:, behind]).all()


def test_the_same_inputs_give_the_same_film(turning):
    scene, anchor = turning
    again = film(scene, [track(scene, [REST, HeadPose(6, 0, 0)])], plan(2))
    assert (again.rgb == anchor.rgb[:2]).all()
    assert (again.confidence == anchor.confidence[:2]).all()


def test_windows_do_not_change_the_frames(turning):
    scene, anchor = turning
    poses = [REST, HeadPose(6, 0, 0), HeadPose(12, 0, 0)]
    windows = list(render(scene, [track(scene, poses)], replace(plan(3), window=2)))
    assert [len(w.rgb) for w in windows] == [2, 1]
    assert (windows[1].rgb[0] == anchor.rgb[2]).all()


def test_confidence_is_full_where_nothing_moves_and_falls_where_skin_is_stretched():
    scene = astronaut()
    anchor = film(scene, [track(scene, [REST, REST], jaw=[0.0, 30.0])], plan(2))
    box = plan(1).to_frame(scene.subjects[0].face.landmarks)
    x, y = np.rint((box[13, :2] + box[14, :2]) / 2).astype(int)
    assert np.median(anchor.confidence[0]) == 255
    cheek = anchor.confidence[1, y + 6 : y + 12, x - 4 : x + 4].mean()
    assert cheek < 200
    assert anchor.confidence[1][:40, 280:].min() == 255


def test_small_motion_comes_in_without_a_jump():
    scene = astronaut()
    shifts = [(k * 0.05, 0.0) for k in range(16)]
    anchor = film(scene, [track(scene, [REST] * 16, shifts)], plan(16))
    steps = np.abs(np.diff(anchor.rgb.astype(int), axis=0)).mean((1, 2, 3))
    assert steps.max() < 0.6
    assert steps.max() < 6 * np.median(steps)


def test_no_crack_opens_in_the_face(turning):
    """Paint the person in one colour on another: any pixel of the second colour inside the head is a crack."""
    scene = astronaut()
    flat = np.full((512, 512, 3), (20, 200, 20), np.uint8)
    flat[cv2.dilate(matte(), np.ones((15, 15), np.uint8)) > 0] = (200, 60, 200)
    painted = replace(scene, photo=Photo(flat, "0" * 64))
    poses = [HeadPose(12, 0, 0), HeadPose(-12, 8, 0), HeadPose(0, -8, 8)]
    tracked = track(painted, poses, jaw=[25.0, 0.0, 25.0])
    anchor = film(painted, [tracked], plan(3))
    for k in range(3):
        hull = cv2.convexHull(np.rint(plan(1).to_frame(tracked.landmarks[k])[:468, :2]).astype(np.int32))
        inside = cv2.fillConvexPoly(np.zeros((320, 320), np.uint8), hull, (1,)) > 0
        assert np.isfinite(anchor.depth[k][inside].astype(float)).all()
        green = anchor.rgb[k, ..., 1].astype(int) - anchor.rgb[k, ..., 0]
        skin = inside & (anchor.labels[k] == Label.SKIN)
        assert skin.sum() > 1000
        assert not (green[skin] > 0).any()


def test_beyond_the_border_the_picture_goes_on():
    """A person cut by the frame's border who moves up must not bring black or a hole with them."""
    scene = astronaut()
    bright = replace(scene, photo=Photo(np.maximum(scene.photo.pixels, 60), "0" * 64))
    anchor = film(bright, [track(bright, [REST], [(0.0, -40.0)])], plan(1))
    bottom = anchor.rgb[0, -20:, 60:200]
    assert bottom.min() >= 40
    assert (anchor.labels[0, -20:, 60:200] != Label.BACKGROUND).all()


def test_two_people_move_on_their_own():
    one = astronaut()
    wide = np.concatenate([one.photo.pixels, one.photo.pixels[:, ::1]], axis=1)
    left, right = np.zeros((512, 1024), np.uint8), np.zeros((512, 1024), np.uint8)
    left[:, :512], right[:, 512:] = matte(), matte()
    rest = one.subjects[0].face.landmarks
    shifted = rest + np.array([512, 0, 0], np.float32)
    scene = Scene(Photo(wide, "0" * 64), (subject(rest, left), subject(shifted, right)), np.maximum(left, right))
    size = replace(plan(1), width=640, height=320, crop=(0.0, 0.0, 1024.0, 512.0))
    framed = frame_photo(wide, size)
    still, moving = track(scene, [REST], who=0), track(scene, [HeadPose(10, 0, 0)], who=1)
    for tracks in ([moving], [still, moving], [moving, still]):
        anchor = film(scene, tracks, size)
        assert (anchor.identity[0, 60:100, 120:160] == (1 if len(tracks) == 2 else 0)).all()
        assert (anchor.identity[0, 60:100, 440:480] == 2).all()
        assert ((anchor.identity == 0) == (anchor.labels == Label.BACKGROUND)).all()
        assert (anchor.rgb[0, :, :300] == framed[:, :300]).all()
        assert np.abs(anchor.rgb[0, 30:100, 430:490].astype(int) - framed[30:100, 430:490]).mean() > 4


def test_without_own_mattes_people_share_the_scenes_by_nearness():
    one = astronaut()
    rest = one.subjects[0].face.landmarks
    both = tuple(replace(subject(rest + np.array([x, 0, 0], np.float32), matte()), matte=None) for x in (-120, 120))
    scene = replace(one, subjects=both, matte=np.full((512, 512), 255, np.uint8))
    left, right = subject_matte(scene, 0), subject_matte(scene, 1)
    assert left[100, 100] == 255
    assert right[100, 100] == 0
    assert np.abs(left.astype(int) + right - 255).max() <= 2


def test_a_track_that_ends_early_holds_its_last_frame():
    scene = astronaut()
    anchor = film(scene, [track(scene, [HeadPose(8, 0, 0)])], plan(3))
    assert (anchor.rgb[2] == anchor.rgb[0]).all()


def test_progress_counts_frames_and_may_cancel():
    scene, events = astronaut(), []
    list(render(scene, [track(scene, [REST])], plan(5), events.append))
    assert [event.done for event in events] == [1, 2, 3, 4, 5]

    def cancel(event: StageEvent) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        list(render(scene, [track(scene, [REST])], plan(5), cancel))


def test_the_source_is_the_crop_at_twice_the_size():
    scene = astronaut()
    source = build_source(scene, plan(1, 256))
    assert source.rgb.shape == (512, 512, 3)
    assert source.factor == 2
    assert np.abs(source.rgb.astype(int) - scene.photo.pixels).mean() < 0.5
    assert source.matte.shape == (256, 256)
