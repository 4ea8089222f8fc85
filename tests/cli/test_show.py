"""What a person at the terminal sees, is asked and is told at the end."""

from __future__ import annotations

import sys
from pathlib import Path

import numba
import pytest
import typer
from typer.testing import CliRunner

from photoplay.cli import app as root
from photoplay.cli import show
from photoplay.errors import CancelledError, RequestError
from photoplay.types import StageEvent


def test_an_error_stands_alone_after_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with show.stages(quiet=False) as progress:
            progress(StageEvent("generate", 3, 9))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert capsys.readouterr().err == ""
    with show.stages(quiet=False) as progress:
        progress(StageEvent("generate", 9, 9))
    assert "Making the frames" in capsys.readouterr().err


def test_who_waits_for_the_compiler_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with show.stages(quiet=False) as progress:
        progress(StageEvent("generate", 0, 9))
        numba.njit(lambda x: x + 1)(1)
    assert show.COMPILING in capsys.readouterr().err
    with show.stages(quiet=False) as progress:
        progress(StageEvent("generate", 0, 9))
        numba.njit(lambda x: x + 2)(1)
        progress(StageEvent("generate", 1, 9))
    assert show.COMPILING not in capsys.readouterr().err
    numba.njit(lambda x: x + 3)(1)  # nobody listens any more
    assert show.COMPILING not in capsys.readouterr().err


def test_a_file_is_replaced_only_by_who_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film, new = tmp_path / "film.mp4", tmp_path / "new.mp4"
    film.write_bytes(b"mine")
    monkeypatch.setattr(show, "interactive", lambda: False)
    show.may_replace(False, new, None)
    show.may_replace(True, film)
    with pytest.raises(RequestError) as caught:
        show.may_replace(False, new, film)
    assert caught.value.code == "out_exists"
    assert "--overwrite" in caught.value.hint
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_at_a_terminal_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"mine")
    monkeypatch.setattr(show, "interactive", lambda: True)
    asking = typer.Typer()
    asking.command()(lambda: show.may_replace(False, film))
    done = CliRunner().invoke(asking, input=answer)
    assert done.exit_code == status
    assert "Replace it?" in done.output


def test_ctrl_c_says_what_it_left(tmp_path: Path) -> None:
    def stopped(resume: Path | None) -> CancelledError:
        with pytest.raises(CancelledError) as caught, show.whole(resume):
            raise KeyboardInterrupt
        return caught.value

    assert stopped(None).message == "Cancelled; nothing was written."
    assert stopped(None).hint == stopped(tmp_path / "none").hint == stopped(tmp_path).hint == ""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "window-0").write_bytes(b"kept")
    assert "the same command goes on" in stopped(tmp_path).hint


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(130)])
def test_whatever_else_is_stopped_says_so(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        raise raised

    monkeypatch.setattr(root, "app", run)
    monkeypatch.setattr(root.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["photoplay", "serve"])
    with pytest.raises(SystemExit) as caught:
        root.main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_an_error_without_a_hint_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        raise CancelledError

    monkeypatch.setattr(root, "app", run)
    monkeypatch.setattr(root.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["photoplay", "animate"])
    with pytest.raises(SystemExit) as caught:
        root.main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == "The film was cancelled.\n"
