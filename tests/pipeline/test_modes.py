"""Films that are not a photo moved: the pipeline's part, with a generator that paints and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import photoplay
from photoplay.errors import ConsentError, PhotoplayError, RefusedError, RequestError, ReviewError
from photoplay.generation import backends
from photoplay.media import load_photo, read_video
from photoplay.pipeline import line
from photoplay.safety.recipe import request_from_recipe
from photoplay.safety.verify import verify
from photoplay.types import (
    Capabilities,
    Frames,
    MotionTrack,
    Progress,
    RenderPlan,
    Rgb,
    Sampling,
    Scene,
    StageEvent,
    silent,
)

SHORT = {"seconds": 1.0, "fps": 8.0, "size": "192x160", "backend": "painter"}
MODES = ("text-to-video", "image-to-video", "multi-image-to-video", "video-to-video", "audio-driven")


class Painter:
    """Films the photo sliding slowly past, or a texture where there is none."""

    name = "painter"
    version = "1"
    capabilities = Capabilities(
        modes=MODES, max_long_side=1920, max_subjects=2, needs_gpu=False, source_type="trainedAlgorithmicMedia",
        description="", free=MODES, reads_prompt=True, takes_last=True, max_seconds=5.0,
    )  # fmt: skip
    told: ClassVar[list[tuple[Scene, int, RenderPlan]]] = []
    shows: ClassVar[Rgb | None] = None

    def generate(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        self.told.append((scene, len(tracks), plan))
        source = scene.photo.pixels if scene.subjects else texture()
        shown = self.shows if self.shows is not None else source
        picture = np.asarray(Image.fromarray(shown).resize((plan.width + 16, plan.height)))
        progress(StageEvent("generate", 0, plan.num_frames))
        yield Frames(np.stack([picture[:, k : k + plan.width] for k in range(plan.num_frames)]), plan.fps)


def texture() -> Rgb:
    grain = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    return np.asarray(Image.fromarray(grain).resize((400, 300), Image.Resampling.BICUBIC))


@pytest.fixture(autouse=True)
def painter(monkeypatch: pytest.MonkeyPatch) -> type[Painter]:
    class Point:
        def load(self) -> type[Painter]:
            return Painter

    points = backends._found() | {"painter": Point()}
    monkeypatch.setattr(backends, "_found", lambda: points)
    monkeypatch.setattr(Painter, "told", [])
    return Painter


def test_words_alone_become_a_film(tmp_path: Path) -> None:
    clip = photoplay.animate(prompt="a river at dawn", out=tmp_path / "film.mp4", **SHORT)
    scene, tracks, plan = Painter.told[0]
    assert (plan.mode, plan.prompt, tracks, scene.subjects) == ("text-to-video", "a river at dawn", 0, ())
    assert read_video(clip.path).rgb.shape == (8, 160, 192, 3)
    assert verify(clip.path).state == "trusted"
    assert clip.recipe["photos"] == []
    assert clip.recipe["consent"] == []


def test_two_photos_are_both_told_and_both_recognised(
    portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait = astronaut()[:400, 20:420]
    monkeypatch.setattr(Painter, "shows", np.hstack([portrait, portrait]))
    wanted = {**SHORT, "size": "640x320", "prompt": "two friends talk", "consent": "historical"}
    clip = photoplay.animate([portrait_file, portrait_file], out=tmp_path / "a.mp4", **wanted)
    _, tracks, plan = Painter.told[0]
    assert (plan.mode, tracks, len(plan.footage.references)) == ("multi-image-to-video", 0, 2)
    assert len(clip.recipe["consent"]) == 2
    assert clip.report.metrics["identity_worst"] < 0.45
    assert clip.report.metrics["identity_unread"] == 0.0


@pytest.mark.parametrize("people", [1, 2])
def test_whoever_is_missing_in_the_film_refuses_it(
    portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    # Nobody at all for one photo; one face cannot stand for two people.
    monkeypatch.setattr(Painter, "shows", texture() if people == 1 else astronaut()[:400, 20:420])
    with pytest.raises(ReviewError):
        photoplay.animate([portrait_file] * people, consent="self", prompt="she waits", out=tmp_path / "a.mp4", **SHORT)
    assert list(tmp_path.iterdir()) == []


def test_a_template_says_it_in_words_and_as_a_track(portrait_file: Path, tmp_path: Path) -> None:
    photoplay.animate(portrait_file, consent="self", template="smile", out=tmp_path / "a.mp4", **SHORT)
    _, tracks, plan = Painter.told[0]
    assert (plan.mode, tracks) == ("image-to-video", 1)
    assert "smile" in plan.prompt.lower()


def test_the_last_frame_and_the_clip_are_framed_as_the_film_is(portrait_file: Path, tmp_path: Path) -> None:
    first = photoplay.animate(portrait_file, consent="self", prompt="she waits", out=tmp_path / "a.mp4", **SHORT)
    told = {"consent": ["self", "granted", "granted"], "prompt": "x", "last": portrait_file, "video": first.path}
    clip = photoplay.animate(
        portrait_file, out=tmp_path / "b.mp4", sampling=Sampling(num_inference_steps=7), **told, **SHORT
    )
    plan = Painter.told[-1][2]
    assert plan.mode == "video-to-video"
    assert plan.footage.last is not None
    assert plan.footage.last.shape == (160, 192, 3)
    assert plan.footage.video is not None
    assert plan.footage.video.shape == (8, 160, 192, 3)
    assert plan.sampling.num_inference_steps == 7
    assert [said["statement"] for said in clip.recipe["consent"]] == ["self", "granted", "granted"]
    assert clip.recipe["video"] == first.sha256
    with pytest.raises(RequestError, match="another photo"):
        request_from_recipe(clip.recipe, [load_photo(portrait_file)])


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"prompt": ""}, RequestError, "photo_missing"),
        ({"backend": "pocket", "prompt": "a river"}, RequestError, "mode_unsupported"),
        ({"prompt": "笑う女性"}, RefusedError, "prompt_unreadable"),
        ({"prompt": "eine nackte Frau"}, RefusedError, "prompt_refused"),
        ({"seconds": 6.0, "prompt": "a river"}, RequestError, "film_too_long"),
        ({"prompt": "a naked man"}, RefusedError, "prompt_refused"),
        ({"prompt": "a man", "sampling": Sampling(negative_prompt="clothes")}, RefusedError, "prompt_refused"),
    ],
)
def test_what_cannot_or_must_not_be_made(
    tmp_path: Path, change: dict[str, object], error: type[PhotoplayError], code: str
) -> None:
    with pytest.raises(error) as caught:
        photoplay.animate(out=tmp_path / "film.mp4", **{**SHORT, **change})
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []
    if code == "mode_unsupported":
        assert "painter" in caught.value.hint


def test_people_in_photos_are_not_kissed_by_words(portrait_file: Path, tmp_path: Path) -> None:
    for prompt in ("they kiss", "a long embrace", "the lovers meet"):
        with pytest.raises(RefusedError) as caught:
            photoplay.animate([portrait_file] * 2, consent="granted", prompt=prompt, out=tmp_path / "film.mp4", **SHORT)
        assert caught.value.code == "romantic_needs_records"


def test_everything_that_shows_people_needs_a_statement(portrait_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConsentError):
        photoplay.animate(
            portrait_file, consent=["self"], last=portrait_file, prompt="x", out=tmp_path / "film.mp4", **SHORT
        )


def test_a_generator_is_closed_at_once_when_the_film_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        def __init__(self, *told: object) -> None: ...

        def see(self, frames: Frames) -> None:
            raise RuntimeError("it cannot see")

    closed: list[bool] = []

    def generate(
        self: Painter, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, progress: Progress = silent
    ) -> Iterator[Frames]:
        try:
            yield Frames(np.zeros((plan.num_frames, plan.height, plan.width, 3), np.uint8), plan.fps)
        finally:
            closed.append(True)

    monkeypatch.setattr(line, "reviewer_of", Blind)
    monkeypatch.setattr(Painter, "generate", generate)
    with pytest.raises(RuntimeError) as caught:  # which keeps the frames of the stack alive
        photoplay.animate(prompt="a river", out=tmp_path / "film.mp4", **SHORT)
    assert (str(caught.value), closed) == ("it cannot see", [True])


def test_what_would_not_be_used_is_refused(portrait_file: Path, tmp_path: Path) -> None:
    for change in ({"last": portrait_file}, {"sampling": Sampling(num_inference_steps=4)}):
        with pytest.raises(RequestError) as caught:
            photoplay.animate(
                portrait_file, consent="self", template="smile", out=tmp_path / "film.mp4", backend="pocket", **change
            )
        assert caught.value.code == "input_unused"
        assert "in an image-to-video film" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_template_of_one_s_own_says_nothing_that_a_prompt_may_not(portrait_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    for words in ("She undresses.", "They kiss."):
        file.write_text(
            f"name: own\ntitle: Own\ndescription: {words}\ncategory: face\nduration: 1\n"
            "channels: {jawOpen: [[0, 0], [1, 0.2]]}\n"
        )
        with pytest.raises(RefusedError):
            photoplay.animate(portrait_file, consent="self", template=str(file), out=tmp_path / "film.mp4", **SHORT)
