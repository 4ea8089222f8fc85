"""What moving people uncover, over backgrounds that are known: is a pass of the model over the whole frame worth it?

    .venv/bin/python -m benchmarks.holes [--write]

scikit-image's astronaut is laid over two of its other photographs and moves; what she uncovers is known then. The plate
(the anchor's own guess, by patches) stands beside pocket's coarse pass with the packaged weights, and beside a pass that is
told the truth at its 256 pixels: more than any training can give. What the model makes of the head's own crop is left out,
so that the pass alone shows. PSNR of the uncovered pixels in dB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import skimage.data
from benchmarks.report import publish
from benchmarks.stages import plan_for, track_for

from photoplay.cli.portrait import portrait
from photoplay.generation.anchors import render
from photoplay.generation.backends.open_weights.native import joined
from photoplay.generation.backends.pocket.backend import COARSE, Generator, PocketBackend
from photoplay.generation.backends.pocket.conditioning import CropWindow
from photoplay.generation.backends.pocket.model import packaged_model
from photoplay.generation.source import frame_photo
from photoplay.perception.faces import FaceReader
from photoplay.perception.scene import perceive
from photoplay.types import Array, Label, MotionTrack, Photo, RenderPlan, Rgb, RgbStack, Scene

BACKGROUNDS = ("coffee", "chelsea")
TEMPLATES = ("sway", "turn_left", "wave_left")
SIDE = 512
UNSURE = 100
"""Confidence below which background counts as uncovered."""


@dataclass(frozen=True)
class CoarseAlone:
    """A model that leaves heads as they are, and hands what the coarse pass asks to ``model``."""

    model: Generator

    def generate(
        self, window: CropWindow, known: RgbStack | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        if window.size != COARSE:
            return window.anchor
        return self.model.generate(window, known, seed, start, num_inference_steps)


@dataclass(frozen=True)
class Told:
    """A coarse pass that knows the background, fitted into its square."""

    background: Rgb

    def generate(
        self, window: CropWindow, known: RgbStack | None, seed: int, start: int, num_inference_steps: int
    ) -> RgbStack:
        del known, seed, start, num_inference_steps
        return np.repeat(self.background[None], window.num_frames, axis=0)


def laid_over(name: str, reader: FaceReader) -> tuple[Scene, Rgb]:
    """The astronaut before a photograph of scikit-image, as a scene, and that photograph in the same size."""
    person = portrait()
    scene = perceive(person, reader=reader)
    wide, high = person.width, person.height
    picture = getattr(skimage.data, name)()
    scale = max(high / picture.shape[0], wide / picture.shape[1])
    behind = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:high, :wide]
    alpha = (scene.matte / np.float32(255))[..., None]
    both = np.rint(person.pixels * alpha + behind * (1 - alpha)).astype(np.uint8)
    return perceive(Photo(both, "0" * 64), reader=reader), np.ascontiguousarray(behind)


def fitted(picture: Rgb) -> Rgb:
    """A square film's frame in the square that the coarse pass looks through."""
    return np.asarray(cv2.resize(picture, (COARSE, COARSE), interpolation=cv2.INTER_AREA), np.uint8)


def films(scene: Scene, track: MotionTrack, plan: RenderPlan, truth: Rgb) -> tuple[Array, dict[str, RgbStack]]:
    """[f, h, w] where background was uncovered, and the film by each way of filling it."""
    anchor = joined(list(render(scene, [track], plan)))
    holes = (anchor.confidence < UNSURE) & (anchor.labels == Label.BACKGROUND)
    models: dict[str, Generator] = {"coarse pass, packaged": packaged_model(), "coarse pass, told": Told(fitted(truth))}
    found = {"plate": anchor.rgb}
    for name, model in models.items():
        backend = PocketBackend(CoarseAlone(model), coarse=True)
        found[name] = np.concatenate([frames.rgb for frames in backend.generate(scene, [track], plan)])
    return holes, found


def rows() -> Iterator[list[str]]:
    """Background, motion, share of the picture that is uncovered, then dB of each way."""
    reader = FaceReader()
    for background in BACKGROUNDS:
        scene, behind = laid_over(background, reader)
        plan = plan_for(scene, SIDE, SIDE)
        truth = frame_photo(behind, plan)
        for template in TEMPLATES:
            holes, found = films(scene, track_for(scene, template), plan, truth)
            frames = [k for k, hole in enumerate(holes) if hole.any()]
            cells = []
            for film in found.values():
                error = np.mean(
                    [np.square(film[k][holes[k]] - truth[holes[k]].astype(np.float32)).mean() for k in frames]
                )
                cells.append(f"{10 * np.log10(255**2 / error):.2f}")
            yield [background, template, f"{holes.mean():.1%}", *cells]
            print(background, template, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/DATE-holes.md")
    asked = parser.parse_args()
    heads = ["behind", "motion", "uncovered", "plate", "coarse pass, packaged", "coarse pass, told"]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    lines += ["| " + " | ".join(row) + " |" for row in rows()]
    publish(
        "\n".join(lines),
        "holes",
        "What moving people uncover",
        "holes --write" if asked.write else "holes",
        write=asked.write,
    )


if __name__ == "__main__":
    main()
