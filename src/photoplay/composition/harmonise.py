"""Two people as one camera would have taken them: exposure, white balance, saturation, sharpness and grain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from photoplay import topology
from photoplay.composition.cutouts import Cutout
from photoplay.composition.tones import LUMA, from_oklab, to_linear, to_oklab, to_srgb
from photoplay.types import Array, Mask, Rgb

LEVELS = 3
"""Octaves at which grain is measured and made: one, two and four pixels."""
MAX_GRAIN = (2.4, 1.1, 0.5)
"""Grey levels of grain at each octave that a cleaner photo is brought up to at most."""
_GRAIN_SHARE = 0.7
_EVEN_SHARPNESS = 1.2
_BLURS, _ACCENTS = (0.35, 0.4, 0.45, 0.5, 0.55), (0.2, 0.4, 0.6, 0.8)
_BALANCE_SHARE, _MAX_BALANCE = 0.65, 0.16
_EXPOSURE_SHARE, _MAX_EXPOSURE = 0.5, 0.35
_SATURATION_SHARE, _MAX_SATURATION = 0.5, 0.2
_MAX_CAST = 0.06
_SKIN_HUE, _SKIN_SPREAD = 50.0, 22.0
_SKIN_CHROMA, _CHROMA_SPREAD = 0.06, 0.55
"""OKLab hue in degrees and chroma of skin in neutral light, for tones from the lightest to the darkest, and how far they
spread (the chroma in logs)."""
_EYES = (
    (topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER),
    (topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER),
)
_EYE_PIXELS = 60
_LAPLACIAN = np.float32([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6


@dataclass(frozen=True)
class Look:
    """How a person's picture is made.

    skin         [3] median linear RGB of the face's skin
    lights       luminance that 99 % of that skin stay under
    eyes         luminance that 90 % of the open eyes stay under: their whites. None where they are too small to tell
    grey         whether the picture has one hue only, as black-and-white and sepia have
    sharpness    as :func:`sharpness` says
    """

    skin: Float64[Array, 3]
    lights: float
    eyes: float | None
    grey: bool

    @property
    def hue(self) -> float:
        """The skin's OKLab hue in degrees: 0 red, 90 yellow."""
        _, green_red, blue_yellow = to_oklab(self.skin.astype(np.float32))
        return float(np.degrees(np.arctan2(blue_yellow, green_red)))

    @property
    def chroma(self) -> float:
        """The skin's OKLab chroma."""
        return float(np.hypot(*to_oklab(self.skin.astype(np.float32))[1:]))

    def turned(self, degrees: float) -> Float64[Array, 2]:
        """Log gains of red and blue over green that turn the skin's hue so far and keep its chroma."""
        lab = to_oklab(self.skin.astype(np.float32))
        angle = np.radians(self.hue + degrees)
        goal = np.array([lab[0], self.chroma * np.cos(angle), self.chroma * np.sin(angle)], np.float32)
        ratio = np.log(np.maximum(from_oklab(goal), 1e-4) / self.skin)
        tint: Array = ratio[[0, 2]] - ratio[1]
        return tint

    @property
    def likely(self) -> float:
        """How well the skin's colour fits skin in neutral light, 0..1."""
        hue = (self.hue - _SKIN_HUE) / _SKIN_SPREAD
        chroma = np.log(max(self.chroma, 1e-3) / _SKIN_CHROMA) / _CHROMA_SPREAD
        return float(np.exp(-(hue**2) - chroma**2))


@dataclass(frozen=True)
class Grade:
    """One change of colour for a whole picture: RGB ``gain`` in linear light, then ``saturation`` in OKLab (1: as it is)
    and ``tone``, the OKLab hue that a picture without colours gets in its middle greys."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    tone: tuple[float, float] = (0.0, 0.0)

    def then(self, other: Grade) -> Grade:
        """This change and then another, in one."""
        red, green, blue = (mine * theirs for mine, theirs in zip(self.gain, other.gain, strict=True))
        return Grade((red, green, blue), self.saturation * other.saturation, self.tone)

    @property
    def stops(self) -> float:
        """Change of exposure."""
        return float(np.log2(np.dot(self.gain, LUMA)))

    def apply(self, pixels: Rgb) -> Rgb:
        """The picture graded; highlights bend instead of clipping."""
        if self == Grade():
            return pixels
        linear = self._exposed(to_linear(pixels))
        if self.saturation != 1:
            lab = to_oklab(linear)
            middle = 4 * lab[..., :1] * (1 - lab[..., :1])
            lab[..., 1:] = np.float32(self.saturation) * lab[..., 1:] + middle * np.array(self.tone, np.float32)
            linear = from_oklab(lab)
        return to_srgb(linear)

    def _exposed(self, linear: Float32[Array, "h w 3"]) -> Float32[Array, "h w 3"]:
        """The gain, bent so that white stays white either way: ``x g / (1 + (G - 1) m^p)`` with ``m`` the largest channel,
        ``G`` the gain of luminance, and ``p`` 3 or less (as in :func:`brighten`)."""
        whole = float(np.dot(self.gain, LUMA))
        power = 3.0 if whole <= 1 else min(3.0, 1 + 0.8 / max(whole - 1, 1e-3))
        peak = np.clip(linear.max(-1, keepdims=True), 0, 1)
        bent: Array = linear * np.array(self.gain, np.float32) / (1 + np.float32(whole - 1) * np.power(peak, power))
        return bent


def look_of(cutout: Cutout) -> Look:
    """Measures one person's picture."""
    skin = skin_mask(cutout)
    if not skin.any():
        skin = cutout.matte > 127
    linear = to_linear(cutout.pixels[skin]).astype(np.float64)
    light = linear @ LUMA
    low, high = np.percentile(light, (30, 90))
    middle = linear[(light >= low) & (light <= high)]
    lab = to_oklab(to_linear(cutout.pixels[::4, ::4][cutout.matte[::4, ::4] > 200]))
    spread = np.abs(lab[:, 1:] - np.median(lab[:, 1:], 0)) if len(lab) else np.zeros((1, 2))
    return Look(
        np.maximum(np.median(middle, 0), 1e-4),
        max(float(np.percentile(light, 99)), 1e-3),
        _eyes(cutout),
        bool(np.percentile(np.hypot(spread[:, 0], spread[:, 1]), 95) < 0.02),
    )


def grades(a: Look, b: Look, share: float = 0.5) -> tuple[Grade, Grade]:
    """The changes that bring two people's colours together: moderate, and never all the way.

    White balance follows the skin's *hue* (all human skin has about the same in the same light, whatever its depth) and
    gives way to the photo whose skin looks the more like skin; saturation follows the skin's chroma, exposure the lights
    of the skin and the whites of the eyes alike, since the whites say whether a face is dark or only in the dark.
    ``share`` says where both meet between ``a`` (0) and ``b`` (1). If one photo has no colours, the other loses its own and
    takes that one's tone.
    """
    if a.grey != b.grey:
        toned = _toned(b if b.grey else a)
        return (Grade(), toned) if a.grey else (toned, Grade())
    trust = [look.likely + 0.1 for look in (a, b)]
    lean = share * trust[1] / ((1 - share) * trust[0] + share * trust[1])
    turn = 0.0 if a.grey else _BALANCE_SHARE * ((b.hue - a.hue + 180) % 360 - 180)
    stops = _EXPOSURE_SHARE * _stops_between(a, b)
    chroma = 0.0 if a.grey else _SATURATION_SHARE * float(np.log(max(b.chroma, 1e-3) / max(a.chroma, 1e-3)))
    return (
        _grade(a.turned(lean * turn), share * stops, lean * chroma),
        _grade(b.turned((lean - 1) * turn), (share - 1) * stops, (lean - 1) * chroma),
    )


def meet_backdrop(plate: Rgb, looks: tuple[Look, Look]) -> tuple[Grade, Grade]:
    """Changes (people's, plate's) that bring a photo of nobody and the people before it together.

    Each takes an eighth of the plate's cast (shades of grey, p = 6: Finlayson and Trezzi 2004) towards or from the other.
    Exposure moves only where it could not be one picture: the plate's lights under half or over four times the faces'.
    """
    linear = to_linear(plate[::4, ::4]).reshape(-1, 3).astype(np.float64)
    cast = np.power(np.power(linear, 6).mean(0) + 1e-12, 1 / 6)
    tint = np.clip(0.125 * np.log(cast[[0, 2]] / cast[1]), -_MAX_CAST, _MAX_CAST)
    faces = float(np.sqrt(looks[0].lights * looks[1].lights))
    apart = float(np.log2(max(float(np.percentile(linear @ LUMA, 90)), 1e-3) / faces))
    gap = min(apart + 1, 0.0) + max(apart - 2, 0.0)
    return _grade(tint, 0.5 * gap, 0.0), _grade(-tint, -0.5 * gap, 0.0)


def sharpness(cutout: Cutout) -> float:
    """Detail of one and two pixels over detail of four and eight in the face, grain taken off: 0.7 and more in a sharp
    photo, 0.3 in one that was enlarged by two and a half."""
    x0, y0, x1, y1 = (round(edge) for edge in cutout.face.box)
    height, width = cutout.matte.shape
    part = cutout.pixels[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if min(part.shape[:2]) < 48:
        return 1.0
    noise = [*grain_of(cutout.pixels, cutout.matte)[:2], 0.0, 0.0]
    detail = []
    for luma, grain in zip(_octaves(_luma(part), 4), noise, strict=True):
        band = cv2.filter2D(luma, -1, _LAPLACIAN)[1:-1, 1:-1]
        detail.append(max(float(np.mean(band**2)) - float(grain) ** 2, 0.01))
    return float(np.sqrt((detail[0] + detail[1]) / (detail[2] + detail[3])))


def meet_in_sharpness(a: Cutout, b: Cutout) -> tuple[Rgb, Rgb]:
    """Softens the sharper face's picture by up to 0.55 pixels and sharpens the softer one a little, until they meet or
    that is used up. Nothing happens where they differ by less than a fifth."""
    levels = sharpness(a), sharpness(b)
    if max(levels) < _EVEN_SHARPNESS * min(levels):
        return a.pixels, b.pixels
    goal = float(np.sqrt(levels[0] * levels[1]))
    pixels = []
    for cutout, level in zip((a, b), levels, strict=True):
        best, error = cutout.pixels, abs(np.log(level / goal))
        for tried in (_soften(cutout.pixels, s) for s in _BLURS) if level > goal else _accented(cutout.pixels):
            off = abs(np.log(sharpness(Cutout(tried, cutout.matte, cutout.face)) / goal))
            if off >= error:
                break
            best, error = tried, off
        pixels.append(best)
    return pixels[0], pixels[1]


def grain_of(pixels: Rgb, matte: Mask | None = None) -> Float64[Array, 3]:
    """Standard deviation of the grain in grey levels at one, two and four pixels, where the picture is flattest.

    Immerkaer's (1996) operator, blind to ramps, in blocks of 8 x 8 at each octave; of the blocks inside the matte that are
    not clipped (nor in the shadows, where there are others), the median of the quietest fifth, corrected for having been
    chosen. White noise of sigma 2 reads (2, 1, 0.5).
    """
    inside = np.ones(pixels.shape[:2], np.float32) if matte is None else (matte > 250).astype(np.float32)
    measured = []
    for luma, mask in zip(_octaves(_luma(pixels)), _octaves(inside), strict=True):
        band = cv2.filter2D(luma, -1, _LAPLACIAN)
        rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
        if not rows or not columns:
            measured.append(0.0)
            continue
        blocks = [_blocks(image, rows, columns) for image in (band**2, mask, luma)]
        light = blocks[2].mean(1)
        whole = (blocks[1].min(1) > 0.99) & (light > 16) & (light < 240)
        middle = whole & (light > 56)
        energy = np.sort(blocks[0].mean(1)[middle if middle.sum() >= max(40, 0.3 * whole.sum()) else whole])
        measured.append(float(np.sqrt(np.median(energy[: max(len(energy) // 5, 1)]))) / 0.80 if len(energy) else 0.0)
    return np.array(measured)


def add_grain(pixels: Rgb, own: Float64[Array, 3], goal: Float64[Array, 3], seed: int) -> Rgb:
    """Film grain that brings a picture from ``own`` to ``goal`` (:func:`grain_of`), octave by octave; it is never
    removed. Mostly of lightness, a little of colour, and fading out towards black and white."""
    missing = np.maximum(goal**2 - own**2, 0)
    if missing.max() < 0.04:
        return pixels
    response = _responses()
    power = np.zeros(LEVELS)
    for level in range(LEVELS):
        power[level] = max(missing[level] - response[level, :level] @ power[:level], 0) / response[level, level]
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    luma = sum(
        np.float32(np.sqrt(power[level])) * _field(rng, height, width, level)
        for level in range(LEVELS)
        if power[level] > 0
    )
    colour = np.stack([_field(rng, height, width, 1) for _ in range(3)], -1) * np.float32(0.25 * np.sqrt(power.sum()))
    value = pixels.astype(np.float32)
    room = np.clip(np.minimum(value, 255 - value) / 32, 0, 1)
    noisy: Array = np.rint(np.clip(value + room * (np.asarray(luma)[..., None] + colour), 0, 255)).astype(np.uint8)
    return noisy


def shared_grain(*measured: Float64[Array, 3]) -> Float64[Array, 3]:
    """The grain that the cleaner pictures are brought up to: most of the way to the coarsest at every octave."""
    goal: Array = np.minimum(_GRAIN_SHARE * np.max(measured, 0), MAX_GRAIN)
    return goal


def skin_mask(cutout: Cutout) -> Bool[Array, "h w"]:
    """Where the face shows skin: inside the oval, without eyes, brows and lips, and inside the matte."""
    mask = np.zeros(cutout.matte.shape, np.uint8)
    points = np.round(cutout.face.landmarks[:, :2]).astype(np.int32)
    cv2.fillPoly(mask, [points[list(topology.FACE_OVAL)]], 255)
    for upper, lower in (*_EYES, (topology.LIPS_OUTER_UPPER, topology.LIPS_OUTER_LOWER)):
        cv2.fillPoly(mask, [points[[*upper, *reversed(lower)]]], 0)
    for brow in (topology.RIGHT_BROW, topology.LEFT_BROW):
        cv2.fillPoly(mask, [points[list(brow)]], 0)
    skin: Array = (mask > 0) & (cutout.matte > 200)
    return skin


def _grade(tint: Float64[Array, 2], stops: float, chroma: float) -> Grade:
    red, blue = np.exp(np.clip(tint, -_MAX_BALANCE, _MAX_BALANCE))
    gains = np.array([red, 1.0, blue])
    gains *= 2 ** float(np.clip(stops, -_MAX_EXPOSURE, _MAX_EXPOSURE)) / float(gains @ LUMA)
    saturation = float(np.exp(np.clip(chroma, -_MAX_SATURATION, _MAX_SATURATION)))
    return Grade((float(gains[0]), float(gains[1]), float(gains[2])), saturation)


def _toned(grey: Look) -> Grade:
    """No colours but the hue of a grey picture, which its skin shows at its own lightness."""
    light, green_red, blue_yellow = to_oklab(grey.skin.astype(np.float32)).tolist()
    middle = max(4 * light * (1 - light), 0.25)
    return Grade(saturation=0.0, tone=(green_red / middle, blue_yellow / middle))


def _stops_between(a: Look, b: Look) -> float:
    """By how many stops ``b``'s face is lit brighter than ``a``'s."""
    if a.eyes is None or b.eyes is None:
        return 0.5 * float(np.log2(b.lights / a.lights))
    return 0.5 * float(np.log2(b.lights / a.lights) + np.log2(b.eyes / a.eyes))


def _eyes(cutout: Cutout) -> float | None:
    mask = np.zeros(cutout.matte.shape, np.uint8)
    points = np.round(cutout.face.landmarks[:, :2]).astype(np.int32)
    for upper, lower in _EYES:
        cv2.fillPoly(mask, [points[[*upper, *reversed(lower)]]], 255)
    light = to_linear(cutout.pixels[mask > 0]) @ LUMA
    if len(light) < _EYE_PIXELS or max(cutout.face.eye_opening) < 0.12:
        return None
    return max(float(np.percentile(light, 90)), 1e-3)


def _luma(pixels: Rgb) -> Float32[Array, "h w"]:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _octaves(image: Float32[Array, "h w"], count: int = LEVELS) -> list[Float32[Array, "_ _"]]:
    """The picture at whole, half, quarter … size."""
    pictures = [image]
    for _ in range(count - 1):
        last = pictures[-1]
        rows, columns = last.shape[0] // 2 * 2, last.shape[1] // 2 * 2
        if min(rows, columns) < 2:
            pictures.append(last)
            continue
        pictures.append(cv2.resize(last[:rows, :columns], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA))
    return pictures


def _blocks(image: Float32[Array, "h w"], rows: int, columns: int) -> Float32[Array, "n 64"]:
    cut = image[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    blocks: Array = cut.transpose(0, 2, 1, 3).reshape(rows * columns, 64)
    return blocks


def _soften(pixels: Rgb, sigma: float) -> Rgb:
    soft: Array = cv2.GaussianBlur(pixels, (0, 0), sigma)
    return soft


def _accented(pixels: Rgb) -> list[Rgb]:
    """Sharpened by unsharp masking over 1.2 pixels, less to more."""
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.2)
    return [cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0) for amount in _ACCENTS]


def _field(rng: np.random.Generator, height: int, width: int, level: int) -> Float32[Array, "h w"]:
    """Unit white noise whose grains are 1, 2 or 4 pixels large."""
    step = 2**level
    small = rng.standard_normal((-(-height // step) + 1, -(-width // step) + 1), dtype=np.float32)
    if not level:
        return small[:height, :width]
    size = (small.shape[1] * step, small.shape[0] * step)
    return np.ascontiguousarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[:height, :width])


@cache
def _responses() -> Float64[Array, "3 3"]:
    """Variance that :func:`grain_of` reads at each octave (row) for fields of unit noise of each size (column)."""
    rng = np.random.default_rng(0)
    table = np.zeros((LEVELS, LEVELS))
    for column in range(LEVELS):
        for row, picture in enumerate(_octaves(_field(rng, 512, 512, column))):
            table[row, column] = float((cv2.filter2D(picture, -1, _LAPLACIAN)[2:-2, 2:-2] ** 2).mean())
    return table
