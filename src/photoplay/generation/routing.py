"""Which part of a frame is whose, for models that are told of two people, and where the two meet.

A region begins with the pixels that show a person (:attr:`photoplay.types.Anchor.identity`), so it moves with the track and
ends where somebody stands before. It reaches a little farther, over loose hair; where it meets the other's region the
nearer of the two has the pixel. The weight of a contact at point p is ``strength exp(-|p - where|^2 / (2 s^2))`` with s half
its radius, the strongest where contacts overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.generation.mesh import exact_distance, smoothstep
from photoplay.types import Anchor, Array, Contact, Duet, RenderPlan

GROW, SOFT = 0.012, 0.008
"""How far a region reaches over its person's pixels, and over which way it ends, in longer sides."""
SPREAD = 0.5
"""Standard deviation of a contact's weight, in its radius."""
MOST = 0.5
"""What counts as the greater part of a cell: as regions do not add up to more than 1, only one can have it."""


@dataclass(frozen=True)
class Regions:
    """How far each place is one person's, and how far the two meet there.

    people   [2, f, h, w] float32 0..1 in the order of :attr:`photoplay.types.Duet.subjects`; together at most 1
    contact  [f, h, w] float32 0..1
    """

    people: Float32[Array, "2 f h w"]
    contact: Float32[Array, "f h w"]

    def pooled(self, starts: Sequence[int], height: int, width: int) -> Regions:
        """Means over the cells of a coarser grid (``[2, len(starts), height, width]``); its frame k holds the frames from
        ``starts[k]`` up to the next start."""
        return Regions(
            _pooled(self.people, starts, height, width), _pooled(self.contact[None], starts, height, width)[0]
        )

    def meeting(self) -> Float32[Array, "f h w"]:
        """How far the two meet at a place: the contact's weight where both are in the cell itself or next to it.

        A contact weighs round its middle on both people. Deep in the face of the one who stands before, nothing of the
        other is near, and nothing of the other's looks belongs there.
        """
        near = [np.stack([cv2.dilate(frame, np.ones((3, 3), np.uint8)) for frame in one]) for one in self.people]
        return np.asarray(np.minimum(*near) * self.contact, np.float32)

    def shares(self) -> Float32[Array, "2 f h w"]:
        """How far each person's looks count at a place: as far as it is theirs, and half each where the two meet."""
        both = self.meeting()
        return np.asarray(self.people * (1 - both) + np.float32(0.5) * both, np.float32)

    def owners(self) -> UInt8[Array, "f h w"]:
        """Whose each place is: 1 the first's, 2 the second's; 0 where it is neither's, or where the two meet."""
        free: Bool[Array, "f h w"] = self.meeting() < MOST
        first, second = ((one > MOST) & free for one in self.people)
        return np.asarray(first + 2 * second.astype(np.uint8), np.uint8)


def regions_of(
    anchor: Anchor, duet: Duet, plan: RenderPlan, start: int = 0, size: tuple[int, int] | None = None
) -> Regions:
    """The regions in the frames of ``anchor``, of which the first is the plan's frame ``start``.

    ``size`` (width, height) asks for another grid than the frame's own. Frames beyond the duet's end repeat its last one.

    Raises:
        ValueError: the anchor does not say whose its pixels are.
    """
    if anchor.identity is None:
        raise ValueError("an anchor of two people says whose its pixels are")
    frames, height, width = anchor.identity.shape
    grid = size or (width, height)
    people: Float32[Array, "2 f h w"] = np.empty((2, frames, grid[1], grid[0]), np.float32)
    for k, shown in enumerate(anchor.identity):
        people[:, k] = _of_frame(shown, duet.subjects, grid)
    at = start + np.arange(frames)
    return Regions(people, contact_weight(duet.contacts, replace(plan, width=grid[0], height=grid[1]), at))


def contact_weight(contacts: Sequence[Contact], plan: RenderPlan, frames: Array) -> Float32[Array, "f h w"]:
    """How far two people meet at each pixel of the plan's ``frames`` (numbers), 0..1."""
    weight: Float32[Array, "f h w"] = np.zeros((len(frames), plan.height, plan.width), np.float32)
    down = plan.height / (plan.crop[3] - plan.crop[1])
    for contact in contacts:
        at = np.minimum(frames, len(contact.where) - 1)
        spread = SPREAD * contact.radius * np.array([plan.scale, down])
        for k, (middle, strength) in enumerate(
            zip(plan.to_frame(contact.where[at]), contact.strength[at], strict=True)
        ):
            across, along = (
                np.exp(-0.5 * ((np.arange(side) - place) / wide) ** 2)
                for side, place, wide in zip((plan.width, plan.height), middle, spread, strict=True)
            )
            np.maximum(weight[k], np.outer(along, across) * strength, out=weight[k], casting="same_kind")
    return weight


def starts_of(frames: int, stride: int) -> list[int]:
    """First frames of the latent frames of a causal autoencoder: frame 0 alone, then ``stride`` frames each."""
    return [0, *range(1, frames, stride)]


def _of_frame(shown: UInt8[Array, "h w"], subjects: tuple[int, int], size: tuple[int, int]) -> Float32[Array, "2 r c"]:
    """Both regions of one frame, on a grid of ``size`` (width, height)."""
    reach, soft = GROW * max(size), max(SOFT * max(size), 0.5)
    ways = [_way(_resized((shown == 1 + subject).astype(np.float32), size) > MOST) for subject in subjects]
    regions = []
    for mine, others in (ways, ways[::-1]):
        nearer = smoothstep(-soft, soft, (others - mine) / 2)
        regions.append((1 - smoothstep(reach, reach + soft, mine)) * nearer)
    return np.stack(regions)


def _way(mask: Bool[Array, "h w"]) -> Float32[Array, "h w"]:
    """Pixels to the border of ``mask``, below 0 inside; farther than any pixel where there is no border."""
    inside = mask.astype(np.uint8)
    if inside.all() or not inside.any():
        return np.full(mask.shape, -sum(mask.shape) if inside.all() else sum(mask.shape), np.float32)
    to, out = (exact_distance(one) for one in (1 - inside, inside))
    return np.asarray(np.where(mask, 0.5 - out, to - 0.5), np.float32)


def _resized(image: Float32[Array, "h w"], size: tuple[int, int]) -> Float32[Array, "r c"]:
    if image.shape == size[::-1]:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _pooled(
    maps: Float32[Array, "n f h w"], starts: Sequence[int], height: int, width: int
) -> Float32[Array, "n g r c"]:
    frames = maps.shape[1]
    counts = np.diff([*starts, frames]).astype(np.float32)[None, :, None, None]
    summed = np.add.reduceat(maps, list(starts), axis=1) / counts
    return np.stack([[_resized(frame, (width, height)) for frame in one] for one in summed]).astype(np.float32)
