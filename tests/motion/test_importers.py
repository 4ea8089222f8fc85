"""Recordings of other tools: what is read, and what hostile files get."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photoplay.errors import TemplateError
from photoplay.motion import importers, importers_livelink
from photoplay.motion.importers import import_motion, is_motion_file, read_motion
from photoplay.motion.importers_bvh import parse_bvh
from photoplay.motion.importers_livelink import parse_livelink
from photoplay.motion.importers_skeleton import performance_from_skeleton
from photoplay.motion.template import dump_template, parse_template
from photoplay.topology import ARKIT_INDEX, ARKIT_NAMES

HEADER = [
    "Timecode",
    "BlendShapeCount",
    *(name[0].upper() + name[1:] for name in ARKIT_NAMES),
    "HeadYaw",
    "HeadPitch",
    "HeadRoll",
]


def recording(frames: int = 121, rate: float = 60.0, **curves: object) -> str:
    lines = [",".join(HEADER)]
    for index in range(frames):
        values = dict.fromkeys(HEADER[2:], 0.0)
        for name, curve in curves.items():
            values[name] = curve(index / rate)  # type: ignore[operator]
        second, frame = divmod(index, int(rate))
        code = f"10:59:{second:02d}:{frame:02d}.000"
        lines.append(",".join([code, "61", *(f"{value:.6f}" for value in values.values())]))
    return "\n".join(lines)


def bump(t: float) -> float:
    return 0.7 * math.sin(math.pi * t / 2) ** 2


def test_livelink_shapes_head_and_gaze() -> None:
    text = recording(
        JawOpen=bump, EyeLookOutLeft=bump, EyeLookInRight=bump, HeadYaw=lambda t: 0.2 * t, BrowInnerUp=lambda t: 0.3
    )
    read = parse_livelink(text)
    assert (read.fps, read.num_frames) == (30.0, 61)
    jaw = read.blendshapes[:, ARKIT_INDEX["jawOpen"]]
    np.testing.assert_allclose(jaw, [bump(t) for t in np.arange(61) / 30], atol=0.03)
    assert np.degrees(0.4) == pytest.approx(read.head[-1, 0], abs=0.1)
    # To the subject's left, as an image that is not mirrored shows it: to the right.
    assert np.ptp(read.gaze[:, 0]) == pytest.approx(0.7 * 32, abs=1)
    assert read.gaze[30, 0] > read.gaze[0, 0]
    assert not read.blendshapes[:, ARKIT_INDEX["eyeLookOutLeft"]].any()
    # A brow that never moves is this person's rest.
    assert not read.blendshapes[:, ARKIT_INDEX["browInnerUp"]].any()


def test_livelink_skips_rows_without_a_face() -> None:
    lines = recording(JawOpen=bump).splitlines()
    lines[20] = "10:59:00:19.000,0" + "," * (len(HEADER) - 2)
    assert parse_livelink("\n".join(lines)).num_frames == 61


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b,c\n1,2,3",
        recording(frames=2),
        recording().replace("JawOpen", "JawLeft"),
        recording().replace("0.000000", "nan", 1),
        recording().replace("0.000000", "9e99", 1),
        recording().replace("0.000000", "x", 1),
        "\x00" * 1000,
        '"' + "a" * 200_000,
    ],
    ids=range(9),
)
def test_hostile_recordings_are_refused(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_livelink(text)
    assert caught.value.code == "livelink_invalid"


def figure(rows: list[list[float]], frames: int | None = None) -> str:
    """A plain figure that faces +z with y up; columns: root yaw, left upper arm, left forearm, head pitch."""
    return f"""HIERARCHY
ROOT Hips
{{ OFFSET 0 0 0
  CHANNELS 1 Yrotation
  JOINT Spine {{ OFFSET 0 50 0 CHANNELS 0
    JOINT Head {{ OFFSET 0 20 0 CHANNELS 1 Xrotation End Site {{ OFFSET 0 20 0 }} }}
    JOINT LeftArm {{ OFFSET 20 0 0 CHANNELS 1 Zrotation
      JOINT LeftForeArm {{ OFFSET 0 -30 0 CHANNELS 1 Zrotation
        JOINT LeftHand {{ OFFSET 0 -25 0 CHANNELS 0 End Site {{ OFFSET 0 -10 0 }} }} }} }}
    JOINT RightArm {{ OFFSET -20 0 0 CHANNELS 0
      JOINT RightForeArm {{ OFFSET 0 -30 0 CHANNELS 0
        JOINT RightHand {{ OFFSET 0 -25 0 CHANNELS 0 End Site {{ OFFSET 0 -10 0 }} }} }} }}
  }}
}}
MOTION
Frames: {frames if frames is not None else len(rows)}
Frame Time: 0.0333333
""" + "\n".join(" ".join(f"{value:.4f}" for value in row) for row in rows)


def moved(column: int, degrees: float, count: int = 31) -> list[list[float]]:
    rows = np.zeros((count, 4))
    rows[:, column] = np.linspace(0, degrees, count)
    return rows.tolist()


def test_forward_kinematics() -> None:
    # Columns in file order: hips, head, left arm, left forearm.
    skeleton = parse_bvh(figure(moved(2, 90)))
    names = [joint.name for joint in skeleton.joints]
    np.testing.assert_allclose(skeleton.positions[0, names.index("LeftHand")], [20, -5, 0], atol=1e-6)
    np.testing.assert_allclose(skeleton.positions[-1, names.index("LeftHand")], [75, 50, 0], atol=1e-3)


def test_arms_rise_outwards() -> None:
    raised = performance_from_skeleton(parse_bvh(figure(moved(2, 80))))
    np.testing.assert_allclose(raised.arms[-1, 0, :2], [80, 0], atol=1)
    np.testing.assert_allclose(raised.arms[:, 1], 0, atol=1e-3)
    bent = performance_from_skeleton(parse_bvh(figure(moved(3, 100))))
    np.testing.assert_allclose(bent.arms[-1, 0, :2], [0, 100], atol=1)


def test_head_and_torso_turn_with_photoplays_signs() -> None:
    # About +x (the subject's left) a positive turn nods down; about +y it turns to the subject's left.
    nod = performance_from_skeleton(parse_bvh(figure(moved(1, 20))))
    np.testing.assert_allclose(nod.head[-1, :3], [0, -20, 0], atol=0.5)
    turn = performance_from_skeleton(parse_bvh(figure(moved(0, 25))))
    np.testing.assert_allclose(turn.torso[-1, :3], [25, 0, 0], atol=0.5)
    np.testing.assert_allclose(turn.head[-1, :3], 0, atol=0.5)
    np.testing.assert_allclose(turn.arms, 0, atol=0.5)


def test_an_actor_who_faces_elsewhere_is_turned_to_the_camera() -> None:
    rows = np.array(moved(2, 80))
    rows[:, 0] = 130
    turned = performance_from_skeleton(parse_bvh(figure(rows.tolist())))
    np.testing.assert_allclose(turned.arms[-1, 0, :2], [80, 0], atol=1)
    np.testing.assert_allclose(turned.torso, 0, atol=1e-3)


def hostile() -> dict[str, str]:
    good = figure(moved(2, 80))
    deep = "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 0 " + "JOINT b { OFFSET 0 0 0 CHANNELS 0 " * 5000
    wide = "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 0 " + "JOINT b { OFFSET 0 0 0 CHANNELS 0 } " * 5000
    return {
        "empty": "",
        "words": "hello there",
        "deep": deep,
        "wide": wide,
        "many frames": good.replace("Frames: 31", "Frames: 999999999999"),
        "half a frame": good.replace("Frames: 31", "Frames: 3.5"),
        "missing values": figure(moved(2, 80), frames=32),
        "nan": good.replace("80.0000", "nan"),
        "inf": good.replace("80.0000", "inf"),
        "huge": good.replace("80.0000", "1e300"),
        "letters": good.replace("80.0000", "abc"),
        "frame time": good.replace("0.0333333", "0"),
        "channels": good.replace("CHANNELS 1 Yrotation", "CHANNELS 7 Yrotation"),
        "channel names": good.replace("CHANNELS 1 Yrotation", "CHANNELS 1 Wrotation"),
        "repeated": good.replace("CHANNELS 1 Yrotation", "CHANNELS 2 Yrotation Yrotation"),
        "brackets": good.replace("MOTION", "} MOTION"),
        "open": good.replace("}\nMOTION", "\nMOTION"),
        "two roots": good.replace("MOTION", "JOINT x { OFFSET 0 0 0 CHANNELS 0 } MOTION"),
        "no elbows": good.replace("ForeArm", "Thing"),
        "flat": good.replace("OFFSET 20 0 0", "OFFSET 0 0 0").replace("OFFSET -20 0 0", "OFFSET 0 0 0"),
    }


def test_endless_recordings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers_livelink, "MAX_ROWS", 100)
    with pytest.raises(TemplateError, match="too many rows"):
        parse_livelink(recording(101))


@pytest.mark.parametrize("text", hostile().values(), ids=hostile().keys())
def test_hostile_figures_are_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        performance_from_skeleton(parse_bvh(text))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_figures_never_crash(data: st.DataObject) -> None:
    tokens = figure(moved(2, 80, 4)).split()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        tokens[at] = data.draw(
            st.sampled_from(["{", "}", "JOINT", "End", "-1", "7", "1e9", "nan", "MOTION", "Frames:"])
        )
    try:
        read = performance_from_skeleton(parse_bvh(" ".join(tokens)))
    except TemplateError:
        return
    assert np.isfinite(read.arms).all()


def test_files_become_templates(tmp_path: Path) -> None:
    (tmp_path / "face.csv").write_text("\ufeff" + recording(JawOpen=bump), encoding="utf-8")
    (tmp_path / "body.bvh.gz").write_bytes(gzip.compress(figure(moved(2, 80)).encode()))
    face = import_motion(tmp_path / "face.csv", name="open_wide")
    body = import_motion(tmp_path / "body.bvh.gz", name="raise_it")
    assert (face.category, face.title) == ("face", "Open wide")
    assert body.needs == ("shoulders", "left_arm")
    for template in (face, body):
        assert parse_template(dump_template(template)) == template
    assert is_motion_file(Path("A.BVH"))
    assert not is_motion_file(Path("a.mp4"))


def test_files_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(name: str, content: bytes | None = None) -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(TemplateError) as caught:
            read_motion(tmp_path / name)
        return caught.value.code

    packed = gzip.compress(figure(moved(2, 80)).encode())
    assert code("none.csv") == "motion_file_missing"
    assert code("a.fbx", b"") == "motion_file_kind"
    assert code("cut.bvh.gz", packed[:-20]) == "motion_file_broken"
    assert code("not.bvh.gz", b"hello") == "motion_file_broken"
    monkeypatch.setattr(importers, "MAX_BYTES", 5000)
    assert code("bomb.bvh.gz", gzip.compress(b"0 " * 1_000_000)) == "motion_file_too_large"
    assert code("big.csv", b"0," * 5000) == "motion_file_too_large"


def test_recorded_bodies(shared_data: Path) -> None:
    jumps = read_motion(shared_data / "motion" / "ad_jumping_jacks.bvh.gz")
    left, right = jumps.arms[:, 0, 0], jumps.arms[:, 1, 0]
    assert left.max() > 90
    assert np.corrcoef(left, right)[0, 1] > 0.95
    wave = read_motion(shared_data / "motion" / "ad_wave_hello.bvh.gz")
    forearms = np.ptp(wave.arms[:, :, 1], axis=0)
    assert forearms.max() > 60
    assert forearms.min() < 30
    for name in ("cmu_salsa_60_01", "cmu_salsa_61_01"):
        dance = import_motion(shared_data / "motion" / f"{name}.bvh.gz", name=name)
        assert 18 < dance.duration < 19
