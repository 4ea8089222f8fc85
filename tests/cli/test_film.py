from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from photoplay.cli import show
from photoplay.cli.app import app
from photoplay.errors import MediaError, RequestError


def test_what_is_chosen_wrongly_is_said_in_plain_words() -> None:
    for option, value, there in (
        ("--consent", "yes", "'self', 'granted'"),
        ("--label", "top", "'bottom-right'"),
        ("--who", "nobody", "'all', 'main'"),
    ):
        done = CliRunner().invoke(app, ["animate", "me.jpg", option, value], terminal_width=200)
        assert done.exit_code == 2
        assert f"Invalid value for '{option}': '{value}' is not one of {there}" in done.output


def test_whoever_is_asked_may_answer_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "interactive", lambda: True)
    words = ["animate", str(tmp_path / "missing.jpg"), "--out", str(tmp_path / "film.mp4")]
    done = CliRunner().invoke(app, words, input="yes\n Self\n")
    assert "Answer self, granted, historical or fictional." in done.output
    assert "Value error" not in done.output
    assert isinstance(done.exception, MediaError)  # so the second answer was taken


def test_nothing_to_say_is_not_taken_for_silence() -> None:
    done = CliRunner().invoke(app, ["animate", "me.jpg", "--say", "", "--consent", "self"])
    assert isinstance(done.exception, RequestError)
    assert done.exception.code == "text_empty"


def test_a_category_that_is_not_there_names_those_that_are() -> None:
    done = CliRunner().invoke(app, ["templates", "list", "--category", "nosuch"])
    assert isinstance(done.exception, RequestError)
    assert "nosuch" in done.exception.message
    assert "face" in done.exception.hint
    assert "smile" in CliRunner().invoke(app, ["templates", "list", "--category", "face"]).output
