"""Light on every pixel, compiled for a CPU; :mod:`photoplay.training.synthetic.shading` says what is computed."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sample(texels, offset, height, width, u, v, out):  # type: ignore[no-untyped-def]
    """Bilinear colour of a texture, edges repeated."""
    x = min(max(u * width - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max((np.float32(1.0) - v) * height - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    one = np.float32(1.0)
    for c in range(3):
        upper = texels[offset + y0 * width + x0, c] * (one - fx) + texels[offset + y0 * width + x1, c] * fx
        lower = texels[offset + y1 * width + x0, c] * (one - fx) + texels[offset + y1 * width + x1, c] * fx
        out[c] = upper * (one - fy) + lower * fy


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _lit_share(depth, matrix, px, py, pz, softness):  # type: ignore[no-untyped-def]
    """Share of a 3x3 neighbourhood in the light's depth map (inverse depth: greater is nearer to it) that sees the light."""
    height, width = depth.shape
    x = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
    y = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
    z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
    column, row = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - np.float32(column), y - np.float32(row)
    one, lit = np.float32(1.0), np.float32(0.0)
    for dy in range(-1, 3):
        for dx in range(-1, 3):
            weight = one
            if dx == -1:
                weight *= one - fx
            elif dx == 2:
                weight *= fx
            if dy == -1:
                weight *= one - fy
            elif dy == 2:
                weight *= fy
            r, c = row + dy, column + dx
            behind = np.float32(0.0)
            if 0 <= r < height and 0 <= c < width:
                behind = (depth[r, c] - z) / softness
            lit += weight * (one - min(max(behind, np.float32(0.0)), one))
    return lit / np.float32(9.0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def shade(  # type: ignore[no-untyped-def]
    shown, screen, points, normals, access, triangles, uv, texture_of, textures, texels, materials, labels, lamps, colours,
    harmonics, shadow, shadow_matrix, background
) -> tuple[Array, Array]:  # fmt: skip
    """Linear light [h, w, 3] and labels [h, w] from triangle ids at twice the size, averaged 2x2 over ``background``."""
    height, width = background.shape[0], background.shape[1]
    image, label = np.empty((height, width, 3), np.float32), np.zeros((height, width), np.uint8)
    one, zero, half = np.float32(1.0), np.float32(0.0), np.float32(0.5)
    colour, light, gleam, four = (
        np.zeros(3, np.float32),
        np.zeros(3, np.float32),
        np.zeros(3, np.float32),
        np.zeros(4, np.int64),
    )
    b = np.zeros(3, np.float32)
    for row in range(height):
        for column in range(width):
            total0, total1, total2 = zero, zero, zero
            for sample in range(4):
                y, x = 2 * row + sample // 2, 2 * column + sample % 2
                t = shown[y, x]
                if t < 0:
                    four[sample] = 0
                    total0 += background[row, column, 0]
                    total1 += background[row, column, 1]
                    total2 += background[row, column, 2]
                    continue
                four[sample] = labels[t]
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                x0, y0, x1, y1, x2, y2 = (
                    screen[i, 0],
                    screen[i, 1],
                    screen[j, 0],
                    screen[j, 1],
                    screen[k, 0],
                    screen[k, 1],
                )
                area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
                b[0] = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area
                b[1] = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area
                b[2] = (one - b[0] - b[1]) * screen[k, 2]
                b[0] *= screen[i, 2]
                b[1] *= screen[j, 2]
                b /= b[0] + b[1] + b[2]
                px, py, pz, nx, ny, nz, u, v, open_ = zero, zero, zero, zero, zero, zero, zero, zero, zero
                for corner in range(3):
                    s, w = triangles[t, corner], b[corner]
                    px += w * points[s, 0]
                    py += w * points[s, 1]
                    pz += w * points[s, 2]
                    nx += w * normals[s, 0]
                    ny += w * normals[s, 1]
                    nz += w * normals[s, 2]
                    open_ += w * access[s]
                    u += w * uv[t, corner, 0]
                    v += w * uv[t, corner, 1]
                which = texture_of[t]
                _sample(texels, textures[which, 0], textures[which, 1], textures[which, 2], u, v, colour)
                gloss, sharpness, soft, glow = materials[which]
                length = one / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
                away = one / np.sqrt(px * px + py * py + pz * pz)
                vx, vy, vz = -px * away, -py * away, -pz * away
                if area > 0:
                    length = -length
                nx, ny, nz = nx * length, ny * length, nz * length
                h1, h2 = np.float32(1.0233), np.float32(0.8580)
                for c in range(3):
                    s = harmonics[:, c]
                    light[c] = max(
                        s[0] + h1 * (s[1] * ny + s[2] * nz + s[3] * nx)
                        + h2 * (s[4] * nx * ny + s[5] * ny * nz + s[6] * (np.float32(3.0) * nz * nz - one) * half
                                + s[7] * nx * nz + s[8] * (nx * nx - ny * ny) * half),
                        zero,
                    ) * open_  # fmt: skip
                    gleam[c] = zero
                for lamp in range(lamps.shape[0]):
                    lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                    cosine = nx * lx + ny * ly + nz * lz
                    seen = min(one, open_ * np.float32(1.6))
                    if lamp == 0 and shadow.shape[0] > 1:
                        lift = np.float32(0.18)
                        seen *= _lit_share(
                            shadow, shadow_matrix, px + lift * nx, py + lift * ny, pz + lift * nz, np.float32(0.25)
                        )
                    for c in range(3):
                        wrap = soft * (
                            np.float32(0.40) if c == 0 else (np.float32(0.20) if c == 1 else np.float32(0.13))
                        )
                        fall = max(cosine + wrap, zero) / ((one + wrap) * (one + wrap))
                        bleed = seen ** (one - half * soft) if c == 0 else seen
                        light[c] += colours[lamp, c] * fall * bleed
                    if gloss > 0 and cosine > -np.float32(0.1):
                        hx, hy, hz = lx + vx, ly + vy, lz + vz
                        norm = one / np.sqrt(hx * hx + hy * hy + hz * hz + np.float32(1e-9))
                        facing = max((nx * hx + ny * hy + nz * hz) * norm, zero)
                        shine = gloss * facing**sharpness * seen
                        for c in range(3):
                            gleam[c] += colours[lamp, c] * shine
                total0 += colour[0] * (light[0] * (one - glow) + glow) + gleam[0]
                total1 += colour[1] * (light[1] * (one - glow) + glow) + gleam[1]
                total2 += colour[2] * (light[2] * (one - glow) + glow) + gleam[2]
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = total0 / 4, total1 / 4, total2 / 4
            best, votes = four[0], 0
            for sample in range(4):
                same = 0
                for other in range(4):
                    same += four[sample] == four[other]
                if same > votes:
                    best, votes = four[sample], same
            label[row, column] = best
    return image, label
