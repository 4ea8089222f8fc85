"""A performance put on a face, read back from its landmarks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.errors import TemplateError
from photoplay.motion.capture import bounded_least_squares, capture, performance_from_frames
from photoplay.motion.curves import perform
from photoplay.motion.library import find
from photoplay.motion.retarget import make_track
from photoplay.motion.template import dump_template, parse_template
from photoplay.perception.head_pose import head_pose, openings
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Box, Face, Frames, MotionTrack, Performance, Rgb
from tests.motion.rig_subjects import face, scene

FPS = 30.0


class Playback:
    """A face reader that has the track's landmarks, with the jitter of a real one, and sees nothing in ``lost`` frames."""

    def __init__(self, track: MotionTrack, jitter: float = 0.15, lost: range = range(0)) -> None:
        rng = np.random.default_rng(1)
        self.landmarks = track.landmarks + jitter * rng.normal(size=track.landmarks.shape).astype(np.float32)
        self.lost = lost
        self.frame = -1

    def read(self, rgb: Rgb, near: Box | None = None, identity: bool = False) -> tuple[Face, ...]:
        index = int(rgb[0, 0, 0])
        if index in self.lost:
            return ()
        landmarks = self.landmarks[index]
        eyes, mouth = openings(landmarks)
        return (
            replace(
                face("hopper"),
                landmarks=landmarks,
                head_pose=head_pose(landmarks),
                eye_opening=eyes,
                mouth_opening=mouth,
            ),
        )


def blank(count: int) -> Frames:
    rgb = np.zeros((count, 2, 2, 3), np.uint8)
    rgb[:, 0, 0, 0] = np.arange(count)
    return Frames(rgb, FPS)


def captured(name: str, **options: object) -> tuple[Performance, Performance]:
    template = find(name)
    given = perform(template, seconds=min(template.duration, 4.0), fps=FPS)
    reader = Playback(make_track(scene(face("hopper")), 0, given), **options)  # type: ignore[arg-type]
    return given, performance_from_frames(blank(given.num_frames), reader)


def agreement(given: np.ndarray, read: np.ndarray) -> float:
    return float(np.corrcoef(given, read)[0, 1])


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("laugh", ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "browInnerUp", "eyeBlinkRight")),
        ("surprise", ("jawOpen", "browInnerUp", "browOuterUpLeft", "eyeWideLeft", "eyeBlinkLeft")),
        ("kiss_to_camera", ("mouthPucker", "mouthSmileLeft", "eyeBlinkLeft")),
        ("talk", ("jawOpen", "mouthFunnel", "mouthPucker", "mouthStretchLeft")),
        ("wink_left", ("eyeBlinkLeft", "mouthSmileLeft", "cheekSquintLeft")),
    ],
)
def test_expressions_come_back(name: str, shapes: tuple[str, ...]) -> None:
    given, read = captured(name)
    for shape in shapes:
        ours, theirs = read.blendshapes[:, ARKIT_INDEX[shape]], given.blendshapes[:, ARKIT_INDEX[shape]]
        assert agreement(ours, theirs) > 0.9, shape
        assert 0.55 < ours.max() / theirs.max() < 1.5, shape


def test_a_wink_is_one_eyes() -> None:
    _, read = captured("wink_left")
    left, right = (read.blendshapes[:, ARKIT_INDEX[f"eyeBlink{side}"]].max() for side in ("Left", "Right"))
    assert left > 0.75
    assert right < 0.3


def test_head_and_gaze_come_back() -> None:
    given, read = captured("look_around")
    for axis in (0, 1, 2):
        assert agreement(given.head[:, axis], read.head[:, axis]) > 0.95
    assert np.abs(given.head[:, 0] - read.head[:, 0]).max() < 1.5
    assert agreement(given.gaze[:, 0], read.gaze[:, 0]) > 0.9


def test_shifts_come_back() -> None:
    given, read = captured("whisper", jitter=0.0)
    assert agreement(given.head[:, 5], read.head[:, 5]) > 0.9
    assert np.abs(given.head[:, 5] - read.head[:, 5]).max() < 0.1


def test_a_still_face_has_no_motion() -> None:
    still = perform(find("smile"), seconds=2, fps=FPS)
    still = replace(still, **{name: getattr(still, name) * 0 for name in ("blendshapes", "head", "gaze", "breath")})
    reader = Playback(make_track(scene(face("hopper")), 0, still), jitter=0.05)
    with pytest.raises(TemplateError, match="Nothing in it moves"):
        capture(blank(still.num_frames), reader, name="still")


def test_short_losses_are_bridged() -> None:
    given, read = captured("nod", lost=range(24, 27))
    assert agreement(given.head[:, 1], read.head[:, 1]) > 0.95


def test_a_clip_without_a_face_is_refused() -> None:
    with pytest.raises(TemplateError, match="does not show a face"):
        captured("nod", lost=range(10, 60))


def test_the_template_is_readable_and_plays_the_same() -> None:
    given = perform(find("laugh"), seconds=3.2, fps=FPS)
    reader = Playback(make_track(scene(face("hopper")), 0, given), jitter=0.05)
    template = capture(blank(given.num_frames), reader, name="my_laugh")
    text = dump_template(template)
    assert parse_template(text) == template
    assert len(text) < 12_000
    assert "mouthSmile:" in text
    played = perform(template, seconds=template.duration, fps=FPS)
    jaw = ARKIT_INDEX["jawOpen"]
    count = played.num_frames
    assert agreement(played.blendshapes[:, jaw], given.blendshapes[:count, jaw]) > 0.95
    assert not played.blendshapes[0].any()


def test_bounded_least_squares_finds_known_weights() -> None:
    rng = np.random.default_rng(0)
    basis, weights = rng.normal(size=(6, 40)), rng.uniform(size=(5, 6))
    weights[:, 2] = 0
    found = bounded_least_squares(basis, weights @ basis, penalty=0.0, ridge=0.0)
    np.testing.assert_allclose(found, weights, atol=1e-6)
    pushed = bounded_least_squares(basis, (weights + 3) @ basis, penalty=0.0, ridge=0.0)
    assert pushed.max() <= 1


@pytest.mark.slow
def test_a_real_clip_gives_a_template(shared_data: object) -> None:
    import av

    from photoplay.perception.faces import FaceReader

    with av.open(f"{shared_data}/video/intel_asl_yes.mkv") as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)][:60]
    template = capture(Frames(np.stack(frames), 30.0), FaceReader(), name="yes")
    nod = perform(template, seconds=template.duration, fps=30).head[:, 1]
    assert np.ptp(nod) > 4
