from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import duet_sheets, report


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_a_result_is_kept_under_its_date_with_command_and_machine_above_it(results: Path) -> None:
    report.publish("| a |\n", "made-up", "Made up", "made_up --runs 3", write=True, conditions="medians of 3 runs")
    (path,) = results.iterdir()
    date = path.name.removesuffix("-made-up.md")
    title, _, how, _, *found = path.read_text(encoding="utf-8").splitlines()
    assert title == f"# Made up, {date}"
    assert len(date) == len("2026-01-31")
    assert how == f"`python -m benchmarks.made_up --runs 3`: {report.machine()}; medians of 3 runs."
    assert found == ["| a |"]


def test_nothing_is_written_unless_asked(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.publish("| a |", "made-up", "Made up", "made_up", write=False)
    assert not results.exists()
    assert capsys.readouterr().out.endswith(f"{report.machine()}.\n\n| a |\n\n")


def test_sheets_of_films_of_two_are_kept_as_other_results_are(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duet_sheets, "PAIRS", ())
    monkeypatch.setattr("sys.argv", ["duet_sheets", "--size", "300", "--sheets", "/private", "--write"])
    duet_sheets.main()
    (path,) = results.glob("*-duets.md")
    told = path.read_text(encoding="utf-8")
    assert "`python -m benchmarks.duet_sheets --size 300 --write`: " in told
    assert told.rstrip().splitlines()[-2:] == duet_sheets.head(review=False)
