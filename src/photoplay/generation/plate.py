"""What stands behind the people: a still background plate, and people freed from the background's colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.generation import plate_kernels
from photoplay.generation.mesh import smoothstep
from photoplay.types import Array, Mask, Rgb


def fill_smooth(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """Fills where ``weight`` is 0 from its surroundings (push-pull pyramid, after Gortler et al. 1996, "The Lumigraph").

    Where ``weight`` is 1 the image stays as it is.
    """
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = (image * weight[..., None]).sum((0, 1)) / total
        return np.asarray(image * weight[..., None] + mean * (1 - weight[..., None]), np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(image * weight[..., None], half, interpolation=cv2.INTER_AREA)
    mean = mean.reshape(*share.shape, -1) / np.maximum(share, 1e-6)[..., None]
    filled = fill_smooth(mean.astype(np.float32), np.minimum(1.0, share * 2).astype(np.float32))
    pulled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).reshape(image.shape)
    keep = weight[..., None]
    return np.asarray(image * keep + pulled * (1 - keep), np.float32)


LEVELS = ((48, 10), (96, 5), (192, 3), (384, 2))
"""Longer side of the picture in pixels and rounds of search and vote, for each level of the patch search."""
FAITH = (0.35, 0.06)
"""How much a filled pixel should look like the nearest known one, and how far that reaches (share of the longer side)."""
TONE = 0.03
"""How far the tone of the nearest known pixels reaches into the filled part (share of the longer side)."""

NARROW = 3.0
"""How sharply a pixel follows its line: weights fall by e at a distance of 1 / sqrt(NARROW) pixels from it."""
CLEAR, STRONG = (0.3, 0.7), 1.0
"""How far one direction must prevail, and how strong it must be (grey levels squared a pixel), to be a line."""
EXACT, GRAIN = 1 / 8, (2.0, 8.0)
"""How deep lines run on (longer sides), and how fine (pixels) and strong (levels) the texture may be that lies on them."""
STRAY, THIN = 1 / 30, 1 / 120
"""How far from the hole strands of hair are looked for, and half as wide as they may be, in longer sides."""
FAINT, NOISE = 5.0, 4.0
"""By how much they stand out: grey levels, and times the mean deviation of the background around."""
INTO = (0.25, 0.6)
"""Sine of the angle between a line and the gap's border from which on, and above which, the line runs into the gap."""
COPY = 640
"""Longer side in pixels of the copy on which directions are measured at most."""
LOOK = 1 / 160
"""How far around a pixel that is done, in longer sides."""


@dataclass(frozen=True)
class _Matches:
    """A level of the patch search: for each target pixel (y, x) the known pixel whose patch stands for its own."""

    picture: Float32[Array, "h w 3"]
    gap: UInt8[Array, "h w"]
    source: UInt8[Array, "h w"]
    index: Int32[Array, "h w"]
    targets: Int32[Array, "n 2"]
    match: Int32[Array, "n 2"]
    cost: Float32[Array, n]
    belief: Float32[Array, n]
    prior: Float32[Array, "h w 3"]
    faith: Float32[Array, n]

    @classmethod
    def start(
        cls,
        picture: Float32[Array, "h w 3"],
        prior: Float32[Array, "h w 3"],
        gap: UInt8[Array, "h w"],
        coarser: _Matches | None,
        seed: int,
        faith: tuple[float, float],
    ) -> _Matches | None:
        """Prepares a level, from the ``coarser`` one's matches where there is one; None where too little is known."""
        radius = plate_kernels.RADIUS
        patch = np.ones((2 * radius + 1,) * 2, np.uint8)
        touched = cv2.dilate(gap, patch)
        source = 1 - touched
        source[:radius], source[-radius:], source[:, :radius], source[:, -radius:] = 0, 0, 0, 0
        known = np.argwhere(source)
        if len(known) < 64:
            return None
        targets = np.argwhere(touched).astype(np.int32)
        index = np.full(gap.shape, -1, np.int32)
        index[targets[:, 0], targets[:, 1]] = np.arange(len(targets))
        match = known[np.random.default_rng(seed).integers(len(known), size=len(targets))].astype(np.int32)
        if coarser is not None:
            ratio = np.array(gap.shape) / np.array(coarser.gap.shape)
            low = np.minimum((targets / ratio).astype(np.int32), np.array(coarser.gap.shape) - 1)
            place = coarser.index[low[:, 0], low[:, 1]]
            guess = targets + np.rint((coarser.match[place] - coarser.targets[place]) * ratio).astype(np.int32)
            guess = np.clip(guess, 0, np.array(gap.shape) - 1)
            good = (place >= 0) & (source[guess[:, 0], guess[:, 1]] > 0)
            match[good] = guess[good]
        depth = cv2.distanceTransform(gap, cv2.DIST_L2, cv2.DIST_MASK_5)[targets[:, 0], targets[:, 1]]
        belief = (1.3**-depth).astype(np.float32)
        trust = (faith[0] * np.exp(-depth / (faith[1] * max(gap.shape)))).astype(np.float32)
        cost = np.full(len(targets), np.inf, np.float32)
        return cls(picture, gap, source, index, targets, match, cost, belief, prior, trust)

    def refine(self, rounds: int, seed: int) -> None:
        """Alternates search and vote; ``match``, ``cost`` and the gap in ``picture`` are improved in place."""
        for turn in range(rounds):
            plate_kernels.search(
                self.picture, self.prior, self.faith, self.targets, self.index, self.source, self.match, self.cost,
                2, seed + turn,
            )  # fmt: skip
            plate_kernels.vote(
                self.picture.copy(), self.targets, self.match, self.cost, self.belief, self.gap, self.picture
            )


def continued(
    image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"], deepest: float = np.inf
) -> tuple[Float32[Array, "h w 3"], Float32[Array, "h w"]]:
    """``image`` with the ``hole`` filled from its border inwards, along the directions that the known part has there.

    Also how far to believe it, 0..1: a line that runs along the border says nothing of what comes behind it. Further than
    ``deepest`` pixels inside nothing is filled.
    """
    along, sharp, believed = _directions(image, hole)
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5)
    wanted = (hole > 0) & (depth <= deepest)
    order = np.argwhere(wanted)[np.argsort(depth[wanted], kind="stable")].astype(np.int32)
    out = image.copy()
    plate_kernels.transport(order, along, sharp, (1 - hole).astype(np.uint8), out)
    return out, believed


def _directions(
    image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"]
) -> tuple[Float32[Array, "h w 2"], Float32[Array, "h w"], Float32[Array, "h w"]]:
    """Which way lines run, how sharply to follow and how far to believe them.

    It is measured on a small copy, where the image is known, and carried into the ``hole``.
    """
    full = (hole.shape[1], hole.shape[0])
    scale = min(1.0, COPY / max(full))
    size = (max(1, round(full[0] * scale)), max(1, round(full[1] * scale)))
    blurred = cv2.GaussianBlur(cv2.resize(image, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    gap = (cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.01).astype(np.uint8)
    across = cv2.Sobel(blurred, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(blurred, cv2.CV_32F, 0, 1, scale=0.125)
    # The gradient next to the hole is of what lies in it.
    sure = cv2.erode((1 - gap).astype(np.float32), np.ones((7, 7), np.float32))
    tensor = np.dstack([(across * across).sum(-1), (across * down).sum(-1), (down * down).sum(-1)]) * sure[..., None]
    sigma = LOOK * max(size)
    seen = cv2.GaussianBlur(sure, (0, 0), sigma)
    tensor = cv2.GaussianBlur(tensor, (0, 0), sigma) / np.maximum(seen, 1e-4)[..., None]
    tensor = fill_smooth(tensor, (np.clip(seen * 8, 0, 1) * (seen > 1e-3) * (gap == 0)).astype(np.float32))
    along, sharp = _axes(tensor)
    depth = cv2.GaussianBlur(cv2.distanceTransform(gap, cv2.DIST_L2, cv2.DIST_MASK_5), (0, 0), sigma)
    inwards = np.dstack([cv2.Sobel(depth, cv2.CV_32F, 1, 0), cv2.Sobel(depth, cv2.CV_32F, 0, 1)])
    into = np.abs((along * inwards).sum(-1)) / np.maximum(np.linalg.norm(inwards, axis=2), 1e-3)
    believed = cv2.GaussianBlur(np.maximum(1 - sharp / NARROW, smoothstep(*INTO, into)), (0, 0), sigma)
    if scale < 1:
        along, sharp = _axes(cv2.resize(tensor, full, interpolation=cv2.INTER_LINEAR))
    return along, sharp, cv2.resize(believed, full, interpolation=cv2.INTER_LINEAR)


def _axes(tensor: Float32[Array, "h w 3"]) -> tuple[Float32[Array, "h w 2"], Float32[Array, "h w"]]:
    """The direction of lines and how clear it is, 0..NARROW, from the structure tensor's xx, xy and yy."""
    xx, xy, yy = tensor[..., 0], tensor[..., 1], tensor[..., 2]
    apart = np.sqrt(np.square(xx - yy) + 4 * np.square(xy))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.float32(np.pi / 2)
    prevails = (apart / np.maximum(xx + yy, 1e-3) - CLEAR[0]) / (CLEAR[1] - CLEAR[0])
    sharp = NARROW * np.clip(prevails, 0, 1) * np.clip(apart / STRONG, 0, 1)
    return np.dstack([np.cos(angle), np.sin(angle)]).astype(np.float32), sharp.astype(np.float32)


def extend(image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"]) -> Float32[Array, "h w 3"]:
    """Fills ``hole`` with what :func:`continued` makes of it, the softer the deeper inside."""
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5)
    sharp, believed = continued(image, hole)
    sigma = max(hole.shape) / 100
    soft = cv2.GaussianBlur(sharp, (0, 0), sigma)
    softer = cv2.GaussianBlur(soft, (0, 0), 4 * sigma)
    near = (np.clip(1.6 - depth / (8 * sigma), 0, 1) * believed)[..., None]
    far = np.clip(depth / (12 * sigma) - 0.2, 0, 1)[..., None]
    inside = soft + (softer - soft) * far
    inside += (sharp - inside) * near
    return np.asarray(np.where(hole[..., None] > 0, inside, image), np.float32)


def fill_texture(
    image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"], seed: int = 0, faith: tuple[float, float] = FAITH
) -> Float32[Array, "h w 3"]:
    """Fills ``hole`` with patches that the known part shows elsewhere, so that texture and edges run on into it.

    Coarse to fine, alternating a patch search and a vote (Wexler et al. 2007, "Space-time completion of video"; search by
    Barnes et al. 2009, "PatchMatch"); then the finest level's matches copy the picture's own pixels at full size.
    """
    height, width = hole.shape
    most = min(1.0, LEVELS[-1][0] / max(height, width))
    finest = (max(16, round(width * most)), max(16, round(height * most)))
    coarse_hole: Array = cv2.resize(hole.astype(np.float32), finest, interpolation=cv2.INTER_AREA) > 0.01
    coarse_hole = coarse_hole.astype(np.uint8)
    if coarse_hole.all():
        coarse_hole = np.asarray(cv2.resize(hole, finest, interpolation=cv2.INTER_NEAREST), np.uint8)
    filled = extend(cv2.resize(image, finest, interpolation=cv2.INTER_AREA), coarse_hole)
    level: _Matches | None = None
    for side, rounds in LEVELS:
        scale = min(1.0, side / max(height, width))
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        gap = (cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.01).astype(np.uint8)
        prior = cv2.resize(filled, size, interpolation=cv2.INTER_AREA)
        guess = prior if level is None else cv2.resize(level.picture, size, interpolation=cv2.INTER_LINEAR)
        picture = np.where(gap[..., None] > 0, guess, small).astype(np.float32)
        finer = _Matches.start(picture, prior, gap, level, seed, faith)
        if finer is not None:
            finer.refine(rounds, seed)
            level = finer
    if level is None:
        rough = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.where(hole[..., None] > 0, rough, image), np.float32)
    out = cv2.resize(level.picture, (width, height), interpolation=cv2.INTER_LINEAR)
    out = np.where(hole[..., None] > 0, out, image).astype(np.float32)
    plate_kernels.enlarge(image, hole, level.index, level.match, level.cost, level.targets, out)
    tone = cv2.resize(tone_offset(level.picture, prior, gap), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(out + tone * (hole[..., None] > 0), np.float32)


def tone_offset(
    picture: Float32[Array, "h w 3"], prior: Float32[Array, "h w 3"], gap: UInt8[Array, "h w"]
) -> Float32[Array, "h w 3"]:
    """What must be added to the filled ``picture`` for its tone to run on from the known part beyond the gap's border."""
    depth = cv2.distanceTransform(gap, cv2.DIST_L2, cv2.DIST_MASK_5) / max(gap.shape)
    inside, wide = gap.astype(np.float32), max(gap.shape) / 150
    off = cv2.GaussianBlur((prior - picture) * inside[..., None], (0, 0), wide)
    off /= np.maximum(cv2.GaussianBlur(inside, (0, 0), wide), 1e-3)[..., None]
    return np.asarray(off * np.exp(-depth / TONE)[..., None], np.float32)


def background_plate(framed: Rgb, matte: Mask, reach: int) -> Rgb:
    """The framed photo without the people: what ``matte`` covers, and ``reach`` pixels around it, is filled in.

    So are strands of hair a little further off (:func:`strands`). All else stays bit for bit.
    """
    person = (matte > 5).astype(np.uint8)
    if not person.any():
        return framed.copy()
    off = cv2.distanceTransform(1 - person, cv2.DIST_L2, cv2.DIST_MASK_5)
    hole = (off <= reach).astype(np.uint8)
    if hole.all():
        hole[0, 0] = 0
    image = without_strands(framed.astype(np.float32), hole)
    filled = run_on(image, fill_texture(image, hole), hole)
    plate = image + (filled - image) * np.clip(reach + 1 - off, 0, 1)[..., None]
    return np.asarray(np.clip(np.rint(plate), 0, 255), np.uint8)


def run_on(
    image: Float32[Array, "h w 3"], filled: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"]
) -> Float32[Array, "h w 3"]:
    """``filled`` with the lines of ``image`` run on into the ``hole`` near its border, where a head that turns uncovers it.

    There only the fill's grain is kept: its patches break a line off or set it on at another height.
    """
    deep = EXACT * max(hole.shape)
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5)
    lines, believed = continued(image, hole, deep)
    grain = np.clip(filled - cv2.GaussianBlur(filled, (0, 0), GRAIN[0]), -GRAIN[1], GRAIN[1])
    share = np.clip(2 - 2 * depth / deep, 0, 1) * believed * (hole > 0)
    return np.asarray(filled + (lines + grain - filled) * share[..., None], np.float32)


def without_strands(image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"]) -> Float32[Array, "h w 3"]:
    """``image`` without the strands of hair around the ``hole`` that the matte has missed: they would stay behind.

    A strand is thin, so that it differs from its surroundings' median by more than the background's texture does, and ends
    nearby; a line of the background goes on. In its place comes that median.
    """
    side = max(hole.shape)
    off = cv2.distanceTransform(1 - hole, cv2.DIST_L2, cv2.DIST_MASK_5)
    near = ((off <= STRAY * side) & (hole == 0)).astype(np.uint8)
    beyond = (off > STRAY * side).astype(np.float32)
    if not beyond.any():
        return image
    open_air = np.clip(np.rint(fill_smooth(image, (off > 2).astype(np.float32))), 0, 255).astype(np.uint8)
    around = cv2.medianBlur(open_air, 2 * round(THIN * side) + 1).astype(np.float32)
    unlike = np.abs(image - around).max(2)
    noise = _mean_around(unlike, beyond, 2 * STRAY * side)
    found = ((unlike > FAINT + NOISE * noise) & (hole == 0)).astype(np.uint8)
    _, groups, stats, _ = cv2.connectedComponentsWithStats(found)
    strand = (stats[:, cv2.CC_STAT_AREA] <= (STRAY * side) ** 2).astype(np.uint8)
    strand[np.unique(groups[near == 0])] = 0
    thick = cv2.dilate(strand[groups] * near, np.ones((5, 5), np.uint8))
    share = cv2.GaussianBlur(thick.astype(np.float32), (0, 0), 0.8) * np.clip(STRAY * side - off, 0, 1)
    return np.asarray(image + (around - image) * share[..., None], np.float32)


def _mean_around(values: Float32[Array, "h w"], weight: Float32[Array, "h w"], sigma: float) -> Float32[Array, "h w"]:
    """The weighted mean of ``values`` over some ``sigma`` pixels around each pixel."""
    step = max(1, int(sigma / 8))
    small = (max(1, values.shape[1] // step), max(1, values.shape[0] // step))
    both: Array = values * weight
    total = cv2.GaussianBlur(cv2.resize(both, small, interpolation=cv2.INTER_AREA), (0, 0), sigma / step)
    share = cv2.GaussianBlur(cv2.resize(weight, small, interpolation=cv2.INTER_AREA), (0, 0), sigma / step)
    mean = total / np.maximum(share, 1e-3)
    return np.asarray(cv2.resize(mean, values.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def premultiplied(texture: Rgb, alpha: Mask, behind: Rgb) -> UInt8[Array, "h w 4"]:
    """The people's own colour times alpha, and alpha: what must be added to ``(1 - alpha) * behind`` to get the photo.

    At soft edges alpha is measured again where people and background differ in colour, as the share of the way from the
    background to the people's nearest solid colour; and the colour is drawn towards that solid colour, so that no fringe
    of the old background travels along.
    """
    cut = np.asarray(cv2.merge([*cv2.split(texture), alpha]), np.uint8)
    cut = np.asarray(cv2.bitwise_and(cut, cut, mask=alpha), np.uint8)
    edge = cv2.findNonZero(((alpha > 0) & (alpha < 250)).astype(np.uint8))
    if edge is not None:
        columns, rows = edge[:, 0, 0], edge[:, 0, 1]
        solid = _solid_colour(texture, alpha, rows, columns)
        pixel, back = texture[rows, columns].astype(np.float32), behind[rows, columns].astype(np.float32)
        matte = alpha[rows, columns].astype(np.float32) / 255
        way = solid - back
        length = np.square(way).sum(1)
        measured = np.clip(((pixel - back) * way).sum(1) / np.maximum(length, 1), 0, 1)
        sure = np.clip((np.sqrt(length) - 25) / 50, 0, 1) * 0.85
        doubt = 4 * matte * (1 - matte)
        matte = (matte + np.clip((measured - matte) * sure, -0.7 * doubt, 0.3 * doubt))[:, None]
        trust = np.clip((matte - 0.2) / 0.7, 0, 1)
        mixed = solid * matte * (1 - trust) + (pixel - (1 - matte) * back) * trust
        cut[rows, columns, :3] = np.rint(np.clip(mixed, 0, 255 * matte))
        cut[rows, columns, 3] = np.rint(matte[:, 0] * 255)
    return cut


def _solid_colour(texture: Rgb, alpha: Mask, rows: Array, columns: Array) -> Float32[Array, "n 3"]:
    """The people's colour at (row, column), carried from where they are solid over their soft edges."""
    quarter = (max(1, alpha.shape[1] // 4), max(1, alpha.shape[0] // 4))
    solid = cv2.resize(alpha, quarter, interpolation=cv2.INTER_AREA) >= 245
    image = cv2.resize(texture, quarter, interpolation=cv2.INTER_AREA).astype(np.float32)
    inner = fill_smooth(image, solid.astype(np.float32))
    y = np.clip((rows + 0.5) * (quarter[1] / alpha.shape[0]) - 0.5, 0, quarter[1] - 1).astype(np.float32)
    x = np.clip((columns + 0.5) * (quarter[0] / alpha.shape[1]) - 0.5, 0, quarter[0] - 1).astype(np.float32)
    top, left = np.floor(y).astype(np.int32), np.floor(x).astype(np.int32)
    low, right = np.minimum(top + 1, quarter[1] - 1), np.minimum(left + 1, quarter[0] - 1)
    dy, dx = (y - top)[:, None], (x - left)[:, None]
    above = inner[top, left] * (1 - dx) + inner[top, right] * dx
    below = inner[low, left] * (1 - dx) + inner[low, right] * dx
    return np.asarray(above * (1 - dy) + below * dy, np.float32)
