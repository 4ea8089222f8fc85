"""Pictures and films for the fake: two public-domain portraits that come with other packages, and what was found in them."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

FOUND: dict[str, Any] = json.loads((Path(__file__).parent / "found.json").read_text())
RATE, FRAMES = 12, 24


def _beside() -> dict[str, Any]:
    """What is found where both portraits stand side by side, as :func:`portrait` puts them."""
    faces = []
    for name, scale, cut, offset in (("astronaut", (600, 600), 20, 0), ("grace_hopper", (512, 606), 6, 500)):
        for face in FOUND[name]["faces"]:

            def place(x: float, y: float, of: tuple[int, int] = scale, by: int = offset - cut) -> list[float]:
                return [round((x * of[0] + by) / 1000, 3), round(y * of[1] / 600, 3)]

            box = face["box"]
            moved = {"landmarks": [place(*point) for point in face["landmarks"]]}
            faces.append({**face, **moved, "box": [*place(*box[:2]), *place(*box[2:])]})
    return {"width": 1000, "height": 600, "faces": faces}


FOUND["pair"] = _beside()
FOUND["none"] = {"width": 360, "height": 480, "faces": []}


@cache
def portrait(name: str) -> Image.Image:
    """A portrait: ``astronaut`` comes with scikit-image, ``grace_hopper`` with matplotlib; ``none`` shows nobody."""
    if name == "astronaut":
        import skimage.data

        return Image.fromarray(skimage.data.astronaut())
    if name == "grace_hopper":
        from matplotlib import cbook

        with cbook.get_sample_data("grace_hopper.jpg") as stream:
            return Image.open(stream).convert("RGB")
    if name == "pair":
        pair = Image.new("RGB", (1000, 600))
        pair.paste(portrait("astronaut").resize((600, 600)).crop((20, 0, 520, 600)), (0, 0))
        pair.paste(portrait("grace_hopper").resize((512, 606)).crop((6, 0, 506, 600)), (500, 0))
        return pair
    return Image.fromarray(np.tile(np.linspace(80, 200, 480, dtype=np.uint8)[:, None, None], (1, 360, 3)))


@cache
def still(name: str, kind: str = "JPEG") -> bytes:
    """The portrait as a file."""
    out = io.BytesIO()
    portrait(name).save(out, kind)
    return out.getvalue()


def _moved(picture: Image.Image, at: float, strength: float) -> Image.Image:
    angle = strength * float(np.sin(2 * np.pi * at))
    width, height = picture.size
    return picture.rotate(angle, Image.Resampling.BICUBIC, center=(width / 2, height)).crop(
        (width * 0.04, height * 0.04, width * 0.96, height * 0.96)
    )


@cache
def wobble(names: tuple[str, ...], strength: float) -> bytes:
    """An animated preview of a motion: it sways by some degrees."""
    joined = [portrait(name).resize((240, 300)) for name in names]
    picture = Image.new("RGB", (240 * len(joined), 300))
    for index, one in enumerate(joined):
        picture.paste(one, (240 * index, 0))
    frames = [_moved(picture, step / 4, strength).resize((120, 150)) for step in range(4)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=240, loop=0, quality=70)
    return out.getvalue()


@cache
def film(name: str) -> tuple[int, int, bytes]:
    """A film of two seconds: width, height, bytes of an H.264 mp4."""
    picture = portrait(name)
    frames = [_moved(picture, step / FRAMES, 2.0) for step in range(FRAMES)]
    width, height = (side // 2 * 2 for side in frames[0].size)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as box:
        stream = box.add_stream("libx264", rate=Fraction(RATE))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for frame in frames:
            pixels = np.asarray(frame.resize((width, height)))
            box.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        box.mux(stream.encode(None))
    return width, height, out.getvalue()
