"""The built-in templates, each of them, and the user's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import TemplateError
from photoplay.motion.channels import LEAST_WEIGHTS
from photoplay.motion.curves import perform
from photoplay.motion.library import (
    built_in,
    check_needs,
    find,
    first_motion,
    folder_notices,
    list_templates,
    markdown_table,
    user_folder,
)
from photoplay.motion.template import Template, dump_template, parse_template, save_template
from photoplay.types import Body, Notice, Performance
from tests.motion.rig_subjects import face, scene

TEMPLATES = built_in()
# Fastest and most abrupt that still looks human at 24 frames a second: per second, and per second squared.
LIMITS = {
    "eyeBlink": (18.0, 700.0),
    "blendshapes": (7.5, 260.0),
    "head": (85.0, 1400.0),
    "gaze": (260.0, 9000.0),
    "torso": (30.0, 400.0),
    "arms": (280.0, 2600.0),
    "breath": (6.0, 120.0),
}


def named(template: Template) -> str:
    return template.name


def curves(performance: Performance) -> dict[str, np.ndarray]:
    from photoplay.topology import ARKIT_NAMES

    blink = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith("eyeBlink")]
    rest = [index for index in range(52) if index not in blink]
    return {
        "eyeBlink": performance.blendshapes[:, blink],
        "blendshapes": performance.blendshapes[:, rest],
        **{name: getattr(performance, name).reshape(performance.num_frames, -1) for name in list(LIMITS)[2:]},
    }


def test_there_are_enough() -> None:
    face_and_head = [
        template for template in TEMPLATES if template.category in ("face", "head", "romantic-single", "idle")
    ]
    assert len(face_and_head) >= 45
    assert sum(template.category == "body" for template in TEMPLATES) >= 15


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_each_plays_well(template: Template) -> None:
    assert template.tags
    assert template.cannot_live_with
    assert template.title != template.description
    short = perform(template, seconds=3, fps=24)
    assert short.num_frames == 72
    fine = perform(template, seconds=template.duration, fps=120)
    for name, curve in curves(fine).items():
        speed = np.abs(np.diff(curve, axis=0)) * 120
        change = np.abs(np.diff(curve, 2, axis=0)) * 120**2
        assert speed.max() <= LIMITS[name][0], f"{name} moves at {speed.max():.0f} a second"
        assert change.max() <= LIMITS[name][1], f"{name} jerks by {change.max():.0f}"
    shapes = fine.blendshapes
    assert (shapes.min(axis=0) >= LEAST_WEIGHTS).all()
    assert shapes.max() <= 1
    assert np.abs(fine.head[:, 0]).max() <= 15
    assert np.abs(fine.head[:, 1:3]).max() <= 10
    moved = {name for name, curve in curves(fine).items() if np.abs(curve).max() > 0}
    assert moved & {"eyeBlink", "blendshapes", "head", "torso"}
    for curve in curves(fine).values():
        if template.loop == "seamless":
            join = np.abs(curve[0] - curve[-1]) * 120
            assert join.max() <= LIMITS["gaze"][0]
        else:
            assert not curve[0].any()


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.loop == "seamless"], ids=named)
def test_each_loop_joins_without_a_step(template: Template) -> None:
    rounds = perform(template, seconds=2 * template.duration, fps=100)
    period = rounds.num_frames // 2
    for name, curve in curves(rounds).items():
        np.testing.assert_allclose(curve[:period], curve[period:], atol=2e-3)
        velocity = np.diff(curve, axis=0) * 100
        at_join = np.abs(velocity[period] - velocity[period - 2])
        assert at_join.max(initial=0) <= max(0.2, 0.2 * LIMITS[name][0]), name


def test_names_are_the_files_names() -> None:
    from importlib.resources import files

    folder = files("photoplay.motion").joinpath("templates")
    assert {entry.name.removesuffix(".yaml") for entry in folder.iterdir()} == {template.name for template in TEMPLATES}


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(TemplateError, match="Did you mean laugh"):
        find("laughs")
    assert find("Kiss to camera").name == "kiss_to_camera"


def test_who_leaves_out_the_side_is_told_both() -> None:
    with pytest.raises(TemplateError, match=r"Did you mean wink_left or wink_right\?"):
        find("wink")


def test_the_users_folder_extends_and_says_what_it_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = find("smile").model_copy(update={"name": "my_smile"})
    save_template(own, tmp_path / "a.yaml")
    hiding = find("nod").model_copy(update={"title": "My nod"})
    save_template(hiding, tmp_path / "b.yaml")
    (tmp_path / "broken.yaml").write_text("name: [")
    save_template(own, tmp_path / "again.yml")
    assert len(list_templates(tmp_path, people=1)) == len(TEMPLATES) + 1
    assert find("my_smile", tmp_path) == own
    assert find("nod", tmp_path) == hiding
    assert [notice.code for notice in folder_notices(tmp_path)] == [
        "template_skipped",
        "template_skipped",
        "template_shadows_built_in",
    ]
    assert [notice.code for notice in check_needs(hiding, scene(face("hopper")))] == ["template_shadows_built_in"]
    assert find(tmp_path / "a.yaml") == own
    monkeypatch.setenv("PHOTOPLAY_TEMPLATES", str(tmp_path))
    assert user_folder() == tmp_path
    assert find("my_smile") == own
    monkeypatch.setenv("PHOTOPLAY_TEMPLATES", str(tmp_path / "none"))
    assert list_templates(people=1) == TEMPLATES


def test_needs_block_with_a_sentence() -> None:
    plain = scene(face("hopper"))
    assert check_needs(find("smile"), plain) == ()
    found = check_needs(find("wave_left"), plain)
    assert {notice.code for notice in found} == {"needs_shoulders", "needs_left_arm"}
    assert all(notice.severity == "blocking" and notice.subject == 0 and notice.message for notice in found)
    visible = np.zeros(33, np.float32)
    visible[[11, 12, 13, 15]] = 1
    body = Body(np.zeros((33, 3), np.float32), visible)
    with_arm = scene(face("hopper"), body=body)
    assert check_needs(find("wave_left"), with_arm) == ()
    assert [notice.code for notice in check_needs(find("wave_right"), with_arm)] == ["needs_right_arm"]


def test_a_hidden_mouth_or_eye_is_noticed() -> None:
    of = face("hopper")
    blind = replace(of, visibility=np.zeros(478, np.float32))
    codes = {notice.code for notice in check_needs(find("smile"), scene(blind))}
    assert codes == {"needs_mouth_visible", "needs_eyes_visible"}


def test_advice_blocks_what_cannot_live_with_it() -> None:
    profile = Notice("profile", "The face is seen from the side.", "Use a frontal photo.", "warning", 0)
    turned = replace(scene(face("hopper")), notices=(profile,))
    (notice,) = check_needs(find("smile"), turned)
    assert (notice.code, notice.severity, notice.subject) == ("profile", "blocking", 0)
    assert "seen from the side" in notice.message
    assert check_needs(find("calm"), turned) == ()


def test_packaged_files_are_as_they_would_be_written() -> None:
    from importlib.resources import files

    for template in TEMPLATES:
        text = files("photoplay.motion").joinpath("templates", f"{template.name}.yaml").read_text(encoding="utf-8")
        assert text == dump_template(parse_template(text))


DOCS = Path(__file__).parents[2] / "docs" / "templates.md"


def test_the_docs_show_every_template_as_it_is() -> None:
    # To bring it up to date: replace all that follows the mark by markdown_table(built_in()).
    assert DOCS.read_text(encoding="utf-8").split("<!-- table -->\n")[1] == markdown_table(TEMPLATES)


def test_the_example_in_the_docs_is_valid() -> None:
    example = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    template = parse_template(example)
    assert template.name == "quick_smile"
    assert perform(template, seconds=4, fps=24).notices == ()


def test_photos_alone_have_a_first_motion_that_there_is() -> None:
    assert [find(first_motion(photos)).people for photos in (1, 2)] == [1, 2]
    assert [first_motion(0), first_motion(1, "", None, ("sound",)), first_motion(2, "they nod")] == ["", "", ""]
