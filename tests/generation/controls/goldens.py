"""Pictures of every convention, kept beside this file: any change of colours, widths, order or rounding breaks one.

They were looked at when they were made. After a change that is meant, make them anew and look at them again:
``python -m tests.generation.controls.goldens``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from photoplay.generation.controls.face_map import draw_face_map
from photoplay.generation.controls.openpose import draw_openpose
from photoplay.generation.controls.wan_animate import draw_wan_animate
from photoplay.generation.controls.whole_body import draw_whole_body
from photoplay.types import RgbStack
from tests.generation.controls.people import hands, person, plan

FOLDER = Path(__file__).parent / "goldens"
PEOPLE = (person(), person(x=70, seen=False))
GOLDENS: dict[str, Callable[[], RgbStack]] = {
    "openpose": lambda: draw_openpose(PEOPLE, plan(512, 768), hands=[hands()]),
    "openpose_body_small": lambda: draw_openpose(PEOPLE, plan(160, 240), face=False),
    "whole_body": lambda: draw_whole_body(PEOPLE, plan(320, 480)),
    "face_map": lambda: draw_face_map(PEOPLE, plan(512, 768)),
    "wan_animate": lambda: draw_wan_animate(PEOPLE, plan(720, 1080), hands=[hands()]),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in GOLDENS.items():
        Image.fromarray(draw()[0]).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
