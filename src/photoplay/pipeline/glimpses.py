"""Single pictures of a film: small ones that are handed out while it is made, and the still that stands for it.

Each is labelled, marked with the work's number and screened like every frame, and sealed by whoever makes the film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import UInt8

from photoplay.errors import RefusedError
from photoplay.media import save_image
from photoplay.pipeline.outputs import mark
from photoplay.safety.content import ContentGate
from photoplay.types import Admitted, Array, Clip, Frames, RenderPlan, Report, Rgb, Screened

COVER_WIDTH, PREVIEW_WIDTH = 640, 320
"""Pixels that a cover and a preview are wide at most."""
UNREVIEWED = Report({}, True, "A preview: not reviewed.")

Preview: TypeAlias = Callable[[bytes], None]
"""Gets the bytes of a sealed PNG of the film that is being made."""
Seal: TypeAlias = Callable[[Path, Path, Screened], Clip]
"""Seals a PNG with the proof that it was screened, and puts it in its place."""


def hand_out(
    windows: Iterator[Frames], preview: Preview, seal: Seal, gate: ContentGate, admitted: Admitted, folder: Path
) -> Iterator[Frames]:
    """Passes marked windows on and gives a small sealed picture of each one's middle frame to ``preview``.

    What was not reviewed yet is shown to the person whose film it is, who may stop it. ``folder`` is for passing files.

    Raises:
        RefusedError: a picture is not safe, and whatever a seal raises or ``preview`` itself.
    """
    unsealed, sealed = folder / "glimpse.png", folder / "glimpse-sealed.png"
    for window in windows:
        if len(window.rgb):
            picture = shrunk(window.rgb[len(window.rgb) // 2], PREVIEW_WIDTH)
            screened = gate.screened([picture], admitted)
            save_image(picture, unsealed)
            seal(unsealed, sealed, screened)
            data = sealed.read_bytes()
            sealed.unlink()
            preview(data)
        yield window


def one_at_a_time(preview: Preview) -> Preview:
    """``preview``, called by one thread at a time: a model denoises beside what finishes its frames."""
    turn = Lock()

    def told(data: bytes) -> None:
        with turn:
            preview(data)

    return told


def sketches(
    preview: Preview, seal: Seal, gate: ContentGate, admitted: Admitted, plan: RenderPlan, number: str, folder: Path
) -> Callable[[Rgb], None]:
    """A function that takes a model's rough pictures of a film which is still being denoised, and gives each to
    ``preview`` as a picture of the film: at its shape, labelled, marked, screened and sealed.

    What the filter takes for unsafe is not shown; the film's own frames are screened when they are there.
    """
    folder.mkdir()

    def show(picture: Rgb) -> None:
        frame = np.asarray(cv2.resize(picture, (plan.width, plan.height), interpolation=cv2.INTER_CUBIC), np.uint8)
        windows = mark(iter([Frames(frame[None], plan.fps)]), admitted.request, number)
        try:
            for _ in hand_out(windows, preview, seal, gate, admitted, folder):
                pass
        except RefusedError as refused:
            if refused.code != "content_refused":
                raise

    return show


def keep_cover(windows: Iterator[Frames], total: int, path: Path) -> Iterator[Frames]:
    """Passes marked windows on and writes the middle one of ``total`` frames to ``path``, not wider than a cover is."""
    middle = total // 2
    for window in windows:
        if window.start <= middle < window.start + len(window.rgb):
            save_image(shrunk(window.rgb[middle - window.start], COVER_WIDTH), path)
        yield window


def shrunk(picture: Rgb, width: int) -> UInt8[Array, "_ _ 3"]:
    """The picture at most ``width`` pixels wide."""
    if picture.shape[1] <= width:
        return picture
    size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
