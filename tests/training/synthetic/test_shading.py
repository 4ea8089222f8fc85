import numpy as np
import pytest

from photoplay.training.synthetic.camera import Camera, angles
from photoplay.training.synthetic.head import HeadModel
from photoplay.training.synthetic.parts import Look, Material, Part
from photoplay.training.synthetic.shading import Lights, measure_access, shade
from photoplay.training.synthetic.sitter import seat
from photoplay.types import HeadPose, Label
from tests.training.synthetic import made_up_head

REST = np.zeros(52, np.float32)


@pytest.fixture(scope="module")
def sitter(tmp_path_factory):
    head = HeadModel.load(made_up_head.write(tmp_path_factory.mktemp("head")))
    white = np.ones((2, 2, 4), np.float32)
    part = Part("all", head.neutral, head.triangles, head.uv, white, head.labels, Material(gloss=0.0))
    return seat(head, Look((part,), {}))


def film(sitter, lights, pose=None, background=0.0):
    camera = Camera(300.0, 96, (0.0, 0.0, 120.0), HeadPose(0, 0, 0))
    points = camera.place(
        sitter.posed(REST, (0.0, 0.0)), pose or HeadPose(0, 0, 0), np.zeros(3, np.float32), sitter.turns
    )
    access = np.ones(len(points), np.float32)
    return shade(sitter, points, access, lights, camera, np.full((96, 96, 3), background, np.float32))


def lamp(direction, colour=(1.0, 1.0, 1.0), ambient=0.0):
    harmonics = np.zeros((9, 3), np.float32)
    harmonics[0] = ambient
    return Lights(np.array([direction], np.float32), np.array([colour], np.float32), harmonics)


def test_ambient_light_alone_shows_the_colour_itself(sitter):
    image, labels = film(sitter, lamp((0, 0, -1), (0, 0, 0), ambient=0.7), background=0.25)
    inner = labels == Label.SKIN
    assert np.median(image[inner]) == pytest.approx(0.7, abs=1e-3)
    np.testing.assert_allclose(image[:4], 0.25, atol=1e-6)


def test_a_lamp_lights_the_side_it_stands_on(sitter):
    image, labels = film(sitter, lamp((0.9, 0, -0.436)))
    columns = np.arange(96)[None, :].repeat(96, 0)
    face = labels == Label.SKIN
    assert image[face & (columns > 52)].mean() > 3 * image[face & (columns < 44)].mean()


def test_front_light_follows_the_cosine(sitter):
    image, labels = film(sitter, lamp((0, 0, -1)))
    assert image[30:40, 46:50].mean() == pytest.approx(1.0, abs=0.12)
    assert image[labels == Label.SKIN].max() <= 1.001


def test_the_inside_of_the_mouth_gets_less_light_than_the_face(sitter):
    access = measure_access(sitter)
    skin = np.unique(sitter.triangles[sitter.labels == Label.SKIN])
    ball = np.unique(sitter.triangles[sitter.labels == Label.TEETH])
    assert access.shut[skin].mean() > 0.5
    assert access.shut[ball].mean() < 0.3 * access.shut[skin].mean()
    assert 0 <= access.shut.min() <= access.shut.max() <= 1.001


@pytest.mark.parametrize("pose", [HeadPose(25, 0, 0), HeadPose(0, 15, 0), HeadPose(0, 0, 12), HeadPose(-20, 10, -8)])
def test_the_camera_sees_the_pose_that_was_set(sitter, pose):
    camera = Camera(300.0, 96, (0.0, 0.0, 120.0), HeadPose(0, 0, 0))
    vertices = sitter.posed(REST, (0.0, 0.0))
    marks = [camera.landmarks(sitter.head.landmarks478(camera.place(vertices, p, np.zeros(3, np.float32), sitter.turns)))
             for p in (HeadPose(0, 0, 0), pose)]  # fmt: skip
    nose = (marks[1][1] - marks[1][[234, 454]].mean(0)) - (marks[0][1] - marks[0][[234, 454]].mean(0))
    assert pose.yaw == 0 or nose[0] * pose.yaw > 0
    assert pose.yaw != 0 or pose.pitch == 0 or nose[1] * pose.pitch < 0
    across = marks[1][263] - marks[1][33]
    assert across[0] > 0  # the subject's left eye is at the image's right
    back = angles(pose.matrix())
    assert (back.yaw, back.pitch, back.roll) == pytest.approx((pose.yaw, pose.pitch, pose.roll), abs=1e-3)
