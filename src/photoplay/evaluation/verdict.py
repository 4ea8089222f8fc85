"""From measurements to a verdict: limits with their reasons, one sentence for a person, notices for what is weak."""

from __future__ import annotations

from dataclasses import dataclass

from photoplay.evaluation.identity import SAME_PERSON
from photoplay.types import Notice, Report


@dataclass(frozen=True)
class Limit:
    """One metric's limits: over ``warn`` it is told, over ``fail`` the film does not pass (with ``least``: under)."""

    metric: str
    warn: float
    fail: float
    fault: str
    hint: str
    least: bool = False

    def over(self, value: float, limit: float) -> bool:
        return value < limit if self.least else value > limit


CALMER = "Try less intensity or a calmer template."
STEADIER = "Try less intensity, 24 frames a second or more, or another photo."
PLAINER = "Try a calmer template, or a photo before a plainer background."
BETTER = "A larger, sharper photo of the face helps."
ROOMIER = "Try a calmer template, or a photo with more room around each face."
TURNED = "Try a template of other contact, or photos of people who look towards each other."
NEVER = float("inf")

LIMITS: tuple[Limit, ...] = (
    # The embedding's own border between people is 0.6; a photo against another one of the same person is about 0.3-0.45.
    Limit("identity_worst", 0.45, SAME_PERSON, "the face drifts away from the photo's", CALMER),
    Limit("identity_unread", 0.0, 0.5, "the face cannot be recognised in some frames", CALMER),
    # White flicker of 1 grey level is at the border of what is seen on a flat area; film grain is 2 to 3.
    Limit("flicker", 1.0, 3.0, "the picture flickers", STEADIER),
    # A clean face that moves by 5 pixels a frame measures up to 1.4, since what moves is never followed exactly: of fewer
    # frames a second the reading is brought to 24 first (temporal.at_film_rate).
    Limit("flicker_face", 2.0, 4.0, "the face flickers", STEADIER),
    # Brightness that jumps by 0.5 % of white from frame to frame is seen, 1.5 levels cannot be overlooked.
    Limit("pulse", 0.5, 1.5, "the brightness pulses", STEADIER),
    # A still background shows every change; 8-bit coding alone changes it by about 0.5.
    Limit("background_change", 0.5, 2.0, "the background is unquiet", PLAINER),
    Limit("background_drift", 2.0, 8.0, "the background changes over time", PLAINER),
    # 2 % of the eyes' distance is what two detections of one face differ by; at 6 % the expression is another one.
    Limit("landmark_error", 0.035, 0.06, "the face does not follow its motion", CALMER),
    Limit("face_found", 1.0, 0.8, "the face is lost in some frames", CALMER, least=True),
    Limit("faces_missing", 0.0, 0.5, "a face of the photo is not found again", ROOMIER),
    Limit("faces_extra", 0.0, 0.5, "there are faces that the photo does not have", CALMER),
    Limit("lid_open", 0.12, NEVER, "closed eyes stay open by a slit", BETTER),
    # Between two people, at a contact: see docs/contact_metrics.md for what clean and spoiled films measure.
    Limit("contact_identity_during", 0.5, SAME_PERSON, "somebody is not recognised during the contact", CALMER),
    Limit("contact_identity_after", 0.5, SAME_PERSON, "somebody is not recognised after the contact", CALMER),
    Limit("contact_margin", 0.25, 0.1, "one face takes on the other's features", CALMER, least=True),
    Limit("merged_faces", 0.0, 0.3, "the two faces melt into each other", CALMER),
    Limit("contact_recovery", 0.5, 1.0, "the two do not come back as themselves after the contact", CALMER),
    Limit("contact_hidden", 0.6, 0.9, "one of the two hides the other's face where they meet", TURNED),
    Limit("light_split", 0.3, 0.6, "the light changes on one of the two alone", CALMER),
    Limit("seam_energy", 8.0, 20.0, "a seam is seen between the two", CALMER),
    # Whoever was to be replaced in a clip is not to be seen in a single frame.
    Limit("replaced_seen", 0.0, 0.01, "the person who was to be replaced is still seen", "Try another photo or clip."),
    Limit("faces_twice", 0.0, 0.3, "one of the two is there twice", CALMER),
    # Half of the fine detail is about what a bilinear copy of a copy leaves.
    Limit("sharpness", 0.6, 0.3, "the face is softer than in the photo", BETTER, least=True),
    Limit("light_drift", 14.0, 45.0, "the light on the face changes", CALMER),
    Limit("tint_drift", 2.0, 6.0, "the skin's colour changes", CALMER),
    # Clean films stay under 0.4 %. Under 2 % of the person it is an edge; 6 % is a thing, such as a hand or a patch.
    Limit("fidelity_off", 0.006, 0.06, "parts of the photo change their colour", CALMER),
    # The plate of a composed scene is known: clean films show it within 8 levels everywhere but at people's edges.
    Limit("ghost", 0.004, 0.012, "something shines through the background that is not there", CALMER),
    # Clean films stay under 40. Over 100 levels, 1 % of the person has become something else: a white stripe is black.
    Limit("fidelity_worst", 50.0, 100.0, "things that the photo shows fade or vanish", CALMER),
    # Specks of resampled texture reach 3 % of the picture; a line of 10 % crosses a face or an arm.
    Limit("crack", 0.045, 0.1, "there are cracks in the picture", CALMER),
    Limit("empty_frames", 0.0, 0.0, "there are empty frames", "Make the film again."),
    Limit("frozen_frames", 0.05, 0.25, "the film stands still where it should move", "Make the film again."),
)


def judge(metrics: dict[str, float]) -> Report:
    """The report on these metrics: one that is not among them was not measured, and is not judged."""
    notices, broken = [], []
    for limit in LIMITS:
        value = metrics.get(limit.metric)
        if value is None or not (limit.over(value, limit.warn) or limit.over(value, limit.fail)):
            continue
        if limit.over(value, limit.fail):
            broken.append(f"{limit.fault} ({_number(value)}, limit {_number(limit.fail)})")
        text = limit.fault[0].upper() + limit.fault[1:] + "."
        notices.append(Notice(f"review_{limit.metric}", text, limit.hint, "warning"))
    sentence = f"Not good enough: {_joined(broken)}." if broken else _praise(metrics, notices)
    return Report(metrics, not broken, sentence, tuple(notices))


def _praise(metrics: dict[str, float], notices: list[Notice]) -> str:
    weak = {notice.code.removeprefix("review_") for notice in notices}
    parts = []
    if "identity_worst" in metrics and not weak & {"identity_worst", "identity_unread"}:
        parts.append(f"identity held ({metrics['identity_worst']:.2f} of {SAME_PERSON})")
    if "flicker" in metrics and not weak & {"flicker", "flicker_face", "pulse"}:
        parts.append("no flicker")
    if "background_change" in metrics and not weak & {"background_change", "background_drift"}:
        parts.append("the background stands still")
    flaws = [notice.message[0].lower() + notice.message[1:-1] for notice in notices]
    good = _joined(parts)
    if not flaws:
        return f"{good[0].upper()}{good[1:]}." if good else "Nothing wrong was seen."
    if not good:
        return f"It passes, but {_joined(flaws)}."
    return f"{good[0].upper()}{good[1:]}; but {_joined(flaws)}."


def _joined(parts: list[str]) -> str:
    return ", ".join(parts)


def _number(value: float) -> str:
    return f"{value:.3g}"
