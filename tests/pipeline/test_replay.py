from __future__ import annotations

import hashlib
import json
import sys
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import photoplay
from photoplay.cli.app import app
from photoplay.errors import ConsentError, PhotoplayError, RequestError, SealError, UnavailableError
from photoplay.media import read_video
from photoplay.pipeline import replay as module
from photoplay.pipeline.replay import Difference, Replay
from photoplay.safety.verify import verify
from photoplay.types import Clip, Request

SHORT = {"seconds": 1.0, "fps": 8.0, "size": "128x128", "consent": "historical", "backend": "anchor"}


@pytest.fixture(scope="module")
def film(portrait_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("film")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOTOPLAY_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        return photoplay.animate(
            portrait_file, template="nod", out=folder / "film.mp4", seed=5, label="top-left", **SHORT
        )


def test_the_same_film_to_the_bit(film: Clip, portrait_file: Path, tmp_path: Path) -> None:
    made = module.replay(film.path, [portrait_file], tmp_path / "again.mp4")
    assert made.same
    assert (made.changed, made.difference) == ((), None)
    assert "equal to the last bit" in made.sentence
    assert np.array_equal(read_video(film.path).rgb, read_video(made.clip.path).rgb)
    assert film.path.read_bytes() != made.clip.path.read_bytes()  # sealed at another time
    found = verify(made.clip.path)
    assert (found.state, found.recipe) == ("trusted", film.recipe)
    assert [said["statement"] for said in found.consent] == ["historical"]


def test_a_changed_version_is_named_and_how_far_apart(
    film: Clip, portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another seed stands in for another build: its frames are others."""
    honest = module.produce

    def other(request: Request, *rest: Any, **more: Any) -> Clip:
        return honest(replace(request, seed=request.seed + 1), *rest, **more)

    monkeypatch.setattr(module, "produce", other)
    monkeypatch.setattr("photoplay.safety.recipe.PIXEL_MAKERS", ("numpy", "typer"))
    made = module.replay(film.path, [portrait_file], tmp_path / "again.mp4")
    assert not made.same
    assert made.difference is not None
    assert made.difference.of == 8
    assert 0 < made.difference.frames <= 8
    assert 0 < made.difference.most <= 255
    assert any(line.startswith("typer not there, then") for line in made.changed)
    assert "typer" in made.sentence
    assert f"{made.difference.frames} of 8 frames differ" in made.sentence


def fails(kind: type[PhotoplayError], code: str, *arguments: Any) -> None:
    with pytest.raises(kind) as caught:
        module.replay(*arguments)
    assert caught.value.code == code
    assert "/" not in caught.value.message


def test_only_the_very_files_will_do(film: Clip, portrait_file: Path, empty_file: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    with Image.open(portrait_file) as picture:
        picture.save(tmp_path / "saved again.jpg", quality=90)
    fails(RequestError, "replay_missing_file", film.path, [], again)
    fails(RequestError, "replay_missing_file", film.path, [tmp_path / "saved again.jpg"], again)
    fails(RequestError, "replay_other_file", film.path, [portrait_file, empty_file], again)
    fails(RequestError, "replay_unreadable", film.path, [tmp_path / "nowhere.jpg"], again)
    assert not again.exists()


def test_out_is_of_the_same_kind_and_another_file(film: Clip, portrait_file: Path, tmp_path: Path) -> None:
    fails(RequestError, "replay_other_kind", film.path, [portrait_file], tmp_path / "again.gif")
    fails(RequestError, "replay_over_itself", film.path, [portrait_file], film.path)


def test_who_is_not_trusted_is_not_followed(film: Clip, portrait_file: Path, tmp_path: Path) -> None:
    changed = bytearray(film.path.read_bytes())
    changed[-50] ^= 1
    (tmp_path / "changed.mp4").write_bytes(changed)
    fails(SealError, "replay_not_trusted", tmp_path / "changed.mp4", [portrait_file], tmp_path / "again.mp4")


def test_a_stranger_s_recipe_is_not_followed(
    film: Clip, portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "elsewhere"))
    fails(SealError, "replay_not_trusted", film.path, [portrait_file], tmp_path / "again.mp4")


def test_the_gates_are_asked_anew(
    film: Clip, portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(_: object) -> None:
        raise ConsentError("consent_missing", "No more.", "")

    monkeypatch.setattr("photoplay.safety.admission.GATES", (no,))
    fails(ConsentError, "consent_missing", film.path, [portrait_file], tmp_path / "again.mp4")
    assert not (tmp_path / "again.mp4").exists()


def test_a_template_of_ones_own_is_given_as_a_file(portrait_file: Path, tmp_path: Path) -> None:
    from photoplay.motion.library import find

    own = tmp_path / "own.yaml"
    source = Path(module.__file__).parents[1] / "motion" / "templates" / "nod.yaml"
    own.write_text(source.read_text().replace("name: nod", "name: my_nod"))
    assert find(own).name == "my_nod"
    clip = photoplay.animate(portrait_file, template=str(own), out=tmp_path / "own.mp4", **SHORT)
    with pytest.raises(PhotoplayError) as caught:
        module.replay(clip.path, [portrait_file], tmp_path / "again.mp4")
    assert caught.value.code == "template_unknown"
    changed = tmp_path / "changed.yaml"
    changed.write_text(own.read_text().replace("name: my_nod\ntitle:", "name: my_nod\ntitle: Other"))
    fails(RequestError, "replay_other_template", clip.path, [changed, portrait_file], tmp_path / "again.mp4")
    assert module.replay(clip.path, [own, portrait_file], tmp_path / "again.mp4").same


def test_a_talking_photo_with_its_sound_and_a_gif(portrait_file: Path, tmp_path: Path) -> None:
    sound = tmp_path / "speech.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        tone = 9000 * np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 180)
        file.writeframes(tone.astype("<i2").tobytes())
    clip = photoplay.animate(portrait_file, audio=sound, out=tmp_path / "talk.gif", **SHORT)
    assert clip.recipe["audio"] == [hashlib.sha256(sound.read_bytes()).hexdigest()]
    fails(RequestError, "replay_missing_file", clip.path, [portrait_file], tmp_path / "again.gif")
    assert module.replay(clip.path, [sound, portrait_file], tmp_path / "again.gif").same


VOICE = """#!{python}
import io, sys, wave
words = sys.stdin.read()
with wave.open(sys.stdout.buffer, "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(16_000)
    file.writeframes(bytes((ord(words[at % len(words)]) * {pitch}) % 251 for at in range(32_000)))
"""


def install_voice(folder: Path, pitch: int) -> None:
    """A program in the place of espeak-ng; another ``pitch`` stands in for another version of it."""
    folder.mkdir(exist_ok=True)
    program = folder / "espeak-ng"
    program.write_text(VOICE.format(python=sys.executable, pitch=pitch))
    program.chmod(0o700)


def test_what_a_voice_said_is_said_again(portrait_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_voice(tmp_path / "bin", 1)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    clip = photoplay.animate(portrait_file, say="hello there", voice="de", out=tmp_path / "talk.mp4", **SHORT)
    assert (clip.recipe["request"]["said"], clip.recipe["request"]["voice"]) == ("hello there", "de")
    again = tmp_path / "again.mp4"
    made = module.replay(clip.path, [portrait_file], again)
    assert made.same
    assert made.clip.recipe == clip.recipe
    again.unlink()
    install_voice(tmp_path / "bin", 3)
    fails(RequestError, "replay_other_voice", clip.path, [portrait_file], again)
    (tmp_path / "bin" / "espeak-ng").unlink()
    fails(UnavailableError, "voice_missing", clip.path, [portrait_file], again)
    assert not again.exists()
    words = module._said(clip.recipe)
    spoken = bytes(ord(words[at % len(words)]) % 251 for at in range(32_000))
    with wave.open(str(tmp_path / "kept.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(spoken)
    assert hashlib.sha256((tmp_path / "kept.wav").read_bytes()).hexdigest() == clip.recipe["audio"][0]
    assert module.replay(clip.path, [portrait_file, tmp_path / "kept.wav"], again).same


@pytest.mark.parametrize(
    ("difference", "words"),
    [(Difference(3, 8, 2), "3 of 8 frames differ, by at most 2 of 255"), (Difference(0, 8, 0), "sound"),
     (None, "cannot be compared")],
)  # fmt: skip
def test_the_sentence(difference: Difference | None, words: str) -> None:
    told = module._sentence(False, difference, ())
    assert words in told
    assert "No version has changed" in told


@pytest.mark.parametrize("same", [True, False])
def test_on_the_command_line(same: bool, film: Clip, portrait_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def made(*arguments: Any) -> Replay:
        asked.append(arguments[:3])
        return Replay(film, same, (), None if same else Difference(1, 8, 3), "as it is")

    monkeypatch.setattr(module, "replay", made)
    command = ["replay", str(film.path), str(portrait_file), "--out", "again.mp4"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == (0 if same else 1)
    assert json.loads(done.stdout)["same"] is same
    assert asked == [(film.path, [portrait_file], Path("again.mp4"))]
    plain = CliRunner().invoke(app, command)
    assert (plain.exit_code, "as it is" in plain.stdout) == (done.exit_code, True)
