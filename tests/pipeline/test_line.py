from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import photoplay
from photoplay.errors import CancelledError, RequestError, ReviewError, SceneError, TemplateError
from photoplay.media import load_photo, read_video
from photoplay.safety.guard import Guard
from photoplay.safety.verify import verify
from photoplay.types import StageEvent

SHORT = {"seconds": 1.0, "fps": 12.0, "size": "128x128", "consent": "historical"}


def test_a_photo_becomes_a_signed_film(portrait_file: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    clip = photoplay.animate(
        portrait_file,
        template="smile",
        out=tmp_path / "film.mp4",
        progress=lambda event: stages.append(event.stage),
        consent="historical",
        seconds=1.0,
        size="256x256",
    )
    frames = read_video(clip.path)
    assert frames.rgb.shape == (24, 256, 256, 3)
    assert frames.fps == 24
    assert np.abs(frames.rgb[-1].astype(int) - frames.rgb[0]).max() > 20
    assert verify(clip.path).state == "trusted"
    assert clip.report.passed
    assert clip.report.metrics["identity_worst"] < 0.6
    assert list(dict.fromkeys(stages)) == ["admit", "perceive", "move", "generate", "review", "seal"]
    assert set(clip.timings) == {
        "admit",
        "perceive",
        "move",
        "generate",
        "smooth",
        "review",
        "mark",
        "screen",
        "encode",
        "seal",
    }
    assert json.dumps(clip.recipe)
    assert clip.recipe["consent"][0]["statement"] == "historical"


def test_the_same_request_gives_the_same_frames(portrait_file: Path, tmp_path: Path) -> None:
    films = [
        read_video(photoplay.animate(portrait_file, template="nod", out=tmp_path / name, seed=seed, **SHORT).path).rgb
        for name, seed in (("a.mp4", 3), ("b.mp4", 3), ("c.mp4", 4))
    ]
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])


def test_a_prompt_chooses_the_template(portrait_file: Path, tmp_path: Path) -> None:
    clip = photoplay.animate(portrait_file, prompt="she laughs", out=tmp_path / "film.mp4", **SHORT)
    assert clip.recipe["template"]["name"] == "laugh"


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"template": "smlie"}, TemplateError, "template_unknown"),
        ({"template": ""}, RequestError, "template_missing"),
        ({"seconds": 0.0}, RequestError, "seconds_out_of_range"),
        ({"seconds": float("nan")}, RequestError, "seconds_out_of_range"),
        ({"fps": 240.0}, RequestError, "fps_out_of_range"),
        ({"seed": -1}, RequestError, "seed_out_of_range"),
        ({"size": "4k"}, RequestError, "bad_size"),
        ({"out": "film.exe"}, RequestError, "out_kind"),
    ],
)
def test_a_bad_request_is_refused_and_leaves_nothing(
    portrait_file: Path, tmp_path: Path, change: dict[str, object], error: type[Exception], code: str
) -> None:
    wanted = {"template": "smile", "out": "film.mp4", **SHORT, **change}
    wanted["out"] = tmp_path / str(wanted["out"])
    with pytest.raises(error) as caught:
        photoplay.animate(portrait_file, **wanted)
    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"size": "4k"}, {"seconds": 61.0}, {"seconds": float("nan")}, {"fps": 4.0}])
def test_numbers_are_looked_at_before_anybody_is_asked(
    portrait_file: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    told: list[str] = []
    guard = Guard.local()
    before = len(list(guard.audit.entries()))
    with pytest.raises(RequestError):
        photoplay.animate(
            portrait_file, template="smile", out=tmp_path / "film.mp4", progress=lambda e: told.append(e.stage),
            **{**SHORT, **change},
        )  # fmt: skip
    assert len(list(guard.audit.entries())) == before
    assert set(told) <= {"admit"}


def test_a_folder_that_goes_while_a_film_is_made(portrait_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()

    def remove(event: StageEvent) -> None:
        if event.stage == "generate" and event.done > 3:
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(RequestError) as caught:
        photoplay.animate(portrait_file, template="smile", out=folder / "film.mp4", progress=remove, **SHORT)
    assert caught.value.code == "out_folder_missing"
    assert list(tmp_path.iterdir()) == []


def test_nobody_in_the_photo_is_said_plainly(empty_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SceneError) as caught:
        photoplay.animate(empty_file, template="smile", out=tmp_path / "film.mp4", **SHORT)
    assert caught.value.code == "no_face"
    assert list(tmp_path.iterdir()) == []


def test_cancelling_leaves_nothing(portrait_file: Path, tmp_path: Path) -> None:
    def stop(event: StageEvent) -> None:
        if event.stage == "generate" and event.done > 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        photoplay.animate(portrait_file, template="smile", out=tmp_path / "film.mp4", progress=stop, **SHORT)
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_photo_and_its_bytes_make_the_same_film(portrait_file: Path, tmp_path: Path) -> None:
    films = [
        photoplay.animate(source, template="smile", out=tmp_path / f"{index}.mp4", **SHORT)
        for index, source in enumerate((load_photo(portrait_file), portrait_file.read_bytes()))
    ]
    assert films[0].recipe == films[1].recipe


@pytest.mark.parametrize("kind", ["av1.mp4", "gif.gif", "webp.webp"])
def test_other_kinds_of_film_are_sealed_too(portrait_file: Path, tmp_path: Path, kind: str) -> None:
    codec = "av1" if kind.startswith("av1") else "h264"
    clip = photoplay.animate(portrait_file, template="nod", out=tmp_path / kind, codec=codec, **SHORT)
    assert verify(clip.path).state == "trusted"


def test_single_frames_are_sealed_pictures_of_the_film(portrait_file: Path, tmp_path: Path) -> None:
    stills = tmp_path / "stills"
    sheet = tmp_path / "sheet.png"
    clip = photoplay.animate(
        portrait_file, template="nod", out=tmp_path / "film.mp4", stills=stills, sheet=sheet, **SHORT
    )
    assert verify(sheet).state == "trusted"
    files = sorted(stills.iterdir())
    assert len(files) == 12
    assert verify(files[5]).state == "trusted"
    film = read_video(clip.path).rgb[5].astype(int)
    assert np.abs(film - load_photo(files[5]).pixels).mean() < 4
    with pytest.raises(RequestError, match="not empty"):
        photoplay.animate(portrait_file, template="nod", out=tmp_path / "film.mp4", stills=stills, **SHORT)


def test_a_film_that_stands_still_is_refused(portrait_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="stands still"):
        photoplay.animate(portrait_file, template="shake_head", out=tmp_path / "film.mp4", backend="echo", **SHORT)
    assert list(tmp_path.iterdir()) == []
