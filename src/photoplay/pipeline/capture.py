"""A motion template from a driving video or a motion file."""

from __future__ import annotations

from pathlib import Path

from photoplay.errors import RequestError
from photoplay.media import read_video
from photoplay.motion.capture import capture
from photoplay.motion.duet_template import AnyTemplate, save_duet
from photoplay.motion.importers import import_motion, is_motion_file
from photoplay.motion.importers_duet import import_duet
from photoplay.motion.template import save_template
from photoplay.perception.faces import FaceReader
from photoplay.types import Progress, silent

MAX_SECONDS = 30.0


def capture_template(
    source: Path, out: Path, *, name: str, partner: Path | None = None, progress: Progress = silent
) -> AnyTemplate:
    """Reads the motion of the largest face in a video, a Live Link Face CSV or a BVH file, and saves it as a template.

    With a ``partner``, two BVH files of one take become a template for two. Only the motion is kept: no picture of the
    person in the clip goes into the template.

    Raises:
        RequestError: ``out_not_yaml``.
        MediaError: the video cannot be used.   TemplateError: there is no face or no motion in it.
    """
    if out.suffix not in {".yaml", ".yml"}:
        raise RequestError("out_not_yaml", "A template is a YAML file.", "End its name in .yaml.")
    template: AnyTemplate
    if partner is not None:
        template = import_duet(source, partner, name=name)
        save_duet(template, out)
        return template
    if is_motion_file(source):
        template = import_motion(source, name=name)
    else:
        frames = read_video(source, max_seconds=MAX_SECONDS, max_side=960)
        template = capture(frames, FaceReader(), name=name, progress=progress)
    save_template(template, out)
    return template
