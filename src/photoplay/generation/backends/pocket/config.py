"""The size and habits of a pocket network: written into every weights file, read back before the network is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from photoplay.generation.backends.pocket.conditioning import COND_PLANES, PREVIOUS_PLANES, REFERENCE_PLANES

LEVELS = 4
"""Resolutions of the network: 1/2, 1/4, 1/8 and 1/16 of the crop."""
STRIDE = 2**LEVELS
"""A crop's side must be divisible by this."""


@dataclass(frozen=True)
class PocketConfig:
    """What a pocket network is built from.

    ``channels``, ``blocks`` (of two convolutions, on the way down and again on the way up; the last level has them once) and
    ``reference_channels`` (of the photo's encoder) are per level, ``embedding`` is the width of what says sigma and
    appearance. Attention over time and to the photo is at the last two levels, in heads of ``head_channels``.
    ``noise_correlation`` is the share of the noise's variance that all frames have in common. ``*_planes`` name what the
    network was trained to be told, in order.
    """

    channels: tuple[int, ...] = (48, 96, 192, 288)
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    reference_channels: tuple[int, ...] = (32, 64, 128, 192)
    head_channels: int = 32
    embedding: int = 192
    noise_correlation: float = 0.8
    cond_planes: tuple[str, ...] = COND_PLANES
    previous_planes: tuple[str, ...] = PREVIOUS_PLANES
    reference_planes: tuple[str, ...] = REFERENCE_PLANES

    def __post_init__(self) -> None:
        per_level = (self.channels, self.blocks, self.reference_channels)
        if any(len(sizes) != LEVELS or min(sizes) < 1 for sizes in per_level):
            raise ValueError(f"channels, blocks and reference_channels need {LEVELS} positive numbers each")
        if self.head_channels < 1 or any(width % self.head_channels for width in self.channels[2:]):
            raise ValueError("the channels of the last two levels must be whole heads")
        if self.embedding < 2 or self.embedding % 2:
            raise ValueError("embedding must be even")
        if not 0 <= self.noise_correlation <= 1:
            raise ValueError("noise_correlation lies between 0 and 1")

    @property
    def known(self) -> bool:
        """Whether this version of photoplay makes the planes that the network was trained on."""
        return (self.cond_planes, self.previous_planes, self.reference_planes) == (
            COND_PLANES, PREVIOUS_PLANES, REFERENCE_PLANES,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> PocketConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: a field is missing, unknown, or of another type than ours.
        """
        defaults = {field.name: field.default for field in fields(cls)}
        if set(stored) != set(defaults):
            raise ValueError(f"other fields than ours: {sorted(set(stored) ^ set(defaults))}")
        return cls(**{name: _as(type_of, stored[name], name) for name, type_of in defaults.items()})


def _as(example: Any, value: Any, name: str) -> Any:
    """``value`` in the type of ``example``; lists become tuples of the same element type."""
    if isinstance(example, tuple):
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list")
        return tuple(_as(example[0], item, name) for item in value)
    if isinstance(example, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(example):
        raise ValueError(f"{name} must be of type {type(example).__name__}")
    return value


SMALL = PocketConfig(channels=(32, 64, 160, 256), reference_channels=(32, 64, 128, 192), embedding=160)
"""Trained and run on CPUs."""
WIDE = PocketConfig(
    channels=(96, 160, 288, 416), blocks=(1, 2, 2, 2), reference_channels=(48, 96, 192, 288), embedding=384
)
"""For training on a GPU: under 30 M parameters, 60 MB in fp16."""
