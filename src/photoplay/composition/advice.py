"""Advice on two photos as one picture: what will look less good, and which photos would do better."""

from __future__ import annotations

from math import isfinite

from photoplay.composition.layout import MEDIUM_REACH, Figure, Layout
from photoplay.types import Face, Notice, Scene

MUCH_ENLARGED = 2.0
UNLIKE_SIZES = (0.6, 1.6)
"""Ratios of size beyond which two people cannot meet everywhere."""
LOOKS_AWAY = 25.0
"""Degrees by which a head turns away from the other person."""
LEVELS_GIVEN_UP = 1.0


def advise(
    faces: tuple[Face, Face], figures: tuple[Figure, Figure], sizes: tuple[float, float], layout: Layout
) -> tuple[Notice, ...]:
    """Notices on a composed picture, with the person (0 left, 1 right) whom each is about."""
    notices: list[Notice] = []
    for k in (0, 1):
        notices += _about(figures[k], layout, k)
    ratio = sizes[1] / sizes[0]
    if not UNLIKE_SIZES[0] <= ratio <= UNLIKE_SIZES[1]:
        notices.append(
            Notice(
                "sizes_differ",
                f"One person is {max(ratio, 1 / ratio):.1f} times as large as the other; they will not meet everywhere.",
                "Choose a size ratio between 0.6 and 1.6, or a template without touch.",
                "warning",
            )
        )
    outwards = (-faces[0].head_pose.yaw, faces[1].head_pose.yaw)
    if max(outwards) > LOOKS_AWAY and sum(outwards) > 0:
        notices.append(
            Notice(
                "looks_away",
                "Somebody's head turns away from the other person.",
                "Let the two change sides.",
                "info",
                outwards.index(max(outwards)),
            )
        )
    drop = figures[0].ankles * sizes[0] - figures[1].ankles * sizes[1]
    eyes = [
        placement.y + placement.scale * (figure.eyes[1] + 0.5)
        for placement, figure in zip(layout.placements, figures, strict=True)
    ]
    if abs(drop - (eyes[1] - eyes[0]) / layout.unit) > LEVELS_GIVEN_UP:
        notices.append(
            Notice(
                "ground_not_shared",
                "One of the photos ends so high that the two cannot be shown standing on the same ground.",
                "Use a photo that shows more of the larger person.",
                "info",
            )
        )
    return tuple(notices)


def largest_taken(scene: Scene, index: int, side: int) -> tuple[Notice, ...]:
    """A notice where a photo shows somebody besides the person ``index`` who is nearly as large."""
    heights = [subject.face.box[3] - subject.face.box[1] for subject in scene.subjects]
    others = sum(height > 0.5 * heights[index] for height in heights) - 1
    if others < 1:
        return ()
    message = "This photo shows several people; the one with the largest face was taken."
    return (Notice("largest_taken", message, "Crop the photo to the person who is meant.", "info", side),)


def _about(figure: Figure, layout: Layout, k: int) -> list[Notice]:
    notices = []
    placement = layout.placements[k]
    if placement.scale > MUCH_ENLARGED:
        notices.append(
            Notice(
                "photo_upscaled",
                f"This person is enlarged {placement.scale:.1f} times for the picture and will look soft.",
                "Use a larger photo, or one taken closer: a face of 200 pixels and more looks best.",
                "warning",
                k,
            )
        )
    bottom = (layout.frame[3] - placement.y) / placement.scale
    cuts = [cut for cut in (figure.cut_left, figure.cut_right) if cut is not None]
    if any(figure.eyes[1] + cut[0] * figure.unit < bottom for cut in cuts):
        notices.append(
            Notice(
                "cut_at_side",
                "The side of the photo cuts this person's arm; what is missing is carried on by guess.",
                "Use a photo with some room on both sides.",
                "info",
                k,
            )
        )
    if isfinite(figure.reach) and figure.reach < MEDIUM_REACH and layout.framing == "medium":
        notices.append(
            Notice(
                "photo_ends_early",
                "This photo ends above the hips, so the picture cannot show more of either person.",
                "Use a photo that shows more of the body, or the close framing.",
                "info",
                k,
            )
        )
    return notices
