"""``photoplay inspect``, ``capture`` and ``templates``: looking at photos, clips and motions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from photoplay.cli import show
from photoplay.cli.choices import ConsentChoice
from photoplay.cli.film import ask_consent
from photoplay.cli.options import AsJson, Overwrite, group
from photoplay.cli.portrait import portrait
from photoplay.errors import RequestError

templates = group("The motions that photoplay knows.")


def inspect(
    photo: Annotated[Path, typer.Argument(help="The photo.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write.")] = Path("inspect.png"),
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Show what photoplay sees in a photo: landmarks, skeleton, matte, light and advice."""
    show.may_replace(overwrite, out)
    with show.whole(), show.stages(quiet=as_json) as progress:
        from photoplay.media import load_photo, save_image
        from photoplay.media.photo import check_image_name
        from photoplay.perception.draw import draw_scene
        from photoplay.perception.scene import perceive
        from photoplay.pipeline.outputs import check_place

        check_image_name(out)
        check_place(out)
        scene = perceive(load_photo(photo), progress)
        save_image(draw_scene(scene), out)
    advice = (*scene.photo.notices, *scene.notices)
    if as_json:
        faces = [
            {
                "box": [round(edge, 1) for edge in subject.face.box],
                "yaw": round(subject.face.head_pose.yaw, 1),
                "pitch": round(subject.face.head_pose.pitch, 1),
                "roll": round(subject.face.head_pose.roll, 1),
                "eye_opening": [round(eye, 3) for eye in subject.face.eye_opening],
                "mouth_opening": round(subject.face.mouth_opening, 3),
                "body": subject.body is not None,
            }
            for subject in scene.subjects
        ]
        found = [
            {"code": n.code, "severity": n.severity, "subject": n.subject, "message": n.message, "hint": n.hint}
            for n in advice
        ]
        typer.echo(json.dumps({"faces": faces, "advice": found, "picture": str(out)}))
        return
    show.notices(advice)
    people = len(scene.subjects)
    typer.echo(f"{people} {'face' if people == 1 else 'faces'} found. Your picture: {out}")


def capture(
    clip: Annotated[Path, typer.Argument(help="A video of one face, a LiveLink Face CSV, or a BVH file.")],
    partner: Annotated[
        Path | None, typer.Argument(help="The other dancer's BVH file, for a template for two.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The template to write.")] = Path("captured.yaml"),
    overwrite: Overwrite = False,
    name: Annotated[str, typer.Option(help="The template's name; without one, the file's.")] = "",
) -> None:
    """Read a motion template from a driving video or a motion file."""
    show.may_replace(overwrite, out)
    with show.whole(), show.stages(quiet=False) as progress:
        from photoplay.pipeline.capture import capture_template
        from photoplay.pipeline.outputs import check_place

        check_place(out)
        template = capture_template(clip, out, name=name or out.stem, partner=partner, progress=progress)
    typer.echo(f"{template.title}: {template.duration:.1f} s. Your template: {out}")


@templates.command("list")
def list_(
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the templates."""
    from photoplay.motion.library import list_templates

    every = list_templates()
    chosen = [template for template in every if category in ("", template.category)]
    if not chosen:
        there = ", ".join(sorted({template.category for template in every}))
        raise RequestError("template_category", f"No template is of the category “{category}”.", f"There are {there}.")
    if as_json:
        keys = ("name", "title", "description", "category", "tags", "duration", "loop", "needs", "licence", "people")
        typer.echo(json.dumps([{key: getattr(template, key) for key in keys} for template in chosen]))
        return
    for category in sorted({template.category for template in chosen}):
        typer.secho(category, bold=True)
        for template in chosen:
            if template.category == category:
                typer.echo(f"  {template.name:<22}{template.duration:4.1f} s  {template.description}")


@templates.command("show")
def show_(name: Annotated[str, typer.Argument(help="A template's name or file.")]) -> None:
    """Print a template's file."""
    from photoplay.motion.duet_template import dump_any
    from photoplay.motion.library import find

    typer.echo(dump_any(find(name)))


@templates.command("preview")
def preview(
    names: Annotated[list[str] | None, typer.Argument(help="Templates to draw.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All templates.")] = False,
    photo: Annotated[list[Path] | None, typer.Option(help="Photos to draw them on.", show_default=False)] = None,
    consent: Annotated[
        ConsentChoice | None, typer.Option(help="Who says that the people may be animated.", show_default=False)
    ] = None,
    size: Annotated[str, typer.Option(help="Size of each frame.")] = "480p",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the pictures and the page.")] = Path(
        "gallery"
    ),
) -> None:
    """Draw contact sheets of templates, and a page that shows them."""
    if not names and not every:
        raise RequestError("nothing_to_preview", "No template is named.", "Name some, or add --all.")
    from photoplay.media import load_photo
    from photoplay.motion.library import find, list_templates
    from photoplay.pipeline.gallery import write_gallery
    from photoplay.types import Request

    chosen = list_templates() if every else tuple(find(name) for name in names or [])
    statement = ask_consent(consent) if photo else ConsentChoice.HISTORICAL
    photos = [load_photo(path) for path in photo] if photo else [portrait()]
    requests = [Request((picture,), (statement.value,), "", size=size) for picture in photos]
    with show.stages(quiet=False) as progress:
        page = write_gallery(chosen, requests, out, progress)
    typer.echo(f"{len(chosen)} {'template' if len(chosen) == 1 else 'templates'}. Your page: {page}")
