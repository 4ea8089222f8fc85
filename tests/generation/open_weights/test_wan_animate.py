"""Wan-Animate: the driving face, what stands of a video, what its pipeline is told, how clips go on, and both modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, Span, joined, plan_native
from photoplay.generation.backends.open_weights.wan import framed_photo
from photoplay.generation.backends.open_weights.wan_animate import (
    PROMPT,
    REACH,
    SURE,
    WanAnimate,
    background,
    face_boxes,
    face_video,
    toned,
    whole_cells,
)
from photoplay.generation.controls.wan_animate import draw_wan_animate
from photoplay.generation.source import frame_photo
from photoplay.topology import FACE_68
from photoplay.types import Anchor, Array, Footage, HeadPose, Label, Mode, MotionTrack, RenderPlan, Sampling
from photoplay.weights import store
from tests.generation import actors
from tests.generation.open_weights import checkpoints
from tests.generation.open_weights.test_wan import calls_of, latents

SMALL = Grid(multiple=16, frame_step=4, max_frames=5, fps=24.0, area=64 * 64, overlap=1)
FACE = (128.0, 0.0, 320.0, 192.0)
PHOTO = (0.0, 0.0, 512.0, 512.0)
MODEL = "wan2.2-animate-14b"


def plan(mode: Mode = "pose-guided", frames: int = 5, size: int = 64, **more: Any) -> RenderPlan:
    asked = RenderPlan(size, size, FACE, 24.0, frames, 7, "", 4, mode, Sampling(MODEL, num_inference_steps=2))
    return replace(asked, **more)


def nod(frames: int) -> MotionTrack:
    turns = [HeadPose(12 * np.sin(k), 6 * np.sin(k / 2), 0) for k in range(frames)]
    return actors.track(actors.astronaut(), turns, [(2.0 * k, 0.0) for k in range(frames)])


def clip_of(asked: RenderPlan, clip: int = 0, known: Array | None = None, grid: Grid = SMALL) -> ClipInputs:
    backend = WanAnimate(grid)
    native = plan_native(asked, grid)
    told = np.zeros((0, native.height, native.width, 3), np.uint8) if known is None else known
    return backend.inputs(actors.astronaut(), [nod(asked.num_frames)], asked, native, native.spans[clip], told)


def noise(frames: int, size: int = 64, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), np.uint8)


def quarter(frames: int, size: int = 64) -> Array:
    """A mask of the lower right quarter."""
    mask = np.zeros((frames, size, size), np.uint8)
    mask[:, size // 2 :, size // 2 :] = 255
    return mask


@pytest.fixture
def pipe(built: Callable[..., Path]) -> Any:
    import diffusers

    made = diffusers.WanAnimatePipeline.from_pretrained(built(checkpoints.wan_animate), local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Callable[..., Path]) -> None:
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    store.add(MODEL, built(checkpoints.wan_animate), backend="wan-animate", licence="none")


def shown(pipe: Any, call: dict[str, Any], size: int = 64) -> list[dict[str, Any]]:
    """What the transformer is called with, once for each segment of one step."""
    pipe.vae.float()
    with calls_of(pipe.transformer) as seen:
        pipe(**call, width=size, height=size, num_inference_steps=1, generator=torch.Generator().manual_seed(0))
    return seen


def as_video(rgb: Array) -> torch.Tensor:
    """Frames as the pipeline has them: [1, 3, f, h, w] in -1..1."""
    return torch.from_numpy(rgb).permute(3, 0, 1, 2).float()[None] / 127.5 - 1


# --- the driving face -------------------------------------------------------------------------------------------------


def test_a_face_s_cut_is_its_points_box_larger_by_three_tenths_and_more_of_that_above() -> None:
    track, asked = actors.track(actors.astronaut(), [actors.REST] * 3), plan(size=320)
    points = asked.to_frame(track.rest_landmarks[list(FACE_68)])[:, :2] + 0.5
    (left, top), (right, bottom) = points.min(0), points.max(0)
    for x0, y0, x1, y1 in face_boxes(track, asked).tolist():
        assert (x1 - x0) * (y1 - y0) == pytest.approx(1.3 * (right - left) * (bottom - top), rel=1e-4)
        assert (x1 - x0) / (y1 - y0) == pytest.approx((right - left) / (bottom - top), rel=1e-4)
        assert left - x0 == pytest.approx(x1 - right, abs=1e-2)
        assert top - y0 == pytest.approx(3 * (y1 - bottom), abs=1e-2)


def test_a_cut_follows_steady_motion_exactly_and_evens_out_a_jump() -> None:
    scene, asked = actors.astronaut(), plan(size=320)
    steady = actors.track(scene, [actors.REST] * 9, [(3.0 * k, 0.0) for k in range(9)])
    boxes = face_boxes(steady, asked)
    np.testing.assert_allclose(np.diff(boxes[2:-2, 0]), 3.0 * asked.scale, atol=1e-2)
    jumping = actors.track(scene, [actors.REST] * 9, [(0.0, 0.0)] * 4 + [(12.0, 0.0)] + [(0.0, 0.0)] * 4)
    steps = np.abs(np.diff(face_boxes(jumping, asked)[:, 0]))
    assert 0 < steps.max() < 12.0 * asked.scale / 3


def test_a_cut_is_the_box_stretched_to_a_square() -> None:
    """A picture whose red and green are its coordinates says where each of the cut's pixels comes from."""
    track, asked = actors.track(actors.astronaut(), [actors.REST]), plan(size=256)
    ramp = np.arange(256, dtype=np.uint8)
    frame = np.stack([*np.meshgrid(ramp, ramp), np.zeros((256, 256), np.uint8)], axis=-1)
    face = face_video(frame[None], track, asked, 512)[0].astype(float)
    x0, y0, x1, y1 = face_boxes(track, asked)[0].tolist()
    centres = (np.arange(512) + 0.5) / 512
    np.testing.assert_allclose(face[256, :, 0], x0 + centres * (x1 - x0) - 0.5, atol=1.0)
    np.testing.assert_allclose(face[:, 256, 1], y0 + centres * (y1 - y0) - 0.5, atol=1.0)


def test_a_face_larger_than_its_cut_is_averaged() -> None:
    track, asked = actors.track(actors.astronaut(), [actors.REST]), plan(size=256)
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    face = face_video(np.repeat(checks[None, :, :, None], 3, axis=3), track, asked, 16)[0]
    assert np.abs(face.astype(float) - 127.5).max() < 8


# --- what stands ------------------------------------------------------------------------------------------------------


def test_a_hole_is_made_of_whole_cells_and_holds_what_was_marked_with_room_around_it() -> None:
    mask = np.zeros((96, 96), np.uint8)
    mask[40, 50] = 255
    hole = whole_cells(mask)
    assert set(np.unique(hole)) == {0, 255}
    np.testing.assert_array_equal(hole, hole[::16, ::16].repeat(16, 0).repeat(16, 1))
    rows, columns = np.nonzero(hole)
    assert rows.min() <= 40 - REACH
    assert rows.max() >= 40 + REACH
    assert columns.min() > 50 - REACH - 16
    assert columns.max() < 50 + REACH + 16
    assert not whole_cells(np.zeros((32, 32), np.uint8)).any()


def test_the_video_stands_outside_the_hole_and_known_frames_everywhere() -> None:
    footage, known = Footage(video=noise(5), repair=quarter(5)), noise(1, seed=1)
    clip = replace(clip_of(plan("video-to-video", footage=footage)), known=known)
    stands = background(clip, anchor_of(clip))
    assert stands is not None
    video, hole = stands
    np.testing.assert_array_equal(video[:1], known.astype(np.float32) / 255)
    assert not hole[:1].any()
    np.testing.assert_array_equal(hole[1], whole_cells(quarter(1)[0]))
    np.testing.assert_array_equal(video[1:][hole[1:] == 0], noise(5)[1:][hole[1:] == 0].astype(np.float32) / 255)
    assert not video[1:][hole[1:] > 0].any()


def test_the_photo_stands_around_a_pose() -> None:
    clip = clip_of(plan(size=192, crop=PHOTO), grid=replace(SMALL, area=192 * 192))
    anchor = anchor_of(clip)
    stands = background(clip, anchor)
    assert stands is not None
    video, hole = stands
    person = anchor.labels != Label.BACKGROUND
    assert (hole[person] == 255).all()
    assert (hole[anchor.confidence < SURE] == 255).all()
    assert 0.05 < (hole == 0).mean() < 0.9
    np.testing.assert_array_equal(video[hole == 0], anchor.rgb[hole == 0].astype(np.float32) / 255)
    still = frame_photo(clip.scene.photo.pixels, clip.plan)
    np.testing.assert_allclose(video[0][hole[0] == 0] * 255, still[hole[0] == 0], atol=2)


def test_a_video_without_a_mask_gives_its_motion_alone() -> None:
    clip = clip_of(plan("video-to-video", footage=Footage(video=noise(5))))
    assert background(clip, anchor_of(clip)) is None


def test_a_cast_is_taken_back_as_far_as_what_stands_tells_it() -> None:
    still = actors.astronaut().photo.pixels
    cast = np.clip(still * np.array([0.93, 0.9, 0.86]) + 6, 0, 255).astype(np.uint8)
    outside = np.ones(still.shape[:2], bool)
    outside[100:400, 100:400] = False
    again = toned(cast, still, outside)
    inside = ~outside & ((still > 8) & (still < 247)).all(-1)
    assert np.abs(cast.astype(float) - still)[inside].mean() > 5
    assert np.abs(again.astype(float) - still)[inside].mean() < 1
    np.testing.assert_array_equal(toned(cast, still, np.zeros_like(outside)), cast)


def anchor_of(clip: ClipInputs) -> Anchor:
    assert clip.anchor is not None
    return clip.anchor


# --- what the pipeline is told ----------------------------------------------------------------------------------------


def test_reference_skeleton_and_face_go_in_as_the_model_knows_them(pipe: Any) -> None:
    """Channels: 16 noise, 4 mask (1: known), 16 latents; the first latent frame is the reference, then the clip's."""
    clip = clip_of(plan("video-to-video", footage=Footage(video=noise(5))))
    call = WanAnimate(SMALL).condition(pipe, clip)
    assert call["prompt"] == PROMPT
    assert call["mode"] == "animate"
    (told,) = shown(pipe, call)
    latent = told["hidden_states"]
    assert latent.shape == (1, 36, 3, 8, 8)
    assert (latent[:, 16:20, 0] == 1).all()
    assert (latent[:, 16:20, 1:] == 0).all()
    close(latent[:, 20:, :1], latents(pipe, as_video(framed_photo(clip)[None])))
    close(latent[:, 20:, 1:], latents(pipe, torch.zeros(1, 3, 5, 64, 64)))
    close(told["pose_hidden_states"], latents(pipe, as_video(draw_wan_animate(clip.tracks, clip.plan))))
    close(told["face_pixel_values"], as_video(face_video(anchor_of(clip).rgb, clip.tracks[0], clip.plan, 16)))


def test_a_video_stands_outside_the_mask(pipe: Any) -> None:
    video, repair = noise(5), quarter(5)
    clip = clip_of(plan("video-to-video", footage=Footage(video=video, repair=repair)))
    (told,) = shown(pipe, WanAnimate(SMALL).condition(pipe, clip))
    hole = whole_cells(repair[0])
    stands = torch.from_numpy(hole[::8, ::8] == 0).float()
    assert 0 < stands.mean() < 1
    for channel in told["hidden_states"][0, 16:20, 1:].flatten(0, 1):
        torch.testing.assert_close(channel, stands)
    blacked = np.where(hole[..., None] > 0, np.uint8(0), video)
    close(told["hidden_states"][:, 20:, 1:], latents(pipe, as_video(blacked)))


@pytest.mark.parametrize(
    ("kind", "overlap", "length"), [("alone", 1, 5), ("repair", 1, 5), ("pose", 1, 5), ("alone", 5, 13)]
)
def test_clips_go_on_as_the_pipeline_s_own_segments_do(
    kind: str, overlap: int, length: int, pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two implementations: the pipeline over the whole film, and our second clip told the end of the first."""
    frames = 2 * length - overlap
    asked = plan("pose-guided" if kind == "pose" else "video-to-video", frames)
    whole = clip_of(asked, grid=replace(SMALL, max_frames=frames, overlap=overlap))
    later = clip_of(asked, 1, noise(overlap), replace(SMALL, max_frames=length, overlap=overlap))
    assert later.span == Span(length - overlap, length, overlap)
    if kind == "repair":
        whole, later = (put(clip, noise(frames), quarter(frames)) for clip in (whole, later))
    in_segments = {"segment_frame_length": length, "prev_segment_conditioning_frames": overlap}
    made = rounded_frames(pipe, monkeypatch)
    first, second = shown(pipe, WanAnimate(SMALL).condition(pipe, whole) | in_segments)
    later = replace(later, known=made[0][length - overlap :])
    (ours,) = shown(pipe, WanAnimate(SMALL).condition(pipe, later))
    assert not torch.allclose(first["hidden_states"][:, 16:], second["hidden_states"][:, 16:])
    close(ours["hidden_states"][:, 16:], second["hidden_states"][:, 16:])
    close(ours["pose_hidden_states"], second["pose_hidden_states"])
    close(ours["face_pixel_values"][:, :, 2:], second["face_pixel_values"][:, :, 2:])


def put(clip: ClipInputs, video: Array, repair: Array) -> ClipInputs:
    """The clip with its part of a film's video and mask."""
    own = slice(clip.span.start, clip.span.start + clip.span.frames)
    return replace(clip, plan=replace(clip.plan, footage=Footage(video=video[own], repair=repair[own])))


def rounded_frames(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    """Makes the autoencoder's pictures whole grey levels, as they are between our clips, and lists them as they come."""
    decode, made = pipe.vae.decode, list[Array]()

    def to_levels(*args: Any, **more: Any) -> tuple[torch.Tensor]:
        levels = ((decode(*args, **more)[0].clamp(-1, 1) + 1) * 127.5).round()
        made.append(levels[0].permute(1, 2, 3, 0).byte().numpy())
        return (levels / 127.5 - 1,)

    monkeypatch.setattr(pipe.vae, "decode", to_levels)
    return made


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


# --- from the photo to the film ---------------------------------------------------------------------------------------


def film(asked: RenderPlan) -> Array:
    tracks = [nod(asked.num_frames)]
    return np.concatenate([one.rgb for one in WanAnimate(SMALL).generate(actors.astronaut(), tracks, asked)])


@pytest.mark.usefixtures("installed")
def test_a_person_is_moved_in_their_photo_over_two_clips() -> None:
    asked = plan(frames=9, size=96, crop=PHOTO)
    windows = list(WanAnimate(SMALL).generate(actors.astronaut(), [nod(9)], asked))
    frames = np.concatenate([one.rgb for one in windows])
    assert frames.shape == (9, 96, 96, 3)
    anchor = joined([one.anchor for one in windows if one.anchor is not None])
    unsure = (anchor.labels != Label.BACKGROUND) | (anchor.confidence < SURE)
    far = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((2 * REACH + 1,) * 2)) for mask in unsure]) == 0
    assert 0.02 < far.mean() < 0.9
    np.testing.assert_array_equal(frames[far], anchor.rgb[far])
    deep = np.stack([cv2.erode(mask.astype(np.uint8), np.ones((5, 5))) for mask in unsure]) > 0
    assert (frames[deep] != anchor.rgb[deep]).mean() > 0.9
    np.testing.assert_array_equal(frames, film(asked))
    assert (frames != film(replace(asked, seed=8)))[deep].mean() > 0.5


@pytest.mark.usefixtures("installed")
def test_a_person_is_put_into_a_video() -> None:
    footage = Footage(video=noise(5), repair=quarter(5))
    frames = film(plan("video-to-video", footage=footage))
    np.testing.assert_array_equal(frames[:, : 32 - REACH], noise(5)[:, : 32 - REACH])
    assert (frames[quarter(5) > 0] != noise(5)[quarter(5) > 0]).mean() > 0.9


@pytest.mark.usefixtures("installed")
def test_a_video_s_motion_alone_makes_a_film_of_the_photo() -> None:
    asked = plan("video-to-video", footage=Footage(video=noise(5)))
    frames = film(asked)
    assert frames.std() > 5
    np.testing.assert_array_equal(frames, film(replace(asked, footage=Footage(video=noise(5, seed=2)))))


@pytest.mark.parametrize(("rate", "native"), [(24.0, 24.0), (25.0, 25.0), (60.0, 30.0), (8.0, 15.0)])
def test_a_film_s_own_rate_is_kept_where_the_model_can(rate: float, native: float) -> None:
    asked = RenderPlan(1280, 720, (0, 0, 1280, 720), rate, 90)
    grid = WanAnimate().grid_for(asked)
    assert (grid.fps, grid.max_frames, grid.overlap) == (native, 77, 5)


def test_what_it_cannot_make_it_says_before_it_loads_anything() -> None:
    scene = actors.astronaut()
    still = Footage(last=noise(1)[0])
    for tracks, asked, code in (
        ([], plan(), "track_missing"),
        ([nod(5), nod(5)], plan(), "too_many_subjects"),
        ([nod(5)], plan("video-to-video"), "footage_missing"),
        ([nod(5)], plan("pose-guided", footage=still), "last_frame_unsupported"),
        ([nod(5)], plan("text-to-video"), "mode_unsupported"),
    ):
        with pytest.raises(RequestError) as refused:
            list(WanAnimate(SMALL).generate(scene, tracks, asked))
        assert refused.value.code == code
