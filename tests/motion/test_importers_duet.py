"""Two recordings of one take: who stands where, who is before whom, and where hands meet."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import TemplateError
from photoplay.motion.duet import make_duet
from photoplay.motion.duet_curves import perform_duet, sample
from photoplay.motion.duet_template import DuetTemplate, dump_duet, parse_duet
from photoplay.motion.importers_bvh import parse_bvh
from photoplay.motion.importers_duet import duet_from_skeletons, import_duet
from tests.motion.duet_scenes import two

FRAMES = 181
APART = 160.0
"""Where two figures stand whose raised hands meet: shoulders 20 to the side, hands 60 from them."""
RAISED = 65.0


def figure(
    at: tuple[float, float] = (0.0, 0.0),
    turned: float = 0.0,
    left: float = 0.0,
    right: float = 0.0,
    frames: int = FRAMES,
) -> str:
    """A figure at (x, z) that faces +z turned to its left; its arms rise and sink again in the middle of the recording."""
    middle = np.sin(np.pi * np.clip((np.arange(frames) - frames // 4) / (frames // 2), 0, 1))
    rows = [(at[0], 0.0, at[1], turned, left * m, -right * m) for m in middle]
    return written(np.array(rows))


def written(rows: np.ndarray) -> str:
    """BVH text; columns: x, y, z of the hips, their turn, and how far the left and right arm are raised."""
    return f"""HIERARCHY
ROOT Hips
{{ OFFSET 0 0 0
  CHANNELS 4 Xposition Yposition Zposition Yrotation
  JOINT Spine {{ OFFSET 0 50 0 CHANNELS 0
    JOINT Head {{ OFFSET 0 20 0 CHANNELS 0 End Site {{ OFFSET 0 20 0 }} }}
    JOINT LeftArm {{ OFFSET 20 0 0 CHANNELS 1 Zrotation
      JOINT LeftForeArm {{ OFFSET 0 -30 0 CHANNELS 0
        JOINT LeftHand {{ OFFSET 0 -25 0 CHANNELS 0 End Site {{ OFFSET 0 -10 0 }} }} }} }}
    JOINT RightArm {{ OFFSET -20 0 0 CHANNELS 1 Zrotation
      JOINT RightForeArm {{ OFFSET 0 -30 0 CHANNELS 0
        JOINT RightHand {{ OFFSET 0 -25 0 CHANNELS 0 End Site {{ OFFSET 0 -10 0 }} }} }} }}
  }}
}}
MOTION
Frames: {len(rows)}
Frame Time: 0.0333333
""" + "\n".join(" ".join(f"{value:.4f}" for value in row) for row in rows)


def template(first: str, second: str, **part: float) -> DuetTemplate:
    made = duet_from_skeletons((parse_bvh(first), parse_bvh(second)), name="pair", **part)
    assert parse_duet(dump_duet(made)) == made
    return made


def reaching(turn: float = 0.0, swap: bool = False) -> DuetTemplate:
    """Two who stand side by side and raise the hands between them; the whole room turned by ``turn`` degrees."""
    angle = np.radians(turn)
    x, z = APART / 2 * np.cos(angle), -APART / 2 * np.sin(angle)
    one = figure((-x, -z), turn, left=RAISED)
    other = figure((x, z), turn, right=RAISED)
    return template(other, one) if swap else template(one, other)


def value(curve: object, at: float) -> float:
    return float(sample(curve, np.array([at]))[0])  # type: ignore[arg-type]


def test_hands_that_meet_become_a_contact() -> None:
    made = reaching()
    assert made.side == "left"
    (touch,) = made.contacts
    assert (touch.first, touch.second, touch.faces) == ("hand_near", "hand_near", False)
    up = FRAMES / 2 / 30
    assert value(touch.keys, up) == 1
    assert value(touch.keys, up - 1.6) == value(touch.keys, up + 1.6) == 0
    assert made.phases.contact < up < made.phases.hold
    assert made.first.needs == made.second.needs == ("shoulders", "near_arm")
    assert made.front == ((0.0, 0.0, "smooth"),)
    for role in (made.first, made.second):
        assert value(role.channels["arms.near.upper"], up) == pytest.approx(RAISED, abs=5)
        assert "arms.far.upper" not in role.channels


def test_hands_that_stay_apart_are_none() -> None:
    for at in (APART, APART / 2 + 14):
        made = template(figure((-at, 0), left=RAISED), figure((at, 0), right=RAISED))
        assert made.contacts == ()
        assert made.first.needs == ("shoulders",)


def test_the_other_order_is_the_other_role() -> None:
    made, swapped = reaching(), reaching(swap=True)
    assert swapped.side == "right"
    assert swapped.first == made.second
    assert swapped.second == made.first


@pytest.mark.parametrize("turn", [37.0, 160.0, -90.0])
def test_where_the_room_lies_does_not_matter(turn: float) -> None:
    made, turned = reaching(), reaching(turn)
    assert turned.side == made.side
    assert turned.contacts == made.contacts
    assert turned.first.channels.keys() == made.first.channels.keys()


def test_who_faces_the_other_turns_towards_them() -> None:
    made = template(figure((-50, 0), 90.0, left=RAISED), figure((50, 0), left=RAISED))
    turns = made.first.channels["torso.yaw"]
    assert value(turns, 3.0) == pytest.approx(11, abs=1)
    assert "torso.yaw" not in made.second.channels
    (sight,) = made.gaze
    assert (sight.who, sight.at) == ("first", "partner_eyes")


def test_who_comes_nearer_to_the_camera_is_drawn_before_the_other() -> None:
    rows = np.zeros((FRAMES, 6))
    rows[:, 0] = 50
    rows[:, 2] = 50 * np.sin(np.pi * np.arange(FRAMES) / (FRAMES - 1)) ** 8
    made = template(figure((-50, 0), left=40), written(rows))
    assert value(made.front, 3.0) == 1
    assert value(made.front, 0.0) == 0
    deep = made.second.channels["place.z"]
    assert value(deep, 3.0) < -0.05
    assert value(deep, 0.0) == value(deep, 6.0) == 0


def test_who_comes_closer_steps_towards_the_other() -> None:
    rows = np.zeros((FRAMES, 6))
    rows[:, 0] = 60 - 20 * np.sin(np.pi * np.arange(FRAMES) / (FRAMES - 1)) ** 4
    made = template(figure((-60, 0), left=40), written(rows))
    nearer = made.second.channels["place.x"]
    assert value(nearer, 3.0) > 0.1
    assert max(key.value for key in nearer) <= 0.36


def test_a_part_of_a_take() -> None:
    made = template(figure((-80, 0), left=RAISED), figure((80, 0), right=RAISED), start=1.0, seconds=3.0)
    assert made.duration == pytest.approx(3.8)
    (touch,) = made.contacts
    assert value(touch.keys, FRAMES / 2 / 30 - 1.0) == 1


def test_a_longer_film_ends_at_rest() -> None:
    made = reaching()
    played = perform_duet(made, seconds=12, fps=24, left_is_near=(True, False), speed=1.0, seed=0)
    assert not played.strengths[:, 0].any()
    assert not played.strengths[:, -72:].any()
    for role, place in zip(played.roles, played.places, strict=True):
        assert not role.arms[0].any()
        assert np.abs(role.arms[-72:]).max() < 1
        assert np.abs(place[-72:]).max() < 0.01


def refused(first: str, second: str, **part: float) -> str:
    with pytest.raises(TemplateError) as caught:
        template(first, second, **part)
    return caught.value.code


def test_what_cannot_be_a_duet_is_refused(tmp_path: Path) -> None:
    one = figure((-80, 0), left=RAISED)
    assert refused(one, one) == "duet_apart"
    assert refused(one, figure((3000, 0))) == "duet_apart"
    assert refused(one, figure((80, 0)), start=4.0, seconds=9.0) == "duet_part"
    assert refused(one, figure((80, 0)), start=-1.0) == "duet_part"
    assert refused(one, figure((80, 0)).replace("ForeArm", "Thing")) == "bvh_skeleton"
    assert refused(one, figure((80, 0)).replace("OFFSET 0 -30 0", "OFFSET 0 0 0").replace("-25", "0")) == "bvh_skeleton"
    assert refused(figure((-50, 0)), figure((50, 0))) == "capture_no_motion"
    with pytest.raises(TemplateError) as caught:
        import_duet(tmp_path / "a.bvh", tmp_path / "b.csv", name="pair")
    assert caught.value.code == "motion_file_kind"


def test_files_become_a_duet(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(figure((-80, 0), left=RAISED), encoding="utf-8")
    (tmp_path / "b.bvh.gz").write_bytes(gzip.compress(figure((80, 0), right=RAISED).encode()))
    made = import_duet(tmp_path / "a.bvh", tmp_path / "b.bvh.gz", name="reach_out")
    assert (made.name, made.title, made.people) == ("reach_out", "Reach out", 2)
    assert made.contacts == reaching().contacts


def test_a_recorded_salsa(shared_data: Path) -> None:
    files = [shared_data / "motion" / f"cmu_salsa_{subject}_01.bvh.gz" for subject in (60, 61)]
    made = import_duet(files[0], files[1], name="salsa")
    assert 18 < made.duration < 20
    # They walk up to each other, take hands after 2 s, and let go before they part at the end.
    assert len(made.contacts) == 2
    assert 2 < made.phases.contact < 3.5
    held = np.array([[value(touch.keys, at) for touch in made.contacts] for at in np.arange(0, 19, 0.1)])
    assert 0.1 < (held.max(axis=1) > 0.9).mean() < 0.95
    # Each hand has one partner.
    assert len({touch.first for touch in made.contacts}) == len({touch.second for touch in made.contacts}) == 2
    _, duet = make_duet(two(), (1, 0), made, seconds=made.duration, fps=6, priors=False)
    for contact in duet.contacts:
        assert contact.gap[contact.strength >= 0.999].max() < 0.02 * 318
    # They face each other as they come, and the follower turns about in front of and behind the leader.
    assert value(made.first.channels["torso.yaw"], 1.5) > 9
    assert value(made.second.channels["torso.yaw"], 1.5) > 9
    order = [key.value for key in made.front]
    assert order.count(1.0) > 4
    part = import_duet(files[0], files[1], name="salsa", start=2.0, seconds=6.0)
    assert part.duration == pytest.approx(6.8, abs=0.05)
