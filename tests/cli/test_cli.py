from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli")
    Image.fromarray(astronaut()[:400, 20:420]).save(path / "portrait.png")
    return path


def photoplay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PHOTOPLAY_HOME": str(folder / "home"), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "photoplay", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def test_help_names_every_command_and_loads_nothing_heavy(folder: Path) -> None:
    code = (
        "import sys; from photoplay.cli import app; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'mediapipe', 'cv2', 'av', 'numba', 'dlib', "
        "'fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'alembic', 'dbos', 'obstore', 'pydantic_settings', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    shown = photoplay(folder, "--help").stdout
    for command in (
        "animate",
        "demo",
        "inspect",
        "capture",
        "templates",
        "verify",
        "backends",
        "doctor",
        "serve",
        "worker",
        "service",
    ):
        assert command in shown


def test_animate_json_then_verify(folder: Path) -> None:
    made = photoplay(
        folder, "animate", "portrait.png", "-t", "smile", "--consent", "historical", "--seconds", "1", "--fps", "8",
        "--size", "192x192", "-o", "film.mp4", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    result = json.loads(made.stdout)
    assert result["report"]["passed"]
    verified = photoplay(folder, "verify", "film.mp4")
    assert verified.returncode == 0, verified.stdout
    assert "development" in verified.stdout
    changed = bytearray((folder / "film.mp4").read_bytes())
    changed[-200] ^= 1
    (folder / "changed.mp4").write_bytes(changed)
    assert photoplay(folder, "verify", "changed.mp4").returncode == 1


def test_consent_is_required_where_nobody_can_be_asked(folder: Path) -> None:
    refused = photoplay(folder, "animate", "portrait.png", "-t", "smile", "-o", "no.mp4")
    assert refused.returncode == 5
    assert "--consent" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (folder / "no.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("animate", "missing.jpg", "--consent", "self", "--overwrite"), 3, "no file"),
        (("animate", "portrait.png", "-t", "smlie", "--consent", "self", "--overwrite"), 3, "smile"),
        (("animate", "portrait.png", "--consent", "self", "--backend", "nope", "--overwrite"), 8, "anchor"),
        (("animate", "portrait.png", "--consent", "self", "--size", "huge", "--overwrite"), 3, "720p"),
        (("animate", "portrait.png", "--consent", "self", "--out", "mine/portrait.png/film.mp4"), 3, "folder"),
        (("replay", "film.mp4", "--out", "portrait.png"), 3, "--overwrite"),
        (("inspect", "portrait.png", "--out", "seen.txt"), 3, ".png"),
        (("inspect", "portrait.png", "--out", "missing/seen.png"), 3, "folder"),
        (("verify", "portrait.png"), 1, ""),
    ],
)
def test_errors_are_for_people(folder: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    done = photoplay(folder, *arguments)
    assert done.returncode == status, done.stderr
    assert words in (done.stderr + done.stdout)
    assert "Traceback" not in done.stderr
    assert str(folder) not in done.stderr


def test_templates_backends_doctor_speak_json(folder: Path) -> None:
    templates = json.loads(photoplay(folder, "templates", "list", "--json").stdout)
    assert len(templates) >= 60
    assert {"anchor", "echo"} <= set(json.loads(photoplay(folder, "backends", "--json").stdout))
    told = json.loads(photoplay(folder, "doctor", "--json").stdout)
    assert told["memory"] > 1 << 28
    assert {"content_filter", "voice"} <= set(told)


def test_show_prints_a_template_that_animate_takes(folder: Path) -> None:
    (folder / "mine.yaml").write_text(photoplay(folder, "templates", "show", "nod").stdout)
    made = photoplay(
        folder, "animate", "portrait.png", "-t", "mine.yaml", "--consent", "self", "--seconds", "1", "--fps", "8",
        "--size", "128x128", "-o", "mine.mp4",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


def test_inspect_draws_a_picture(folder: Path) -> None:
    with Image.open(folder / "portrait.png") as portrait:
        portrait.resize((160, 160)).save(folder / "small.png")
    done = photoplay(folder, "inspect", "small.png", "-o", "seen.png", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["faces"]) == 1
    assert told["advice"]
    assert all(set(one) == {"code", "severity", "subject", "message", "hint"} for one in told["advice"])
    with Image.open(folder / "seen.png") as seen:
        assert seen.size[0] >= 160


def test_preview_draws_a_sealed_sheet(folder: Path) -> None:
    done = photoplay(folder, "templates", "preview", "nod", "--size", "128x128", "-o", "gallery")
    assert done.returncode == 0, done.stderr
    assert photoplay(folder, "verify", "gallery/nod-1.png").returncode == 0
    assert "nod-1.png" in (folder / "gallery" / "index.html").read_text()
