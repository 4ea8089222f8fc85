from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("family_photo.py", ("portrait.png", "nod", "film.mp4"), "seal done"),
        ("stages.py", ("portrait.png", "nod"), "frames 0 to"),
    ],
)
def test_examples_run(tmp_path: Path, name: str, arguments: tuple[str, ...], words: str) -> None:
    Image.fromarray(astronaut()[:400, 20:420]).save(tmp_path / "portrait.png")
    environment = {**os.environ, "PHOTOPLAY_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


@pytest.mark.parametrize("name", ["family_photo.py", "stages.py"])
def test_without_words_they_say_how_they_are_called(name: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"python examples/{name} me.jpg" in done.stderr
    assert "Traceback" not in done.stderr
