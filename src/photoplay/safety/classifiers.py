"""Content classifiers that come as ONNX files, run by OpenVINO."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from photoplay.device import openvino_options
from photoplay.errors import UnavailableError
from photoplay.types import Array, Rgb

NUDENET = "320n.onnx"
NUDENET_SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
"""Of the detector in nudenet 3.4.2: another file has not been looked at here."""
NUDENET_SIDE, NUDENET_BOX = 320, 4
NUDENET_UNSAFE = (2, 3, 4, 6, 14)
"""Buttocks, female breast, female genitalia, anus, male genitalia, each exposed; indices into its 18 classes."""


Pictures: TypeAlias = Sequence[UInt8[Array, "_ _ 3"]]
"""Pictures of any sizes, uint8 sRGB."""


class _Network:
    """An ONNX network on the CPU, loaded when it is first asked, which may be asked from any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._compiled: Any = None

    def run(self, batch: Float32[Array, "1 3 h w"]) -> Array:
        """The network's first output."""
        with self._lock:
            if self._compiled is None:
                import openvino

                core = openvino.Core()
                model = core.read_model(str(self._file))
                model.reshape(list(batch.shape))
                self._compiled = core.compile_model(model, "CPU", openvino_options(threads=1))
            return np.array(self._compiled(batch)[0])


@dataclass(frozen=True)
class NudeNet:
    """The detector of the package ``nudenet`` (its licence file is AGPL-3.0): a YOLOv8 network of 320 pixels.

    Only its weights file is used. A picture is as unsafe as its surest exposed part. Measured on this project's photos: RGB,
    shrunk by area, finds faces a little better than the package's own order of channels and scaling (docs/safety.md).
    """

    file: Path
    name: str = "nudenet-3.4.2-320n"
    _network: _Network = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_network", _Network(self.file))

    @classmethod
    def installed(cls) -> NudeNet | None:
        """The installed package's detector; None where there is none.

        Raises:
            UnavailableError: ``content_filter_changed``: its file is not the one that was looked at.
        """
        spec = find_spec("nudenet")
        if spec is None or spec.origin is None:
            return None
        file = Path(spec.origin).with_name(NUDENET)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != NUDENET_SHA256:
            raise UnavailableError(
                "content_filter_changed",
                "The installed nudenet is not the version that photoplay knows.",
                "Install it with `pip install 'photoplay[nudenet]'`.",
            )
        return cls(file)

    def unsafe(self, pictures: Pictures) -> Float32[Array, n]:
        """The best score of an exposed part in each picture."""
        return np.array([self._score(picture) for picture in pictures], np.float32)

    def _score(self, picture: Rgb) -> float:
        found = self._network.run(_blob(_letterbox(picture, NUDENET_SIDE)))[0]
        return float(found[[NUDENET_BOX + index for index in NUDENET_UNSAFE]].max())


class Description(BaseModel):
    """What a JSON file says about an ONNX image classifier beside it.

    ``input`` is ``file``'s square side in pixels; pictures are stretched (``fit: stretch``) or padded (``pad``) to it,
    divided by 255, then ``(x - mean) / std``. ``output`` says what its single row of numbers is; ``unsafe`` are the
    classes whose probabilities are added up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w .-]+$")]
    file: Annotated[str, Field(pattern=r"^[\w.-]+\.onnx$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    input: Annotated[int, Field(ge=32, le=1024)]
    fit: Literal["stretch", "pad"] = "stretch"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    output: Literal["logits", "probabilities", "sigmoid"]
    unsafe: Annotated[tuple[Annotated[int, Field(ge=0, le=10_000)], ...], Field(min_length=1)]


@dataclass(frozen=True)
class OnnxClassifier:
    """Any image classifier in an ONNX file, as its :class:`Description` says."""

    description: Description
    folder: Path
    _network: _Network = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_network", _Network(self.folder / self.description.file))

    @classmethod
    def read(cls, file: Path) -> OnnxClassifier:
        """The classifier that a JSON file describes.

        Raises:
            UnavailableError: ``content_filter_unreadable``: the description or the network cannot be read, or the network is
                not the one that is described.
        """
        try:
            description = Description.model_validate_json(file.read_bytes())
            digest = hashlib.sha256((file.parent / description.file).read_bytes()).hexdigest()
            if digest != description.sha256:
                raise ValueError("another network")
        except (OSError, ValueError, ValidationError) as error:
            raise UnavailableError(
                "content_filter_unreadable",
                "The content filter that this installation names cannot be used.",
                "Check its description and the digest of its ONNX file (docs/safety.md).",
            ) from error
        return cls(description, file.parent)

    @property
    def name(self) -> str:
        return f"{self.description.name}-{self.description.sha256[:16]}"

    def unsafe(self, pictures: Pictures) -> Float32[Array, n]:
        """The probability of all unsafe classes together."""
        return np.array([self._score(picture) for picture in pictures], np.float32)

    def _score(self, picture: Rgb) -> float:
        said, side = self.description, self.description.input
        if said.fit == "pad":
            square = _letterbox(picture, side)
        else:
            square = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        mean, std = (np.array(value, np.float32).reshape(1, 3, 1, 1) for value in (said.mean, said.std))
        row = self._network.run((_blob(square) - mean) / std).reshape(-1).astype(np.float64)
        if said.output == "sigmoid":
            row = 1 / (1 + np.exp(-row))
            return float(row[list(said.unsafe)].max())
        if said.output == "logits":
            row = np.exp(row - row.max())
            row /= row.sum()
        return min(1.0, float(row[list(said.unsafe)].sum()))


def _letterbox(picture: Rgb, side: int) -> UInt8[Array, "s s 3"]:
    """The picture in the upper left of a black square of ``side`` pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.zeros((side, side, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=interpolation)
    return square


def _blob(square: UInt8[Array, "s s 3"]) -> Float32[Array, "1 3 s s"]:
    return np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
