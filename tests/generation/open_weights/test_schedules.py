"""Conversions go there and back; every scheduler that is built takes the steps that its source names."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photoplay.errors import RequestError
from photoplay.generation.backends.open_weights import schedules
from photoplay.types import Lora, Sampling
from tests.generation.open_weights.checkpoints import diffusers, scheduler

SIGMAS = st.floats(0, 1)
SHIFTS = st.floats(0.1, 20)


@given(SIGMAS, SHIFTS)
def test_a_shift_is_undone_and_keeps_both_ends(sigma: float, shift: float) -> None:
    there = schedules.shifted(sigma, shift)
    assert 0 <= there <= 1 + 1e-12
    assert schedules.unshifted(there, shift) == pytest.approx(sigma, abs=1e-12)
    assert schedules.shifted(there, 1 / shift) == pytest.approx(sigma, abs=1e-12)
    assert (schedules.shifted(0.0, shift), schedules.shifted(1.0, shift)) == pytest.approx((0, 1))


def test_a_shift_of_three_takes_the_middle_to_three_quarters() -> None:
    assert schedules.shifted(0.5, 3.0) == 0.75


@given(SIGMAS)
def test_a_timestep_is_undone(sigma: float) -> None:
    assert schedules.sigma_of_timestep(schedules.timestep_of_sigma(sigma)) == pytest.approx(sigma, abs=1e-15)
    assert schedules.timestep_of_sigma(1.0) == 1000


@given(SIGMAS)
def test_a_vp_sample_has_unit_variance_the_same_noise_and_comes_back(sigma: float) -> None:
    alpha, noise = schedules.vp_of_flow(sigma)
    assert alpha**2 + noise**2 == pytest.approx(1)
    assert noise * (1 - sigma) == pytest.approx(alpha * sigma)  # noise over picture is what it was
    assert schedules.flow_of_vp(alpha, noise) == pytest.approx(sigma, abs=1e-12)


@given(SIGMAS)
def test_edm_counts_noise_over_picture_and_comes_back(sigma: float) -> None:
    s = schedules.edm_of_flow(sigma)
    assert math.isinf(s) if sigma == 1 else s * (1 - sigma) == pytest.approx(sigma)
    assert schedules.flow_of_edm(s) == pytest.approx(sigma, abs=1e-12)


@given(SIGMAS, st.integers(0, 2**32 - 1))
def test_the_three_conventions_are_one_sample_up_to_its_scale(sigma: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    picture, noise = torch.randn(2, 64, dtype=torch.float64, generator=generator)
    flow = (1 - sigma) * picture + sigma * noise
    alpha, share = schedules.vp_of_flow(sigma)
    scale = math.hypot(1 - sigma, sigma)
    assert torch.allclose((alpha * picture + share * noise) * scale, flow)
    if sigma < 1:
        assert torch.allclose((picture + schedules.edm_of_flow(sigma) * noise) * (1 - sigma), flow)


@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_flow_shift_goes_into_the_scheduler_and_the_given_one_stays(shift: float) -> None:
    given = scheduler(3.0)
    made = schedules.build(given, Sampling(flow_shift=shift))
    made.set_timesteps(10)
    even = [1 - 0.999 * i / 10 for i in range(10)]
    expected = [schedules.shifted(sigma, shift) for sigma in even]
    assert made.sigmas[:10].tolist() == pytest.approx(expected, abs=2e-6)
    assert given.config.flow_shift == 3.0


def test_flow_shift_takes_the_place_of_a_shift_by_size() -> None:
    by_size = diffusers().FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=2.05)
    made = schedules.build(by_size, Sampling(flow_shift=2.0))
    made.set_timesteps(sigmas=[1.0, 0.5], mu=1.7)
    assert made.sigmas.tolist() == pytest.approx([1, schedules.shifted(0.5, 2.0), 0])


def test_without_settings_a_scheduler_is_made_as_the_model_has_it() -> None:
    made = schedules.build(scheduler(3.0), Sampling())
    assert type(made).__name__ == "UniPCMultistepScheduler"
    assert made.config.flow_shift == 3.0


LIGHT = Sampling(
    loras=(Lora("a/Wan21_T2V_14B_lightx2v_cfg_step_distill_lora_rank32.safetensors"),), num_inference_steps=4
)


@pytest.mark.parametrize(
    ("experts", "name"), [(False, "FlowMatchLCMScheduler"), (True, "FlowMatchEulerDiscreteScheduler")]
)
def test_lightx2v_takes_its_authors_four_steps(experts: bool, name: str) -> None:
    """denoising_step_list 1000, 750, 500, 250 with sample_shift 5."""
    made = schedules.build(scheduler(3.0), LIGHT, experts)
    made.set_timesteps(4, device="cpu")
    assert type(made).__name__ == name
    expected = [schedules.shifted(step / 1000, 5.0) for step in (1000, 750, 500, 250)]
    assert made.sigmas.tolist() == pytest.approx([*expected, 0])
    assert made.timesteps.tolist() == pytest.approx([1000 * sigma for sigma in expected])


def test_renoising_predicts_the_picture_and_adds_new_noise() -> None:
    made = schedules.build(scheduler(3.0), LIGHT)
    made.set_timesteps(4)
    sample, velocity = torch.randn(2, 1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(sample.shape, generator=torch.Generator().manual_seed(7))
    after = made.step(velocity, made.timesteps[0], sample, generator=torch.Generator().manual_seed(7))[0]
    sigma, following = made.sigmas[0], made.sigmas[1]
    assert torch.allclose(after, (1 - following) * (sample - sigma * velocity) + following * noise, atol=1e-6)


def test_other_numbers_of_even_steps_are_shifted_alike() -> None:
    made = schedules.build(scheduler(3.0), Sampling(loras=LIGHT.loras, num_inference_steps=8, flow_shift=3.0))
    made.set_timesteps(8)
    assert made.sigmas.tolist() == pytest.approx([schedules.shifted(1 - i / 8, 3.0) for i in range(8)] + [0])


def test_ltx_distilled_takes_its_eight_steps_and_no_others() -> None:
    values = pytest.importorskip("diffusers.pipelines.ltx2.utils").DISTILLED_SIGMA_VALUES
    own = diffusers().FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1)
    made = schedules.build(own, Sampling(model="ltx-2-distilled", num_inference_steps=8))
    made.set_timesteps(8, device="cpu", mu=2.0)
    assert made.sigmas.tolist() == pytest.approx([*values, 0])
    for other in (Sampling(num_inference_steps=4), Sampling(num_inference_steps=8, flow_shift=3.0)):
        with pytest.raises(RequestError, match="8 steps") as caught:
            schedules.build(own, replace(other, model="ltx-2-distilled"))
        assert caught.value.code == "setting_unsupported"


def test_causvid_takes_its_authors_nine_steps() -> None:
    settings = schedules.recommended(Sampling(loras=(Lora("Wan21_CausVid_14B_T2V_lora_rank32.safetensors"),)))
    made = schedules.build(scheduler(3.0), settings)
    made.set_timesteps(9)
    assert made.timesteps.tolist() == pytest.approx([999, 934, 862, 756, 603, 410, 250, 140, 74])


def vp() -> Any:
    """The scheduler of Stable Diffusion 1.5 with AnimateDiff."""
    return diffusers().DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
    )


def test_animatelcm_takes_lcm_steps_with_linear_betas() -> None:
    made = schedules.build(vp(), Sampling(loras=(Lora("AnimateLCM_sd15_t2v_lora.safetensors"),), num_inference_steps=6))
    made.set_timesteps(6)
    assert type(made).__name__ == "LCMScheduler"
    assert made.config.beta_schedule == "linear"
    assert made.config.beta_start == 0.00085
    assert len(made.timesteps) == 6


def test_a_vp_model_knows_no_shift() -> None:
    with pytest.raises(RequestError) as caught:
        schedules.build(vp(), Sampling(flow_shift=3.0))
    assert caught.value.code == "setting_unsupported"


@pytest.mark.parametrize(("own", "lora"), [(vp, "lightx2v"), (scheduler, "lcm-lora-sdv1-5")])
def test_a_few_step_lora_of_another_kind_of_model_is_refused(own: Any, lora: str) -> None:
    with pytest.raises(RequestError) as caught:
        schedules.build(own(), Sampling(loras=(Lora(lora),)))
    assert caught.value.code == "few_step_mismatch"


def test_a_lora_of_weight_nothing_does_not_count() -> None:
    assert schedules.few_step(Sampling(loras=(Lora("lightx2v.safetensors", 0.0),))) is None
    assert schedules.few_step(Sampling(model="wan2.1-t2v-14b", loras=(Lora("style.safetensors"),))) is None


def test_what_is_left_open_is_what_the_distilled_model_was_made_for() -> None:
    filled = schedules.recommended(Sampling(loras=LIGHT.loras))
    assert (filled.num_inference_steps, filled.guidance_scale, filled.flow_shift) == (4, 1.0, 5.0)
    chosen = schedules.recommended(
        Sampling(loras=LIGHT.loras, num_inference_steps=6, guidance_scale=2.0, flow_shift=3.0)
    )
    assert (chosen.num_inference_steps, chosen.guidance_scale, chosen.flow_shift) == (6, 2.0, 3.0)
    assert schedules.recommended(Sampling()) == Sampling()
