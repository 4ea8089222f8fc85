"""A program that speaks is put on the PATH: what it is told and how its answers are taken."""

from __future__ import annotations

import io
import stat
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from photoplay.errors import RequestError, UnavailableError
from photoplay.media.voice import MAX_CHARACTERS, say


def tone() -> bytes:
    """Half a second of 440 Hz as espeak writes it to a pipe: with sizes that nobody filled in."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        time = np.arange(11_025) / 22_050
        file.writeframes((8_000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes())
    data = bytearray(buffer.getvalue())
    data[4:8] = data[40:44] = b"\xff\xff\xff\x7f"
    return bytes(data)


@pytest.fixture
def synthesizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tone.wav").write_bytes(tone())
    program = tmp_path / "espeak-ng"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "if 'xx' in sys.argv: sys.exit(1)\n"
        "(here / 'told').write_text(repr(sys.argv[1:]) + sys.stdin.read())\n"
        "sys.stdout.buffer.write((here / 'tone.wav').read_bytes())\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_what_is_said_comes_back_as_sound(synthesizer: Path) -> None:
    audio = say("--voices; rm", "de+f3", rate=16_000)
    assert audio.rate == 16_000
    assert len(audio.samples) == pytest.approx(8_000, abs=40)
    spectrum = np.abs(np.fft.rfft(audio.samples[2_000:6_000]))
    assert np.argmax(spectrum) * 16_000 / 4_000 == pytest.approx(440, abs=4)
    # The words are read from standard input and can be no option.
    assert (synthesizer / "told").read_text() == "['-v', 'de+f3', '--stdin', '--stdout']--voices; rm"


def test_without_a_synthesizer_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="espeak-ng"):
        say("hello")


@pytest.mark.parametrize(
    ("text", "voice", "code"),
    [
        ("  ", "en", "text_empty"),
        ("x" * (MAX_CHARACTERS + 1), "en", "text_too_long"),
        ("hello", "-w/tmp/x", "voice_invalid"),
        ("hello", "xx", "voice_unknown"),
    ],
)
def test_what_cannot_be_said(synthesizer: Path, text: str, voice: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        say(text, voice)
    assert caught.value.code == code
