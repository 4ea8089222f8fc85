"""A film that fails review is made once more, calmer: photo and clip are not looked at again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import ReviewError
from photoplay.media import load_photo
from photoplay.motion.library import find
from photoplay.pipeline import line, plan, settle
from photoplay.pipeline.plan import Prepared
from photoplay.types import Frames, Notice, Report, Request, Video


def test_the_clip_and_the_photo_are_looked_at_once(
    portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured, perceived, takes = [], [], []
    rest_scene = plan.rest_scene

    def capture(frames: Frames, *_: object, name: str) -> Any:
        captured.append(len(frames.rgb))
        return find("nod").model_copy(update={"name": name})

    def perceive(*given: Any) -> Any:
        perceived.append(given)
        return rest_scene(*given)

    def film(prepared: Prepared, *_: object) -> tuple[Report, tuple[()]]:
        takes.append(prepared)
        return Report({}, False, "Too wild."), ()

    def seen(*given: Any) -> Any:
        rest = perceive(*given)
        small = Notice("face_too_small", "This face is only 44 pixels high.", "Use another.", "warning", 0)
        busy = Notice("busy_background", "The background is full of detail.", "Use another.", "info")
        return replace(rest, scene=replace(rest.scene, notices=(small, busy)))

    monkeypatch.setattr(settle, "capture", capture)
    monkeypatch.setattr(plan, "rest_scene", seen)
    monkeypatch.setattr(line, "_film", film)
    photo = load_photo(portrait_file)
    clip = Video(Frames(photo.pixels[None].repeat(12, 0), 12.0), "c" * 64)
    request = Request(
        (photo,), ("historical",) * 2, "", video=clip, seconds=1.0, fps=12.0, size="128x128", backend="anchor",
        mode="pose-guided",
    )  # fmt: skip
    with pytest.raises(ReviewError) as refused:
        line.produce(request, tmp_path / "film.mp4")
    assert refused.value.hint.endswith("What stood against it from the start: This face is only 44 pixels high.")
    assert (captured, len(perceived), len(takes)) == ([12], 1, 2)
    assert takes[0].template == takes[1].template
    wild, calm = (np.ptp(take.tracks[0].landmarks, axis=0).max() for take in takes)
    assert calm < wild
    assert list(tmp_path.iterdir()) == []
