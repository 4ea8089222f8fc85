from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from photoplay.errors import InputError
from photoplay.training import build as module
from photoplay.training.build import BuildConfig, build, make
from photoplay.training.shards import load_example, save_example
from photoplay.types import StageEvent
from tests.generation.actors import astronaut
from tests.training import toys

LISTED = "  - {{file: {0}, licence: public-domain, consent: historical, source: NASA, grade: A}}\n"


@pytest.fixture
def stills(tmp_path):
    """A portrait, and a picture of nobody."""
    folder = tmp_path / "stills"
    folder.mkdir()
    Image.fromarray(astronaut().photo.pixels[:300, 60:400]).save(folder / "woman.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(folder / "noise.png")
    listed = "".join(LISTED.format(name) for name in ("woman.png", "noise.png", "gone.png"))
    (folder / "sources.yaml").write_text("files:\n" + listed)
    return folder


def test_stills_become_examples_with_index_and_report_and_a_second_build_goes_on(stills, tmp_path):
    out = tmp_path / "set"
    config = BuildConfig(out=out, stills=stills, stills_each=2, frames=2, size=96, workers=1)
    events: list[StageEvent] = []
    first = build(config, events.append)
    assert (first.made, first.kept) == (2, 0)
    assert dict(first.skipped) == {"still: missing": 1, "still: no face": 2}
    assert [(event.done, event.total) for event in events] == [(k, 4) for k in range(1, 5)]
    paths = sorted((out / "train").glob("*.npz"))
    index = [json.loads(line) for line in (out / "index.jsonl").read_text().splitlines()]
    assert [row["example"] for row in index] == [f"train/{path.name}" for path in paths]
    assert {row["origin"] for row in index} == {"NASA"}
    assert all(row["psnr_face"] > 10 for row in index)
    report = (out / "report.md").read_text()
    assert "still, train: 2" in report
    assert "still: no face: 2" in report

    was = load_example(paths[0])
    paths[0].unlink()
    again = build(config)
    assert (again.made, again.kept) == (1, 1)
    np.testing.assert_array_equal(load_example(paths[0]).target, was.target)


def test_one_example_that_fails_is_tallied_and_stops_no_other(tmp_path, monkeypatch):
    def examples(config, job):
        if job.number == 1:
            raise ValueError("a degenerate face")
        if job.number == 2:
            raise InputError("example_damaged", "It is damaged.", "Delete it.")
        return [toys.example(job.number), "face not found"]

    monkeypatch.setattr(module, "_examples", examples)
    config = BuildConfig(out=tmp_path, head=tmp_path, synthetic=4, workers=1)
    built = build(config)
    assert built.made == 2
    assert dict(built.skipped) == {
        "synthetic: ValueError a degenerate face": 2,
        "synthetic: example_damaged": 2,
        "synthetic: face not found": 2,
    }


def test_about_one_person_in_twenty_is_held_out_and_always_the_same(tmp_path):
    config = BuildConfig(out=tmp_path, head=tmp_path, synthetic=600)
    jobs = list(module._jobs(config, module.Counter()))
    split = {job.name: job.split for job in jobs}
    assert 15 < list(split.values()).count("held-out") < 50
    part = module._jobs(config.model_copy(update={"synthetic": 50, "seed": 100}), module.Counter())
    assert all(split[job.name] == job.split for job in part)


def test_held_out_files_never_reach_the_training_split(stills, tmp_path):
    text = (stills / "sources.yaml").read_text().replace("grade: A}", "grade: A, split: held-out}")
    (stills / "sources.yaml").write_text(text)
    config = BuildConfig(out=tmp_path, stills=stills, stills_each=3)
    assert {job.split for job in module._jobs(config, module.Counter())} == {"held-out"}


def test_processes_make_what_one_does(stills, tmp_path):
    for workers in (1, 2):
        out = tmp_path / str(workers)
        build(BuildConfig(out=out, stills=stills, stills_each=1, frames=2, size=96, workers=workers))
    one, two = (load_example(next((tmp_path / name / "train").glob("*.npz"))) for name in ("1", "2"))
    np.testing.assert_array_equal(one.target, two.target)
    np.testing.assert_array_equal(one.window.anchor, two.window.anchor)


def test_a_build_of_which_nothing_comes_says_so(tmp_path):
    """Two spawned processes on a folder whose head is missing: every job says so, none hangs."""
    config = BuildConfig(out=tmp_path, head=tmp_path / "nothing", synthetic=2, parts=1, workers=2, exact=1.0)
    alone = [make(config, job) for job in module._jobs(config, module.Counter())]
    with pytest.raises(InputError) as raised:
        build(config)
    assert raised.value.code == "dataset_empty"
    report = (tmp_path / "report.md").read_text()
    assert all(f"{why}: 2" in report for reasons in alone for why in reasons)


def test_a_stopped_build_leaves_whole_examples_only(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_examples", lambda config, job: [toys.example(0)])

    def stop(event: StageEvent) -> None:
        raise KeyboardInterrupt

    config = BuildConfig(out=tmp_path, head=tmp_path, synthetic=3, parts=1, workers=1)
    with pytest.raises(KeyboardInterrupt):
        build(config, stop)
    made = list(tmp_path.glob("*/*"))
    assert len(made) == 1
    load_example(made[0])


def test_nothing_to_build_and_people_without_a_head_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        build(BuildConfig(out=tmp_path))
    assert caught.value.code == "nothing_to_build"
    with pytest.raises(InputError) as caught:
        build(BuildConfig(out=tmp_path, synthetic=1))
    assert caught.value.code == "head_missing"
    with pytest.raises(ValidationError):
        BuildConfig(out=tmp_path, syntetic=3)


def test_examples_there_already_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_examples", lambda config, job: [toys.example(job.number)])
    config = BuildConfig(out=tmp_path, head=tmp_path, synthetic=2, parts=1, workers=1)
    build(config)
    mine = next((tmp_path / "train").glob("*.npz"))
    save_example(mine, toys.example(77))
    assert build(config).made == 0
    np.testing.assert_array_equal(load_example(mine).target, toys.example(77).target)
