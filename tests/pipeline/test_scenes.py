from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from photoplay.errors import RequestError, SceneError
from photoplay.generation.backends import get_backend
from photoplay.media import load_photo
from photoplay.motion.library import built_in_duets
from photoplay.motion.template import Key
from photoplay.pipeline.plan import prepare
from photoplay.pipeline.scenes import duet_subjects, facing, rest_scene
from photoplay.pipeline.settle import kind_of, settle
from photoplay.safety.admission import admit
from photoplay.types import HeadPose, Notice, Photo, Request, Staging, silent


@pytest.fixture(scope="module")
def two(portrait_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Photo, Photo]:
    """Two people, a photo of each."""
    path = tmp_path_factory.mktemp("photo") / "hopper.png"
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).save(path)
    return load_photo(portrait_file), load_photo(path)


def ask(photos: tuple[Photo, ...], **fields: Any) -> Request:
    known = {"template": "look_and_smile", "seconds": 1.0, "size": "240x160", "backend": "anchor"}
    request = Request(photos, ("historical",) * len(photos), **{**known, **fields})
    return settle(request, get_backend(request.backend))


@pytest.fixture(scope="module")
def together(two: tuple[Photo, Photo]) -> Any:
    return rest_scene(ask(two), True, silent)


def test_two_photos_become_one_scene(two: tuple[Photo, Photo], together: Any) -> None:
    scene = together.scene
    assert [subject.origin for subject in scene.subjects] == [photo.sha256 for photo in two]
    assert scene.plate is not None
    assert all(subject.pixels is not None and subject.matte is not None for subject in scene.subjects)
    middles = [subject.face.box[0] + subject.face.box[2] for subject in scene.subjects]
    assert middles[0] < middles[1]
    assert 0 <= together.metrics["light_after"] < together.metrics["light_before"]
    assert together.frame is not None
    assert together.frame[0] > 0


def test_the_template_moves_both(two: tuple[Photo, Photo], together: Any) -> None:
    prepared = prepare(admit(ask(two)), rest=together)
    assert [track.subject for track in prepared.tracks] == [0, 1]
    assert prepared.plan.duet is not None
    assert prepared.plan.duet.subjects == (0, 1)
    assert prepared.plan.mode == "multi-image-to-video"


@pytest.mark.parametrize(("first", "pair"), [(0, (0, 1)), (1, (1, 0))])
def test_the_first_role_is_played_by_whoever_is_asked(
    two: tuple[Photo, Photo], together: Any, first: Any, pair: tuple[int, int]
) -> None:
    prepared = prepare(admit(ask(two, staging=Staging(first=first))), rest=together)
    assert prepared.plan.duet is not None
    assert prepared.plan.duet.subjects == pair


def test_a_template_for_one_moves_both_alike(two: tuple[Photo, Photo], together: Any) -> None:
    prepared = prepare(admit(ask(two, template="smile")), rest=together)
    assert len(prepared.tracks) == 2
    assert prepared.plan.duet is None


def _turned(scene: Any, yaw: float) -> Any:
    face = replace(scene.subjects[0].face, head_pose=HeadPose(yaw, 0.0, 0.0))
    return replace(scene, subjects=(replace(scene.subjects[0], face=face),))


@pytest.mark.parametrize(("yaws", "left"), [((0, 0), 0), ((-5, 5), 0), ((-20, 20), 1), ((20, -20), 0), ((-30, 0), 1)])
def test_people_who_look_apart_change_sides(together: Any, yaws: tuple[float, float], left: int) -> None:
    one, other = (_turned(together.scene, float(yaw)) for yaw in yaws)
    assert facing(one, other) == left


def test_a_template_for_two_needs_two(two: tuple[Photo, Photo]) -> None:
    with pytest.raises(SceneError) as refused:
        prepare(admit(ask(two[:1])))
    assert refused.value.code == "one_person"


def test_a_photo_of_nobody_gives_no_partner(two: tuple[Photo, Photo], empty_file: Path) -> None:
    with pytest.raises(SceneError) as refused:
        rest_scene(ask((two[0], load_photo(empty_file))), True, silent)
    assert "second photo" in refused.value.message


def test_nobody_stands_in_a_backdrop(two: tuple[Photo, Photo]) -> None:
    asked = ask(two, staging=Staging(backdrop="photo"), backdrop=two[1])
    with pytest.raises(RequestError) as refused:
        rest_scene(asked, True, silent)
    assert refused.value.code == "backdrop_people"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"staging": Staging(backdrop="photo")}, "backdrop_missing"),
        ({"who": "main"}, "duet_main"),
        ({"template": "", "prompt": "quantum chromodynamics"}, "prompt_not_understood"),
        ({"template": ""}, "template_missing"),
    ],
)
def test_what_two_people_cannot_do(two: tuple[Photo, Photo], fields: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestError) as refused:
        ask(two, **fields)
    assert refused.value.code == code


def test_a_place_is_for_two_photos(two: tuple[Photo, Photo]) -> None:
    with pytest.raises(RequestError) as refused:
        ask(two[:1], template="smile", staging=Staging(framing="close"))
    assert refused.value.code == "input_unused"
    with pytest.raises(RequestError) as refused:
        ask((*two, two[0]))
    assert refused.value.code == "too_many_photos"


def test_words_choose_a_template_for_two(two: tuple[Photo, Photo]) -> None:
    assert ask(two, template="", prompt="they shake hands").category == "duet"


def test_sizes_out_of_reach(two: tuple[Photo, Photo], together: Any) -> None:
    with pytest.raises(RequestError) as refused:
        prepare(admit(ask(two, staging=Staging(size_ratio=9.0))), rest=together)
    assert refused.value.code == "size_ratio_out_of_range"
    assert np.isfinite(list(together.metrics.values())).all()


def test_people_who_walk_into_each_other_touch_whatever_their_template_says() -> None:
    kiss = next(template for template in built_in_duets() if template.name == "kiss")
    far = kiss.model_copy(update={"contacts": (), "category": "duet", "name": "mine"})
    assert kind_of(far) == "duet"
    walks = kiss.first.model_copy(update={"channels": {"place.x": (Key(0.0, 0.0), Key(1.0, 0.4))}})
    assert kind_of(far.model_copy(update={"first": walks})) == "contact"
    half = kiss.first.model_copy(update={"channels": {"place.x": (Key(0.0, 0.0), Key(1.0, 0.2))}})
    assert kind_of(far.model_copy(update={"first": half, "second": half})) == "contact"
    assert kind_of(far.model_copy(update={"first": half, "second": kiss.first, "mirrored": True})) == "contact"


def _row(together: Any, heights: tuple[float, ...], *notices: Notice) -> Any:
    """A rest whose people stand in a row, with faces of these heights."""
    one = together.scene.subjects[0]
    people = tuple(
        replace(one, face=replace(one.face, box=(100.0 * at, 0.0, 100.0 * at + 50.0, height)))
        for at, height in enumerate(heights)
    )
    return replace(together, scene=replace(together.scene, subjects=people, notices=notices))


@pytest.mark.parametrize(
    ("heights", "pair"),
    [
        ((100.0, 90.0), (0, 1)),
        ((95.0, 70.0, 100.0), (1, 2)),  # not across the one in the middle
        ((100.0, 40.0, 95.0), (0, 2)),  # who stands far behind them
        ((50.0, 80.0, 100.0, 90.0), (2, 3)),
    ],
)
def test_a_template_for_two_is_played_by_neighbours(
    two: tuple[Photo, Photo], together: Any, heights: tuple[float, ...], pair: tuple[int, int]
) -> None:
    kiss = next(template for template in built_in_duets() if template.name == "kiss")
    assert duet_subjects(_row(together, heights), ask(two), kiss) == pair


def test_who_cannot_play_is_passed_over(two: tuple[Photo, Photo], together: Any) -> None:
    kiss = next(template for template in built_in_duets() if template.name == "kiss")
    hidden = Notice("occluded", "Something covers it.", "Use another.", "warning", 1)
    assert "occluded" in kiss.cannot_live_with
    row = _row(together, (100.0, 90.0, 95.0), hidden)
    assert duet_subjects(row, ask(two), kiss) == (0, 2)
    assert duet_subjects(replace(row, scene=replace(row.scene, notices=())), ask(two), kiss) == (0, 1)


def test_it_is_told_who_of_three_plays(two: tuple[Photo, Photo], together: Any) -> None:
    scene = together.scene
    behind = replace(scene.subjects[0], face=replace(scene.subjects[0].face, box=(0.0, 0.0, 9.0, 9.0)))
    three = replace(together, scene=replace(scene, subjects=(*scene.subjects, behind)))
    prepared = prepare(admit(ask(two)), rest=three)
    (told,) = [one for one in prepared.notices if one.code == "too_many_faces"]
    assert "3 faces" in told.message
    assert "persons 1 and 2 from the left play, and the others stand still" in told.message
    assert not [one for one in prepare(admit(ask(two)), rest=together).notices if one.code == "too_many_faces"]
