"""What is built: the same on every machine, small, in two languages, with nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.studio.browsers import WEB, node, tools_missing

BUILT = Path(str(files("photoplay.service"))) / "web"
WORDS = WEB / "src" / "words"
PLACE = re.compile(r"\{(\w+)(?:\|[^{}]*(?:\{\w+\}[^{}]*)*)?\}")
USED = re.compile(r"['\"`]([a-z]+(?:[.-][a-z0-9-]+)*)['\"`]")


def _catalogue(language: str) -> dict[str, str]:
    return json.loads((WORDS / f"{language}.json").read_text("utf-8"))


def _sources() -> str:
    return "\n".join(
        path.read_text("utf-8") for path in sorted((WEB / "src").rglob("*")) if path.suffix in (".svelte", ".ts")
    )


@pytest.mark.skipif(tools_missing() is not None, reason=str(tools_missing()))
def test_the_built_files_are_what_the_source_builds(tmp_path: Path) -> None:
    subprocess.run(
        [node(), "node_modules/vite/bin/vite.js", "build", "--logLevel", "error"],
        cwd=WEB, env={**os.environ, "STUDIO_OUT": str(tmp_path / "out")}, check=True, timeout=120,
    )  # fmt: skip

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    made, kept = read(tmp_path / "out"), read(BUILT)
    assert sorted(made) == sorted(kept), "build again: make web"
    assert not [name for name in made if made[name] != kept[name]], "build again: make web"


@pytest.mark.skipif(tools_missing() is not None, reason=str(tools_missing()))
def test_the_source_is_sound() -> None:
    done = subprocess.run(
        [node(), "node_modules/svelte-check/bin/svelte-check", "--fail-on-warnings", "--output", "machine"],
        cwd=WEB, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_first_load_is_small() -> None:
    index = (BUILT / "index.html").read_text("utf-8")
    first = re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', index)
    assert first
    size = sum((BUILT / name).stat().st_size for name in first)
    assert size <= 100_000, f"{size} bytes of JavaScript at first"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    index = (BUILT / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", index)
    assert "<style" not in index
    assert not re.search(r"\son\w+=|\sstyle=", index)
    for path in BUILT.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text("utf-8")
            there = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org", "https://svelte.dev"}
            assert not there, f"{path.name} names {there}"
            assert not re.search(r"\beval\(|new Function\(", text), path.name


def test_names_are_hashed() -> None:
    names = [path.name for path in (BUILT / "assets").iterdir()]
    assert names
    assert all(re.search(r"-[\w-]{8}\.(js|css|woff2)$", name) for name in names)


def test_both_catalogues_say_the_same_things() -> None:
    english, german = _catalogue("en"), _catalogue("de")
    assert list(english) == list(german)
    assert not [key for key in english if not english[key].strip() or not german[key].strip()]
    for key in english:
        assert set(PLACE.findall(english[key])) >= set(PLACE.findall(german[key])), key


def test_every_word_is_used_and_every_used_word_is_there() -> None:
    sources, english = _sources(), _catalogue("en")
    asked = set(re.findall(r"\bt\(\s*'([^']+)'", sources))
    assert not asked - set(english)
    built = {f"{head}." for head in re.findall(r"[`]([a-z]+(?:\.[a-z]+)*)\.\$\{", sources)}
    spoken = set(USED.findall(sources))
    unused = [key for key in english if key not in spoken and not any(key.startswith(head) for head in built)]
    assert not unused


def test_german_names_every_motion() -> None:
    from photoplay.motion.library import list_templates

    named = json.loads((WORDS / "de.named.json").read_text("utf-8"))
    assert set(named["templates"]) == {one.name for one in list_templates()}


def test_packages_are_pinned_and_name_no_registry() -> None:
    wanted = json.loads((WEB / "package.json").read_text("utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all("resolved" not in package and "integrity" in package for package in packages.values())
