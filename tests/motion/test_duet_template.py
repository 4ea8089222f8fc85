"""Templates for two, read from strangers: what validates, what is refused, and who plays what."""

from __future__ import annotations

from pathlib import Path

import pytest

from photoplay.errors import TemplateError
from photoplay.motion.channels import CHANNELS
from photoplay.motion.duet_template import (
    ROLE_CHANNELS,
    DuetTemplate,
    dump_any,
    dump_duet,
    load_any,
    near_name,
    parse_any,
    parse_duet,
    save_duet,
)
from photoplay.motion.library import built_in, built_in_duets, find, list_templates
from photoplay.motion.template import Template

GOOD = """
name: lean_in
title: Lean in
description: One leans in.
category: contact
duration: 4
phases: {approach: 0, contact: 1, hold: 1.5, separate: 2.5}
side: left
first:
  needs: [near_arm]
  channels:
    head.yaw: [[0.2, 0], [1, 8], [4, 0]]
    eyeBlink: [[0.5, 0], [1, 1], [3, 0, ease]]
    mouthSmileNear: [[0.5, 0], [1, 0.5], [3, 0]]
    arms.far.upper: [[0.5, 0], [1, 20], [3, 0]]
    place.x: [[0.5, 0], [1, 0.1], [3, 0]]
second: {}
contacts:
- {name: cheek, first: lips, second: cheek_near, keys: [[0.5, 0], [1, 1], [2.5, 1], [3, 0]], share: 0.7, faces: true}
gaze:
- {who: both, at: partner_eyes, keys: [[0.1, 0], [0.3, 1]]}
front: [[0, 1], [2, 0]]
"""


def refused(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        parse_duet(text)
    assert "Error" not in caught.value.message
    assert len(caught.value.message) < 300
    return caught.value.message


def test_what_is_dumped_reads_back_equal() -> None:
    template = parse_duet(GOOD)
    assert parse_duet(dump_duet(template)) == template
    assert dump_duet(template).count("\n") < 40


@pytest.mark.parametrize("template", built_in_duets(), ids=lambda template: template.name)
def test_packaged_files_are_as_they_would_be_written(template: DuetTemplate) -> None:
    assert parse_any(dump_any(template)) == template


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("head.yaw", "head.yawn", "Did you mean head.yaw?"),
        ("arms.far.upper", "arms.left.upper", "arms.near.upper"),
        ("mouthSmileNear", "mouthSmileLeft", "mouthSmileNear"),
        ("cheek_near", "cheek_nearer", "Did you mean cheek_near?"),
        ("category: contact", "category: contacts", "Did you mean contact?"),
        ("share: 0.7", "shares: 0.7", "Did you mean share?"),
        ("share: 0.7", "share: 1.7", "share"),
        ("hold: 1.5", "hold: 0.5", "phases must rise"),
        ("separate: 2.5", "separate: 4.5", "between 0 and 4"),
        ("keys: [[0.5, 0], [1, 1]", "keys: [[0, 1], [1, 1]", "start at rest"),
        ("keys: [[0.5, 0], [1, 1]", "keys: [[0.5, 0], [1, 1.2]", "1.2"),
        ("[1, 8]", "[1, 80]", "80"),
        ("[4, 0]", "[5, 0]", "between 0 and 4"),
        ("second: cheek_near", "second: chest", "no contact of faces"),
        ("second: {}", "second: {channels: {head.yaw: [[1, 1]]}}\nmirrored: true", "must have no channels"),
        ("side: left", "lag: 0.5", "lag goes with mirrored"),
        ("phases:", "phase:", "phase"),
        ("front: [[0, 1], [2, 0]]", "front: [[0, 1], [2, 2]]", "front"),
    ],
)
def test_what_is_wrong_is_said_in_words(old: str, new: str, told: str) -> None:
    assert old in GOOD
    assert told in refused(GOOD.replace(old, new))


def test_every_channel_has_one_name_in_a_role() -> None:
    assert {near_name(name) for name in CHANNELS} | {"place.x", "place.y", "place.z"} == set(ROLE_CHANNELS)
    assert near_name("eyeBlinkLeft") == "eyeBlinkNear"
    assert near_name("arms.right.hand") == "arms.far.hand"


def test_a_mirrored_second_role_is_the_first() -> None:
    text = GOOD.replace("second: {}", "second: {needs: [frontal]}\nmirrored: true\nlag: 0.2")
    template = parse_duet(text)
    assert template.role(1).channels == template.first.channels
    assert template.role(1).needs == ("frontal",)
    assert template.needs == ("near_arm", "frontal")


def test_a_pair_of_shapes_stands_for_both_sides() -> None:
    names = [name for name, _ in parse_duet(GOOD).first.curves()]
    assert {"eyeBlinkNear", "eyeBlinkFar", "mouthSmileNear", "arms.far.upper"} <= set(names)
    assert "eyeBlink" not in names


def test_both_kinds_are_told_apart_and_listed_together(tmp_path: Path) -> None:
    duet = parse_duet(GOOD)
    save_duet(duet, tmp_path / "lean_in.yaml")
    assert load_any(tmp_path / "lean_in.yaml") == duet
    assert find("lean in", tmp_path, people=2) == duet
    assert find("lean in", tmp_path).people == 1  # there is one of that name for one person, too
    assert find("hug", people=1).people == 2
    both = list_templates(tmp_path)
    assert {template.people for template in both} == {1, 2}
    assert list_templates(tmp_path, people=2)[0].people == 2
    assert len(both) == len(built_in()) + len(built_in_duets()) + 1
    for template in both:
        shared = ("name", "title", "description", "category", "tags", "duration", "loop", "needs", "licence", "author")
        assert all(getattr(template, field) is not None for field in shared)
    single = built_in()[0]
    assert isinstance(parse_any(dump_any(single)), Template)
    with pytest.raises(TemplateError, match="could not be written"):
        save_duet(duet, tmp_path / "no" / "x.yaml")
