"""The review of a film while it streams by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from photoplay.evaluation import light, tells
from photoplay.evaluation.contact import CLEAR
from photoplay.evaluation.fidelity import FidelityMeter
from photoplay.evaluation.identity import IdentityMeter
from photoplay.evaluation.pair import PairMeter
from photoplay.evaluation.reference import framed
from photoplay.evaluation.temporal import BackgroundMeter, FlickerMeter, at_film_rate
from photoplay.evaluation.tracking import LidMeter, landmark_box, landmark_error, same_face
from photoplay.evaluation.verdict import judge
from photoplay.types import (
    Anchor,
    Array,
    Box,
    Face,
    FaceReader,
    Frames,
    Label,
    Landmarks,
    MotionTrack,
    RenderPlan,
    Report,
    Rgb,
    Scene,
)

LOOKS, IDENTITY_LOOKS, COUNT_LOOKS, FIDELITY_LOOKS = 9, 4, 2, 8
"""In how many frames faces are found again, recognised, and counted, and pixels compared: these are slow."""
DUET_LOOKS = 5
"""The first of these for the two people of a duet, who are looked at around their contact besides."""
COUNT_FACE, COUNT_SIDES = 48.0, (256.0, 720.0)
"""Faces are counted in small pictures, the photo as well: the smallest face of a track shall be 48 pixels high in them,
their long side within these limits. A search costs by the area."""
MOVES = 0.5
"""Pixels a frame: a track that moves a landmark further than this cannot leave the picture as it was."""
TRUSTED = 250


class Reviewer:
    """Looks at every window of a film once (:meth:`see`), then judges it (:meth:`report`).

    Flicker, background, lids and broken frames are measured on every frame, the faces on a few spread over the film.
    Everything is compared with the photo as the film frames it. Two people whose plan has a ``duet`` are looked at around
    their contact (:mod:`photoplay.evaluation.pair`), and not asked for where one hides the other.
    """

    def __init__(self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, reader: FaceReader) -> None:
        self._plan, self._reader = plan, reader
        self._photo = framed(scene.photo.pixels, plan)
        self._photo_spread = tells.spread(self._photo)
        self._bare = _without_people(framed(scene.matte, plan))
        self._subjects = [_Subject(track, plan, reader, self._photo) for track in tracks]
        self._pair, self._members = self._paired(scene, tracks, plan)
        self._looks = set(_spread(plan.num_frames, LOOKS))
        self._identity_looks = set(_nearest(self._looks, _spread(plan.num_frames, IDENTITY_LOOKS)))
        self._duet_looks = set(_spread(plan.num_frames, DUET_LOOKS))
        self._count_looks = set(_spread(plan.num_frames, COUNT_LOOKS + 2)[1:-1])
        self._faces_in_photo: int | None = None
        self._flicker = FlickerMeter(plan.width, plan.height)
        self._background = BackgroundMeter()
        self._fidelity = FidelityMeter(self._photo, tracks, plan, scene)
        self._fidelity_looks = set(_spread(plan.num_frames, FIDELITY_LOOKS + 1)[1:] or [0])
        self._before: Rgb | None = None
        self._missing: list[int] = []
        self._extra: list[int] = []
        self._empty = self._frozen = self._moving = self._seen = 0

    def see(self, frames: Frames) -> None:
        """Looks at one window; windows come in order. What every frame needs runs beside the slow looks at a few."""
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(self._watch, frames)
            self._inspect(frames)
            watched.result()

    def _watch(self, frames: Frames) -> None:
        """Every frame: breaks, flicker, background, lids."""
        for offset, picture in enumerate(frames.rgb):
            frame = frames.start + offset
            self._quiet(picture, frame)
            self._flicker.see(picture, tuple(subject.box(frame) for subject in self._subjects))
            self._background.see(picture, self._where_bare(frames, offset))
            if frames.anchor is not None:
                for subject in self._subjects:
                    subject.see_lids(frame, frames.anchor.labels[offset])
            self._before = picture
            self._seen += 1
        self._before = frames.rgb[-1].copy()  # a view would keep the whole window in memory

    def _inspect(self, frames: Frames) -> None:
        """A few frames: faces, and the photo's own pixels. Shares nothing with :meth:`_watch`."""
        for offset, picture in enumerate(frames.rgb):
            frame = frames.start + offset
            self._faces(picture, frame, frames.anchor, offset)
            if frame in self._count_looks:
                self._count(picture, self._pair is not None and self._pair.close(frame, frames.anchor, offset))
            if frames.anchor is not None and frame in self._fidelity_looks:
                self._fidelity.see(picture, frame, frames.anchor, offset)

    def _faces(self, picture: Rgb, frame: int, anchor: Anchor | None, offset: int) -> None:
        """Looks at every subject whose turn it is; the two of a duet together."""
        for index, subject in enumerate(self._subjects):
            if index not in self._members and frame in self._looks:
                subject.look(frame, picture, frame in self._identity_looks)
        pair = self._pair
        if pair is None or not (pair.wants(frame) or frame in self._duet_looks):
            return
        hidden = pair.hidden(frame, anchor, offset)
        expected, identity = pair.expected(frame, anchor, offset), pair.wants(frame)
        first, second = (
            self._subjects[index].look(frame, alone, identity, share, wanted)
            for index, alone, share, wanted in zip(
                self._members, pair.alone(frame, picture, anchor, offset), hidden, expected, strict=True
            )
        )
        if identity:
            pair.see(frame, picture, (first, second), anchor, offset)

    def _paired(
        self, scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan
    ) -> tuple[PairMeter | None, tuple[int, ...]]:
        """The meter of a duet and the places of its two people among the tracks."""
        duet, order = plan.duet, [track.subject for track in tracks]
        if duet is None or not set(duet.subjects) <= set(order):
            return None, ()
        members = tuple(order.index(subject) for subject in duet.subjects)
        one, two = members
        own = (self._subjects[one].in_photo, self._subjects[two].in_photo)
        return PairMeter(scene, (tracks[one], tracks[two]), plan, duet, own, self._photo), members

    def report(self) -> Report:
        """The verdict. Metrics are those of :data:`photoplay.evaluation.verdict.LIMITS` and their means."""
        metrics: dict[str, float] = {"frames": float(self._seen)}
        flicker, background = self._flicker, self._background
        face = [at_film_rate(value, self._plan.fps) for value in flicker.face]
        for name, values in (("flicker", flicker.grain), ("flicker_face", face), ("pulse", flicker.pulse)):
            if values:
                metrics[name] = float(np.mean(values))
                metrics[f"{name}_worst"] = max(values)
        for name, values in (
            ("background_change", background.change),
            ("background_peak", background.peak),
            ("background_drift", background.drift),
        ):
            if values:
                metrics[name] = max(values)
        metrics |= self._fidelity.metrics()
        for subject in self._subjects:
            for name, value in subject.metrics().items():
                worst = min if name in _LEAST else max
                metrics[name] = worst(metrics.get(name, value), value)
        if self._pair is not None:
            metrics |= self._pair.metrics()
        if self._missing:
            metrics["faces_missing"] = float(np.mean(self._missing))
        if self._extra:
            metrics["faces_extra"] = float(np.mean(self._extra))
        metrics["empty_frames"] = float(self._empty)
        metrics["frozen_frames"] = self._frozen / max(1, self._moving)
        return judge({name: round(value, 5) for name, value in metrics.items() if np.isfinite(value)})

    def _quiet(self, picture: Rgb, frame: int) -> None:
        """Counts empty and frozen frames."""
        self._empty += tells.is_empty(picture, self._photo_spread)
        if self._before is not None and any(subject.moves(frame) for subject in self._subjects):
            self._moving += 1
            self._frozen += tells.is_frozen(picture, self._before)

    def _where_bare(self, frames: Frames, offset: int) -> Bool[Array, "h w"]:
        if frames.anchor is None:
            return self._bare
        anchor = frames.anchor
        bare: Array = (anchor.labels[offset] == Label.BACKGROUND) & (anchor.confidence[offset] >= TRUSTED)
        return bare

    def _count(self, picture: Rgb, close: bool) -> None:
        """Of two who are close, one may hide the other: then only faces too many are counted."""
        if self._faces_in_photo is None:
            self._faces_in_photo = len(self._reader.read(self._shrunk(self._photo)))
        found = len(self._reader.read(self._shrunk(picture)))
        if not close:
            self._missing.append(tells.count_difference(self._faces_in_photo, found)[0])
        # A face that looks up may be missed in the small photo, but whoever moves is there.
        self._extra.append(tells.count_difference(max(self._faces_in_photo, len(self._subjects)), found)[1])

    def _shrunk(self, picture: Rgb) -> UInt8[Array, "_ _ 3"]:
        height, width = picture.shape[:2]
        share = max((COUNT_FACE / subject.height for subject in self._subjects), default=1.0)
        side = float(np.clip(max(height, width) * share, *COUNT_SIDES))
        share = min(1.0, side / max(height, width))
        size = (max(1, round(width * share)), max(1, round(height * share)))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


_LEAST = frozenset({"sharpness", "face_found"})


class _Subject:
    """What is measured on one subject's face."""

    def __init__(self, track: MotionTrack, plan: RenderPlan, reader: FaceReader, photo: Rgb) -> None:
        self._reader = reader
        self._rest: Landmarks = plan.to_frame(track.rest_landmarks)
        self._landmarks = plan.to_frame(track.landmarks)
        rest_box = landmark_box(self._rest)
        self.in_photo = next(iter(reader.read(photo, near=rest_box, identity=True)), None)
        self._identity = IdentityMeter(self.in_photo)
        self._lids = LidMeter(track)
        self._photo_sharpness = tells.sharpness(photo, rest_box)
        self._photo_colour = light.skin_colour(photo, self._rest)
        self._errors: list[float] = []
        self._found: list[bool] = []
        self._sharpness: list[float] = []
        self._luma: list[float] = []
        self._tint: list[float] = []

    def _at(self, frame: int) -> Landmarks:
        points: Array = self._landmarks[min(frame, len(self._landmarks) - 1)]
        return points

    @property
    def height(self) -> float:
        """Of the face in the framed photo, in pixels."""
        return float(max(1.0, np.ptp(self._rest[:468, 1])))

    def box(self, frame: int) -> Box:
        return landmark_box(self._at(frame))

    def moves(self, frame: int) -> bool:
        """Whether the track moves any landmark from the frame before to this one."""
        step = self._at(frame)[:, :2] - self._at(max(0, frame - 1))[:, :2]
        return float(np.abs(step).max()) > MOVES

    def see_lids(self, frame: int, labels: Array) -> None:
        self._lids.see(min(frame, len(self._landmarks) - 1), labels, self._at(frame), self._rest)

    def look(self, frame: int, picture: Rgb, identity: bool, hidden: float = 0.0, expected: bool = True) -> Face | None:
        """Finds the face again and compares it with the track and with the photo, as far as nobody hides it: ``hidden``
        is that share of the face, ``expected`` whether it must be found all the same."""
        if not expected:
            return None
        wanted = self._at(frame)
        box = landmark_box(wanted)
        faces = self._reader.read(picture, near=box, identity=identity)
        face = next((face for face in faces if same_face(wanted, face)), None)
        self._found.append(face is not None)
        if face is not None:
            self._errors.append(landmark_error(wanted, face.landmarks))
        if identity:
            self._identity.see(face)
        if hidden > CLEAR:
            return face
        if self._photo_sharpness > 0:
            self._sharpness.append(tells.sharpness(picture, box) / self._photo_sharpness)
        luma, tint = light.drift(light.skin_colour(picture, wanted), self._photo_colour)
        self._luma.append(abs(luma))
        self._tint.append(tint)
        return face

    def metrics(self) -> dict[str, float]:
        """This subject's part of the report; what was not measured is left out."""
        found: dict[str, float] = {}
        if self._found:
            found["face_found"] = float(np.mean(self._found))
        if self._errors:
            found["landmark_error"] = float(np.mean(self._errors))
            found["landmark_error_worst"] = max(self._errors)
        found |= self._identity.metrics()
        if self._lids.open_share:
            found["lid_open"] = float(np.mean(self._lids.open_share))
        if self._sharpness:
            found["sharpness"] = float(np.mean(self._sharpness))
        if self._luma:
            found["light_drift"], found["tint_drift"] = max(self._luma), max(self._tint)
        return found


def review(
    frames: Iterable[Frames], scene: Scene, tracks: Sequence[MotionTrack], plan: RenderPlan, reader: FaceReader
) -> Report:
    """Reviews a whole film at once: :class:`Reviewer` over all of its windows."""
    reviewer = Reviewer(scene, tracks, plan, reader)
    for window in frames:
        reviewer.see(window)
    return reviewer.report()


def _without_people(matte: Array) -> Bool[Array, "h w"]:
    """Where the framed photo shows nobody, well away from everybody."""
    reach = 2 * round(min(matte.shape) * 0.04) + 1
    return np.asarray(cv2.dilate(matte, np.ones((reach, reach), np.uint8)) < 8, bool)


def _spread(total: int, count: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, max(0, total - 1), count).round()})


def _nearest(among: set[int], wanted: list[int]) -> list[int]:
    return [min(among, key=lambda index: (abs(index - want), index)) for want in wanted]
