"""The templates that come with photoplay and those in the user's folder, and whether a scene can carry one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from photoplay.errors import TemplateError
from photoplay.motion.channels import suggest
from photoplay.motion.duet_template import AnyTemplate, DuetTemplate, load_any, parse_duet
from photoplay.motion.template import Need, Template, parse_template
from photoplay.topology import LIPS_INNER_LOWER, LIPS_OUTER_UPPER, POSE_INDEX
from photoplay.types import Body, Face, Notice, Scene, Subject

LISTED = "The list of templates names them all (`photoplay templates list`)."
"""Where somebody finds the templates, whichever way they came in."""
FIRST_MOTION = ("smile", "look_and_smile")
"""What one person, and what two do where nothing is asked for."""
MAX_USER_TEMPLATES = 2000
FRONTAL_DEGREES = 30.0
AWAY_DEGREES = 25.0
"""Yaw away from the partner from which a face cannot be turned to them."""
FACE_FRONT = frozenset({"lips", "nose", "chin", "forehead"})
LANDMARKS_VISIBLE, JOINT_VISIBLE = 0.5, 0.5


@cache
def built_in() -> tuple[Template, ...]:
    """The package's own templates for one person by name."""
    return tuple(sorted(map(parse_template, _packaged("templates")), key=lambda template: template.name))


@cache
def built_in_duets() -> tuple[DuetTemplate, ...]:
    """The package's own templates for two people by name."""
    return tuple(sorted(map(parse_duet, _packaged("duets")), key=lambda template: template.name))


def _packaged(folder: str) -> list[str]:
    entries = files("photoplay.motion").joinpath(folder).iterdir()
    return [entry.read_text(encoding="utf-8") for entry in entries if entry.name.endswith(".yaml")]


def user_folder() -> Path:
    """Where the user's own templates are: ``$PHOTOPLAY_TEMPLATES``, or ``~/.config/photoplay/templates``."""
    if chosen := os.environ.get("PHOTOPLAY_TEMPLATES"):
        return Path(chosen)
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "photoplay" / "templates"


def list_templates(folder: Path | None = None, people: Literal[1, 2] | None = None) -> tuple[AnyTemplate, ...]:
    """All templates by name: the built-in ones and those of ``folder`` (None: the user's folder).

    ``people``: only those for one or for two people.

    A user's template takes the place of a built-in one of the same name; :func:`check_needs` then says so. Files that do
    not validate are left out here and named by :func:`folder_notices`.
    """
    own = {(template.name, template.people): template for template in _read_folder(folder)[0]}
    both = {(template.name, template.people): template for template in _all_built_in()} | own
    return tuple(both[key] for key in sorted(both) if people in (None, key[1]))


def _all_built_in() -> tuple[AnyTemplate, ...]:
    return (*built_in(), *built_in_duets())


def folder_notices(folder: Path | None = None) -> tuple[Notice, ...]:
    """What is wrong in the user's folder: files that do not validate, and templates that hide built-in ones."""
    templates, notices = _read_folder(folder)
    shadows = [notice for template in templates if (notice := _shadow(template))]
    return (*notices, *shadows)


def markdown_table(templates: Sequence[AnyTemplate]) -> str:
    """The templates as a Markdown table by category: what docs/templates.md shows."""
    lines = ["| template | seconds | what happens | needs |", "|---|---|---|---|"]
    for category in sorted({template.category for template in templates}):
        lines.append(f"| **{category}** | | | |")
        for template in templates:
            if template.category == category:
                seconds = f"{template.duration:g}" + (" ↻" if template.loop != "none" else "")
                needs = ", ".join(need.replace("_", " ") for need in template.needs)
                lines.append(f"| `{template.name}` | {seconds} | {template.description} | {needs} |")
    return "\n".join(lines) + "\n"


def find(name_or_path: str | Path, folder: Path | None = None, people: Literal[1, 2] | None = None) -> AnyTemplate:
    """One template: by name, or from a ``.yaml`` file.

    Where one person and two have a template of the same name, it is that for ``people`` (None: for one).

    Raises:
        TemplateError: there is none of that name (the nearest names are given), or its file does not validate.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or os.sep in text:
        return load_any(Path(name_or_path))
    wanted = text.strip().lower().replace("-", "_").replace(" ", "_")
    known = list_templates(folder)
    found = [template for template in known if template.name == wanted]
    if found:
        return next((template for template in found if template.people == people), found[0])
    raise TemplateError(
        "template_unknown",
        f"There is no template {text[:40]!r}.{suggest(wanted, [template.name for template in known])}",
        LISTED,
    )


def first_motion(photos: int, *said: object) -> str:
    """The template of so many photos where nothing else (``said``: a prompt, a clip, a sound) says what shall happen; none
    where something does."""
    return FIRST_MOTION[photos > 1] if photos and not any(said) else ""


def _read_folder(folder: Path | None) -> tuple[list[AnyTemplate], list[Notice]]:
    """The templates and the broken files of a folder; of two files with one name the first by file name counts."""
    folder = folder or user_folder()
    templates: dict[tuple[str, int], AnyTemplate] = {}
    notices: list[Notice] = []
    paths = sorted(folder.glob("*.y*ml")) if folder.is_dir() else []
    for path in paths[:MAX_USER_TEMPLATES]:
        try:
            template = load_any(path)
        except TemplateError as error:
            notices.append(
                Notice("template_skipped", f"{path.name} is left out. {error.message}", error.hint, "warning")
            )
            continue
        if (template.name, template.people) in templates:
            notices.append(
                Notice(
                    "template_skipped",
                    f"{path.name} is left out, since another file is also named '{template.name}'.",
                    "Give each template its own name.",
                    "warning",
                )
            )
            continue
        templates[template.name, template.people] = template
    return list(templates.values()), notices


def _shadow(template: AnyTemplate) -> Notice | None:
    built = [own for own in _all_built_in() if (own.name, own.people) == (template.name, template.people)]
    if not built or template in built:
        return None
    return Notice(
        "template_shadows_built_in",
        f"Your own template '{template.name}' is used instead of photoplay's.",
        "Rename yours to have both.",
    )


def check_needs(template: AnyTemplate, scene: Scene, roles: tuple[int, int] = (0, 1)) -> tuple[Notice, ...]:
    """What keeps this scene's people from playing this template, as blocking notices, one for each cause and person.

    Perception's advice becomes blocking where the template says that it cannot live with it; needs are checked against
    landmark and joint visibility. A template for two is checked on ``roles``: who plays the first and the second role.
    """
    found = [notice] if (notice := _shadow(template)) else []
    for advice in scene.notices:
        if advice.code in template.cannot_live_with and advice.severity != "blocking":
            found.append(
                Notice(
                    advice.code,
                    f"'{template.title}' cannot be played here: {advice.message}",
                    advice.hint,
                    "blocking",
                    advice.subject,
                )
            )
    if isinstance(template, DuetTemplate):
        return (*found, *_duet_needs(template, scene, roles))
    for index, subject in enumerate(scene.subjects):
        found += _wanting(template.title, template.needs, subject, index)
    return tuple(found)


def _duet_needs(template: DuetTemplate, scene: Scene, roles: tuple[int, int]) -> list[Notice]:
    if len(scene.subjects) < 2:
        return [
            Notice(
                "needs_two_people",
                f"'{template.title}' is for two people, and there is one.",
                "Give two photos, or one photo that shows two people.",
                "blocking",
            )
        ]
    found: list[Notice] = []
    for which, (index, other) in enumerate((roles, roles[::-1])):
        near, far = _sides(scene.subjects[index], scene.subjects[other])
        needs = [
            near if need == "near_arm" else far if need == "far_arm" else need for need in template.role(which).needs
        ]
        found += _wanting(template.title, needs, scene.subjects[index], index)
        if _looks_away(template, which, scene.subjects[index], near == "left_arm"):
            found.append(
                Notice(
                    "turned_away",
                    f"'{template.title}' brings faces together, and this person looks away from the other one.",
                    "Swap the sides, or choose a template without a kiss.",
                    "blocking",
                    index,
                )
            )
    return found


def _looks_away(template: DuetTemplate, which: int, subject: Subject, at_right: bool) -> bool:
    """Whether the front of a face shall meet somebody from whom it is turned: a photo has no other side to show."""
    points = {(touch.first, touch.second)[which] for touch in template.contacts if touch.faces}
    yaw = subject.face.head_pose.yaw * (1 if at_right else -1)
    return bool(points & FACE_FRONT) and yaw < -AWAY_DEGREES


def partner_at_right(subject: Subject, partner: Subject) -> bool:
    """Whether the partner is at the image's right of ``subject``, where a person who faces the camera has the left arm."""
    own, other = (float(person.face.landmarks[:, 0].mean()) for person in (subject, partner))
    return other >= own


def _sides(subject: Subject, partner: Subject) -> tuple[Need, Need]:
    """The need for the near and for the far arm."""
    return ("left_arm", "right_arm") if partner_at_right(subject, partner) else ("right_arm", "left_arm")


def _wanting(title: str, needs: Sequence[Need], subject: Subject, index: int) -> list[Notice]:
    found = []
    for need in needs:
        if not _meets(need, subject):
            what, help_ = _WANTING[need]
            found.append(Notice(f"needs_{need}", f"'{title}' needs {what}.", help_, "blocking", index))
    return found


def _points_seen(face: Face, points: tuple[int, ...]) -> bool:
    return float(face.visibility[list(points)].mean()) >= LANDMARKS_VISIBLE


def _joints_seen(body: Body | None, *names: str) -> bool:
    return body is not None and all(float(body.visibility[POSE_INDEX[name]]) >= JOINT_VISIBLE for name in names)


def _meets(need: Need, subject: Subject) -> bool:
    face, body = subject.face, subject.body
    match need:
        case "mouth_visible":
            return _points_seen(face, (*LIPS_OUTER_UPPER, *LIPS_INNER_LOWER))
        case "eyes_visible":
            return _points_seen(face, (33, 133, 159, 145)) and _points_seen(face, (263, 362, 386, 374))
        case "frontal":
            return abs(face.head_pose.yaw) <= FRONTAL_DEGREES
        case "shoulders":
            return _joints_seen(body, "left_shoulder", "right_shoulder")
        case "left_arm" | "right_arm":
            return _joints_seen(body, *(f"{need[:-4]}_{joint}" for joint in ("shoulder", "elbow", "wrist")))
        case "arms":
            return _meets("left_arm", subject) and _meets("right_arm", subject)
        case "hands":
            return _joints_seen(body, "left_wrist", "left_index", "right_wrist", "right_index")


_WANTING: dict[Need, tuple[str, str]] = {
    "mouth_visible": ("a mouth that can be seen", "Take a photo in which nothing covers the mouth."),
    "eyes_visible": ("both eyes", "Take a photo in which both eyes can be seen."),
    "frontal": ("a face that looks towards the camera", "Take a photo from in front, or choose a body template."),
    "shoulders": ("both shoulders in the photo", "Take a photo that reaches to the chest, or choose a face template."),
    "arms": ("both arms in the photo, hands included", "Take a photo from the hips up with the arms in view."),
    "left_arm": ("the left arm in the photo, hand included", "Take a photo that shows that arm, or use the other arm."),
    "right_arm": (
        "the right arm in the photo, hand included",
        "Take a photo that shows that arm, or use the other arm.",
    ),
    "hands": ("both hands in the photo", "Take a photo that shows both hands."),
}
