"""Patch search and vote for the background plate, compiled. See ``plate`` for the method."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array

RADIUS = 3
"""Patches are 7 x 7 pixels."""
UNLIKE, VOTED = np.float32(60), np.float32(1e-4)
"""How many grey levels a copied pixel may be off the vote for half of its weight, and the vote's own."""
AROUND = 5
"""How far a line that is continued looks back, in pixels."""


@njit(cache=True, nogil=True)
def _distance(image: Array, py: int, px: int, qy: int, qx: int, best: np.float32) -> np.float32:
    """Mean squared difference of the patches around p and q; gives up above ``best``. p's patch may be cut by the border."""
    height, width = image.shape[0], image.shape[1]
    top, bottom = max(-RADIUS, -py), min(RADIUS, height - 1 - py)
    left, right = max(-RADIUS, -px), min(RADIUS, width - 1 - px)
    count = np.float32((bottom - top + 1) * (right - left + 1))
    limit = best * count
    total = np.float32(0)
    for dy in range(top, bottom + 1):
        for dx in range(left, right + 1):
            for k in range(3):
                d = image[py + dy, px + dx, k] - image[qy + dy, qx + dx, k]
                total += d * d
        if total >= limit:
            return np.float32(np.inf)
    return total / count


@njit(cache=True, nogil=True)
def _price(
    image: Array, prior: Array, faith: np.float32, y: int, x: int, qy: int, qx: int, best: np.float32
) -> np.float32:
    """What it costs to let q's patch stand for p's: their difference, and the difference of q from p's ``prior``."""
    d = np.float32(0)
    for k in range(3):
        e = prior[y, x, k] - image[qy, qx, k]
        d += e * e
    d *= faith
    if d >= best:
        return np.float32(np.inf)
    return d + _distance(image, y, x, qy, qx, best - d)


@njit(cache=True, nogil=True)
def search(
    image: Array,
    prior: Array,
    faith: Array,
    targets: Array,
    index: Array,
    source: Array,
    match: Array,
    cost: Array,
    passes: int,
    seed: int,
) -> None:
    """PatchMatch (Barnes et al. 2009): improves ``match`` [n, 2] (y, x of the best known patch) for ``targets`` [n, 2].

    ``prior`` [h, w, 3] is what a pixel should roughly look like and ``faith`` [n] how much that counts.
    ``index`` [h, w] is a pixel's place in ``targets`` or -1; ``source`` [h, w] is 1 where a whole patch is known.
    """
    height, width = source.shape
    state = np.uint64(seed * 2654435761 + 12345)
    n = targets.shape[0]
    for p in range(n):
        y, x = targets[p, 0], targets[p, 1]
        cost[p] = _price(image, prior, faith[p], y, x, match[p, 0], match[p, 1], np.float32(np.inf))
    for turn in range(passes):
        step = 1 if turn % 2 == 0 else -1
        start = 0 if step == 1 else n - 1
        for m in range(n):
            p = start + step * m
            y, x = targets[p, 0], targets[p, 1]
            for k in range(2):
                ny, nx = y - step * (k == 0), x - step * (k == 1)
                if 0 <= ny < height and 0 <= nx < width and index[ny, nx] >= 0:
                    near = index[ny, nx]
                    qy, qx = match[near, 0] + y - ny, match[near, 1] + x - nx
                    if 0 <= qy < height and 0 <= qx < width and source[qy, qx]:
                        d = _price(image, prior, faith[p], y, x, qy, qx, cost[p])
                        if d < cost[p]:
                            cost[p], match[p, 0], match[p, 1] = d, qy, qx
            reach = max(height, width)
            while reach >= 1:
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                a = np.int64((state >> np.uint64(33)) % np.uint64(2 * reach + 1)) - reach
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                b = np.int64((state >> np.uint64(33)) % np.uint64(2 * reach + 1)) - reach
                qy, qx = match[p, 0] + a, match[p, 1] + b
                if 0 <= qy < height and 0 <= qx < width and source[qy, qx]:
                    d = _price(image, prior, faith[p], y, x, qy, qx, cost[p])
                    if d < cost[p]:
                        cost[p], match[p, 0], match[p, 1] = d, qy, qx
                reach //= 2


@njit(cache=True, nogil=True)
def vote(image: Array, targets: Array, match: Array, cost: Array, belief: Array, hole: Array, out: Array) -> None:
    """Each pixel of the hole becomes the mean of what its patches' matches say there (Wexler et al. 2007).

    A patch counts for more the better it matches and the nearer it lies to the known (``belief`` [n]).
    """
    height, width = hole.shape
    total = np.zeros((height, width, 4), np.float32)
    spread = np.float32(0)
    for p in range(targets.shape[0]):
        spread += cost[p]
    spread = max(spread / np.float32(max(1, targets.shape[0])), np.float32(4))
    for p in range(targets.shape[0]):
        weight = belief[p] * np.exp(-cost[p] / spread) + np.float32(1e-6)
        for dy in range(-RADIUS, RADIUS + 1):
            for dx in range(-RADIUS, RADIUS + 1):
                y, x = targets[p, 0] + dy, targets[p, 1] + dx
                if 0 <= y < height and 0 <= x < width and hole[y, x]:
                    for k in range(3):
                        total[y, x, k] += weight * image[match[p, 0] + dy, match[p, 1] + dx, k]
                    total[y, x, 3] += weight
    for y in range(height):
        for x in range(width):
            if hole[y, x] and total[y, x, 3] > 0:
                for k in range(3):
                    out[y, x, k] = total[y, x, k] / total[y, x, 3]


@njit(cache=True, nogil=True)
def enlarge(image: Array, hole: Array, index: Array, match: Array, cost: Array, targets: Array, out: Array) -> None:
    """Copies ``image``'s own pixels into its ``hole`` along a coarser level's matches: the nearest four patches, blended.

    A copy far from what the patches' vote made of ``out`` there counts for little: one star's pixel is a speck in the sky.
    """
    height, width = hole.shape
    low_height, low_width = index.shape
    sy, sx = np.float32(low_height / height), np.float32(low_width / width)
    for y in range(height):
        for x in range(width):
            if not hole[y, x]:
                continue
            v = (np.float32(y) + np.float32(0.5)) * sy - np.float32(0.5)
            u = (np.float32(x) + np.float32(0.5)) * sx - np.float32(0.5)
            iv, iu = int(np.floor(v)), int(np.floor(u))
            total = VOTED
            r, g, b = total * out[y, x, 0], total * out[y, x, 1], total * out[y, x, 2]
            for dy in range(2):
                for dx in range(2):
                    ly, lx = min(max(iv + dy, 0), low_height - 1), min(max(iu + dx, 0), low_width - 1)
                    p = index[ly, lx]
                    if p < 0:
                        continue
                    qy = y + int(np.rint((match[p, 0] - targets[p, 0]) / sy))
                    qx = x + int(np.rint((match[p, 1] - targets[p, 1]) / sx))
                    if not (0 <= qy < height and 0 <= qx < width) or hole[qy, qx]:
                        continue
                    near = max(np.float32(0), np.float32(1) - abs(v - np.float32(iv + dy)))
                    near *= max(np.float32(0), np.float32(1) - abs(u - np.float32(iu + dx)))
                    unlike = np.float32(0)
                    for k in range(3):
                        unlike = max(unlike, abs(image[qy, qx, k] - out[y, x, k]))
                    weight = near * near / (np.float32(20) + cost[p]) + np.float32(1e-7)
                    weight /= np.float32(1) + (unlike / UNLIKE) ** 8
                    r += weight * image[qy, qx, 0]
                    g += weight * image[qy, qx, 1]
                    b += weight * image[qy, qx, 2]
                    total += weight
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r / total, g / total, b / total


@njit(cache=True, nogil=True)
def transport(order: Array, along: Array, sharp: Array, known: Array, image: Array) -> None:
    """Fills ``image`` [h, w, 3] at the pixels ``order`` [n, 2], one after the other, with a mean of the known ones around.

    Those count most that lie in the direction ``along`` [h, w, 2], the more so the larger ``sharp`` [h, w] (after
    Bornemann and Maerz 2007, "Fast image inpainting based on coherence transport"). ``known`` [h, w] is updated.
    """
    height, width = known.shape
    for n in range(order.shape[0]):
        y, x = order[n, 0], order[n, 1]
        ax, ay, narrow = along[y, x, 0], along[y, x, 1], sharp[y, x]
        total, r, g, b = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for dy in range(-AROUND, AROUND + 1):
            for dx in range(-AROUND, AROUND + 1):
                far = dx * dx + dy * dy
                qy, qx = y + dy, x + dx
                if far > AROUND * AROUND or not (0 <= qy < height and 0 <= qx < width) or not known[qy, qx]:
                    continue
                off = ax * np.float32(dy) - ay * np.float32(dx)
                weight = np.exp(-narrow * off * off) / np.float32(far) + np.float32(1e-9)
                total += weight
                r += weight * image[qy, qx, 0]
                g += weight * image[qy, qx, 1]
                b += weight * image[qy, qx, 2]
        if total > 0:
            image[y, x, 0], image[y, x, 1], image[y, x, 2] = r / total, g / total, b / total
            known[y, x] = 1
