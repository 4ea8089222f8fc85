"""The recipe of a film: everything that makes it again, as canonical JSON with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from photoplay.errors import PhotoplayError, RequestError
from photoplay.types import Admitted, Audio, Lora, Photo, RenderPlan, Request, Sampling, Staging, Turn, Video
from photoplay.version import __version__
from photoplay.weights import store
from photoplay.weights.hashing import hash_file

RECIPE_VERSION = 1
LANCZOS = "lanczos"
PIXEL_MAKERS = (
    "av",
    "dlib-bin",
    "mediapipe",
    "numba",
    "numpy",
    "opencv-contrib-python-headless",
    "openvino",
    "pillow",
)
"""Packages whose version can change a pixel of the film."""

_REPLAYED = (
    "category",
    "prompt",
    "seconds",
    "fps",
    "size",
    "seed",
    "intensity",
    "speed",
    "priors",
    "who",
    "backend",
    "codec",
    "mode",
    "label",
    "bystanders",
)
_SPOKEN = ("said", "voice")
"""What a synthesizer was told, where it spoke: anybody can hear it, and a replay has it spoken again."""
_BESIDE = ("last", "video", "backdrop")
"""What may come in besides photos; the recipe names it by its digest, as it does each track of ``audio``."""
GIVEN = ("photos", *_BESIDE, "audio", "request")
"""Parts of a recipe that its request alone decides."""


def canonical(data: object) -> str:
    """``data`` as the one JSON text that stands for it: sorted keys, no spaces, no NaN (a subset of RFC 8785)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: object) -> str:
    """Hex SHA-256 of the canonical JSON of ``data``."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def make_recipe(
    admitted: Admitted, template: dict[str, Any], plan: RenderPlan, backend: str, backend_version: str = __version__
) -> dict[str, Any]:
    """The recipe of an admitted request. It holds no time, no name and no path: same request, same recipe.

    Args:
        admitted: the request as it passed admission.
        template: the template as plain data, as it was played.
        plan: the film's frame and length.
        backend: name of the backend, and ``backend_version``.
    """
    request = admitted.request
    return {
        "recipe": RECIPE_VERSION,
        "photoplay": __version__,
        "versions": {name: found for name in PIXEL_MAKERS if (found := _version(name))},
        **{name: part for name, part in given(request).items() if part is not None},
        "consent": [
            {"photo": said["photo"], "statement": said["statement"]} for said in admitted.statements["consent"]
        ],
        "template": {"name": str(template.get("name", "")), "sha256": digest(template)},
        "backend": {"name": backend, "version": backend_version},
        "frame": {
            "width": plan.width,
            "height": plan.height,
            "crop": [float(edge) for edge in plan.crop],
            "fps": plan.fps,
            "num_frames": plan.num_frames,
        },
    }


def given(request: Request) -> dict[str, Any]:
    """The parts of a recipe that its request alone decides, by the names in :data:`GIVEN`; None where there is none."""
    beside = {name: getattr(request, name) for name in _BESIDE}
    return {
        "photos": [photo.sha256 for photo in request.photos],
        **{name: None if one is None else one.sha256 for name, one in beside.items()},
        "audio": [audio.sha256 for audio in request.audio] or None,
        "request": {
            **{name: getattr(request, name) for name in _REPLAYED},
            "sampling": _sampling(request.sampling),
            "turns": [list(astuple(turn)) for turn in request.turns],
            "staging": asdict(request.staging),
            **({name: getattr(request, name) for name in _SPOKEN} if request.said else {}),
            **({"replace": True} if request.replace else {}),
        },
    }


def recipe_digest(recipe: dict[str, Any]) -> str:
    """What identifies a recipe: hex SHA-256 of its canonical JSON."""
    return digest(recipe)


def _sampling(sampling: Sampling) -> dict[str, Any]:
    """The settings as plain data. A LoRA is named without its folder, and by the digest of its file; frames that no network
    enlarges are enlarged by Lanczos' filter."""
    plain = asdict(sampling) | {"upscaler": sampling.upscaler or LANCZOS}
    plain["loras"] = [
        {"file": Path(lora.file).name, "weight": lora.weight, "sha256": _lora_digest(lora)} for lora in sampling.loras
    ]
    return plain


def _read_sampling(plain: dict[str, Any], loras: Sequence[Lora] | None) -> tuple[Sampling, list[str | None]]:
    """What :func:`_sampling` wrote, with ``loras`` in place of its bare names, and the digests of its files."""
    settings = dict(plain)
    named = settings.pop("loras", ())
    found = [Lora(lora["file"], lora["weight"]) for lora in named] if loras is None else loras
    upscaler = settings.pop("upscaler", LANCZOS)
    sampling = Sampling(**settings, loras=tuple(found), upscaler="" if upscaler == LANCZOS else upscaler)
    return sampling, [lora.get("sha256") for lora in named]


def _lora_digest(lora: Lora) -> str:
    """Hex SHA-256 of a LoRA's file, or of the store's model of that name; empty where there is neither."""
    path = Path(lora.file)
    if path.is_file():
        return hash_file(path)
    try:
        return store.manifest_digest(lora.file)
    except PhotoplayError:
        return ""


def request_from_recipe(
    recipe: dict[str, Any],
    photos: Sequence[Photo],
    template: str = "",
    last: Photo | None = None,
    video: Video | None = None,
    audio: Sequence[Audio] = (),
    loras: Sequence[Lora] | None = None,
    backdrop: Photo | None = None,
) -> Request:
    """The request that makes this film again.

    Args:
        recipe: as :func:`make_recipe` wrote it.
        photos: the same photos in the same order.
        template: where the recipe's template is now, if it was a file; its name otherwise.
        last, video, audio, backdrop: the same as before, where there were any.
        loras: where the recipe's LoRA files are now; by their names alone otherwise.

    Raises:
        RequestError: ``recipe_unreadable``, ``recipe_other_photo`` or ``recipe_other_lora``.
    """
    try:
        if recipe["recipe"] != RECIPE_VERSION:
            raise ValueError("a recipe of another version")
        wanted = {"photos": recipe["photos"]} | {name: recipe.get(name) for name in (*_BESIDE, "audio")}
        asked = recipe["request"]
        sampling, wanted_loras = _read_sampling(asked.get("sampling", {}), loras)
        request = Request(
            photos=tuple(photos),
            consent=tuple(said["statement"] for said in recipe["consent"]),
            template=template or recipe["template"]["name"],
            sampling=sampling,
            last=last,
            video=video,
            audio=tuple(audio),
            turns=tuple(Turn(*turn) for turn in asked.get("turns", ())),
            staging=Staging(**asked.get("staging", {})),
            backdrop=backdrop,
            **{name: asked[name] for name in (*_REPLAYED, *_SPOKEN, "replace") if name in asked},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(
            "recipe_unreadable", "That recipe cannot be read.", "Use the recipe of a film that photoplay made."
        ) from error
    found = given(request)
    if {name: found[name] for name in wanted} != wanted:
        raise RequestError(
            "recipe_other_photo",
            "The recipe was made for another photo.",
            "Give the very file that the film was made from: an edited or re-saved copy does not count.",
        )
    if [lora["sha256"] for lora in found["request"]["sampling"]["loras"]] != wanted_loras:
        raise RequestError(
            "recipe_other_lora", "The recipe was made with another LoRA.", "Say where its very file is now."
        )
    return request


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
