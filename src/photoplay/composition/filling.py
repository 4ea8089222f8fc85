"""Colour carried on smoothly into where nothing is known."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from photoplay.types import Array


def carry_on(image: Float32[Array, "h w c"], weight: Float32[Array, "h w"]) -> Float32[Array, "h w c"]:
    """Fills where ``weight`` (0..1) is 0 from its surroundings; where it is 1 the image stays as it is.

    A push-pull pyramid (after Gortler et al. 1996, "The Lumigraph"): means of the known on ever coarser levels, enlarged
    again where a finer level knows nothing.
    """
    levels: list[tuple[Array, Array]] = [(image, weight)]
    while min(levels[-1][1].shape) > 2:
        colour, known = levels[-1]
        half = ((known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2)
        share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
        total = cv2.resize(colour * known[..., None], half, interpolation=cv2.INTER_AREA).reshape(*share.shape, -1)
        levels.append((total / np.maximum(share, 1e-6)[..., None], np.minimum(1, 2 * share)))
    colour, known = levels.pop()
    mean = (colour * known[..., None]).sum((0, 1)) / max(float(known.sum()), 1e-6)
    filled = colour * known[..., None] + mean * (1 - known[..., None])
    while levels:
        colour, known = levels.pop()
        size = (known.shape[1], known.shape[0])
        coarse = cv2.resize(filled.astype(np.float32), size, interpolation=cv2.INTER_LINEAR).reshape(colour.shape)
        filled = coarse + (colour - coarse) * known[..., None]
    return np.asarray(filled, np.float32)


RADIUS = 2
"""Patches are 5 x 5 pixels."""
LEVELS = ((40, 6), (72, 4), (128, 3))
"""Longer side of the picture in pixels and rounds of search and vote, for each level."""
MOST_SOURCES = 6000
COMPONENTS = 24
"""Patches are compared by so many principal components."""
NEARNESS = 0.25
"""What a pixel of the hole should roughly look like, carried on from around it, counts this much in the search."""


def fill_texture(image: Float32[Array, "h w 3"], hole: UInt8[Array, "h w"]) -> Float32[Array, "h w 3"]:
    """Fills ``hole`` (1) with patches that the rest shows elsewhere, so that texture and lines run on into it.

    Coarse to fine, alternating an exhaustive patch search and a vote (Wexler et al. 2007, "Space-time completion of
    video"); then the picture's own pixels are copied along the finest level's matches, softer the deeper inside.
    """
    height, width = hole.shape
    known = (hole == 0).astype(np.float32)
    picture, gap, matches = image, hole, None
    for side, rounds in LEVELS:
        scale = min(1.0, side / max(height, width))
        size = (max(12, round(width * scale)), max(12, round(height * scale)))
        share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        gap = (share < 0.99).astype(np.uint8)
        mean = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
        mean = mean / np.maximum(share, 1e-6)[..., None]
        prior = carry_on(mean.astype(np.float32), (1 - gap).astype(np.float32))
        guess = prior if matches is None else cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        picture = np.where(gap[..., None] > 0, guess, mean).astype(np.float32)
        for _ in range(rounds):
            found = _search(picture, prior, gap)
            if found is None:
                return np.asarray(np.where(hole[..., None] > 0, carry_on(image, known), image), np.float32)
            matches = found
            picture = _vote(picture, gap, found)
    if matches is None:
        return image
    return _copied(image, hole, picture, matches)


def _patches(picture: Float32[Array, "h w 3"], radius: int) -> Float32[Array, "n m"]:
    """The patch around each pixel as a row, mirrored at the border."""
    grown: Array = cv2.copyMakeBorder(picture, radius, radius, radius, radius, cv2.BORDER_REFLECT_101)
    side = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(grown, (side, side, 3))
    return np.ascontiguousarray(windows, np.float32).reshape(picture.shape[0] * picture.shape[1], -1)


def _search(
    picture: Float32[Array, "h w 3"], prior: Float32[Array, "h w 3"], gap: UInt8[Array, "h w"]
) -> Int32[Array, "h w"] | None:
    """For each pixel whose patch touches the gap the known pixel whose patch is nearest (flat index); else itself."""
    side = 2 * RADIUS + 1
    touched = cv2.dilate(gap, np.ones((side, side), np.uint8))
    inner = np.zeros_like(touched)
    inner[RADIUS:-RADIUS, RADIUS:-RADIUS] = 1 - touched[RADIUS:-RADIUS, RADIUS:-RADIUS]
    source = np.flatnonzero(inner)
    if len(source) < 40:
        return None
    source = source[:: max(1, len(source) // MOST_SOURCES)]
    target = np.flatnonzero(touched)
    rows = _patches(picture, RADIUS)
    centre = rows[source].mean(0)
    basis = np.linalg.eigh((rows[source] - centre).T @ (rows[source] - centre))[1][:, -COMPONENTS:]
    weight = np.float32(np.sqrt(NEARNESS * side * side))
    flat, plain = prior.reshape(-1, 3) * weight, picture.reshape(-1, 3) * weight
    ours = np.hstack([(rows[target] - centre) @ basis, flat[target]]).astype(np.float32)
    theirs = np.hstack([(rows[source] - centre) @ basis, plain[source]]).astype(np.float32)
    length = np.square(theirs).sum(1)
    matches = np.arange(gap.size, dtype=np.int32)
    for start in range(0, len(target), 1024):
        part = slice(start, start + 1024)
        matches[target[part]] = source[(length - 2 * ours[part] @ theirs.T).argmin(1)]
    return matches.reshape(gap.shape)


def _vote(
    picture: Float32[Array, "h w 3"], gap: UInt8[Array, "h w"], matches: Int32[Array, "h w"]
) -> Float32[Array, "h w 3"]:
    """Each pixel of the gap becomes the mean of what the matches of all patches around it say; nearer ones say more."""
    height, width = gap.shape
    depth = cv2.distanceTransform(gap, cv2.DIST_L2, cv2.DIST_MASK_5)
    belief = (1.3**-depth).astype(np.float32)
    rows, columns = np.divmod(matches, width)
    total, weights = np.zeros_like(picture), np.full((height, width, 1), 1e-6, np.float32)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            # The patch at p says of the pixel p + d: the pixel match(p) + d.
            said = picture[np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)]
            to_y, to_x = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
            from_y, from_x = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
            share = belief[from_y, from_x, None]
            total[to_y, to_x] += share * said[from_y, from_x]
            weights[to_y, to_x] += share
    return np.where(gap[..., None] > 0, total / weights, picture).astype(np.float32)


def _copied(
    image: Float32[Array, "h w 3"],
    hole: UInt8[Array, "h w"],
    picture: Float32[Array, "rows cols 3"],
    matches: Int32[Array, "rows cols"],
) -> Float32[Array, "h w 3"]:
    """The hole in ``image`` from its own pixels: each takes those that the matches of the four nearest cells point to."""
    height, width = hole.shape
    rows, columns = matches.shape
    y, x = np.nonzero(hole)
    v, u = (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5
    top, left = np.floor(v).astype(int), np.floor(u).astype(int)
    total, weights = np.zeros((len(y), 3), np.float32), np.full((len(y), 1), 1e-6, np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            cy, cx = np.clip(top + dy, 0, rows - 1), np.clip(left + dx, 0, columns - 1)
            my, mx = np.divmod(matches[cy, cx], columns)
            sy = np.clip(y + np.rint((my - cy) * height / rows).astype(int), 0, height - 1)
            sx = np.clip(x + np.rint((mx - cx) * width / columns).astype(int), 0, width - 1)
            near = (1 - np.abs(v - top - dy)) * (1 - np.abs(u - left - dx))
            share = ((near**2 + 1e-4) * (hole[sy, sx] == 0)).astype(np.float32)[:, None]
            total += share * image[sy, sx]
            weights += share
    rough = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    filled = image.copy()
    filled[y, x] = np.where(weights > 1e-5, total / weights, rough[y, x])
    cell = max(width / columns, 1.0)
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_5)[..., None]
    for reach, sigma in ((1.0, 0.4), (4.0, 1.0)):
        soft = cv2.GaussianBlur(filled, (0, 0), sigma * cell)
        filled = filled + (soft - filled) * np.clip(depth / (reach * cell), 0, 1)
    return np.asarray(filled, np.float32)
