"""People cut out of the photo, each ready to be painted from back to front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from photoplay.generation.buffers import FrameBuffers, Source
from photoplay.generation.expression_shading import ExpressionShading
from photoplay.generation.face_layers import FaceLayers
from photoplay.generation.layers import FAR, NEAR, Layer
from photoplay.generation.limb_cut import cut_arm
from photoplay.generation.limbs import SIDES, Arm
from photoplay.generation.matting import FAINT, edge_softness, firm_matte
from photoplay.generation.mesh import face_height, smoothstep
from photoplay.generation.person import FramedTrack, person_layer
from photoplay.generation.plate import fill_smooth, premultiplied
from photoplay.generation.source import Framing
from photoplay.types import Array, Face, Mask, MotionTrack, Rgb, Scene

CUT_FADE = (0.15, 0.35)
"""Where somebody whom the photo's side cuts fades away beyond it, in the frame's longer sides."""
CUT_STRIP = 0.06
"""How much of the photo along its border goes on beside it, in the frame's longer sides: a sleeve, but no second face."""
MADE_UP = 0.35
"""Trust in what lies beyond the photo's borders."""
LARGEST = 1600
"""Longer side in pixels at which the cut line is drawn at most."""


@dataclass(frozen=True)
class Person:
    """One moving person, ready to be painted from back to front.

    ``touched`` holds for each cut-out arm where the photo cannot stand once the arm moves. ``own`` is the framed picture
    that the person was cut from.
    """

    track: MotionTrack
    framed: FramedTrack
    own: Rgb
    behind: tuple[Layer, ...]
    body: Layer
    face: FaceLayers
    shading: ExpressionShading
    before: tuple[Layer, ...]
    touched: tuple[tuple[Layer, Float32[Array, "h w"]], ...]

    def limit(self, still: Float32[Array, "h w"], frame: int) -> Float32[Array, "h w"]:
        """``still`` without the places that an arm has left in ``frame``."""
        for layer, where in self.touched:
            travel = np.abs(layer.motion.pose(frame) - layer.motion.rest)[:, :2]
            still = np.minimum(still, 1 - where * smoothstep(NEAR, FAR, travel).max())
        return still

    def paint_body(
        self, buffers: FrameBuffers, photo: Rgb, still: Float32[Array, "h w"], frame: int, alone: bool = True
    ) -> None:
        """Paints arms behind the torso, the body, the face's layers and their shade. See :meth:`Layer.paint`."""
        for layer in (*self.behind, self.body):
            layer.paint(buffers, photo, still, frame, alone)
        at = self.framed.at(frame)
        landmarks, blendshapes = self.framed.landmarks[at], self.track.blendshapes[at]
        self.face.paint(buffers, landmarks, blendshapes, self.track.gaze[at])
        self.shading.paint(buffers, landmarks, blendshapes)

    def paint_arms(
        self, buffers: FrameBuffers, photo: Rgb, still: Float32[Array, "h w"], frame: int, alone: bool = True
    ) -> None:
        """Paints the arms before the torso. See :meth:`Layer.paint`."""
        for layer in self.before:
            layer.paint(buffers, photo, still, frame, alone)


def cut_person(
    framing: Framing, source: Source, behind: Rgb, texture: UInt8[Array, "th tw 4"], track: MotionTrack, own: Face
) -> Person:
    """Takes the moving arms out of one person's premultiplied ``texture`` (texture space) and puts all of it on meshes.

    ``behind`` is what stands behind the person at the film's size, margin included; eyes and mouth come from ``source``,
    the light from the person's ``own`` face.
    """
    framed = FramedTrack.of(track, framing)
    arms: dict[bool, list[Layer]] = {False: [], True: []}
    touched = []
    for arm in (Arm.of(framed, side) for side in SIDES):
        if arm.moves(framed):
            cut = cut_arm(framing, texture, behind, arm, framed)
            texture = cut.remains
            arms[arm.in_front()].append(cut.layer)
            touched.append((cut.layer, cut.touched))
    body = person_layer(framing, texture, framed)
    face = FaceLayers.build(source, framed.rest, track.rest_blendshapes)
    shading = ExpressionShading.of(source, own, framed.rest, face.look, track.rest_blendshapes, track.subject)
    behind_torso, before_torso = tuple(arms[False]), tuple(arms[True])
    return Person(track, framed, framing.framed, behind_torso, body, face, shading, before_torso, tuple(touched))


def cut_texture(
    framing: Framing, behind: UInt8[Array, "lh lw 3"], matte: UInt8[Array, "ph pw"], walks: bool = False
) -> UInt8[Array, "th tw 4"]:
    """What the photo-space ``matte`` covers of the photo, premultiplied and freed from what shines through its edge.

    Of somebody who ``walks`` what the photo mirrored at its sides must not come in.
    """
    alpha, texture = framing.sample(matte, framing.factor), framing.texture
    if walks:
        columns = _columns(framing, matte.shape[1])
        alpha, texture = alpha[:, columns], texture[:, columns]
        alpha = _without_mirrored(framing, alpha, (matte.shape[1], matte.shape[0]))
    large = cv2.resize(behind, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return premultiplied(texture, alpha, large)


def own_texture(framing: Framing, matte: Mask) -> UInt8[Array, "th tw 4"]:
    """A person whose own colours are known everywhere (:attr:`photoplay.types.Subject.pixels`), premultiplied."""
    columns = _columns(framing, matte.shape[1])
    alpha = framing.sample(matte, framing.factor)[:, columns]
    alpha = _without_mirrored(framing, alpha, (matte.shape[1], matte.shape[0]))
    cut = framing.texture[:, columns].astype(np.float32) * (alpha.astype(np.float32) / 255)[..., None]
    return np.dstack([np.rint(cut).astype(np.uint8), alpha])


def doubted(person: Person, framing: Framing, photo: tuple[int, int]) -> Person:
    """``person`` with less trust in what lies beyond the borders of a photo of (width, height): it is made up."""
    return replace(
        person,
        behind=tuple(_doubted(layer, framing, photo) for layer in person.behind),
        body=_doubted(person.body, framing, photo),
        before=tuple(_doubted(layer, framing, photo) for layer in person.before),
    )


def _doubted(layer: Layer, framing: Framing, photo: tuple[int, int]) -> Layer:
    plan = framing.plan
    corners = plan.to_frame(np.array([[-0.5, -0.5], [photo[0] - 0.5, photo[1] - 0.5]], np.float32))
    points = layer.motion.rest[:, :2]
    off = np.maximum(corners[0] - points, points - corners[1]).max(1) / max(plan.width, plan.height)
    return replace(layer, trust=layer.trust * (1 - (1 - MADE_UP) * smoothstep(0.0, 0.02, off)))


def _columns(framing: Framing, width: int) -> Int64[Array, " tw"]:
    """The column that each column of ``framing``'s texture shows: its own, or beside a photo ``width`` wide the strip along
    the border, mirrored and the more drawn out the further off."""
    plan = framing.plan
    frame = (np.arange(framing.texture.shape[1]) + 0.5) / framing.factor - framing.margin
    photo = frame / plan.scale + plan.crop[0]
    strip = CUT_STRIP * max(plan.width, plan.height) / plan.scale
    off = np.maximum(np.maximum(-photo, photo - width), 0)
    inwards = strip * -np.expm1(-off / strip)
    shown = np.where(off > 0, np.where(photo < 0, inwards, width - inwards), photo)
    at = ((shown - plan.crop[0]) * plan.scale + framing.margin) * framing.factor - 0.5
    columns: Array = np.clip(np.rint(at), 0, len(frame) - 1).astype(np.int64)
    return columns


def _without_mirrored(framing: Framing, alpha: UInt8[Array, "th tw"], photo: tuple[int, int]) -> UInt8[Array, "th tw"]:
    """``alpha`` without the people that stand beside the photo alone: its mirror image, which makes a texture of it.

    Who is cut by the photo's side goes on a little and fades away.
    """
    off = framing.beyond(photo)
    small = cv2.resize(alpha, off.shape[::-1], interpolation=cv2.INTER_AREA)
    _, groups = cv2.connectedComponents((small > FAINT).astype(np.uint8))
    real = np.zeros(int(groups.max()) + 1, np.float32)
    real[np.unique(groups[off <= 0])] = 1
    real[0] = 0
    share = np.where(off > 0, real[groups] * (1 - smoothstep(*CUT_FADE, off)), 1).astype(np.float32)
    large = cv2.resize(share, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(alpha * large), np.uint8)


def shown_at_rest(
    photo: Rgb, framings: tuple[Framing, Framing], mattes: tuple[Array, Array], subjects: tuple[int, int]
) -> UInt8[Array, "h w"]:
    """Who each pixel of the framed ``photo`` shows, as :attr:`photoplay.types.Anchor.identity`, of two people whose own
    pictures are ``framings``: where their mattes overlap, the one whose picture the photo is more like."""
    ours, theirs = (np.ascontiguousarray(framings[0].sample(one, 1)[framings[0].inside]) for one in mattes)
    both = (ours > 200) & (theirs > 200)
    unlike = [int(np.abs(photo[both].astype(int) - one.framed[both]).sum()) for one in framings]
    shown: Array = np.zeros(photo.shape[:2], np.uint8)
    for alpha, subject in ((theirs, 1), (ours, 0))[:: 1 if unlike[0] <= unlike[1] else -1]:
        shown[alpha >= 128] = 1 + subjects[subject]
    return shown


def before_others(
    framing: Framing, behind: UInt8[Array, "lh lw 3"], mattes: Mapping[int, UInt8[Array, "ph pw"]], subject: int
) -> UInt8[Array, "lh lw 3"]:
    """``behind`` with the other people's colours where they stand next to ``subject``, as far as the photo shows them.

    What shines through the soft edge of somebody who stands before another is not the background.
    """
    mine = framing.sample(mattes[subject], 1)
    near = cv2.dilate(mine, np.ones((9, 9), np.uint8)) > 0
    size = (max(1, mine.shape[1] // 4), max(1, mine.shape[0] // 4))
    picture = cv2.resize(framing.texture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    for other, matte in mattes.items():
        theirs = framing.sample(matte, 1)
        if other == subject or not (near & (theirs > 0)).any():
            continue
        solid = ((theirs > 250) & (mine == 0)).astype(np.float32)
        known = (cv2.resize(solid, size, interpolation=cv2.INTER_AREA) > 0.9).astype(np.float32)
        if not known.any():
            continue
        colours = cv2.resize(fill_smooth(picture, known), mine.shape[::-1], interpolation=cv2.INTER_LINEAR)
        reach = cv2.dilate(theirs, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
        share = cv2.GaussianBlur(reach, (0, 0), 2.0).astype(np.float32)[..., None] / 255
        behind = np.rint(behind + (colours - behind) * share).astype(np.uint8)
    return np.asarray(behind, np.uint8)


def cut_lines(scene: Scene, tracks: Sequence[MotionTrack]) -> dict[int, Mask]:
    """The firm matte of everybody who moves, by their index in the scene."""
    return {track.subject: _cut_line(scene, track) for track in tracks}


def _cut_line(scene: Scene, track: MotionTrack) -> Mask:
    height, centre = face_height(track.rest_landmarks), track.rest_landmarks[:, :2].mean(0)
    matte = subject_matte(scene, track.subject)
    full = matte.shape[::-1]
    scale = min(1.0, LARGEST / max(full))
    if scale < 1:
        matte = cv2.resize(matte, (round(full[0] * scale), round(full[1] * scale)), interpolation=cv2.INTER_AREA)
    firm = firm_matte(matte, edge_softness(matte.shape, centre * np.float32(scale), height * scale))
    return firm if scale == 1 else np.asarray(cv2.resize(firm, full, interpolation=cv2.INTER_LINEAR), np.uint8)


def subject_picture(scene: Scene, subject: int) -> Rgb:
    """The picture in the photo's size that shows one subject whole: its own where there is one, else the photo."""
    own = scene.subjects[subject].pixels
    return scene.photo.pixels if own is None else own


def subject_matte(scene: Scene, subject: int) -> UInt8[Array, "ph pw"]:
    """The matte of one subject: its own, or the part of the scene's that is nearest to its face."""
    own = scene.subjects[subject].matte
    if own is not None:
        return own
    if len(scene.subjects) == 1:
        return scene.matte
    height, width = scene.matte.shape
    y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32)
    nearest = []
    for person in scene.subjects:
        x0, y0, x1, y1 = person.face.box
        size = max(x1 - x0, y1 - y0, 1.0)
        nearest.append(np.hypot((x - (x0 + x1) / 2) / size, (y - (y0 + y1) / 2) / size / 2))
    mine = (np.argmin(nearest, axis=0) == subject).astype(np.float32)
    mine = cv2.resize(cv2.GaussianBlur(mine, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(scene.matte * mine), np.uint8)
