from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photoplay.safety.admission import admit
from photoplay.types import Admitted, Consent, HeadPose, Photo, RenderPlan, Request


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [(HeadPose(20, 0, 0), 0, 1), (HeadPose(0, 20, 0), 1, -1)],
    ids=["yaw turns the nose to the image's right", "pitch turns the nose up"],
)
def test_head_pose_signs(pose: HeadPose, axis: int, sign: int) -> None:
    nose = pose.matrix() @ np.array([0, 0, -1], dtype=np.float32)
    assert nose[axis] * sign == pytest.approx(np.sin(np.radians(20)), abs=1e-6)


def test_roll_is_clockwise_in_the_image() -> None:
    crown = HeadPose(0, 0, 20).matrix() @ np.array([0, -1, 0], dtype=np.float32)
    assert crown[0] > 0


def test_plan_maps_the_crop_onto_the_frame() -> None:
    plan = RenderPlan(width=200, height=100, crop=(10, 20, 110, 70), fps=24, num_frames=1)
    corners = np.array([[9.5, 19.5], [109.5, 69.5]], dtype=np.float32)
    assert plan.to_frame(corners).tolist() == [[-0.5, -0.5], [199.5, 99.5]]


def test_nobody_but_safety_admits() -> None:
    consent: Consent = "self"
    photo = Photo(np.zeros((8, 8, 3), np.uint8), "0" * 64)
    with pytest.raises(TypeError, match="only photoplay"):
        Admitted(Request((photo,), (consent,), "smile"), {})


def test_an_admitted_request_cannot_be_copied_with_changes() -> None:
    photo = Photo(np.zeros((8, 8, 3), np.uint8), "0" * 64)
    admitted = admit(Request((photo,), ("self",), "smile"))
    with pytest.raises(TypeError, match="only photoplay"):
        replace(admitted, request=Request((photo,), ("granted",), "laugh"))
