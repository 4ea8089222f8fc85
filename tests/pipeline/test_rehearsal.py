"""What is compiled for a film of nobody is what everybody's film needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from photoplay.generation.backends import get_backend
from photoplay.generation.backends.anchor import AnchorBackend
from photoplay.motion.retarget import make_track
from photoplay.pipeline.rehearsal import SIDE, _performance, drawn_scene, rehearse
from photoplay.safety.private import locked
from photoplay.types import Frames, Label, RenderPlan

COMPILED = """
import sys
from numba.core.dispatcher import Dispatcher

from photoplay.finishing.smoothing import smooth
from photoplay.generation.backends import get_backend
from photoplay.pipeline.rehearsal import rehearse
from photoplay.safety.watermark import Marker
from photoplay.types import HeadPose
from tests.generation import actors


def compiled() -> set[tuple[str, str]]:
    parts = [vars(module) for name, module in sys.modules.items() if name.startswith("photoplay.")]
    kernels = {one for part in parts for one in part.values() if isinstance(one, Dispatcher)}
    return {(one.py_func.__qualname__, str(sign)) for one in kernels for sign in one.signatures}


backend = get_backend(sys.argv[1])
rehearse(backend)
before = compiled()
assert len(before) > 10, before
scene = actors.astronaut()
turns = [actors.REST, HeadPose(8, 4, 2), HeadPose(12, 0, 0)]
track = actors.track(scene, turns, jaw=[0, 8, 16])
for window in smooth(backend.generate(scene, [track], actors.plan(3))):
    Marker(1).mark(window.rgb)
print(sorted(compiled() - before))
"""


@pytest.mark.parametrize("backend", ["anchor", "pocket"])
def test_a_film_compiles_nothing_that_was_not_rehearsed(backend: str) -> None:
    done = subprocess.run([sys.executable, "-c", COMPILED, backend], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_drawn_face_begins_as_drawn_and_shows_lids_and_teeth() -> None:
    scene = drawn_scene()
    track = make_track(scene, 0, _performance())
    plan = RenderPlan(SIDE, SIDE, (0.0, 0.0, float(SIDE), float(SIDE)), 5.0, track.num_frames, window=6)
    (film,) = get_backend("anchor").generate(scene, [track], plan)
    assert np.abs(film.rgb[0].astype(int) - scene.photo.pixels).max() <= 2
    assert film.anchor is not None
    assert {Label.LID, Label.EYE, Label.TEETH, Label.MOUTH} <= set(np.unique(film.anchor.labels[-1]))


def test_processes_rehearse_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOPLAY_HOME", str(tmp_path / "home"))
    began = Event()

    class Heard(AnchorBackend):
        def generate(self, *given: Any) -> Iterator[Frames]:
            began.set()
            return super().generate(*given)

    (tmp_path / "home").mkdir()
    other = Thread(target=rehearse, args=(Heard(),))
    with locked(tmp_path / "home" / "rehearsal.lock"):
        other.start()
        assert not began.wait(1.0)
    assert began.wait(30.0)
    other.join(100.0)
