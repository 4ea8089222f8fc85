from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photoplay.errors import RefusedError
from photoplay.media import load_photo
from photoplay.motion.library import find
from photoplay.pipeline import gallery, scenes
from photoplay.pipeline.gallery import draw_moving
from photoplay.pipeline.moving import FASTEST, LONGEST, Recent, small
from photoplay.pipeline.scenes import Cast, Rest
from photoplay.safety.guard import Guard
from photoplay.safety.verify import verify
from photoplay.types import Photo, Request, Scene, Staging, Subject


def photo(shade: int = 0, width: int = 300, height: int = 200) -> Photo:
    return Photo(np.full((height, width, 3), shade, np.uint8), f"{shade:064x}", "png")


def rest() -> Rest:
    return Rest(Scene(photo(), (), np.zeros((200, 300), np.uint8)))


@pytest.mark.parametrize("name", ["blink", "smile", "meditate", "kiss", "slow_dance"])
def test_a_preview_shows_as_much_of_a_motion_as_fits(name: str) -> None:
    template = find(name)
    asked = small(Request((photo(),), ("self",), ""), template)
    assert 1.0 <= asked.seconds <= LONGEST
    assert 1.0 <= asked.speed <= FASTEST
    if template.duration <= LONGEST * FASTEST:
        assert asked.seconds * asked.speed >= template.duration - 1e-6
    assert (asked.backend, asked.category, asked.template) == ("anchor", template.category, name)


@pytest.mark.parametrize(
    ("width", "height", "size"), [(300, 300, "240x240"), (1000, 200, "240x180"), (200, 900, "240x320")]
)
def test_its_shape_is_nearly_the_photos(width: int, height: int, size: str) -> None:
    assert small(Request((photo(1, width, height),), ("self",), ""), find("smile")).size == size


def test_only_the_very_same_pixels_are_known() -> None:
    recent, kept = Recent(most=2), rest()
    one, same, other = Request((photo(1),), (), ""), Request((photo(1),), (), "", seed=9), Request((photo(2),), (), "")
    recent.keep(one, kept)
    assert recent.get(same) is kept
    assert recent.get(other) is None
    blurred = photo(1)
    blurred.pixels[0, 0] = 7  # what admission made of it, under the same digest
    assert recent.get(Request((blurred,), (), "")) is None


def test_a_pair_is_known_with_its_staging_and_who_stands_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    recent, kept = Recent(), rest()
    pair = Request((photo(1), photo(2)), (), "hug", size="240x180")
    recent.keep(pair, kept)
    assert recent.get(replace(pair, seed=5, template="handshake")) is kept
    for change in ({"template": ""}, {"staging": Staging(left=1)}, {"photos": (photo(2), photo(1))}, {"size": "720p"}):
        assert recent.get(replace(pair, **change)) is None
    front = {"hug": 0, "kiss": 1, "dance": 0}
    monkeypatch.setattr(scenes, "stands_before", lambda template, *_: front[template.name])
    nobody = Subject.__new__(Subject)  # stands_before alone would look at them
    somebody = Cast((nobody, nobody), (None, None))
    recent, hug, kiss = Recent(), replace(rest(), cast=somebody, before=0), replace(rest(), cast=somebody, before=1)
    recent.keep(pair, hug)
    assert recent.get(pair, find("dance", people=2)) is hug
    assert recent.get(pair, find("kiss", people=2)) is None
    recent.keep(pair, kiss)
    assert [recent.get(pair, find(name, people=2)) for name in front] == [hug, kiss, hug]
    other = replace(pair, staging=Staging(first=1))
    recent.keep(other, hug)  # the first role stands at the right: whoever is in front of it is at the left
    assert recent.get(other, find("kiss", people=2)) is hug
    assert recent.get(other, find("hug", people=2)) is None


def test_the_oldest_is_forgotten() -> None:
    recent = Recent(most=2)
    asked = [Request((photo(shade),), (), "") for shade in range(3)]
    for one in asked[:2]:
        recent.keep(one, rest())
    assert recent.get(asked[0])
    recent.keep(asked[2], rest())
    assert [recent.get(one) is not None for one in asked] == [True, False, True]


def test_the_second_motion_of_a_photo_looks_at_nothing_again(
    portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = gallery.rest_scene

    def counted(request: Request, *more: object) -> Rest:
        looked.append(request.template)
        return real(request, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(gallery, "rest_scene", counted)
    guard, recent = Guard.local(), Recent()
    request = Request((load_photo(portrait_file),), ("historical",), "")
    for name in ("nod", "smile"):
        draw_moving(small(request, find(name), 160), tmp_path / f"{name}.webp", guard, recent)
        assert verify(tmp_path / f"{name}.webp").state == "trusted"
        with Image.open(tmp_path / f"{name}.webp") as moving:
            assert moving.n_frames > 15
    assert looked == ["nod"]
    with pytest.raises(RefusedError):
        draw_moving(small(replace(request, consent=()), find("nod"), 160), tmp_path / "no.webp", guard, recent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nod.webp", "smile.webp"]
