"""The review of a film that a model framed by itself: no track to hold it to, but the people must still be themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photoplay.evaluation import tells
from photoplay.evaluation.contact import Found, MarginMeter
from photoplay.evaluation.identity import SAME_PERSON, IdentityMeter, distance, same_person
from photoplay.evaluation.shading import face_shading, shading_difference
from photoplay.evaluation.temporal import FlickerMeter
from photoplay.evaluation.verdict import judge
from photoplay.types import Face, FaceReader, Frames, RenderPlan, Report, Rgb

LOOKS = 6
"""In how many frames people are looked for: that is slow."""
LIVELY = 20.0
"""Grey levels of standard deviation that a picture of anything has."""


class FreeReviewer:
    """Looks at every window of a film once (:meth:`see`), then judges it (:meth:`report`).

    ``people`` are the faces that the film is about, read with their embeddings; empty for a film of nobody real. Flicker
    and broken frames are measured on every frame; in a few, every person is compared with the nearest face that is there,
    no face standing for two people. Nobody is expected at a place, and a background may move. Of exactly two people it is
    also asked whether each is more himself than the other, whether one is there twice, and how their lights differ. ``gone``
    must not be seen, unless it is one of the people himself.
    """

    def __init__(self, people: Sequence[Face], plan: RenderPlan, reader: FaceReader, gone: Face | None = None) -> None:
        self._reader = reader
        self._people = [person for person in people if person.embedding is not None]
        self._meters = [IdentityMeter(person) for person in self._people]
        self._gone = gone if gone is not None and not any(same_person(gone, one) for one in self._people) else None
        self._left: list[bool] = []
        first, second = (*self._people, None, None)[:2]
        self._margin = MarginMeter((first, second))
        self._twice: list[bool] = []
        self._lights: list[float] = []
        looks = np.linspace(0, max(0, plan.num_frames - 1), LOOKS).round()
        self._looks = {int(index) for index in looks}
        self._flicker = FlickerMeter(plan.width, plan.height)
        self._before: Rgb | None = None
        self._empty = self._frozen = self._seen = 0

    def see(self, frames: Frames) -> None:
        """Looks at one window; windows come in order."""
        for offset, picture in enumerate(frames.rgb):
            self._empty += tells.is_empty(picture, LIVELY)
            if self._before is not None:
                self._frozen += tells.is_frozen(picture, self._before)
            self._flicker.see(picture)
            if (self._people or self._gone) and frames.start + offset in self._looks:
                self._recognise(picture)
            self._before = picture.copy()
            self._seen += 1

    def _recognise(self, picture: Rgb) -> None:
        faces = [face for face in self._reader.read(picture, identity=True) if face.embedding is not None]
        apart = {
            (i, k): distance(face.embedding, person.embedding)
            for i, person in enumerate(self._people)
            for k, face in enumerate(faces)
            if face.embedding is not None and person.embedding is not None
        }
        if self._gone is not None:
            self._left.append(any(same_person(face, self._gone) for face in faces))
        matched: dict[int, Face] = {}
        while apart:
            person, face = min(apart, key=lambda pair: apart[pair])
            matched[person] = faces[face]
            apart = {pair: far for pair, far in apart.items() if pair[0] != person and pair[1] != face}
        for i, meter in enumerate(self._meters):
            meter.see(matched.get(i))
        if len(self._people) == 2:
            self._compare(picture, (matched.get(0), matched.get(1)), faces)

    def _compare(self, picture: Rgb, found: Found, faces: list[Face]) -> None:
        """Whether two people are two people: none mixed with the other, none twice, both in one light."""
        first, second = found
        self._margin.see(found, (first is not None, second is not None))
        spare = [face.embedding for face in faces if face is not first and face is not second]
        own = [person.embedding for person in self._people]
        self._twice.append(
            any(distance(a, b) < SAME_PERSON for a in spare for b in own if a is not None and b is not None)
        )
        if first is not None and second is not None:
            lights = face_shading(picture, first.landmarks), face_shading(picture, second.landmarks)
            if lights[0] is not None and lights[1] is not None:
                self._lights.append(shading_difference(lights[0], lights[1]))

    def report(self) -> Report:
        """The verdict. Metrics are named as :class:`photoplay.evaluation.reviewer.Reviewer` names them; the worst person
        counts."""
        metrics: dict[str, float] = {"frames": float(self._seen), "empty_frames": float(self._empty)}
        for name, values in (("flicker", self._flicker.grain), ("pulse", self._flicker.pulse)):
            if values:
                metrics[name], metrics[f"{name}_worst"] = float(np.mean(values)), max(values)
        for meter in self._meters:
            for name, value in meter.metrics().items():
                metrics[name] = max(metrics.get(name, value), value)
        if len(self._people) == 2:
            metrics |= self._margin.metrics()
            for name, measured in (("faces_twice", self._twice), ("light_difference", self._lights)):
                if measured:
                    metrics[name] = float(np.mean(measured))
        if self._left:
            metrics["replaced_seen"] = float(np.mean(self._left))
        metrics["frozen_frames"] = self._frozen / max(1, self._seen - 1)
        return judge({name: round(value, 5) for name, value in metrics.items() if np.isfinite(value)})
