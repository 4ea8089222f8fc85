from __future__ import annotations

import importlib.util
import inspect
import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from photoplay.pipeline import FilmOptions, animate
from photoplay.safety.reading import State
from photoplay.types import Consent

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_examples_import_what_there_is(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        compile(block, page.name, "exec")
        imports = "\n".join(line for line in block.splitlines() if line.startswith(("import ", "from ")))
        exec(imports, {})


def test_every_keyword_of_animate_is_explained() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    keywords = {*inspect.signature(animate).parameters, *FilmOptions.__annotations__} - {"photo", "options"}
    told = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = {word for quoted in re.findall(r"`([^`]+)`", told) for word in re.findall(r"\w+", quoted)}
    assert not {one for one in keywords - named if f"{one}=" not in text}


def test_every_statement_and_state_is_explained() -> None:
    text = (ROOT / "docs" / "consent.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE) == [
        *get_args(Consent), "trusted", "untrusted", "valid", "tampered", "unsigned",
    ]  # fmt: skip
    assert {"trusted", "untrusted", "valid", "tampered", "unsigned"} == set(get_args(State))


def test_exit_statuses_are_those_of_the_command_line() -> None:
    from photoplay.cli.app import EXIT_CODES

    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {0, 1, 2, *(status for _, status in EXIT_CODES)}


def test_the_help_of_every_command_is_current() -> None:
    spec = importlib.util.spec_from_file_location("write_cli_help", ROOT / "docs" / "write_cli_help.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == writer.page()


def commands() -> list[tuple[str, list[str]]]:
    """Every call of photoplay in a block of README and docs, but the generated help: its page and its words."""
    found = []
    for page in (ROOT / "README.md", *PAGES):
        text = page.read_text(encoding="utf-8").partition("## Every option")[0]
        for block in re.findall(r"```(?:sh|bash|)\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(r"(\.venv/bin/)?photoplay ", line):
                    found.append((page.name, shlex.split(line, comments=True)[1:]))
    return found


def test_every_command_in_the_docs_is_one_that_there_is() -> None:
    from photoplay.cli.app import app
    from photoplay.motion.library import find

    named = 0
    for page, words in commands():
        command: Any = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", ()):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), (page, words)
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known | {"--help"}, (page, words)
        for option, value in itertools.pairwise(words):
            if option == "--template" and not value.endswith((".yaml", ".npz")):
                find(value)
                named += 1
    assert named > 5
