"""Every code that the API can tell has words in German too; in English the service's own are shown."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import get_args

from photoplay.media.refusals import REFUSALS
from photoplay.motion.duet_template import DuetNeed
from photoplay.motion.template import Need
from tests.studio.browsers import WEB

PACKAGE = Path(str(files("photoplay")))
WORDS = WEB / "src" / "words"
CODE = re.compile(r"[a-z][a-z0-9_]{2,}")
TELLING = re.compile(r"(\w+Error|Notice|notice|problem)")
ELSEWHERE = (
    "cli/", "client/", "training/", "weights/", "service/operations/", "service/upkeep/erasing", "safety/erase",
    "pipeline/replay", "pipeline/capture", "pipeline/inputs", "motion/capture", "motion/importers", "motion/keying",
    "media/voice", "media/decode_stream", "media/photo.py", "media/picture", "safety/certificates", "finishing/preview",
    "generation/backends/open_weights/", "service/ground/safe_settings", "service/ground/settings",
    "service/ground/metrics", "service/ground/traces",
)  # fmt: skip
"""What no request comes to: the command line, training, and what an operator is told by the log. ``decode_stream`` is the
child that reads files: what it says is in ``REFUSALS``."""
BY_HAND = frozenset(
    {
        # of a template's own file
        "template_invalid", "template_too_large", "template_unreadable", "template_not_found", "template_not_written",
        "template_shadows_built_in", "template_skipped",
        # of the name of a film's file
        "out_kind", "out_folder_missing", "cover_not_png", "sheet_not_png", "sheet_needs_mp4", "stills_not_empty",
        "out_is_folder",
        # of the disk: a service tells its operator, and whoever asked that it was not their doing
        "disk_full", "out_unwritable",
        # of a file that is named on the command line
        "verify_address", "verify_missing", "receipt_invalid", "file_missing", "file_not_regular", "file_unreadable",
        # of a process that somebody forked: the service starts none so
        "process_forked",
    }
)  # fmt: skip
"""Codes of modules that the service uses, for what only a person at the command line does."""


def test_what_the_api_can_tell_is_told_in_german() -> None:
    named = json.loads((WORDS / "de.named.json").read_text("utf-8"))["codes"]
    codes = {*_raised(), *REFUSALS, *_made_up()} - BY_HAND
    assert len(codes) > 250  # what looks for them sees something
    assert not sorted(codes - named.keys())


def test_no_code_is_named_that_is_gone() -> None:
    named = json.loads((WORDS / "de.named.json").read_text("utf-8"))["codes"]
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    assert not [code for code in named.keys() - {*_made_up()} if f'"{code}"' not in source]


def test_every_one_is_a_sentence_and_a_hint_that_ends() -> None:
    named = json.loads((WORDS / "de.named.json").read_text("utf-8"))["codes"]
    for code, (message, hint) in named.items():
        assert message.rstrip().endswith((".", "?", "!")), code
        assert hint.rstrip().endswith((".", "?", "!")), code


def test_what_the_studio_says_itself_is_in_both_catalogues() -> None:
    english, german = (json.loads((WORDS / f"{one}.json").read_text("utf-8")) for one in ("en", "de"))
    own = {key for key in english if key.startswith("problem.")}
    assert own == {key for key in german if key.startswith("problem.")}
    assert {"problem.unexpected", "problem.unreachable"} <= own


def _raised() -> Iterator[str]:
    """Codes that stand in the source as the first words of an error, a notice or a problem."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if str(path.relative_to(PACKAGE)).startswith(ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            if TELLING.fullmatch(called):
                said = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
                yield from [one for one in said if isinstance(one, str) and CODE.fullmatch(one)][:1]


def _made_up() -> Iterator[str]:
    """Codes that are put together of parts."""
    near_and_far = {"near_arm", "far_arm"}  # told as the left or the right one
    for need in {*get_args(Need), *get_args(DuetNeed)} - near_and_far:
        yield f"needs_{need}"
    for name in ("seconds", "fps", "intensity", "speed", "seed", "size_ratio"):
        yield f"{name}_out_of_range"
    yield from ("job_not_cancelled", "job_not_failed", "photo_first_frame", "photo_first_page")
