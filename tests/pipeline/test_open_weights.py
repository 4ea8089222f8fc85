"""Every mode of every open-weights backend from inputs to sealed film, on tiny checkpoints of the very classes that are
published, loaded through the model store.

Random weights draw noise. The review measures such a film as any other, but its verdict does not count here
(:class:`Lenient`); :func:`test_the_review_refuses_noise` has it count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, get_args

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import photoplay
from photoplay.cli.app import app
from photoplay.errors import CancelledError, RequestError, ReviewError
from photoplay.finishing.encode import encode
from photoplay.generation import backends
from photoplay.generation.backends import get_backend
from photoplay.generation.backends.open_weights.loading import load_pipeline, shelf
from photoplay.generation.backends.open_weights.native import Grid
from photoplay.media import load_photo, save_image
from photoplay.pipeline import inputs, line, plan, scenes
from photoplay.pipeline.settle import settle
from photoplay.safety.admission import admit
from photoplay.safety.recipe import request_from_recipe
from photoplay.safety.verify import verify
from photoplay.types import (
    Audio,
    Clip,
    Frames,
    Mode,
    Photo,
    Report,
    Request,
    RgbStack,
    Sampling,
    Scene,
    StageEvent,
    Video,
)
from photoplay.weights import store
from tests.generation.open_weights import checkpoints, checkpoints_animatediff, checkpoints_ltx2

RATE, FRAMES, SIDE = 8.0, 8, 64
SMALL = Grid(multiple=16, frame_step=4, max_frames=9, fps=RATE, area=SIDE * SIDE, overlap=5)
STEPS = Sampling(num_inference_steps=2)


@dataclass(frozen=True)
class Tiny:
    """What stands for a backend's published model: a checkpoint, a grid that a processor can fill, and settings."""

    checkpoint: Callable[[Path], Path]
    grid: Grid
    sampling: Sampling = STEPS


TINY = {
    "wan-vace": Tiny(checkpoints.wan_vace, SMALL),
    "wan-t2v": Tiny(checkpoints.wan_t2v, SMALL),
    "wan-i2v": Tiny(checkpoints.wan_ti2v, replace(SMALL, multiple=32, overlap=1)),
    "wan-animate": Tiny(checkpoints.wan_animate, SMALL),
    "ltx2": Tiny(
        partial(checkpoints_ltx2.ltx23, distilled=True),
        replace(SMALL, multiple=32, frame_step=8, max_frames=25, fps=24.0, overlap=9),
        Sampling(),  # its distilled models have their own eight steps
    ),
    "animatediff": Tiny(checkpoints_animatediff.animatediff, replace(SMALL, frame_step=1, overlap=1)),
}
CASES = [(name, mode) for name in TINY for mode in get_backend(name).capabilities.modes]
SERVED = {mode: [name for name, served in CASES if served == mode] for mode in get_args(Mode)}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every backend as it is installed, on a small grid of its own, its first model alone in the store."""
    root, points = tmp_path_factory.mktemp("models"), backends._found()

    class Point:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Callable[[], Any]:
            return partial(points[self.name].load(), TINY[self.name].grid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPLAY_MODELS", str(root / "store"))
        for name, tiny in TINY.items():
            store.add(model_of(name), tiny.checkpoint(root / name), backend=name, licence="none")
        patch.setattr(backends, "_found", lambda: points | {name: Point(name) for name in TINY})
        yield
    shelf().clear()


def model_of(name: str) -> str:
    return get_backend(name).capabilities.models[0]


REVIEWER, PERCEIVE = line.reviewer_of, scenes.perceive


class Lenient:
    """Measures as the real reviewer does and lets everything pass: nobody is themselves in what random weights draw."""

    def __init__(self, *told: Any) -> None:
        self._real = REVIEWER(*told)

    def see(self, frames: Frames) -> None:
        self._real.see(frames)

    def report(self) -> Report:
        return replace(self._real.report(), passed=True)


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "reviewer_of", Lenient)


@pytest.fixture(scope="module", autouse=True)
def looked_once() -> Iterator[None]:
    """Each photo is perceived once: that takes longer than a tiny film."""
    seen: dict[tuple[str, tuple[int, ...]], Scene] = {}

    def perceive(photo: Photo, *told: Any, **more: Any) -> Scene:
        key = (photo.sha256, photo.pixels.shape)
        if key not in seen:
            seen[key] = PERCEIVE(photo, *told, **more)
        return seen[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "perceive", perceive)
        yield


@dataclass(frozen=True)
class Given:
    """What films are made from: two people's photos, a clip of a head that tilts, and a voice."""

    people: tuple[Photo, Photo]
    clip: Path
    video: Video
    voice: Audio

    def inputs(self, mode: Mode) -> dict[str, Any]:
        """What a user hands in for a film of ``mode``."""
        first = self.people[0]
        return {
            "text-to-video": {"prompt": "a river at dawn"},
            "image-to-video": {"photo": first, "template": "nod"},
            "multi-image-to-video": {"photo": self.people, "prompt": "two friends talk"},
            "pose-guided": {"photo": first, "template": "nod", "mode": "pose-guided"},
            "video-to-video": {"photo": first, "video": self.clip, "prompt": "she tilts her head"},
            "audio-driven": {"photo": first, "audio": self.voice},
        }[mode]

    def request(self, name: str, mode: Mode) -> Request:
        """The same as the request that the line is to make of it."""
        asked = self.inputs(mode)
        photos = {"text-to-video": (), "multi-image-to-video": self.people}.get(mode, self.people[:1])
        beside = {"video": self.video} if "video" in asked else {}
        sound = {"audio": (self.voice,)} if "audio" in asked else {}
        consent = ("historical",) * (len(photos) + len(beside))
        told = {key: asked[key] for key in ("prompt", "mode") if key in asked}
        return Request(photos, consent, asked.get("template", ""), **told, **beside, **sound, **SHORT, **how(name))


SHORT: dict[str, Any] = {"seconds": 1.0, "fps": RATE, "size": f"{SIDE}x{SIDE}", "seed": 5}


def how(name: str) -> dict[str, Any]:
    return {"backend": name, "sampling": TINY[name].sampling}


@pytest.fixture(scope="module")
def given(portrait_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("given")
    one = load_photo(portrait_file)
    other = folder / "other.png"
    save_image(np.ascontiguousarray(one.pixels[:, ::-1]), other)
    size = (one.width, one.height)
    turns = [cv2.getRotationMatrix2D((200, 200), 8 * np.sin(k / 3), 1.0) for k in range(12)]
    frames = np.stack([cv2.warpAffine(one.pixels, turn, size, borderMode=cv2.BORDER_REFLECT) for turn in turns])
    encode([Frames(frames, 12.0)], folder / "tilt.mp4")
    seconds = np.arange(48_000) / 48_000
    voice = np.sin(2 * np.pi * 140 * seconds) * (0.5 + 0.4 * np.sin(2 * np.pi * 4 * seconds))
    clip = folder / "tilt.mp4"
    return Given(
        (one, load_photo(other)), clip, inputs.read_clip(clip), Audio(voice.astype(np.float32), 48_000, "a" * 64)
    )


@pytest.fixture(scope="module")
def film(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Mode], Clip]:
    """``film(backend, mode)`` is a film of that mode, made once."""
    folder, made = tmp_path_factory.mktemp("films"), dict[tuple[str, Mode], Clip]()

    def make(name: str, mode: Mode) -> Clip:
        if (name, mode) not in made:
            out = folder / f"{name}-{mode}.mp4"
            made[name, mode] = photoplay.animate(
                **given.inputs(mode), out=out, consent="historical", **SHORT, **how(name)
            )
        return made[name, mode]

    return make


def shown(path: Path) -> tuple[RgbStack, float]:
    """A film's frames and their rate."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]), float(
            stream.average_rate
        )


def pixels(clip: Clip) -> RgbStack:
    return shown(clip.path)[0]


def seconds_of_sound(path: Path) -> float:
    with av.open(str(path)) as container:
        sound = container.streams.audio
        return float(sound[0].duration * sound[0].time_base) if sound else 0.0


@contextmanager
def forwards() -> Iterator[list[int]]:
    """One entry for each forward of the loaded model's denoiser meanwhile."""
    loaded = shelf().loaded
    assert loaded is not None
    seen: list[int] = []
    hook = loaded.components["transformer"].register_forward_pre_hook(lambda *_: seen.append(len(seen)))
    try:
        yield seen
    finally:
        hook.remove()


# --- every backend, every mode ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_inputs_become_a_sealed_film(
    name: str, mode: Mode, given: Given, film: Callable[[str, Mode], Clip], tmp_path: Path
) -> None:
    clip = film(name, mode)
    assert verify(clip.path).state == "trusted"
    rgb, fps = shown(clip.path)
    assert rgb.shape == (FRAMES, SIDE, SIDE, 3)
    assert fps == RATE
    assert clip.report.metrics["frames"] == FRAMES
    assert all((before != after).any() for before, after in pairwise(rgb))
    sounds = name == "ltx2" or mode == "audio-driven"
    assert seconds_of_sound(clip.path) == (pytest.approx(FRAMES / RATE, abs=0.03) if sounds else 0.0)

    model = model_of(name)
    assert clip.recipe["backend"]["name"] == name
    assert clip.recipe["backend"]["version"].endswith(f", {model} {store.manifest_digest(model)[:16]}")
    assert clip.recipe["request"]["mode"] == mode
    assert clip.recipe["request"]["sampling"]["num_inference_steps"] == TINY[name].sampling.num_inference_steps
    wanted = settle(given.request(name, mode), get_backend(name))
    again = request_from_recipe(clip.recipe, wanted.photos, video=wanted.video, audio=wanted.audio)
    assert replace(again, video=None) == replace(wanted, video=None)
    assert (again.video is None) == (mode != "video-to-video")


@pytest.mark.parametrize("mode", get_args(Mode))
def test_two_backends_one_request(mode: Mode, given: Given, film: Callable[[str, Mode], Clip]) -> None:
    assert len(SERVED[mode]) > 1
    asked = given.request("wan-vace", mode)
    for one, other in combinations(SERVED[mode], 2):
        first, second = (
            settle(replace(asked, backend=name, sampling=STEPS), get_backend(name)) for name in (one, other)
        )
        assert replace(first, backend=other) == second
        recipes = [film(name, mode).recipe for name in (one, other)]
        plain = [
            told | {"backend": {}, "request": told["request"] | {"backend": "", "sampling": {}}} for told in recipes
        ]
        assert plain[0] == plain[1]


@pytest.mark.parametrize("name", TINY)
def test_a_recipe_gives_the_same_pixels(
    name: str, given: Given, film: Callable[[str, Mode], Clip], tmp_path: Path
) -> None:
    mode = get_backend(name).capabilities.modes[-1]
    first, wanted = film(name, mode), given.request(name, mode)
    again = request_from_recipe(first.recipe, wanted.photos, video=wanted.video, audio=wanted.audio)
    np.testing.assert_array_equal(pixels(line.produce(again, tmp_path / "again.mp4")), pixels(first))


def test_another_seed_gives_other_pixels(given: Given, film: Callable[[str, Mode], Clip], tmp_path: Path) -> None:
    other = line.produce(replace(given.request("wan-t2v", "text-to-video"), seed=6), tmp_path / "other.mp4")
    assert (pixels(other) != pixels(film("wan-t2v", "text-to-video"))).any()


# --- who moves how ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("driver", "motion"), [("words", "nod"), ("clip", "driving_video")])
def test_a_pose_is_a_template_s_that_words_choose_or_a_clip_s(driver: str, motion: str, given: Given) -> None:
    request = replace(given.request("wan-vace", "pose-guided"), template="", prompt="she nods")
    if driver == "clip":
        request = replace(request, video=given.video, consent=("historical",) * 2)
    prepared = plan.prepare(admit(settle(request, get_backend("wan-vace"))))
    assert prepared.template is not None
    assert (prepared.template.name, len(prepared.tracks)) == (motion, 1)
    assert prepared.plan.prompt == "she nods"


def test_a_mode_that_a_backend_lacks_is_named_as_it_was_meant(given: Given) -> None:
    request = given.request("wan-t2v", "image-to-video")
    with pytest.raises(RequestError, match="image-to-video") as refused:
        settle(request, get_backend("wan-t2v"))
    assert "wan-i2v" in refused.value.hint


# --- somebody in a clip is replaced -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wan-animate", "wan-vace"])
def test_the_photo_s_person_takes_the_place_of_the_clip_s(
    name: str, given: Given, portrait_file: Path, tmp_path: Path
) -> None:
    side, out = 160, tmp_path / "film.mp4"
    portrait = cv2.resize(given.people[1].pixels, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    clip = np.full((FRAMES, side, side, 3), 90, np.uint8)
    clip[:, :, side // 2 :] = 150
    clip[:, side // 2 :, side // 4 : 3 * side // 4] = portrait
    encode([Frames(clip, RATE)], tmp_path / "clip.mp4")
    said = ["--consent", "historical", "--consent", "granted", "--prompt", "she turns her head", "--seed", "5"]
    shape = ["--seconds", "1", "--fps", f"{RATE:g}", "--size", f"{side}x{side}", "--steps", "2", "-o", str(out)]
    asked = ["animate", str(portrait_file), "--video", str(tmp_path / "clip.mp4"), "--replace", "--backend", name]
    told = CliRunner().invoke(app, [*asked, *said, *shape])
    assert told.exit_code == 0, told.output
    verified = verify(out)
    assert verified.state == "trusted"
    assert verified.recipe["request"]["replace"] is True
    rgb, _ = shown(out)
    before, _ = shown(tmp_path / "clip.mp4")
    assert rgb.shape == before.shape == (FRAMES, side, side, 3)
    apart = np.abs(rgb.astype(int) - before.astype(int)).mean(axis=(0, 3))
    assert apart[: side // 4].max() < 12, "what is not theirs stands, but for marks and compression"
    assert apart[5 * side // 8 : 7 * side // 8, 3 * side // 8 : 5 * side // 8].mean() > 15


# --- stopped, refused ---------------------------------------------------------------------------------------------------


def test_a_cancelled_film_stops_within_a_step_and_leaves_nothing(given: Given, tmp_path: Path) -> None:
    backend: Any = get_backend("wan-vace")
    load_pipeline("WanVACEPipeline", backend.resolved(STEPS))
    stopped: list[int] = []

    def stop(event: StageEvent) -> None:
        if event.stage == "denoise":
            stopped.append(len(computed))
            raise CancelledError

    request, out = given.request("wan-vace", "image-to-video"), tmp_path / "film.mp4"
    with forwards() as computed, pytest.raises(CancelledError):
        line.produce(request, out, stop, stills=tmp_path / "stills", sheet=tmp_path / "sheet.png")
    assert stopped == [len(computed)]
    assert stopped[0] > 0
    assert list(tmp_path.iterdir()) == []


class Killed(BaseException):
    """As when the process is told to end: nothing catches it."""


def test_a_killed_film_goes_on_where_it_was(given: Given, tmp_path: Path) -> None:
    request = replace(
        given.request("wan-vace", "image-to-video"), seconds=2.0, sampling=Sampling(num_inference_steps=3)
    )
    steps: list[StageEvent] = []

    def note(event: StageEvent) -> None:
        if event.stage == "denoise":
            steps.append(event)

    def kill(event: StageEvent) -> None:
        note(event)
        if len(steps) == 5:  # in the middle of the second of three clips
            raise Killed

    whole = line.produce(request, tmp_path / "whole.mp4", note)
    in_all = len(steps)
    steps.clear()
    work, out = tmp_path / "unfinished", tmp_path / "film.mp4"
    with pytest.raises(Killed):
        line.produce(request, out, kill, resume=work)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["unfinished", "whole.mp4"]
    (work / "letter.txt").write_text("mine")
    steps.clear()
    resumed = line.produce(request, out, note, resume=work)
    assert len(steps) < in_all == 9
    np.testing.assert_array_equal(pixels(resumed), pixels(whole))
    assert resumed.recipe == whole.recipe
    assert [left.name for left in work.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("moved", [True, False])
def test_the_review_refuses_noise(moved: bool, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "reviewer_of", REVIEWER)
    request = given.request("wan-i2v", "image-to-video")
    steps: list[StageEvent] = []

    def note(event: StageEvent) -> None:
        if event.stage == "denoise":
            steps.append(event)

    with pytest.raises(ReviewError) as refused:
        line.produce(
            request if moved else replace(request, template="", prompt="she nods"), tmp_path / "film.mp4", note
        )
    assert "recognised" in refused.value.message
    assert len(steps) == 2, "there is no second attempt where a calmer motion changes nothing"
    assert list(tmp_path.iterdir()) == []


# --- while it is made ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wan-vace", "ltx2", "animatediff"])
def test_what_is_denoised_is_seen_while_it_is_and_changes_nothing(
    name: str, given: Given, film: Callable[[str, Mode], Clip], tmp_path: Path
) -> None:
    seen: list[bytes] = []
    steps: list[int] = []

    def note(event: StageEvent) -> None:
        if event.stage == "denoise":
            steps.append(len(seen))

    request = given.request(name, "text-to-video")
    clip = line.produce(request, tmp_path / "film.mp4", note, preview=seen.append)
    np.testing.assert_array_equal(pixels(clip), pixels(film(name, "text-to-video")))
    assert steps == list(range(1, len(steps) + 1)), "each step of a short schedule shows a picture"
    assert len(seen) == len(steps) + 1  # and the one window that the film has
    for at, data in enumerate(seen):
        (tmp_path / f"{at}.png").write_bytes(data)
        verified = verify(tmp_path / f"{at}.png")
        assert (verified.state, verified.number) == ("trusted", verify(clip.path).number)
    assert load_photo(tmp_path / "0.png").pixels.shape == (SIDE, SIDE, 3)
