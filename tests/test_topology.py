from __future__ import annotations

import numpy as np

from photoplay import topology


def test_triangles_form_a_surface_with_one_outer_border() -> None:
    triangles = topology.face_triangles()
    edges, counts = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1),
        axis=0,
        return_counts=True,
    )
    assert triangles.shape == (852, 3)
    assert counts.max() == 2
    border = {frozenset(edge) for edge in edges[counts == 1].tolist()}
    oval = topology.FACE_OVAL
    assert {frozenset(pair) for pair in zip(oval, oval[1:] + oval[:1], strict=True)} <= border


def test_mirror_is_an_involution_that_swaps_the_eyes() -> None:
    mirror = topology.face_mirror()
    assert (mirror[mirror] == np.arange(478)).all()
    assert [mirror[i] for i in topology.RIGHT_EYE_UPPER] == list(topology.LEFT_EYE_UPPER)
    assert [mirror[i] for i in topology.LIPS_OUTER_UPPER] == list(reversed(topology.LIPS_OUTER_UPPER))


def test_joint_views_pick_the_named_joints() -> None:
    joints = np.arange(99, dtype=np.float32).reshape(33, 3)
    assert topology.coco_17(joints)[5].tolist() == joints[topology.POSE_INDEX["left_shoulder"]].tolist()
    neck = topology.openpose_18(joints)[1]
    assert neck.tolist() == ((joints[11] + joints[12]) / 2).tolist()


def test_names_are_unique() -> None:
    assert len(set(topology.ARKIT_NAMES)) == 52
    assert len(set(topology.POSE_NAMES)) == 33
    assert len(topology.FACE_68) == 68


def test_triangles_are_wound_alike() -> None:
    triangles = topology.face_triangles()
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)


def test_folded_hands_and_crossed_arms_touch() -> None:
    joints = np.zeros((33, 3), np.float32)
    for side, x in (("left", 100.0), ("right", -100.0)):
        for name, y in (("elbow", 100.0), ("wrist", 200.0), ("index", 220.0)):
            joints[topology.POSE_INDEX[f"{side}_{name}"], :2] = x, y
    assert not topology.arms_touch(joints, 200.0)
    held, crossed = joints.copy(), joints.copy()
    for name, x in (("wrist", 60.0), ("index", 90.0)):  # the right hand on the left forearm
        held[topology.POSE_INDEX[f"right_{name}"], :2] = x, 150.0
    assert topology.arms_touch(held, 200.0)
    assert not topology.arms_touch(held, 20.0)
    for side, x in (("left", -100.0), ("right", 100.0)):  # forearms across each other, the hands on the upper arms
        for name, y in (("wrist", 60.0), ("index", 40.0)):
            crossed[topology.POSE_INDEX[f"{side}_{name}"], :2] = x, y
    assert topology.arms_touch(crossed, 200.0)
