"""AnimateDiff: how its pieces are joined, what its pipelines are told, whose face goes where, and every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoplay.errors import CancelledError, RequestError, UnavailableError
from photoplay.generation.backends.open_weights import animatediff
from photoplay.generation.backends.open_weights.animatediff import AnimateDiff
from photoplay.generation.backends.open_weights.loading import load_pipeline, shelf
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid, plan_native
from photoplay.generation.backends.protocol import Backend
from photoplay.generation.controls.openpose import draw_openpose
from photoplay.generation.routing import regions_of
from photoplay.types import (
    Array,
    Footage,
    HeadPose,
    Lora,
    Mode,
    MotionTrack,
    Photo,
    RenderPlan,
    Sampling,
    Scene,
    StageEvent,
)
from tests.generation import actors
from tests.generation.open_weights.checkpoints_animatediff import CHANNELS, MODEL, stocked
from tests.generation.open_weights.checkpoints_animatediff import animatediff as checkpoint
from tests.generation.open_weights.couples import DIGESTS, composed, couple, shoulder_to_shoulder, together, tracks_of

SMALL = Grid(multiple=16, frame_step=1, max_frames=81, fps=8.0, area=64 * 64, overlap=1)
WIDE = replace(SMALL, area=128 * 64)
MODES: tuple[Mode, ...] = (
    "text-to-video",
    "image-to-video",
    "pose-guided",
    "multi-image-to-video",
    "video-to-video",
)


@pytest.fixture(scope="module", autouse=True)
def installed(built: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with stocked(tmp_path_factory.mktemp("models"), built(checkpoint)):
        yield


def plan(mode: Mode, frames: int = 5, width: int = 64, **more: Any) -> RenderPlan:
    crop = (0.0, 0.0, 512.0 * width / 64, 512.0)
    asked = RenderPlan(width, 64, crop, 8.0, frames, 7, "she smiles", 3, mode, Sampling(num_inference_steps=2))
    return replace(asked, **more)


def film_plan(mode: Mode, **more: Any) -> RenderPlan:
    """A plan with the footage that its mode starts from."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    people = (actors.astronaut().photo, Photo(noise[0], "2" * 64))
    footage = {
        "video-to-video": Footage(video=noise),
        "multi-image-to-video": Footage(references=people),
    }.get(mode, Footage())
    return plan(mode, footage=footage, **more)


def clip_of(asked: RenderPlan, scene: Scene | None = None, tracks: list[MotionTrack] | None = None) -> ClipInputs:
    backend, scene = AnimateDiff(WIDE), scene or actors.astronaut()
    native = plan_native(asked, WIDE)
    known = np.zeros((0, native.height, native.width, 3), np.uint8)
    return backend.inputs(scene, tracks_of(scene) if tracks is None else tracks, asked, native, native.spans[0], known)


def pipe_of(kind: str, model: str = MODEL) -> Any:
    return load_pipeline(kind, Sampling(model))


def film(asked: RenderPlan, tracked: bool = True, scene: Scene | None = None) -> Array:
    scene = scene or actors.astronaut()
    tracks = tracks_of(scene, asked.num_frames) if tracked else []
    made = list(AnimateDiff(SMALL).generate(scene, tracks, asked))
    assert [one.start for one in made] == list(range(0, asked.num_frames, asked.window))
    return np.concatenate([one.rgb for one in made])


def embeds_of(call: dict[str, Any]) -> Any:
    (embeds,) = call["ip_adapter_image_embeds"]
    return embeds


def first_attention(pipe: Any, call: dict[str, Any]) -> Any:
    """What the unet's first cross attention adds in the first step [2 f, h w, c]: faces have been nowhere before it."""
    seen: list[Any] = []
    attention = pipe.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn2
    hook = attention.register_forward_hook(lambda *said: seen.append(said[2]))
    try:
        pipe(
            prompt="she smiles", num_inference_steps=1, width=128, height=64, output_type="np",
            strength=1.0, generator=torch.Generator().manual_seed(0), **call,
        )  # fmt: skip
    finally:
        hook.remove()
    return seen[0]


# --- what the pipelines are told --------------------------------------------------------------------------------------


def test_a_photo_s_film_starts_from_its_anchor_and_follows_its_skeleton() -> None:
    pipe, clip = pipe_of("AnimateDiffVideoToVideoControlNetPipeline"), clip_of(plan("image-to-video"))
    call = AnimateDiff(SMALL).condition(pipe, clip)
    assert clip.anchor is not None
    np.testing.assert_array_equal(np.stack([np.asarray(one) for one in call["video"]]), clip.anchor.rgb)
    skeletons = np.stack([np.asarray(one) for one in call["conditioning_frames"]])
    np.testing.assert_array_equal(skeletons, draw_openpose(clip.tracks, clip.plan))
    assert skeletons.any()
    assert embeds_of(call).shape == (
        2,
        1,
        17,
        32,
    )  # without and with: one face, 16 patches and a whole, from the last but one layer
    assert set(call) == {"video", "conditioning_frames", "ip_adapter_image_embeds"}


def test_the_plain_image_adapter_takes_one_vector_a_face() -> None:
    pipe = pipe_of("AnimateDiffVideoToVideoControlNetPipeline", "plain")
    call = AnimateDiff(SMALL).condition(pipe, clip_of(plan("image-to-video")))
    assert embeds_of(call).shape == (2, 1, 32)


def test_a_photo_without_tracks_stands_still_to_begin_with() -> None:
    clip = clip_of(plan("image-to-video"), tracks=[])
    frames = animatediff.start_of(clip)
    assert frames.shape == (5, 64, 64, 3)
    assert (frames == frames[:1]).all()
    assert frames.std() > 10


def test_a_clip_is_a_pose_for_the_photo_or_made_anew_itself() -> None:
    asked, scene = film_plan("video-to-video"), actors.astronaut()
    posed = clip_of(asked)
    assert posed.anchor is not None
    np.testing.assert_array_equal(animatediff.start_of(posed), posed.anchor.rgb)
    np.testing.assert_array_equal(animatediff.start_of(clip_of(asked, tracks=[])), asked.footage.video)
    changed = replace(asked, sampling=Sampling(strength=0.4))
    assert not animatediff.remakes_clip(tracks_of(scene), asked)
    assert animatediff.remakes_clip([], asked)
    assert animatediff.remakes_clip(tracks_of(scene), changed)


def test_how_far_a_film_may_leave_what_it_starts_from() -> None:
    tracks = tracks_of(actors.astronaut())
    usual = {mode: animatediff.strength_of(tracks, film_plan(mode)) for mode in MODES}
    assert usual == {
        "text-to-video": 1.0, "multi-image-to-video": 1.0, "image-to-video": 0.5, "pose-guided": 0.9, "video-to-video": 0.9,
    }  # fmt: skip
    assert animatediff.strength_of([], film_plan("video-to-video")) == 0.6


def test_the_noise_levels_are_the_motion_module_s() -> None:
    pipe = pipe_of("AnimateDiffPipeline")
    AnimateDiff(SMALL).condition(pipe, clip_of(plan("text-to-video"), tracks=[]))
    config = pipe.scheduler.config
    assert type(pipe.scheduler).__name__ == "DDIMScheduler"
    assert (config.beta_schedule, config.timestep_spacing, config.clip_sample) == ("linear", "linspace", False)
    assert (config.beta_start, config.beta_end) == (0.00085, 0.012)


def test_each_face_is_told_in_its_own_region_of_each_frame() -> None:
    pipe = pipe_of("AnimateDiffVideoToVideoControlNetPipeline")
    call = AnimateDiff(SMALL).condition(pipe, clip_of(plan("image-to-video", width=128), couple()))
    (masks,) = call["cross_attention_kwargs"]["ip_adapter_masks"]
    assert masks.shape == (10, 2, 8, 16)
    assert torch.equal(masks.sum(1), torch.ones(10, 8, 16))
    assert torch.equal(masks[:5], masks[5:])
    assert masks[:, 0, :, :6].all()
    assert masks[:, 1, :, 10:].all()
    assert embeds_of(call).shape == (2, 2, 17, 32)
    alone = replace(plan("image-to-video", width=128), sampling=Sampling(guidance_scale=1.0))
    (masks,) = AnimateDiff(SMALL).condition(pipe, clip_of(alone, couple()))["cross_attention_kwargs"][
        "ip_adapter_masks"
    ]
    assert masks.shape == (5, 2, 8, 16)


def test_one_person_s_face_reaches_nothing_of_the_other_s_region() -> None:
    pipe = pipe_of("AnimateDiffVideoToVideoControlNetPipeline")
    call = AnimateDiff(SMALL).condition(pipe, clip_of(plan("image-to-video", width=128), couple()))
    embeds = embeds_of(call)
    other = embeds.clone()
    other[1, 1] = torch.randn(17, 32, generator=torch.Generator().manual_seed(1))  # the second person looks different
    before, after = (
        first_attention(pipe, {**call, "ip_adapter_image_embeds": [told]}).reshape(10, 4, 8, CHANNELS[1])
        for told in (embeds, other)
    )
    changed = (before - after).abs().amax(-1)
    assert torch.equal(changed[:5], torch.zeros(5, 4, 8))  # without the prompt there is no face
    assert changed[5:, :, 5:].min() > 1e-6
    assert changed[5:, :, :3].max() == 0


def test_two_who_belong_together_are_told_where_they_are_and_half_each_where_they_meet() -> None:
    pipe = pipe_of("AnimateDiffVideoToVideoControlNetPipeline")
    scene, asked = (
        composed(),
        replace(plan("image-to-video", width=128), duet=together(5, subjects=(1, 0), strength=1.0)),
    )
    clip = shoulder_to_shoulder(clip_of(asked, scene))
    call = AnimateDiff(SMALL).condition(pipe, clip)
    (masks,) = call["cross_attention_kwargs"]["ip_adapter_masks"]
    assert masks.shape == (10, 2, 8, 16)
    assert clip.anchor is not None
    whose = regions_of(clip.anchor, together(5, subjects=(1, 0), strength=1.0), clip.plan, size=(16, 8))
    np.testing.assert_allclose(masks[:5].numpy(), whose.shares().transpose(1, 0, 2, 3), atol=1e-6)
    np.testing.assert_allclose(masks[0, :, 5, 7:9], 0.5, atol=0.2)  # where they meet
    assert masks[:, 0, :, :7].max() < 0.05
    assert masks[:, 1, 4:, 2:5].min() > 0.9
    assert masks.sum(1).max() <= 1 + 1e-6
    second, first = animatediff.faces_of(clip)
    boxes = [subject.face.box for subject in scene.subjects]
    np.testing.assert_array_equal(first, animatediff.head_of(scene.photo.pixels, boxes[0]))
    np.testing.assert_array_equal(second, animatediff.head_of(255 - scene.photo.pixels, boxes[1]))


def test_regions_follow_people_who_move() -> None:
    scene, frames = couple(), 15  # at 24 a second: five at the model's 8
    turns = [HeadPose(0, 0, 0)] * frames
    away = [(12.0 * k, 0.0) for k in range(frames)]
    tracks = [actors.track(scene, turns, away, who=who) for who in (0, 1)]
    clip = clip_of(plan("image-to-video", width=128), scene, tracks)
    mine = animatediff.person_regions(clip, replace(clip.plan, width=64, height=32), 2)[0]
    shares = (mine > 0).mean((1, 2))
    assert (np.diff(shares) > 0.02).all()


def test_several_photos_without_tracks_stand_side_by_side() -> None:
    clip = clip_of(film_plan("multi-image-to-video"), tracks=[])
    whose = animatediff.person_regions(clip, replace(clip.plan, width=16, height=8), 2)
    assert (whose[0, :, :, :8] == 255).all()
    assert (whose[1, :, :, 8:] == 255).all()
    assert (whose.astype(int).sum(0) == 255).all()


def test_whose_faces_are_told() -> None:
    def count(mode: Mode, scene: Scene, tracks: list[MotionTrack]) -> int:
        return len(animatediff.faces_of(clip_of(film_plan(mode), scene, tracks)))

    pair, one = couple(), actors.astronaut()
    assert count("text-to-video", one, []) == 0
    assert count("image-to-video", pair, tracks_of(pair)[:1]) == 1
    assert count("image-to-video", pair, []) == 2
    assert count("multi-image-to-video", one, []) == 2
    assert count("video-to-video", one, []) == 1
    assert count("video-to-video", pair, []) == 0
    assert count("video-to-video", pair, tracks_of(pair)) == 2


def test_a_head_is_a_square_round_the_face_and_the_photo_s_edge_goes_on() -> None:
    photo = np.arange(100 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 80, 3)
    head = animatediff.head_of(photo, (30.0, 40.0, 50.0, 60.0))
    np.testing.assert_array_equal(head, photo[30:70, 20:60])
    corner = animatediff.head_of(photo, (0.0, 0.0, 20.0, 20.0))
    assert corner.shape == (40, 40, 3)
    np.testing.assert_array_equal(corner[10:, 10:], photo[:30, :30])
    assert (corner[:10, :10] == photo[0, 0]).all()


def test_references_show_the_head_where_it_is_known_else_the_middle() -> None:
    scene = actors.astronaut()
    known = animatediff.reference_face(scene, scene.photo.pixels, scene.photo.sha256)
    np.testing.assert_array_equal(known, animatediff.head_of(scene.photo.pixels, scene.subjects[0].face.box))
    wide = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3)
    np.testing.assert_array_equal(animatediff.reference_face(scene, wide, "2" * 64), wide[:, 10:50])


def test_without_an_image_adapter_there_are_words_but_no_faces() -> None:
    asked = replace(film_plan("text-to-video"), sampling=Sampling("faceless", num_inference_steps=2))
    assert film(asked, tracked=False).shape == (5, 64, 64, 3)
    with pytest.raises(UnavailableError) as refused:
        film(replace(asked, mode="image-to-video"))
    assert refused.value.code == "model_incomplete"


# --- settings ---------------------------------------------------------------------------------------------------------


def test_a_few_step_lora_brings_its_own_settings() -> None:
    backend = AnimateDiff()
    assert isinstance(backend, Backend)
    assert backend.capabilities.modes == tuple(backend.pipelines)
    settled = backend.resolved(Sampling(loras=(Lora("AnimateLCM_sd15_t2v_lora.safetensors"),)))
    assert (settled.num_inference_steps, settled.guidance_scale, settled.model) == (6, 2.0, MODEL)
    assert backend.resolved(Sampling()).num_inference_steps == 25


@pytest.mark.parametrize(
    ("mode", "footage", "code"),
    [
        ("pose-guided", Footage(), "track_missing"),
        ("video-to-video", Footage(), "footage_missing"),
        ("multi-image-to-video", Footage(), "photo_missing"),
        ("audio-driven", Footage(), "mode_unsupported"),
        ("image-to-video", Footage(last=np.zeros((64, 64, 3), np.uint8)), "last_frame_unsupported"),
        ("text-to-video", Footage(repair=np.zeros((5, 64, 64), np.uint8)), "repair_unsupported"),
    ],
)
def test_what_cannot_be_made_is_refused(mode: Mode, footage: Footage, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        list(AnimateDiff(SMALL).generate(actors.astronaut(), [], plan(mode, footage=footage)))
    assert refused.value.code == code


def test_a_film_is_one_clip() -> None:
    longest = plan("text-to-video", frames=240, fps=24.0)
    assert [span.frames for span in plan_native(longest, AnimateDiff().grid).spans] == [81]
    with pytest.raises(RequestError) as refused:
        list(AnimateDiff(SMALL).generate(actors.astronaut(), [], replace(longest, num_frames=243)))
    assert refused.value.code == "film_too_long"


def test_films_are_made_at_sizes_that_the_image_model_knows() -> None:
    for (width, height), native in {(512, 512): (512, 512), (1280, 720): (832, 448), (480, 832): (448, 832)}.items():
        made = plan_native(plan("text-to-video", width=width, height=height), AnimateDiff().grid)
        assert (made.width, made.height) == native


# --- every mode -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tracked", [True, False])
def test_every_mode_makes_the_same_film_again(mode: Mode, tracked: bool) -> None:
    if mode == "pose-guided" and not tracked:
        pytest.skip("a pose is what this mode follows")
    asked = film_plan(mode)
    first, again = film(asked, tracked), film(asked, tracked)
    assert first.shape == (5, 64, 64, 3)
    np.testing.assert_array_equal(first, again)
    assert first.std() > 5


def test_another_seed_makes_another_film() -> None:
    asked = film_plan("text-to-video")
    assert (film(asked, tracked=False) != film(replace(asked, seed=8), tracked=False)).any()


def test_a_film_from_text_does_not_remember_faces() -> None:
    asked = film_plan("text-to-video")
    shelf().clear()
    fresh = film(asked, tracked=False)
    film(film_plan("image-to-video"))
    np.testing.assert_array_equal(film(asked, tracked=False), fresh)


def test_how_far_a_photo_may_change() -> None:
    sampling = Sampling(num_inference_steps=4)
    asked = replace(film_plan("pose-guided"), sampling=sampling)
    usual = film(asked)
    np.testing.assert_array_equal(film(replace(asked, sampling=replace(sampling, strength=0.9))), usual)
    assert (film(replace(asked, sampling=replace(sampling, strength=0.25))) != usual).any()


def test_long_films_are_made_in_windows() -> None:
    asked = replace(film_plan("text-to-video", frames=20), sampling=Sampling(num_inference_steps=1))
    long = film(asked, tracked=False)
    assert long.shape == (20, 64, 64, 3)
    assert (long[16:].std((1, 2, 3)) > 2).all()


def test_a_film_that_was_stopped_goes_on_as_it_would_have(tmp_path: Path) -> None:
    def stop(event: StageEvent) -> None:
        if event.stage == "denoise" and event.done == 2:
            raise CancelledError()

    asked = replace(film_plan("image-to-video"), sampling=Sampling(num_inference_steps=8))
    scene, whole = actors.astronaut(), film(asked)
    kept = replace(asked, resume=tmp_path)
    with pytest.raises(CancelledError):
        list(AnimateDiff(SMALL).generate(scene, tracks_of(scene), kept, stop))
    assert any(tmp_path.rglob("*"))
    np.testing.assert_array_equal(film(kept), whole)


def test_two_people_in_one_film() -> None:
    asked = plan("image-to-video", width=128)
    assert film(asked, scene=couple()).shape == (5, 64, 128, 3)


def test_two_photos_in_one_scene_are_moved_as_one_photo() -> None:
    asked = replace(plan("image-to-video", width=128), duet=together(5))
    photos = Footage(references=tuple(Photo(np.zeros((20, 20, 3), np.uint8), digest) for digest in DIGESTS))
    moved = film(asked, scene=composed())
    assert (moved != film(replace(asked, duet=None), scene=composed())).any()
    np.testing.assert_array_equal(
        film(replace(asked, mode="multi-image-to-video", footage=photos), scene=composed()), moved
    )
