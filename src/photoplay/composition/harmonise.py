"""The colours of two people and of what they stand before brought together: exposure, white balance, saturation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from photoplay import topology
from photoplay.composition.cutouts import Cutout
from photoplay.composition.tones import from_oklab, peak, to_linear, to_oklab, to_srgb
from photoplay.light import LUMA
from photoplay.types import Array, Rgb

_BALANCE_SHARE, _MAX_BALANCE = 0.65, 0.16
_EXPOSURE_SHARE, _DARKEST, _BRIGHTEST = 0.65, -0.25, 0.35
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
_FAINTEST, _ONE_HUE = 0.005, 0.009


@dataclass(frozen=True)
class Look:
    """How a person's picture is made.

    skin         [3] median linear RGB of the face's skin
    lights       luminance that 95 % of that skin stay under
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
        most = np.clip(peak(linear), 0, 1)
        bent: Array = linear * np.array(self.gain, np.float32) / (1 + np.float32(whole - 1) * np.power(most, power))
        return bent


def look_of(cutout: Cutout) -> Look:
    """Measures one person's picture: the face's skin, or all of the person where none is seen (behind a mask, say)."""
    skin = skin_mask(cutout)
    if not skin.any():
        skin = cutout.matte >= cutout.matte.max()
    linear = to_linear(cutout.pixels[skin]).astype(np.float64)
    light = linear @ LUMA
    low, high = np.percentile(light, (30, 90))
    middle = linear[(light >= low) & (light <= high)]
    return Look(
        np.maximum(np.median(middle, 0), 1e-4),
        max(float(np.percentile(light, 95)), 1e-3),
        _eyes(cutout),
        _is_grey(cutout),
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


def skin_mask(cutout: Cutout) -> Bool[Array, "h w"]:
    """Where the face shows skin: inside the oval, without eyes, brows and lips, and inside the matte."""
    mask = np.zeros(cutout.matte.shape, np.uint8)
    points = np.round(cutout.face.landmarks[:, :2]).astype(np.int32)
    cv2.fillPoly(mask, [points[list(topology.FACE_OVAL)]], (255,))
    for upper, lower in (*_EYES, (topology.LIPS_OUTER_UPPER, topology.LIPS_OUTER_LOWER)):
        cv2.fillPoly(mask, [points[[*upper, *reversed(lower)]]], (0,))
    for brow in (topology.RIGHT_BROW, topology.LEFT_BROW):
        cv2.fillPoly(mask, [points[list(brow)]], (0,))
    skin: Array = (mask > 0) & (cutout.matte > 200)
    return skin


def _grade(tint: Float64[Array, 2], stops: float, chroma: float) -> Grade:
    red, blue = np.exp(np.clip(tint, -_MAX_BALANCE, _MAX_BALANCE))
    gains = np.array([red, 1.0, blue])
    gains *= 2 ** float(np.clip(stops, _DARKEST, _BRIGHTEST)) / float(gains @ LUMA)
    saturation = float(np.exp(np.clip(chroma, -_MAX_SATURATION, _MAX_SATURATION)))
    return Grade((float(gains[0]), float(gains[1]), float(gains[2])), saturation)


def _toned(grey: Look) -> Grade:
    """No colours but the hue of a grey picture, which its skin shows at its own lightness."""
    light, green_red, blue_yellow = to_oklab(grey.skin.astype(np.float32)).tolist()
    middle = max(4 * light * (1 - light), 0.25)
    return Grade(saturation=0.0, tone=(green_red / middle, blue_yellow / middle))


def _is_grey(cutout: Cutout) -> bool:
    """Whether the person's colours lie on one ray from grey in OKLab, as those of a black-and-white or sepia picture do."""
    size = (max(cutout.matte.shape[1] // 4, 1), max(cutout.matte.shape[0] // 4, 1))
    pixels, matte = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (cutout.pixels, cutout.matte))
    colours = to_oklab(to_linear(pixels[matte > 200]))[:, 1:]
    if len(colours) < 16:
        return False
    ray = np.median(colours, 0)
    length = float(np.hypot(*ray))
    if length < _FAINTEST:
        return bool(np.percentile(np.hypot(*colours.T), 95) < 2 * _FAINTEST)
    across, along = colours @ np.array([-ray[1], ray[0]]) / length, colours @ ray / length
    return bool(np.percentile(np.abs(across), 95) < _ONE_HUE and np.percentile(along, 2) > -_FAINTEST)


def _stops_between(a: Look, b: Look) -> float:
    """By how many stops ``b``'s face is lit brighter than ``a``'s: half of what the skin's lights say, or the geometric mean
    of that and what the eyes say; nothing where the two disagree (glasses, deep sockets)."""
    skin = float(np.log2(b.lights / a.lights))
    if a.eyes is None or b.eyes is None:
        return 0.5 * skin
    eyes = float(np.log2(b.eyes / a.eyes))
    return float(np.copysign(np.sqrt(skin * eyes), skin)) if skin * eyes > 0 else 0.0


def _eyes(cutout: Cutout) -> float | None:
    mask = np.zeros(cutout.matte.shape, np.uint8)
    points = np.round(cutout.face.landmarks[:, :2]).astype(np.int32)
    for upper, lower in _EYES:
        cv2.fillPoly(mask, [points[[*upper, *reversed(lower)]]], (255,))
    light = to_linear(cutout.pixels[mask > 0]) @ LUMA
    if len(light) < _EYE_PIXELS or max(cutout.face.eye_opening) < 0.12:
        return None
    return max(float(np.percentile(light, 90)), 1e-3)
