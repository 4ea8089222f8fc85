"""Motion files of other tools as templates: Live Link Face CSV (faces) and BVH (bodies)."""

from __future__ import annotations

import zlib
from pathlib import Path

from photoplay.errors import TemplateError
from photoplay.motion.importers_bvh import parse_bvh
from photoplay.motion.importers_livelink import parse_livelink
from photoplay.motion.importers_skeleton import performance_from_skeleton
from photoplay.motion.keying import template_from_performance
from photoplay.motion.template import Template
from photoplay.types import Performance

SUFFIXES = (".csv", ".bvh", ".bvh.gz")
MAX_BYTES = 24_000_000
"""Largest motion file, unpacked: two minutes at 120 frames a second with 60 joints."""


def is_motion_file(path: Path) -> bool:
    """Whether :func:`import_motion` reads files of this name."""
    return path.name.lower().endswith(SUFFIXES)


def read_motion(path: Path) -> Performance:
    """The performance in a Live Link Face CSV or a BVH file (plain or ``.gz``).

    Raises:
        TemplateError: the file is not there, too large, of another kind, or broken.
    """
    name = path.name.lower()
    if not is_motion_file(path):
        raise TemplateError(
            "motion_file_kind",
            "This kind of motion file is not known.",
            "Give a Live Link Face recording (.csv) or a BVH file (.bvh or .bvh.gz).",
        )
    text = read_text(path)
    return parse_livelink(text) if name.endswith(".csv") else performance_from_skeleton(parse_bvh(text))


def import_motion(path: Path, *, name: str) -> Template:
    """The motion file as a template of this name.

    Raises:
        TemplateError: see :func:`read_motion`; also where nothing moves or it is too long for a template.
    """
    performance = read_motion(path)
    is_face = path.name.lower().endswith(".csv")
    return template_from_performance(
        performance,
        name=name,
        title=name.replace("_", " ").capitalize(),
        description="Imported from a face recording." if is_face else "Imported from a body recording.",
        category="face" if is_face else "body",
    )


def read_text(path: Path) -> str:
    """The text of a motion file, plain or ``.gz``.

    Raises:
        TemplateError: the file is not there, too large, or damaged.
    """
    return _read(path, packed=path.name.lower().endswith(".gz")).decode("utf-8-sig", errors="replace")


def _read(path: Path, packed: bool) -> bytes:
    """The file's bytes, unpacked no further than :data:`MAX_BYTES`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        raise TemplateError(
            "motion_file_missing", "The motion file is not there or cannot be read.", "Check its name."
        ) from None
    if packed and len(data) <= MAX_BYTES:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, MAX_BYTES + 1)
        except zlib.error:
            raise _broken() from None
        if not unpacker.eof and len(data) <= MAX_BYTES:
            raise _broken()
    if len(data) > MAX_BYTES:
        raise TemplateError(
            "motion_file_too_large",
            f"The motion file is larger than {MAX_BYTES // 1_000_000} MB.",
            "Export a shorter part, or fewer frames a second.",
        )
    return data


def _broken() -> TemplateError:
    return TemplateError("motion_file_broken", "The motion file is damaged or cut short.", "Export or copy it again.")
