"""Everything that review measures between the two people of a duet, in the few frames in which it looks at their faces."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from photoplay.evaluation.contact import (
    CLEAR,
    FEATURES,
    FEATURES_HIDDEN,
    HIDDEN,
    SIDEWAYS,
    ContactMeter,
    Found,
    alone,
    apart,
    covers,
    hidden_share,
)
from photoplay.evaluation.reference import framed
from photoplay.evaluation.seam import Seam, seam
from photoplay.evaluation.shading import brightening, face_shading, shading_difference
from photoplay.types import Anchor, Array, Duet, Landmarks, MotionTrack, RenderPlan, Rgb, Scene


class PairMeter:
    """Fed in order with the frames that it :meth:`wants`, and with the two faces that were found there.

    ``tracks`` and ``own`` (their faces in the framed ``photo``, read with embeddings) are in the order of
    ``duet.subjects``.
    """

    def __init__(
        self,
        scene: Scene,
        tracks: tuple[MotionTrack, MotionTrack],
        plan: RenderPlan,
        duet: Duet,
        own: Found,
        photo: Rgb,
    ) -> None:
        self._duet, self._tracks, self._photo = duet, tracks, photo
        self._rest = tuple(plan.to_frame(track.rest_landmarks) for track in tracks)
        self._places = tuple(plan.to_frame(track.landmarks) for track in tracks)
        sources = [scene.subjects[subject].pixels for subject in duet.subjects]
        first, second = (photo if pixels is None else framed(pixels, plan) for pixels in sources)
        self._photos: tuple[Rgb, Rgb] = (first, second)
        self._contact = ContactMeter(own, duet, plan.num_frames, plan.fps)
        self._faces_meet = any(contact.faces for contact in duet.contacts)
        self._covered: list[float] = []
        self._lights: list[float] = []
        self._splits: list[float] = []
        self._seams: list[Seam] = []

    def wants(self, frame: int) -> bool:
        """Whether both faces shall be read, with their identity, in this frame."""
        return self._contact.wants(frame)

    def close(self, frame: int, anchor: Anchor | None, offset: int) -> bool:
        """Whether the two touch in this frame, or one hides the other."""
        touched = self._contact.touched
        return bool(touched[min(frame, len(touched) - 1)]) or max(self.hidden(frame, anchor, offset)) > CLEAR

    def hidden(self, frame: int, anchor: Anchor | None, offset: int) -> tuple[float, float]:
        """How much of each face the other person covers, 0..1."""
        places = self._at(frame)
        first, second = self._covers(frame, anchor, offset)
        return hidden_share(places[0], first), hidden_share(places[1], second)

    def expected(self, frame: int, anchor: Anchor | None, offset: int) -> tuple[bool, bool]:
        """Which faces must be found and recognised: neither covered by the other person nor turned away."""
        first, second = (
            hidden_share(place, other) <= HIDDEN
            and hidden_share(place, other, FEATURES) <= FEATURES_HIDDEN
            and abs(float(track.head_pose[min(frame, track.num_frames - 1), 0])) <= SIDEWAYS
            for place, other, track in zip(
                self._at(frame), self._covers(frame, anchor, offset), self._tracks, strict=True
            )
        )
        return first, second

    def alone(self, frame: int, picture: Rgb, anchor: Anchor | None, offset: int) -> tuple[Rgb, Rgb]:
        """The picture for reading each face: without the other person, where it is known whose each pixel is."""
        if anchor is None or anchor.identity is None:
            return picture, picture
        places = self._at(frame)
        first, second = self._covers(frame, anchor, offset)
        return alone(picture, first, places[0]), alone(picture, second, places[1])

    def see(self, frame: int, picture: Rgb, found: Found, anchor: Anchor | None, offset: int) -> None:
        """Measures ``picture``, the film's ``frame``, which ``anchor`` describes at ``offset``."""
        hidden, places = self.hidden(frame, anchor, offset), self._at(frame)
        self._contact.see(frame, apart(found, places), self.expected(frame, anchor, offset))
        if self._faces_meet and self._contact.during(frame):
            self._covered.append(max(hidden))
        self._light(picture, places, anchor, offset, hidden)
        if anchor is not None:
            met = seam(picture, anchor, offset, self._photos, self._duet.subjects)
            if met is not None:
                self._seams.append(met)

    def metrics(self) -> dict[str, float]:
        """Those of :class:`ContactMeter`; ``contact_hidden``, the share of a face that the other person covers while faces
        meet (the mean of the looks); ``light_difference`` percent between the two (see
        :mod:`photoplay.evaluation.shading`; the mean), ``light_split`` stops by which one of them became lighter or
        tinted against the other, ``seam_energy`` and ``seam_around`` (:mod:`photoplay.evaluation.seam`; the worst)."""
        found = self._contact.metrics()
        if self._covered:
            found["contact_hidden"] = float(np.mean(self._covered))
        if self._lights:
            found["light_difference"] = float(np.mean(self._lights))
        if self._splits:
            found["light_split"] = max(self._splits)
        if self._seams:
            worst = max(self._seams, key=lambda one: one.energy)
            found |= {"seam_energy": worst.energy, "seam_around": worst.around}
        return found

    def _at(self, frame: int) -> tuple[Landmarks, Landmarks]:
        first, second = (place[min(frame, len(place) - 1)] for place in self._places)
        return first, second

    def _covers(self, frame: int, anchor: Anchor | None, offset: int) -> tuple[Bool[Array, "h w"], Bool[Array, "h w"]]:
        front = float(self._duet.front[min(frame, len(self._duet.front) - 1)])
        shown = None if anchor is None or anchor.identity is None else anchor.identity[offset]
        shape = (self._photo.shape[0], self._photo.shape[1])
        return covers(shown, self._duet.subjects, front, self._at(frame), shape)

    def _light(
        self,
        picture: Rgb,
        places: tuple[Landmarks, Landmarks],
        anchor: Anchor | None,
        offset: int,
        hidden: tuple[float, float],
    ) -> None:
        changes = []
        for person in (0, 1):
            if hidden[person] > HIDDEN:
                return
            shown = self._shown(person, anchor, offset)
            if shown is None and hidden[person] > CLEAR:
                return
            changes.append(brightening(picture, places[person], self._photo, self._rest[person], shown))
        if changes[0] is not None and changes[1] is not None:
            self._splits.append(float(np.abs(changes[0] - changes[1]).max()))
        if max(hidden) <= CLEAR:
            first, second = (face_shading(picture, place) for place in places)
            if first is not None and second is not None:
                self._lights.append(shading_difference(first, second))

    def _shown(self, person: int, anchor: Anchor | None, offset: int) -> Bool[Array, "h w"] | None:
        if anchor is None or anchor.identity is None:
            return None
        return np.asarray(anchor.identity[offset] != self._duet.subjects[1 - person] + 1, bool)
