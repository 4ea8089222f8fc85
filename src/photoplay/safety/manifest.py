"""The C2PA manifest of a film: what was done, from what (digests only), and what may not be done with it.

It follows C2PA 2.4 and the conformance program's rubric for it (``asset-rubric-conformance0.2-spec2.4.yml`` of
https://github.com/c2pa-org/conformance-public), whose 31 rules are tests in ``tests/safety/test_manifest_rules.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from photoplay.safety.container import MIME, Kind
from photoplay.safety.reading import RECIPE_ASSERTION
from photoplay.types import Request
from photoplay.version import __version__

SourceType: TypeAlias = Literal[
    "compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia", "algorithmicallyEnhanced"
]

SPEC_VERSION = "2.4.0"
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
NO_TRAINING = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """Something that a film was made of, known by the hex digest of its file. ``pictured``: it shows whom the film shows."""

    title: str
    sha256: str
    mime: str
    pictured: bool


def sources_of(request: Request) -> tuple[Source, ...]:
    """Everything that came into a film: photos, last picture, clip, backdrop and sound, in this order."""
    stills = [("source photo", photo, True) for photo in request.photos]
    stills += [("last picture", request.last, True)] if request.last is not None else []
    clips = [Source("source video", request.video.sha256, "video/mp4", True)] if request.video is not None else []
    behind = [("backdrop", request.backdrop, False)] if request.backdrop is not None else []
    found = [
        *(Source(title, photo.sha256, _mime(photo.format), pictured) for title, photo, pictured in stills),
        *clips,
        *(Source(title, photo.sha256, _mime(photo.format), pictured) for title, photo, pictured in behind),
        *(Source("sound", track.sha256, "audio/wav", False) for track in request.audio),
    ]
    return tuple(source for source in found if _DIGEST.fullmatch(source.sha256))


def _mime(format_: str) -> str:
    return f"image/{format_.lower()}" if format_ not in ("unknown", "none") else "application/octet-stream"


def make_manifest(
    sources: tuple[Source, ...],
    statement: dict[str, Any],
    source_type: SourceType,
    kind: Kind,
    *,
    label: bool = False,
    watermark: bool = False,
) -> dict[str, Any]:
    """The manifest as c2pa-rs reads it.

    The one source that shows people is the parent. Of several none is: a C2PA asset has one parent at most, so they are
    components, as are a backdrop and sound. Names, pixels and metadata of the sources stay out.

    Args:
        sources: see :func:`sources_of`.
        statement: photoplay's own assertion.
        source_type: what is true of the frames.
        kind: of the file.
        label: whether the frames say in words that they were made; ``watermark``: whether they carry an invisible mark.
    """
    alone = sum(source.pictured for source in sources) == 1
    ingredients = [
        {
            "label": f"source-{index}",
            "title": source.title,
            "format": source.mime,
            "relationship": "parentOf" if alone and source.pictured else "componentOf",
            "instance_id": f"urn:sha256:{source.sha256}",
        }
        for index, source in enumerate(sources)
    ]
    return {
        "claim_version": 2,
        "claim_generator_info": [{"name": "photoplay", "version": __version__, "specVersion": SPEC_VERSION}],
        "title": "photoplay film" if kind == "mp4" else "photoplay picture",
        "format": MIME[kind],
        "ingredients": ingredients,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": _actions(ingredients, source_type, label, watermark)},
            {"label": "cawg.training-mining", "data": {"entries": {use: {"use": "notAllowed"} for use in NO_TRAINING}}},
            {"label": RECIPE_ASSERTION, "data": statement},
        ],
    }


def _actions(
    ingredients: list[dict[str, str]], source_type: SourceType, label: bool, watermark: bool
) -> dict[str, Any]:
    """All that was done, in order: opened or created first, then what was put in, made and marked.

    The mark's algorithm is not on C2PA's list of soft bindings, so the mark is declared as one that binds nothing.
    """
    done = {
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "softwareAgent": {"name": "photoplay", "version": __version__},
    }
    made = {"digitalSourceType": IPTC + source_type, **done}
    parents, parts = (
        [one["label"] for one in ingredients if one["relationship"] == relation]
        for relation in ("parentOf", "componentOf")
    )
    actions: list[dict[str, Any]] = []
    if parents:
        actions += [{"action": "c2pa.opened", "parameters": {"ingredientIds": parents}, **done}]
    else:
        actions += [{"action": "c2pa.created", **made}]
    if parts:
        actions += [{"action": "c2pa.placed", "parameters": {"ingredientIds": parts}, **done}]
    if parents:
        actions += [{"action": "c2pa.edited", **made}]
    if label:
        actions += [{"action": "c2pa.addedText", "digitalSourceType": f"{IPTC}algorithmicMedia", **done}]
    if watermark:
        actions += [{"action": "c2pa.watermarked.unbound", **done}]
    return {"actions": actions, "allActionsIncluded": True}
