"""Templates read from strangers: what validates, what is refused and how it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import TemplateError
from photoplay.motion.curves import perform
from photoplay.motion.duet_template import load_any
from photoplay.motion.template import MAX_BYTES, dump_template, parse_template, save_template

GOOD = """
name: mine
title: Mine
description: A test.
category: face
duration: 2
channels:
  mouthSmile: [[0.1, 0], [0.5, 0.7, ease], [1.9, 0]]
  mouthSmileLeft: [[0.5, 0.2], [1.9, 0]]
  head.yaw: [[1, -5], [2, 0]]
"""


def refused(text: str | bytes) -> str:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert "Error" not in caught.value.message
    assert "/" not in caught.value.message
    assert len(caught.value.message) < 300
    return caught.value.message


def changed(field: str, value: str) -> str:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{field}:")]
    return "\n".join([f"{field}: {value}", *lines])


def test_what_is_dumped_reads_back_equal() -> None:
    template = parse_template(GOOD)
    assert parse_template(dump_template(template)) == template


def test_a_sided_channel_takes_precedence_over_its_pair() -> None:
    curves = dict(parse_template(GOOD).curves())
    assert curves["mouthSmileLeft"][0].value == 0.2
    assert curves["mouthSmileRight"][1].value == 0.7
    assert set(curves) == {"mouthSmileLeft", "mouthSmileRight", "head.yaw"}


def test_times_can_be_shares_of_the_duration() -> None:
    by_seconds = parse_template(GOOD)
    halved = {
        name: tuple(key._replace(time=key.time / 2) for key in curve) for name, curve in by_seconds.channels.items()
    }
    by_share = by_seconds.model_copy(update={"times": "fraction", "channels": halved})
    a, b = (perform(template, seconds=2, fps=24) for template in (by_share, by_seconds))
    np.testing.assert_allclose(a.blendshapes, b.blendshapes, atol=1e-6)
    np.testing.assert_allclose(a.head, b.head, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("mouthSmile:", "mouthSmyle:"), "Did you mean mouthSmile?"),
        (GOOD.replace("head.yaw", "head.yawn"), "Did you mean head.yaw?"),
        (GOOD.replace("ease]", "eases]"), "Did you mean ease?"),
        (changed("category", "faces"), "Did you mean face?"),
        (changed("loops", "none"), "Did you mean loop?"),
        (changed("needs", "[mouth]"), "mouth_visible"),
        (changed("duration", ".inf"), "duration"),
        (changed("duration", "-1"), "duration"),
        (changed("name", "Bad Name"), "name"),
        (changed("title", '"a\\nb"'), "title"),
        (changed("title", '"a\\u202eb"'), "title"),
        (GOOD.replace("mouthSmile:", "m" * 900 + ":"), "there is no channel"),
        (changed("sustain", "[1, 0.5]"), "sustain"),
        (changed("parameters", "{intensity: [1.5, 2]}"), "intensity"),
        (GOOD.replace("0.7", "1.7"), "1.7"),
        (GOOD.replace("0.7", ".nan"), "finite"),
        (GOOD.replace("[0.5, 0.7, ease]", "[0.05, 0.7]"), "rise"),
        (GOOD.replace("[2, 0]", "[2.5, 0]"), "between 0 and 2"),
        (GOOD.replace("[1, -5]", "[0, -5]"), "start at rest"),
        (GOOD.replace("title: Mine\n", ""), "'title' is missing"),
        (changed("loop", "seamless").replace("[1, -5], [2, 0]", "[0, -5], [2, 0]"), "end as it began"),
        ("name: a\nname: b\n", "stands twice"),
        ("[1, 2]", "no fields"),
        ("", "no fields"),
        ("a: &x [1]\nb: *x", "anchors"),
        ("!!python/object/apply:os.system ['true']", "tags"),
        ("--- {a: 1}\n--- {b: 2}", "several documents"),
        ("[" * 5000, "nested"),
        ("a: [1, 2", "not readable"),
        (b"\xff\xfe\x00a", "not readable"),
        ("a: " + "9" * 5000, "not readable"),
        ("a: 2001-99-99", "not readable"),
        ("x: " + "y" * MAX_BYTES, "too large"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(text: str | bytes, told: str) -> None:
    assert told in refused(text)


def test_a_laugh_bomb_is_refused_before_it_grows() -> None:
    lines = ['a0: &a0 ["ha","ha"]', *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    assert "anchors" in refused("\n".join(lines))


def test_files_round_trip(tmp_path: Path) -> None:
    template = parse_template(GOOD)
    save_template(template, tmp_path / "mine.yaml")
    assert load_any(tmp_path / "mine.yaml") == template
    with pytest.raises(TemplateError, match="not there"):
        load_any(tmp_path / "other.yaml")
    with pytest.raises(TemplateError, match="could not be written"):
        save_template(template, tmp_path / "no" / "mine.yaml")
