"""What a caller from Python may hand in, and what is said of what nobody can use."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from photoplay.errors import ConsentError, MediaError, RequestError
from photoplay.media.photo import MAX_PIXELS
from photoplay.pipeline.inputs import checked, read_photo, read_photos, read_voices, stated
from photoplay.types import Photo, Request, Sampling, Staging, Turn

PIXELS = np.ascontiguousarray(astronaut()[:60, :90])


def png(pixels: Any = PIXELS) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_photo_in_memory_is_the_same_photo(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    sources = (
        PIXELS,
        PIXELS[:, ::-1][:, ::-1],
        Image.fromarray(PIXELS),
        png(),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
    )
    photos = [read_photo(source) for source in sources]
    assert all(np.array_equal(photo.pixels, PIXELS) for photo in photos)
    assert len({photo.sha256 for photo in photos[:3]}) == 1
    assert all(len(photo.sha256) == 64 for photo in photos)
    assert read_photos([PIXELS, photos[0]])[1] is photos[0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "YCbCr", "I;16", "F"])
def test_pil_images_of_all_modes(mode: str) -> None:
    image = Image.new("I;16", (90, 60), 30_000) if mode == "I;16" else Image.fromarray(PIXELS).convert(mode)
    assert read_photo(image).pixels.shape == (60, 90, 3)


def test_a_pil_image_is_turned_upright() -> None:
    image, file = Image.fromarray(PIXELS), io.BytesIO()
    turned = image.getexif()
    turned[0x0112] = 6
    image.save(file, "PNG", exif=turned)
    assert np.array_equal(read_photo(Image.open(file)).pixels, np.rot90(PIXELS, -1))


def test_pixels_come_in_by_the_limits_of_files() -> None:
    with pytest.raises(MediaError) as caught:
        read_photo(Image.new("1", (MAX_PIXELS + 1, 1)))
    assert caught.value.code == "photo_too_many_pixels"


@pytest.mark.parametrize(
    "source",
    [3, 1.5, {"a": 1}, PIXELS[..., 0], PIXELS.astype(np.float32), np.zeros((0, 0, 3), np.uint8), [PIXELS], object()],
)
def test_what_is_no_photo(source: object) -> None:
    with pytest.raises(RequestError) as caught:
        read_photos([source])
    assert caught.value.code == "photo_unusable"
    assert "PIL image" in caught.value.hint


def test_a_picture_that_pil_cannot_finish() -> None:
    with pytest.raises(RequestError) as caught:
        read_photo(Image.open(io.BytesIO(png()[:200])))
    assert caught.value.code == "photo_unusable"


def test_which_file_is_no_photo_is_said_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(MediaError) as caught:
        read_photos([tmp_path / "a.png", tmp_path / "text.jpg"])
    assert caught.value.message.startswith("text.jpg: ")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"seconds": 3}, {"seconds": 3.0}),
        ({"seconds": "3", "seed": 2.0}, {"seconds": 3.0, "seed": 2}),
        ({"fps": np.float32(12), "seed": np.int64(7)}, {"fps": 12.0, "seed": 7}),
        ({"size": 480}, {"size": "480p"}),
        ({"size": (320, 240)}, {"size": "320x240"}),
        ({"label": None, "mode": None, "who": "main"}, {"label": None, "mode": None, "who": "main"}),
        ({"records": ["a"], "turns": [Turn(0, 1, 0)]}, {"records": ("a",), "turns": (Turn(0, 1, 0),)}),
        ({"sampling": Sampling(), "staging": Staging()}, {"sampling": Sampling(), "staging": Staging()}),
    ],
)
def test_what_says_enough_is_taken(given: dict[str, object], made: dict[str, object]) -> None:
    assert checked(given) == made


@pytest.mark.parametrize(
    ("name", "value", "possible"),
    [
        ("who", "left", "'all' or 'main'"),
        ("mode", "film", "'image-to-video'"),
        ("label", "middle", "'bottom-right'"),
        ("seconds", "long", "a valid number"),
        ("seconds", None, "a valid number"),
        ("seed", 1.5, "a valid integer"),
        ("size", None, "a valid string"),
        ("sampling", {"steps": 3}, "an instance of Sampling"),
        ("staging", None, "an instance of Staging"),
        ("records", "a", "a valid tuple"),
        ("turns", [(0, 1, 0)], "Turn"),
        ("prompt", 3, "a valid string"),
        ("video", 3, "valid path"),
        ("audio", [3], "valid path"),
        ("out", None, "valid path"),
    ],
)
def test_what_is_possible_is_said(name: str, value: object, possible: str) -> None:
    with pytest.raises(RequestError) as caught:
        checked({name: value})
    assert caught.value.code == "argument_invalid"
    assert name in caught.value.message
    assert possible in caught.value.hint


def test_statements() -> None:
    request = Request((Photo(PIXELS, "0" * 64),) * 2, (), "smile")
    assert stated("self", request) == ("self", "self")
    assert stated(["self", "granted"], request) == ("self", "granted")
    assert stated(None, request) == ()
    for wrong in (3, [None], {"self"}):
        with pytest.raises(ConsentError) as caught:
            stated(wrong, request)
        assert caught.value.code == "consent_invalid"


def test_from_python_every_mistake_is_told(tmp_path: Path) -> None:
    """In a process of its own, where nothing looks at types before photoplay does."""
    (tmp_path / "a.png").write_bytes(png())
    calls = (
        ("consent=None", "ConsentError consent_missing"),
        ("consent=['self', 'self']", "ConsentError consent_missing"),
        ("consent='self', who='left'", "RequestError argument_invalid"),
        ("consent='self', template=None", "RequestError argument_invalid"),
        ("consent='self', size=(10, 10)", "RequestError size_out_of_range"),
        ("consent='self', duration=3", "TypeError photoplay.animate() got an unexpected keyword argument 'duration'"),
    )
    lines = ["import photoplay"]
    for arguments, _ in calls:
        lines += [
            f"try: photoplay.animate('a.png', **({{'template': 'smile'}} | dict({arguments})))",
            "except Exception as error: print(type(error).__name__, getattr(error, 'code', error))",
        ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    for line, (_, told) in zip(done.stdout.splitlines(), calls, strict=True):
        assert line.startswith(told)


def test_a_voice_without_words_is_not_dropped() -> None:
    with pytest.raises(RequestError) as caught:
        read_voices((), "", "de")
    assert caught.value.code == "input_unused"
