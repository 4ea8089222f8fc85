"""Contact sheets of templates, each a sealed picture, and a page that shows them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from photoplay.errors import RefusedError, SceneError
from photoplay.finishing.sheet import contact_sheet, evenly
from photoplay.generation.backends import get_backend
from photoplay.generation.backends.protocol import Backend
from photoplay.generation.contact_pass import with_contact_pass
from photoplay.media import save_image
from photoplay.motion.duet_template import AnyTemplate
from photoplay.pipeline.door import accounted, let_in
from photoplay.pipeline.glimpses import UNREVIEWED
from photoplay.pipeline.moving import Recent
from photoplay.pipeline.outputs import mark, write_film
from photoplay.pipeline.plan import played, prepare
from photoplay.pipeline.scenes import rest_scene
from photoplay.pipeline.settle import template_of
from photoplay.safety.certificates import data_home
from photoplay.safety.guard import Guard
from photoplay.safety.ledger import work_id
from photoplay.safety.private import unsealed_folder
from photoplay.safety.provenance import seal
from photoplay.safety.recipe import make_recipe
from photoplay.types import Admitted, Progress, Request, Screened, StageEvent, silent

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>photoplay: templates</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }}
figure {{ margin: 0 0 2.5rem }} img {{ width: 100%; border-radius: 6px }} code {{ background: #eee; padding: 0 .3em }}
</style>
<h1>Templates</h1>
{figures}
</html>
"""
FIGURE = """<figure id="{name}"><figcaption><h2>{title}</h2><p>{description} <code>--template {name}</code></p></figcaption>
{pictures}</figure>"""


def draw_preview(request: Request, out: Path, shots: int = 8) -> None:
    """Writes a sealed contact sheet of ``shots`` frames of one film to ``out`` (PNG).

    Raises:
        RefusedError: admission says no.   SceneError: the photo cannot carry this template.
    """
    guard = Guard.local()
    backend = get_backend(request.backend)
    admitted = let_in(request, backend, guard)
    with accounted(guard, admitted):
        _draw(admitted, backend, guard, out, shots)


def _draw(admitted: Admitted, backend: Backend, guard: Guard, out: Path, shots: int) -> None:
    prepared = prepare(admitted)
    frames = evenly(backend.generate(prepared.scene, prepared.tracks, prepared.plan), shots, prepared.plan.num_frames)
    sheet = contact_sheet(frames, columns=shots, title=prepared.template.title if prepared.template else "")
    with unsealed_folder(out.parent, data_home()) as folder:
        unsealed = folder / "sheet.png"
        save_image(sheet, unsealed)
        seal(
            unsealed,
            out,
            admitted=admitted,
            recipe=make_recipe(admitted, played(prepared.template), prepared.plan, backend.name, backend.version),
            report=UNREVIEWED,
            source_type=backend.capabilities.source_type,
            screened=guard.content.screened(frames, admitted),
            guard=guard,
        )


def draw_moving(request: Request, out: Path, guard: Guard, recent: Recent) -> None:
    """Writes a sealed endless WebP of the request's film to ``out``: small, not reviewed, and marked as films are.

    ``recent`` keeps what was perceived for the next one of the same photo.

    Raises:
        RefusedError: admission or a screen says no.   SceneError: the photo cannot carry this template.
    """
    backend = get_backend(request.backend)
    admitted = let_in(request, backend, guard)
    with accounted(guard, admitted):
        template = template_of(admitted.request, backend.capabilities)
        rest = recent.get(admitted.request, template)
        if rest is None:
            rest = rest_scene(admitted.request, template or bool(admitted.request.audio), silent)
            recent.keep(admitted.request, rest)  # also for the next template, where these people cannot play this one
        prepared = prepare(admitted, rest=rest, template=template)
        recipe = make_recipe(admitted, played(prepared.template), prepared.plan, backend.name, backend.version)
        windows = with_contact_pass(backend, prepared.scene, prepared.tracks, prepared.plan, silent)
        receipt: list[Screened] = []
        marked = mark(windows, admitted.request, work_id(recipe))
        with unsealed_folder(out.parent, data_home()) as folder:
            unsealed = folder / out.name
            write_film(guard.content.screen(marked, receipt, admitted), unsealed, request.codec)
            seal(
                unsealed,
                out,
                admitted=admitted,
                recipe=recipe,
                report=UNREVIEWED,
                source_type=backend.capabilities.source_type,
                screened=receipt[0],
                guard=guard,
                watermark=int(work_id(recipe), 16),
            )


def write_gallery(
    templates: Sequence[AnyTemplate], requests: Sequence[Request], folder: Path, progress: Progress = silent
) -> Path:
    """Draws every template on every request's photo into ``folder`` and returns the page that shows them.

    Templates for two are drawn on the first two photos together, then on the next two. A template that a photo cannot
    carry, or that the people in it did not agree to, is named on the page with the reason instead of a picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for done, template in enumerate(templates):
        progress(StageEvent("preview", done, len(templates), template.title))
        pictures = []
        for index, request in enumerate(_cast(template, requests)):
            name = f"{template.name}-{index + 1}.png"
            seconds = min(6.0, max(2.0, template.duration))
            asked = replace(request, template=template.name, category=template.category, seconds=seconds)
            try:
                draw_preview(asked, folder / name)
            except (SceneError, RefusedError) as error:
                pictures.append(f"<p>Picture {index + 1}: {html.escape(error.message)}</p>")
            else:
                pictures.append(
                    f'<img loading="lazy" src="{name}" alt="Eight frames of {html.escape(template.title)}">'
                )
        figures.append(
            FIGURE.format(
                name=html.escape(template.name),
                title=html.escape(template.title),
                description=html.escape(template.description),
                pictures="\n".join(pictures),
            )
        )
    page = folder / "index.html"
    page.write_text(PAGE.format(figures="\n".join(figures)), encoding="utf-8")
    progress(StageEvent("preview", len(templates), len(templates)))
    return page


def _cast(template: AnyTemplate, requests: Sequence[Request]) -> list[Request]:
    """The requests, two and two as one where the template is for two people and there are so many."""
    if template.people == 1 or len(requests) < 2:
        return list(requests)
    return [
        replace(one, photos=one.photos + other.photos, consent=one.consent + other.consent)
        for one, other in zip(requests[::2], requests[1::2], strict=False)
    ]
