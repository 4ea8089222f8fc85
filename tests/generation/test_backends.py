from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from photoplay.errors import UnavailableError
from photoplay.generation import backends
from photoplay.generation.backends import get_backend, list_backends
from photoplay.generation.source import frame_photo
from photoplay.types import HeadPose
from tests.generation.actors import REST, astronaut, plan, track


def test_the_backends_of_the_package_are_found():
    assert {"anchor", "echo"} <= set(list_backends())
    assert get_backend("echo").name == "echo"
    assert get_backend("anchor").capabilities.source_type == "algorithmicallyEnhanced"


def test_an_unknown_backend_is_refused_and_the_others_are_named():
    with pytest.raises(UnavailableError) as caught:
        get_backend("dream")
    assert caught.value.code == "backend_unknown"
    assert "anchor" in caught.value.hint


def test_a_broken_backend_is_refused_without_a_traceback(monkeypatch):
    broken = EntryPoint("broken", "photoplay.no_such_module:Backend", backends.GROUP)
    monkeypatch.setattr(backends, "_found", lambda: {"broken": broken, "echo": broken})
    with pytest.raises(UnavailableError) as caught:
        get_backend("broken")
    assert caught.value.code == "backend_broken"
    assert "echo" in caught.value.hint
    assert "no_such_module" not in str(caught.value)


@pytest.mark.parametrize("name", ["anchor", "echo"])
def test_frames_come_in_consecutive_windows(name):
    scene = astronaut()
    seen = []
    windows = list(get_backend(name).generate(scene, [track(scene, [REST] * 6)], plan(6), seen.append))
    assert [w.start for w in windows] == [0, 4]
    assert [len(w.rgb) for w in windows] == [4, 2]
    assert [event.done for event in seen] == [1, 2, 3, 4, 5, 6]
    framed = frame_photo(scene.photo.pixels, plan(6))
    for window in windows:
        assert window.fps == 24.0
        assert (window.rgb == framed).all()


def test_the_anchor_comes_along_and_echo_ignores_the_track():
    scene = astronaut()
    moving = [track(scene, [HeadPose(10, 0, 0)])]
    film = next(iter(get_backend("anchor").generate(scene, moving, plan(1))))
    assert film.anchor is not None
    assert film.anchor.rgb is film.rgb
    still = next(iter(get_backend("echo").generate(scene, moving, plan(1))))
    assert still.anchor is None
    assert np.abs(film.rgb.astype(int) - still.rgb).mean() > 1
