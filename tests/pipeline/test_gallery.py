from __future__ import annotations

from pathlib import Path

import pytest

from photoplay.media import load_photo
from photoplay.motion.library import built_in_duets, find
from photoplay.pipeline.gallery import _cast, write_gallery
from photoplay.types import Request


@pytest.fixture
def request_of_one(portrait_file: Path) -> Request:
    return Request((load_photo(portrait_file),), ("historical",), "", size="128x128", backend="echo")


@pytest.mark.parametrize(("count", "photos"), [(1, [1]), (2, [2]), (3, [2]), (4, [2, 2])])
def test_templates_for_two_are_drawn_on_pairs(request_of_one: Request, count: int, photos: list[int]) -> None:
    asked = _cast(built_in_duets()[0], [request_of_one] * count)
    assert [len(request.photos) for request in asked] == photos
    assert [len(request.consent) for request in asked] == photos


def test_templates_for_one_are_drawn_on_each(request_of_one: Request) -> None:
    assert len(_cast(find("smile"), [request_of_one] * 3)) == 3


def test_what_cannot_be_drawn_is_named_with_the_reason(request_of_one: Request, tmp_path: Path) -> None:
    page = write_gallery([find("laugh_together"), find("hug")], [request_of_one], tmp_path / "gallery")
    text = page.read_text(encoding="utf-8")
    assert text.count("<p>Picture 1: ") == 2
    assert "two people" in text
    assert not list(page.parent.glob("*.png"))
