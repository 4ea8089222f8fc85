"""What a film shall be, what generators make of it, and what review says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float16, Float32, UInt8

from photoplay.types.arrays import Array, Box, Rgb, RgbStack
from photoplay.types.motion import Duet
from photoplay.types.scene import Notice, Photo

Mode: TypeAlias = Literal[
    "text-to-video", "image-to-video", "multi-image-to-video", "pose-guided", "video-to-video", "audio-driven"
]


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter: ``file`` is a safetensors file or a name of the model store, ``weight`` multiplies it."""

    file: str
    weight: float = 1.0


@dataclass(frozen=True)
class Sampling:
    """How a diffusion backend shall sample. None is the backend's own default; a setting means the same everywhere.

    ``model`` names one of the backend's models in the store. ``num_inference_steps`` counts denoising steps;
    ``guidance_scale`` is classifier-free guidance's w (Ho & Salimans 2022, https://arxiv.org/abs/2207.12598; 1: off);
    ``strength`` 0..1 is how far a source video may change (1: wholly); ``flow_shift`` is the s of
    sigma' = s sigma / (1 + (s - 1) sigma) (Esser et al. 2024); ``conditioning_scale`` weighs the control signal.
    ``upscaler`` names a network of the store that enlarges frames which are smaller than the film (empty: Lanczos).
    ``speed``: ``exact`` (nothing that changes a pixel), ``fast`` (lossy, close) or ``preview`` (rough).
    """

    model: str = ""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    strength: float | None = None
    flow_shift: float | None = None
    conditioning_scale: float | None = None
    loras: tuple[Lora, ...] = ()
    upscaler: str = ""
    speed: Literal["exact", "fast", "preview"] = "exact"


@dataclass(frozen=True)
class Footage:
    """Pictures that come in besides the photo. All are framed as the film is: ``height`` x ``width`` of its plan.

    ``references`` are the people's own photos, one person each, in the order of the request (any size). ``last`` is what
    the film shall end on. ``video`` is what it is made from, at the film's frame rate, and ``repair`` [f, h, w] says where
    that shall be made anew (255) or stand (0). ``audio`` is the sound that the film shall be made to, from its start on.
    """

    references: tuple[Photo, ...] = ()
    last: Rgb | None = None
    video: RgbStack | None = None
    repair: UInt8[Array, "f h w"] | None = None
    audio: Audio | None = None


@dataclass(frozen=True)
class RenderPlan:
    """The film's frame: ``crop`` of the photo (photo-space box) shown at ``width`` x ``height``, and how many frames.

    ``resume`` is a folder in which a backend may keep unfinished work (None: nowhere), so that a film that was killed goes
    on where it was. ``duet`` says how the tracks of two people belong together (None: each is alone). ``shown`` is handed
    rough pictures of the film, of any size, while a model denoises (None: nobody looks); it may raise to cancel.
    """

    width: int
    height: int
    crop: Box
    fps: float
    num_frames: int
    seed: int = 0
    prompt: str = ""
    window: int = 24
    mode: Mode = "image-to-video"
    sampling: Sampling = Sampling()
    footage: Footage = Footage()
    resume: Path | None = None
    duet: Duet | None = None
    shown: Callable[[Rgb], None] | None = None

    @property
    def scale(self) -> float:
        """Frame pixels per photo pixel, measured across; a model's own grid may make pixels that are not quite square."""
        return self.width / (self.crop[2] - self.crop[0])

    def to_frame(self, points: Float32[Array, "*n d"]) -> Float32[Array, "*n d"]:
        """Maps photo-space points ``[..., 2 or 3]`` to frame space (pixel centres at whole numbers in both)."""
        mapped = points.astype(np.float32, copy=True)
        mapped[..., 0] = (points[..., 0] + 0.5 - self.crop[0]) * self.scale - 0.5
        down = self.height / (self.crop[3] - self.crop[1])
        mapped[..., 1] = (points[..., 1] + 0.5 - self.crop[1]) * down - 0.5
        if points.shape[-1] == 3:
            mapped[..., 2] = points[..., 2] * self.scale
        return mapped


class Label(IntEnum):
    """What a pixel of an anchor frame shows."""

    BACKGROUND = 0
    BODY = 1
    HAIR = 2
    SKIN = 3
    LID = 4
    EYE = 5
    LASH = 6
    LIP = 7
    MOUTH = 8
    TEETH = 9
    TONGUE = 10
    ARM = 11


@dataclass(frozen=True)
class Anchor:
    """What the photo alone says about a window of frames.

    rgb         [f, h, w, 3] uint8 sRGB
    confidence  [f, h, w] uint8: 255 where the photo's own pixels can be trusted, 0 where nothing is known
    labels      [f, h, w] uint8 of :class:`Label`
    flow        [f, h, w, 2] float16: frame pixel + flow = where that pixel stood in the (framed) photo
    depth       [f, h, w] float16: frame pixels, smaller is nearer; background is +inf
    identity    [f, h, w] uint8: 1 + the scene's index of the person that the pixel shows, 0 where it shows nobody that moves
    """

    rgb: RgbStack
    confidence: UInt8[Array, "f h w"]
    labels: UInt8[Array, "f h w"]
    flow: Float16[Array, "f h w 2"]
    depth: Float16[Array, "f h w"]
    identity: UInt8[Array, "f h w"] | None = None


@dataclass(frozen=True)
class Audio:
    """Mono sound: float32 samples in -1..1 at ``rate`` Hz."""

    samples: Float32[Array, n]
    rate: int
    sha256: str


@dataclass(frozen=True)
class Frames:
    """A window of consecutive frames, uint8 sRGB; ``start`` is the index of its first frame in the film.

    ``audio`` is the sound that a model made for these very frames."""

    rgb: RgbStack
    fps: float
    start: int = 0
    anchor: Anchor | None = None
    audio: Audio | None = None


@dataclass(frozen=True)
class Video:
    """A clip that came from outside: its frames and the hex digest of the bytes that they were in."""

    frames: Frames
    sha256: str


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. ``source_type`` is the C2PA digital source type that is true of its output.

    ``licence`` is that of the weights. ``extra`` names the optional extra of photoplay that it needs, ``packages`` the
    modules to import, ``models`` its models in the store (the default first), ``gpu_memory_gb`` what the default needs.
    ``max_seconds`` bounds a film (None: any length). In ``free`` modes the model frames the film by itself, so that review
    does not hold it to the photo's place and the track. ``reads_prompt``: words reach the model as they are.
    ``takes_last``: films can end on a given picture. ``repairs``: a part of a clip can be made anew."""

    modes: tuple[Mode, ...]
    max_long_side: int
    max_subjects: int
    needs_gpu: bool
    source_type: Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "algorithmicallyEnhanced"]
    description: str
    licence: str = "Apache-2.0"
    extra: str = ""
    packages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    gpu_memory_gb: float = 0.0
    max_seconds: float | None = None
    free: tuple[Mode, ...] = ()
    reads_prompt: bool = False
    takes_last: bool = False
    repairs: bool = False

    @property
    def hears_words(self) -> bool:
        """Whether words, the user's or a template's, reach a model."""
        return self.reads_prompt or bool(self.models)


@dataclass(frozen=True)
class Report:
    """Review of a film: named ``metrics``, whether it ``passed``, one ``sentence`` for a person, and notices."""

    metrics: dict[str, float]
    passed: bool
    sentence: str
    notices: tuple[Notice, ...] = ()
