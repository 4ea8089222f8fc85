"""No path leads from a request to a file but through :class:`Admitted` and :class:`Clip`: who may write, encode and seal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "photoplay"

WRITERS = frozenset({
    "save_image", "encode", "encode_preview", "imwrite", "VideoWriter", "write_bytes", "tofile", "imsave",
    "write_film", "keep_stills", "write_video", "mimsave",
})  # fmt: skip
"""Calls that put pictures into a file."""
MAY_WRITE = {
    "media/photo.py": "save_image itself",
    "finishing/encode.py": "encode itself",
    "finishing/preview.py": "encode_preview itself",
    "pipeline/outputs.py": "frames of an admitted film, into the folder that is sealed from",
    "pipeline/line.py": "the same, and the sheet of the film",
    "pipeline/gallery.py": "the sheet of an admitted preview, into the folder that is sealed from",
    "pipeline/glimpses.py": "single frames of an admitted film, marked and screened, into the folder that is sealed from",
    "service/looking/uploads.py": "the small picture of an upload, for whose it is: nothing is animated",
    "service/looking/child.py": "what was uploaded, as it came, into a folder that vanishes: a clip, a film to verify",
    "service/api/routes/verify.py": "the same: a file that somebody asks about",
    "cli/look.py": "one still on which is drawn what was found in a photo: nothing is animated",
    "training/samples.py": "pictures of training data, made without a request",
    "training/logs.py": "a training run's curves",
    "training/checkpoints.py": "weights",
}
"""Files in which such a call may stand, and why. A new one is a decision: it has to be written down here."""
METHODS = ("save", "open")
MAY_SAVE = {"media/photo.py", "media/picture.py", "finishing/preview.py", "finishing/encode.py"}
"""Files in which ``Image.save`` or a container that is opened for writing may stand."""
HANDED = {"pipeline/glimpses.py"}
"""Files that are handed the means to seal by whoever let somebody in: they cannot import it (import-linter)."""
GUARDED = {
    "_GATE_KEY": {"safety/admission.py", "safety/content.py", "safety/provenance.py", "types/request.py"},
    "Admitted": {"safety/admission.py"},
    "Clip": {"safety/provenance.py"},
    "Screened": {"safety/content.py"},
}
"""Who may name the key, and who may make the three things that need it."""


@cache
def _modules() -> tuple[tuple[str, ast.Module], ...]:
    paths = sorted(SOURCE.rglob("*.py"))
    return tuple((path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _writes_text(node: ast.Call) -> bool:
    """``"…".encode()`` makes bytes of text; a network's ``encode(x, …)`` makes numbers: neither writes a film."""
    return isinstance(node.func, ast.Attribute) and not node.args


def _calls(names: frozenset[str] | set[str]) -> Iterator[tuple[str, ast.Call]]:
    for name, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in names:
                yield name, node


def _imports_encoder(tree: ast.Module) -> bool:
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None]
    return any(node.module.startswith("photoplay.finishing.encode") for node in imported if node.module)


def test_only_known_places_put_pictures_into_files() -> None:
    encoders = {name for name, tree in _modules() if _imports_encoder(tree)}
    found = set()
    for name, node in _calls(WRITERS):
        if _called(node) == "encode" and (_writes_text(node) or name not in {*encoders, "finishing/encode.py"}):
            continue
        found.add(name)
    assert found <= set(MAY_WRITE), found - set(MAY_WRITE)
    assert {"pipeline/outputs.py", "pipeline/line.py", "pipeline/gallery.py"} <= found  # the walk sees what is there


def test_only_media_and_finishing_save_pictures() -> None:
    found = set()
    for name, node in _calls({"save"}):
        if isinstance(node.func, ast.Attribute) and node.args and not name.startswith("training/"):
            found.add(name)
    for name, node in _calls({"open"}):
        av = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "av"
        if av and any(isinstance(value, ast.Constant) and value.value == "w" for value in node.args):
            found.add(name)
    assert found <= MAY_SAVE, found - MAY_SAVE
    assert "finishing/encode.py" in found


@pytest.mark.parametrize("what", ["Admitted", "Clip", "Screened"])
def test_only_one_place_makes_it(what: str) -> None:
    assert {name for name, _ in _calls({what})} == GUARDED[what]


def test_only_safety_names_the_key() -> None:
    users = set()
    for name, tree in _modules():
        for node in ast.walk(tree):
            named = isinstance(node, ast.Name) and node.id == "_GATE_KEY"
            if named or (isinstance(node, ast.Attribute) and node.attr == "_GATE_KEY"):
                users.add(name)
            if isinstance(node, ast.ImportFrom) and any(alias.name == "_GATE_KEY" for alias in node.names):
                users.add(name)
    assert users == GUARDED["_GATE_KEY"]


def test_a_seal_is_only_asked_for_where_somebody_was_let_in() -> None:
    """Each file that seals also lets in by the one door; each that prepares takes an admission."""
    for name, tree in _modules():
        called = {_called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if "seal" in called and name not in HANDED and not name.startswith("safety/"):
            assert "let_in" in called, name
        if "prepare" in called and name.startswith("pipeline/"):
            assert "let_in" in called, name


def test_whoever_admits_is_the_door() -> None:
    assert {name for name, _ in _calls({"admit"})} == {"pipeline/door.py"}


def test_previews_and_films_go_through_a_folder_that_vanishes() -> None:
    for name in ("pipeline/line.py", "pipeline/gallery.py"):
        tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
        called = {_called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert "unsealed_folder" in called
