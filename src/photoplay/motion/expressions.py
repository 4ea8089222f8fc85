"""Facial expression on a subject's own 478 landmarks: ARKit weights in, moving landmarks out.

A muscle model after Waters 1987 (:mod:`~photoplay.motion.muscles`, :mod:`~photoplay.motion.actions`) with a hinged jaw and
lips that meet (:mod:`~photoplay.motion.mouth`) and lids that slide over the eyeball (:mod:`~photoplay.motion.lids`). All of
it works in canonical units with the head pose removed, so a turned head smiles along its own cheeks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from photoplay.motion.actions import ONE_SIDED, SIDEWAYS, TWO_SIDED, field_of, mirrored
from photoplay.motion.canonical import NEUTRAL_MOUTH_WIDTH, CanonicalFace, lower_share
from photoplay.motion.lids import GAZE_DOWN, GAZE_UP, GAZE_YAW, EyeRig, LidMotion, brow_share, margin_mask
from photoplay.motion.mouth import Jaw, Lips, jaw_share
from photoplay.motion.rest import HELD, Relaxation, estimate_rest, smile_taken_back, unsmiling_width
from photoplay.topology import ARKIT_INDEX
from photoplay.types import Array, Face, Landmarks, LandmarkTrack

CORNER_SHAPES = ("mouthSmile", "mouthStretch", "mouthDimple")
"""Shapes that pull the same mouth corner outwards: together they go no further than the cheek lets them."""
CORNER_LIMIT = 1.25
_SEALING = np.zeros(52)
_SEALING[[ARKIT_INDEX["mouthPucker"], ARKIT_INDEX["cheekPuff"]]] = 0.9
_SEALING[[ARKIT_INDEX["mouthRollLower"], ARKIT_INDEX["mouthRollUpper"]]] = 0.5
_SEALING[[ARKIT_INDEX["mouthPressLeft"], ARKIT_INDEX["mouthPressRight"]]] = 0.5
"""How far each shape shuts the mouth that the photo shows open."""
_JAW, _CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]


@dataclass(frozen=True)
class FaceRig:
    """The muscles, jaw, lips and eyes of one subject. ``rest_blendshapes`` is what the photo's expression already holds.

    A weight w of a performance moves the face from its rest weight r to r + (1 - r) w: a photo that smiles can smile only
    so much more, and weights of 0 are exactly the photo. What opposes a smile, or a mouthSmile of -1, takes r itself back.
    """

    rest: Landmarks
    rest_blendshapes: Float32[Array, 52]
    canonical: CanonicalFace
    basis: Float64[Array, "52 1434"]
    jaw: Jaw
    lips: Lips
    eyes: tuple[EyeRig, EyeRig]
    relaxation: Relaxation

    @classmethod
    def build(cls, face: Face) -> FaceRig:
        """Fits the rig to ``face``: attachments, amplitudes, hinge, eyeballs and the expression at rest."""
        canonical = CanonicalFace.of(face)
        held = estimate_rest(face, canonical)
        basis = _basis(canonical, unsmiling_width(canonical, held))
        return cls(
            rest=face.landmarks,
            rest_blendshapes=held,
            canonical=canonical,
            basis=basis,
            jaw=Jaw.fit(canonical),
            lips=Lips.fit(canonical, face.head_pose.yaw),
            eyes=(EyeRig.fit(canonical, left=True), EyeRig.fit(canonical, left=False)),
            relaxation=Relaxation.fit(canonical, basis, held),
        )

    def absolute(self, weights: Float32[Array, "f 52"]) -> Float32[Array, "f 52"]:
        """The face's ARKit weights when a performance asks for ``weights``: rest + (1 - rest) * weights.

        What is left of rest where the performance takes the photo's smile back.
        """
        asked = np.clip(weights, 0.0, 1.0)
        held = np.repeat(self.rest_blendshapes[None], len(asked), axis=0)
        taken = smile_taken_back(weights.astype(np.float64))
        for column, side in enumerate(("Left", "Right")):
            for name in HELD:
                held[:, ARKIT_INDEX[f"{name}{side}"]] *= 1.0 - taken[:, column]
        reached: Array = (held + (1.0 - held) * asked).astype(np.float32)
        return reached

    def pose(self, weights: Float32[Array, "f 52"], gaze: Float32[Array, "f 2"]) -> LandmarkTrack:
        """Landmarks in photo space for ARKit ``weights`` and ``gaze`` (yaw, pitch in degrees, signs as HeadPose).

        Weights are 0..1; mouthSmile goes down to -1, where it has taken the photo's own smile back. Expression only: the
        head stands still. Where a row of both is 0 the landmarks equal the photo's exactly.
        """
        taken = smile_taken_back(weights.astype(np.float64))
        asked = np.clip(weights, 0.0, 1.0).astype(np.float64)
        added = (1.0 - self.rest_blendshapes) * asked
        moved = (_tame_corners(added) @ self.basis + taken @ self.relaxation.fields).reshape(len(added), 478, 3)
        rest = self.canonical.points
        closing = self._closing(asked, added)
        opened = self.jaw.open(rest + moved, added[:, _JAW])
        places = rest + moved + opened * (1.0 - closing[:, None] * self.lips.corners)[..., None]
        relaxed = self.relaxation.gap * taken.mean(axis=1)
        self.lips.close(places, closing, np.maximum(np.minimum(asked @ _SEALING, 1.0), relaxed))
        moved = places - rest
        sunk = self.relaxation.cheek * taken
        for column, (side, eye) in enumerate(zip(("Left", "Right"), self.eyes, strict=True)):
            turn = _eye_turn(asked, gaze.astype(np.float64), side)
            eye.apply(moved, _lid_motion(asked, turn[:, 1], side, sunk[:, column]), turn)
        offsets = self.canonical.to_photo(moved)
        offsets[~(weights.any(axis=1) | gaze.any(axis=1))] = 0.0
        return (self.rest.astype(np.float64) + offsets).astype(np.float32)

    def _closing(self, asked: Float64[Array, "f 52"], added: Float64[Array, "f 52"]) -> Float64[Array, " f"]:
        """ARKit's mouthClose takes back as much of jawOpen as it holds: equal weights bring the lips together."""
        opened = self.rest_blendshapes[_JAW] + added[:, _JAW]
        closing: Array = np.clip(asked[:, _CLOSE] / np.maximum(opened, 0.05), 0.0, 1.0)
        return closing


def _basis(canonical: CanonicalFace, mouth: float) -> Float64[Array, "52 1434"]:
    """Displacement of every landmark at weight 1, for the shapes that are linear (all but jaw, lids, gaze).

    ``mouth`` is how wide this mouth would be without the photo's smile.
    """
    points = canonical.even
    lower = lower_share(points)
    mouth_scale = float(np.clip(mouth / NEUTRAL_MOUTH_WIDTH, 0.8, 1.15))
    squeezed = mouth_scale * mouth / float(points[291, 0] - points[61, 0])  # a sphincter pulls by the mouth's own width
    share = jaw_share(points)
    fields: dict[str, Array] = {}
    for name, actions in ONE_SIDED.items():
        fields[f"{name}Left"] = field_of(actions, points, lower)
        fields[f"{name}Right"] = mirrored(fields[f"{name}Left"])
    for name, actions in TWO_SIDED.items():
        fields[name] = field_of(actions, points, lower, twin=True)
    fields["mouthLeft"] = field_of(SIDEWAYS, points, lower)
    fields["mouthRight"] = mirrored(fields["mouthLeft"])
    fields["jawForward"] = share[:, None] * np.array([0.0, -0.028, 0.175])
    fields["jawLeft"] = share[:, None] * np.array([0.14, 0.0, 0.0])
    fields["jawRight"] = mirrored(fields["jawLeft"])
    mask = margin_mask()
    brow = mask * brow_share(points)
    basis = np.zeros((52, 478, 3))
    for name, field in fields.items():
        scale = mouth_scale if name.startswith("mouth") else 1.0
        scale = squeezed if name in ("mouthPucker", "mouthFunnel") else scale
        share = brow if name.startswith("brow") else mask
        basis[ARKIT_INDEX[name]] = field * share[:, None] * scale
    return basis.reshape(52, -1)


def _tame_corners(weights: Float64[Array, "f 52"]) -> Float64[Array, "f 52"]:
    """Scales the shapes that pull one mouth corner where their sum passes the limit (smooth: a soft knee)."""
    tamed = weights.copy()
    for side in ("Left", "Right"):
        columns = [ARKIT_INDEX[f"{shape}{side}"] for shape in CORNER_SHAPES]
        total = tamed[:, columns].sum(axis=1, keepdims=True)
        excess = np.maximum(total - 1.0, 0.0)
        room = CORNER_LIMIT - 1.0
        limited = np.minimum(total, 1.0) + room * np.tanh(excess / room)
        tamed[:, columns] *= limited / np.maximum(total, 1e-9)
    return tamed


def _eye_turn(weights: Float64[Array, "f 52"], gaze: Float64[Array, "f 2"], side: str) -> Float64[Array, "f 2"]:
    """Degrees that one eyeball turns: the gaze and this eye's eyeLook shapes together, within the orbit's range."""
    look = {way: weights[:, ARKIT_INDEX[f"eyeLook{way}{side}"]] for way in ("In", "Out", "Up", "Down")}
    outward = GAZE_YAW * (look["Out"] - look["In"])
    yaw = gaze[:, 0] + (outward if side == "Left" else -outward)
    pitch = gaze[:, 1] + GAZE_UP * look["Up"] - GAZE_DOWN * look["Down"]
    return np.stack([_soft(yaw, 40.0), _soft(pitch, 35.0)], axis=1)


def _soft(value: Float64[Array, " f"], limit: float) -> Float64[Array, " f"]:
    held: Array = limit * np.tanh(value / limit)
    return held


def _lid_motion(
    weights: Float64[Array, "f 52"], pitch: Float64[Array, " f"], side: str, sunk: Float64[Array, " f"]
) -> LidMotion:
    """One eye's lids; ``sunk`` is how far the cheek of a smile that was taken back has come down from them."""

    def weight(name: str) -> Float64[Array, " f"]:
        return weights[:, ARKIT_INDEX[f"{name}{side}"]]

    cheek = np.maximum(weight("cheekSquint"), 0.55 * weight("mouthSmile")) - 0.25 * sunk
    return LidMotion(weight("eyeBlink"), weight("eyeSquint"), weight("eyeWide"), cheek, pitch)
