"""A film that was killed goes on at its step with the same result to the bit; any other call begins anew."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import CancelledError, UnavailableError
from photoplay.generation.backends.open_weights import resume
from photoplay.generation.backends.open_weights.backend import Defaults, OpenWeightsBackend
from photoplay.generation.backends.open_weights.loading import load_pipeline
from photoplay.generation.backends.open_weights.native import ClipInputs, Grid
from photoplay.generation.backends.open_weights.resume import Keep, Mark
from photoplay.generation.backends.open_weights.sampling import denoise
from photoplay.types import Audio, Mode, RenderPlan, RgbStack, Sampling, StageEvent, silent
from photoplay.weights import store
from tests.generation.open_weights import checkpoints, checkpoints_ltx2
from tests.generation.open_weights.calls import Heard, clip_of, counted, pictures, pipeline

SIX = Sampling(num_inference_steps=6, guidance_scale=3.0, negative_prompt="blur")
FAMILY: dict[str, tuple[Callable[..., Path], dict[str, Any], str, dict[str, Any]]] = {
    "t2v": (checkpoints.wan_t2v, {}, "WanPipeline", {}),
    "two experts": (checkpoints.wan_t2v, {"experts": 2}, "WanPipeline", {}),
    "vace": (checkpoints.wan_vace, {}, "WanVACEPipeline", {"video": pictures(5), "mask": pictures(5)}),
    "i2v": (checkpoints.wan_i2v, {}, "WanImageToVideoPipeline", {"image": pictures(1)[0]}),
}


@pytest.fixture(scope="module")
def ready(built: Callable[..., Path]) -> Callable[[str], Any]:
    """The pipeline of this name, loaded once."""
    return functools.cache(lambda name: pipeline(FAMILY[name][2], built(FAMILY[name][0], **FAMILY[name][1])))


@pytest.fixture
def pipe(ready: Callable[[str], Any]) -> Any:
    return ready("t2v")


def killed_and_again(
    pipe: Any, call: dict[str, Any], sampling: Sampling, folder: Path, at: int = 3, frames: int = 5
) -> tuple[RgbStack, RgbStack, Heard]:
    """The frames of a run without interruption, those of one that was killed and run again, and what that heard."""
    whole = denoise(pipe, call, clip_of(frames), sampling, silent)[0]
    with pytest.raises(KeyboardInterrupt):
        denoise(pipe, call, clip_of(frames, resume=folder), sampling, Heard(at, KeyboardInterrupt()))
    heard = Heard()
    return whole, denoise(pipe, call, clip_of(frames, resume=folder), sampling, heard)[0], heard


@pytest.mark.parametrize("name", FAMILY)
def test_a_killed_clip_goes_on_at_its_step_with_the_same_bits(
    name: str, ready: Callable[[str], Any], tmp_path: Path
) -> None:
    pipe, call = ready(name), FAMILY[name][3]
    models = [counted(model) for model in (pipe.transformer, getattr(pipe, "transformer_2", None)) if model is not None]
    whole, again, heard = killed_and_again(pipe, call, SIX, tmp_path)
    np.testing.assert_array_equal(again, whole)
    assert heard.steps == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert sum(count[0] for count in models) == 2 * (
        6 + 3 + 4
    )  # a step that goes on where another stood is made once more
    assert [path.name for path in tmp_path.iterdir()] == ["clip-000000.frames.safetensors"]


SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "new noise at each step": ("FlowMatchLCMScheduler", {"shift": 3.0}),
    "three steps of memory": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "another solver": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_remembers_what_it_must(name: str, pipe: Any, tmp_path: Path) -> None:
    kind, config = SCHEDULERS[name]
    flow: dict[str, Any] = (
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0} if "Multi" in kind else {}
    )
    own, pipe.scheduler = pipe.scheduler, getattr(checkpoints.diffusers(), kind)(**flow, **config)
    try:
        whole, again, _ = killed_and_again(pipe, {}, SIX, tmp_path, at=4, frames=1)
    finally:
        pipe.scheduler = own
    np.testing.assert_array_equal(again, whole)


def test_sound_goes_on_as_well(built: Callable[..., Path], tmp_path: Path) -> None:
    """LTX-2's sound has a scheduler of its own, and its pipeline prepares things in the first step."""
    pipe = pipeline("LTX2Pipeline", built(checkpoints_ltx2.ltx2))
    call = {"spatio_temporal_guidance_blocks": [0]}
    clip, kept = clip_of(9), clip_of(9, resume=tmp_path)
    frames, sound = denoise(pipe, call, clip, SIX, silent)
    with pytest.raises(CancelledError):
        denoise(pipe, call, kept, SIX, Heard(3, CancelledError()))
    for _ in ("at its step", "finished"):
        again, heard = denoise(pipe, call, kept, SIX, silent)
        np.testing.assert_array_equal(again, frames)
        assert sound is not None
        assert heard is not None
        np.testing.assert_array_equal(heard.samples, sound.samples)
        assert (heard.rate, heard.sha256) == (sound.rate, sound.sha256)


def test_the_second_of_two_segments_goes_on(built: Callable[..., Path], tmp_path: Path) -> None:
    pipe = pipeline("WanAnimatePipeline", built(checkpoints.wan_animate))
    call = {
        "image": pictures(1)[0],
        "pose_video": pictures(9),
        "face_video": pictures(9, 16),
        "segment_frame_length": 5,
    }
    settings = Sampling(num_inference_steps=4, guidance_scale=1.0)
    whole, again, heard = killed_and_again(pipe, call, settings, tmp_path, at=7, frames=9)
    np.testing.assert_array_equal(again, whole)
    assert heard.steps == [(4, 8), (7, 8), (8, 8)]


def test_a_process_that_dies_without_a_word_loses_at_most_the_steps_between(pipe: Any, tmp_path: Path) -> None:
    """Killed at once, nothing is written at the end: of 12 steps the tenth is the last that was kept."""
    twelve = replace(SIX, num_inference_steps=12, guidance_scale=1.0)
    heard = Heard(11, KeyboardInterrupt())
    written: list[int] = []
    write = Keep.write_marks

    def counting(self: Keep, marks: Any) -> None:
        marks = list(marks)
        if len(heard.steps) < 11:  # what is written after the kill would not have been
            written.append(marks[-1].step)
            write(self, marks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keep, "write_marks", counting)
        with pytest.raises(KeyboardInterrupt):
            denoise(pipe, {}, clip_of(resume=tmp_path), twelve, heard)
    assert written == [4, 9]
    forwards = counted(pipe.transformer)
    again = denoise(pipe, {}, clip_of(resume=tmp_path), twelve, silent)[0]
    assert forwards[0] == 1 + 2
    np.testing.assert_array_equal(again, denoise(pipe, {}, clip_of(), twelve, silent)[0])


def test_a_finished_clip_is_not_made_again(pipe: Any, tmp_path: Path) -> None:
    made = denoise(pipe, {}, clip_of(resume=tmp_path), SIX, silent)[0]
    forwards, heard = counted(pipe.transformer), Heard()
    np.testing.assert_array_equal(denoise(pipe, {}, clip_of(resume=tmp_path), SIX, heard)[0], made)
    assert (forwards[0], heard.steps) == (0, [(6, 6)])
    (tmp_path / "somebody else's.txt").write_text("mine")
    (tmp_path / "clip-000000.frames.77.part").write_bytes(b"a draft of a killed process")
    resume.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["somebody else's.txt"]


class Plain(OpenWeightsBackend):
    """Words alone, clips of 5 frames."""

    name = "plain"
    pipelines: ClassVar[Mapping[Mode, str]] = {"text-to-video": "WanPipeline"}
    defaults = Defaults(num_inference_steps=4, guidance_scale=1.0)
    grid = Grid(max_frames=5, overlap=1, area=64 * 64)

    def condition(self, pipe: Any, clip: ClipInputs) -> dict[str, Any]:
        return {"prompt": clip.plan.prompt + "!" * int(clip.known.mean() if clip.known.size else 0)}


def test_a_film_goes_on_in_the_clip_where_it_was_killed(
    built: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three clips of four steps, killed at the third of the second: 1 + 1 of that clip and 4 of the last are made."""
    monkeypatch.setenv("PHOTOPLAY_MODELS", str(tmp_path / "models"))
    store.add("tiny", built(checkpoints.wan_t2v), backend="plain", licence="none")
    asked = replace(clip_of(13).plan, mode="text-to-video", sampling=Sampling("tiny"))
    kept = replace(asked, resume=tmp_path / "film")
    scene = clip_of().scene

    def film(plan: RenderPlan, heard: Heard) -> RgbStack:
        return np.concatenate([one.rgb for one in Plain().generate(scene, [], plan, heard)])

    whole = film(asked, Heard())
    assert whole.shape == (13, 64, 64, 3)
    seen: list[int] = []

    def killing(event: StageEvent) -> None:
        seen.append(event.done)
        if seen == [1, 2, 3, 4, 1, 2, 3]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Plain().generate(scene, [], kept, killing))
    forwards = counted(load_pipeline("WanPipeline", Plain().resolved(kept.sampling)).transformer)
    heard = Heard()
    np.testing.assert_array_equal(film(kept, heard), whole)
    assert heard.steps == [(4, 4), (3, 4), (4, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert forwards[0] == 1 + 1 + 4


@pytest.mark.parametrize("what", ["seed", "prompt", "settings", "conditioning", "broken file"])
def test_another_call_begins_anew(what: str, ready: Callable[[str], Any], tmp_path: Path) -> None:
    pipe = ready("i2v")
    call, other = {"image": pictures(1)[0]}, {"image": pictures(2)[0]}
    three = Sampling(num_inference_steps=3, guidance_scale=1.0)
    with pytest.raises(KeyboardInterrupt):
        denoise(pipe, call, clip_of(resume=tmp_path), three, Heard(2, KeyboardInterrupt()))
    asked: dict[str, Any] = {
        "seed": (call, {"seed": 4}, three),
        "prompt": (call, {"prompt": "another"}, three),
        "settings": (call, {}, replace(three, flow_shift=2.0)),
        "conditioning": (other, {}, three),
        "broken file": (call, {}, three),
    }
    call, changed, settings = asked[what]
    if what == "broken file":
        (kept,) = tmp_path.iterdir()
        kept.write_bytes(kept.read_bytes()[:-9])
    heard = Heard()
    made = denoise(pipe, call, clip_of(resume=tmp_path, **changed), settings, heard)[0]
    assert heard.steps == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(made, denoise(pipe, call, clip_of(**changed), settings, silent)[0])


def test_caches_between_steps_are_not_kept(pipe: Any, tmp_path: Path) -> None:
    """A cache remembers more than latents and schedulers: its clip begins anew rather than come out otherwise."""
    cache = checkpoints.diffusers().FirstBlockCacheConfig(threshold=0.2)
    pipe.transformer.enable_cache(cache)
    try:
        with pytest.raises(KeyboardInterrupt):
            denoise(pipe, {}, clip_of(resume=tmp_path), SIX, Heard(3, KeyboardInterrupt()))
    finally:
        pipe.transformer.disable_cache()
    assert not list(tmp_path.iterdir())


def test_a_call_that_cannot_be_told_apart_is_made_and_not_kept(
    pipe: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def mine(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return tensors

    denoise(pipe, {"callback_on_step_end": mine}, clip_of(resume=tmp_path), Sampling(num_inference_steps=1), silent)
    assert not list(tmp_path.iterdir())
    assert "not kept" in caplog.text


def test_a_full_disk_is_said(pipe: Any, tmp_path: Path) -> None:
    (tmp_path / "film").write_text("in the way of the folder")
    with pytest.raises(UnavailableError) as caught:
        denoise(pipe, {}, clip_of(resume=tmp_path / "film"), Sampling(num_inference_steps=2), silent)
    assert caught.value.code == "resume_unwritable"


def test_a_mark_comes_back_as_it_was(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "history": [None, torch.randn(2, 3), torch.randn(1).bfloat16()],
        "shape": torch.Size((4, 5)),
        "index": 3,
        "sigma": 0.1 + 0.2,
        "betas": np.linspace(0, 1, 5),
        "nested": {"order": 2, "empty": []},
        "scalar": torch.tensor(7, dtype=torch.int64),
    }
    shared = torch.randn(2, 3)
    mark = Mark(4, (shared, shared), (state, {}), torch.Generator().manual_seed(5).get_state())
    keep = Keep(tmp_path, 16, "me")
    keep.write_marks([mark])
    (again,) = keep.marks()
    assert again.step == 4
    assert torch.equal(again.outputs[0], again.outputs[1])
    assert torch.equal(again.random, mark.random)
    found = again.states[0]
    assert found["history"][0] is None
    assert torch.equal(found["history"][2], state["history"][2])
    assert (found["shape"], found["index"], found["sigma"]) == ((4, 5), 3, 0.1 + 0.2)
    assert found["betas"].dtype == np.float64
    np.testing.assert_array_equal(found["betas"], state["betas"])
    assert found["nested"] == {"order": 2, "empty": []}
    assert (found["scalar"].item(), found["scalar"].shape) == (7, ())
    assert Keep(tmp_path, 16, "another").marks() == ()
    assert Keep(tmp_path, 20, "me").marks() == ()


def test_what_is_kept_is_the_old_or_the_new_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Keep(tmp_path, 0, "me")
    old = np.full((1, 4, 4, 3), 7, np.uint8)
    keep.write_made(old, Audio(np.zeros(3, np.float32), 24000, "digest"))

    def half(tensors: Any, path: Path, about: Any) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("safetensors.torch.save_file", half)
    with pytest.raises(UnavailableError):
        keep.write_made(old + 1, None)
    made = keep.made()
    assert made is not None
    assert made[1] is not None
    np.testing.assert_array_equal(made[0], old)
    assert [path.name for path in tmp_path.iterdir()] == ["clip-000000.frames.safetensors"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_values_are_told_apart_by_kind_and_content(one: Any, other: Any) -> None:
    assert resume.identity(one) == resume.identity(one)
    assert (resume.identity(one) == resume.identity(other)) == (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value: Any) -> Any:
    """Dictionaries in one order: theirs does not count."""
    if isinstance(value, dict):
        return {"dict": [(key, _sorted(value[key])) for key in sorted(value, key=repr)]}
    return [_sorted(part) for part in value] if isinstance(value, list) else value


def test_arrays_are_told_apart_by_shape_type_and_every_number() -> None:
    zeros = np.zeros((2, 3), np.float32)
    one = zeros.copy()
    one[1, 2] = 1e-7
    values = [zeros, one, zeros.T, zeros.astype(np.float64), torch.from_numpy(zeros), torch.zeros(2, 3).bfloat16()]
    values += [zeros[0], [zeros, zeros], (pictures(1)[0],), pictures(2)[0], Sampling(), Sampling(strength=0.5)]
    values += [torch.float32, torch.bfloat16, torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)]
    assert len({resume.identity(value) for value in values}) == len(values)
    assert resume.identity(zeros.T.copy()) == resume.identity(zeros.T)
    for unknown in (object(), print, np.array([object()])):
        with pytest.raises(TypeError):
            resume.identity(unknown)


@pytest.mark.parametrize(
    ("steps", "kept"), [(4, [1, 2, 3]), (8, [1, 2, 3, 4, 5, 6, 7]), (12, [4, 9, 11]), (30, [4, 9, 14, 19, 24, 29])]
)
def test_few_steps_are_all_kept_and_of_many_every_fifth(steps: int, kept: list[int]) -> None:
    assert [step for step in range(steps) if resume.due(step, steps)] == kept
