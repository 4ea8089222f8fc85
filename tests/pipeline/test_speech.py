"""A photo that speaks, through the whole line: the mouth goes with the sound, and the sound is in the film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import photoplay
from photoplay.errors import RequestError
from photoplay.media import load_photo, read_audio, read_video
from photoplay.motion.speech.recogniser import hear
from photoplay.perception.scene import perceive
from photoplay.pipeline.speech import converse
from photoplay.safety.recipe import request_from_recipe
from photoplay.safety.verify import verify
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Audio, Performance, Request, Scene, Turn

RATE, FPS = 16_000, 12.0
JAW = ARKIT_INDEX["jawOpen"]


def vowel(seconds: float, spoken: tuple[float, float]) -> Audio:
    """A buzz through the resonances of an a (Peterson & Barney 1952), while ``spoken`` lasts; silence elsewhere."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    said = np.clip(np.minimum(time - spoken[0], spoken[1] - time) / 0.05, 0.0, 1.0)
    buzz = np.zeros(count)
    phase = np.cumsum(120 * (1 + 0.02 * np.sin(2 * np.pi * 5 * time))) / RATE
    buzz[1:][np.diff(np.floor(phase)) > 0] = 1.0
    for formant, width in ((730.0, 90.0), (1090.0, 110.0), (2440.0, 170.0)):
        buzz = resonance(buzz, formant, width)
    return Audio((0.5 * said * buzz / np.abs(buzz).max()).astype(np.float32), RATE, "c" * 64)


def resonance(signal: Array, formant: float, width: float) -> Array:
    """A two-pole filter (Klatt 1980, eq. 2), as a convolution with its impulse response."""
    decay, turn = np.exp(-np.pi * width / RATE), 2 * np.pi * formant / RATE
    steps = np.arange(800)
    response = decay**steps * np.sin(turn * (steps + 1)) / np.sin(turn)
    return np.convolve(signal, response)[: len(signal)]


def test_a_photo_speaks(portrait_file: Path, tmp_path: Path) -> None:
    sound = vowel(1.5, (0.5, 1.0))
    clip = photoplay.animate(
        portrait_file, consent="self", audio=sound, out=tmp_path / "a.mp4", fps=FPS, size="128x128", backend="anchor"
    )
    assert clip.recipe["request"]["mode"] == "audio-driven"
    assert clip.recipe["audio"] == [sound.sha256]
    assert len(read_video(clip.path).rgb) == 18  # as long as the sound
    heard = read_audio(clip.path, RATE).samples
    loud = np.sqrt(np.mean(heard[round(0.6 * RATE) : round(0.9 * RATE)] ** 2))
    quiet = np.sqrt(np.mean(heard[: round(0.4 * RATE)] ** 2))
    assert loud > 20 * quiet
    assert verify(clip.path).state == "trusted"
    again = request_from_recipe(clip.recipe, [load_photo(portrait_file)], audio=[sound])
    assert again.audio == (sound,)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    from PIL import Image
    from skimage.data import astronaut

    portrait = astronaut()[:300, 80:380]
    path = tmp_path_factory.mktemp("two") / "two.png"
    Image.fromarray(np.hstack([portrait, portrait])).save(path)
    return perceive(load_photo(path))


def said(scene: Scene, audio: tuple[Audio, ...], turns: tuple[Turn, ...] = ()) -> dict[int, Performance | None]:
    photos, seeds = (scene.photo,), {0: 0, 1: 1}
    request = Request(photos, ("self",), "", seconds=2.0, fps=FPS, audio=audio, turns=turns)
    return converse(scene, request, {0: None, 1: None}, seeds)


def mouth(performance: Performance | None) -> Array:
    assert performance is not None
    return performance.blendshapes[:, JAW]


def test_each_track_moves_its_own_mouth(scene: Scene) -> None:
    acted = said(scene, (vowel(2.0, (0.2, 0.8)), vowel(2.0, (1.2, 1.8))))
    early, late = mouth(acted[0]), mouth(acted[1])
    assert early[:11].max() > 0.1 > early[15:].max()
    assert late[14:].max() > 0.1 > late[:11].max()


def test_turns_deal_one_track_out(scene: Scene) -> None:
    acted = said(scene, (vowel(2.0, (0.2, 1.8)),), (Turn(0.0, 1.0, 1), Turn(1.0, 2.0, 0)))
    assert mouth(acted[1])[:13].max() > 0.1 > mouth(acted[0])[:10].max()
    assert mouth(acted[0])[15:].max() > 0.1 > mouth(acted[1])[16:].max()


def test_one_track_is_the_largest_face_s_and_the_other_listens(scene: Scene) -> None:
    acted = said(scene, (vowel(2.0, (0.2, 1.8)),))
    mouths = {who: mouth(performance).max() for who, performance in acted.items()}
    assert max(mouths.values()) > 0.1
    assert min(mouths.values()) < 0.02
    listener = acted[min(mouths, key=lambda who: mouths[who])]
    assert listener is not None
    assert np.abs(listener.head).max() > 0.1


def test_turns_and_tracks_together_are_refused(scene: Scene) -> None:
    with pytest.raises(RequestError):
        said(scene, (vowel(1.0, (0.2, 0.8)),) * 2, (Turn(0.0, 1.0, 0),))


def test_turns_of_nobody_are_refused(scene: Scene) -> None:
    with pytest.raises(RequestError):
        said(scene, (vowel(1.0, (0.2, 0.8)),), (Turn(0.0, 1.0, 5),))


def test_silence_keeps_the_mouth_shut(scene: Scene) -> None:
    silent = Audio(np.zeros(2 * RATE, np.float32), RATE, "d" * 64)
    assert hear(silent).probabilities[:, 0].min() > 0.5
    assert mouth(said(scene, (silent,))[0]).max() < 0.02


def test_somebody_who_does_not_move_cannot_speak(scene: Scene) -> None:
    request = Request((scene.photo,), ("self",), "", fps=FPS, audio=(vowel(1.0, (0.2, 0.8)),), turns=(Turn(0, 1, 1),))
    with pytest.raises(RequestError) as caught:
        converse(scene, request, {0: None}, {0: 0})
    assert caught.value.code == "turn_nobody"


def test_among_three_the_listener_looks_at_who_speaks_now(scene: Scene) -> None:
    left, right = scene.subjects
    x0, y0, x1, y1 = left.face.box
    middle = (right.face.box[0] - x0) / 2
    between = replace(left, face=replace(left.face, box=(x0 + middle, y0, x1 + middle, y1)))
    three = replace(scene, subjects=(left, between, right))
    turns = (Turn(0.0, 1.5, 0), Turn(1.5, 3.0, 2))
    request = Request((scene.photo,), ("self",), "", seconds=3.0, fps=FPS, audio=(vowel(3.0, (0.2, 2.8)),), turns=turns)
    listener = converse(three, request, {0: None, 1: None, 2: None}, {0: 0, 1: 1, 2: 2})[1]
    assert listener is not None
    sideways = listener.gaze[:, 0] + listener.head[:, 0]
    assert sideways[15] < -8.0
    assert sideways[32] > 8.0


def test_a_film_without_sound_says_so(portrait_file: Path, tmp_path: Path) -> None:
    clip = photoplay.animate(
        portrait_file, consent="self", audio=vowel(1.0, (0.2, 0.8)), out=tmp_path / "a.gif", fps=8.0, size="128x128",
        backend="anchor",
    )  # fmt: skip
    assert "sound_dropped" in [notice.code for notice in clip.notices]
