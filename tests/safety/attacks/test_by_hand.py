"""What a caller may try who calls the stages one by one: an admission that was changed, a proof that is another film's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoplay.errors import PhotoplayError
from photoplay.pipeline.plan import prepare
from photoplay.safety import proof as proof_module
from photoplay.safety.admission import admit
from photoplay.safety.provenance import seal
from photoplay.safety.recipe import make_recipe
from photoplay.types import Admitted, Clip, Request, Screened
from tests.safety.attacks.door import Door
from tests.safety.conftest import FINE, GREY, PLAN, TEMPLATE, make_photo


@pytest.fixture
def agreed(door: Door) -> Admitted:
    """Admitted with the record of the one person in the photo."""
    record = door.hosted().enrol(1)
    request = Request((door.photo(1),), ("granted",), "smile", records=(record.id,))
    return admit(request, guard=door.guard, reader=door.eyes)


@pytest.fixture
def sealed(door: Door, agreed: Admitted, unsigned: Path) -> Callable[..., Clip]:
    """Seals a film by hand; everything can be replaced."""

    def run(**changes: Any) -> Clip:
        given = {"admitted": agreed, "recipe": make_recipe(agreed, TEMPLATE, PLAN, "echo"), "report": FINE,
                 "screened": door.guard.content.screened([GREY] * 4, agreed), "guard": door.guard,
                 "source_type": "algorithmicallyEnhanced"}  # fmt: skip
        return seal(unsigned / "film.mp4", door.out / "film.mp4", **{**given, **changes})

    return run


def test_by_hand_it_can_be_done_rightly(sealed: Callable[..., Clip]) -> None:
    assert sealed().path.exists()


def _other_photo(admitted: Admitted) -> None:
    object.__setattr__(admitted, "request", replace(admitted.request, photos=(make_photo("b"),)))


def _other_seed(admitted: Admitted) -> None:
    object.__setattr__(admitted, "request", replace(admitted.request, seed=5))


def _other_statement(admitted: Admitted) -> None:
    admitted.statements["consent"][0]["statement"] = "self"


def _no_records(admitted: Admitted) -> None:
    admitted.statements["records"].clear()


def _more_faces(admitted: Admitted) -> None:
    admitted.statements["faces"] = None


def _no_proof(admitted: Admitted) -> None:
    object.__setattr__(admitted, "proof", "")


CHANGES = (_other_photo, _other_seed, _other_statement, _no_records, _more_faces, _no_proof)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("made", [lambda one: one, copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
                         ids=["itself", "copy", "deepcopy", "pickle"])  # fmt: skip
def test_an_admission_that_was_changed(
    door: Door, agreed: Admitted, sealed: Callable[..., Clip], change: Callable[[Admitted], None], made: Any
) -> None:
    screened = door.guard.content.screened([GREY] * 4, agreed)
    changed = made(agreed)
    change(changed)
    with pytest.raises(PhotoplayError) as caught:
        sealed(admitted=changed, screened=screened, recipe=make_recipe(changed, TEMPLATE, PLAN, "echo"))
    assert caught.value.code in ("admission_changed", "content_unchecked")
    with pytest.raises(PhotoplayError) as early:
        prepare(changed)
    assert early.value.code == "admission_changed"
    assert list(door.out.iterdir()) == []


def test_an_admission_cannot_be_copied_with_changes(agreed: Admitted) -> None:
    with pytest.raises(TypeError):
        replace(agreed, request=replace(agreed.request, seed=1))
    with pytest.raises(TypeError):
        Admitted(agreed.request, agreed.statements, agreed.proof)


def test_an_admission_of_another_process(
    agreed: Admitted, sealed: Callable[..., Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_module, "_KEY", bytes(32))
    with pytest.raises(PhotoplayError) as caught:
        sealed()
    assert caught.value.code in ("admission_changed", "content_unchecked")


def test_a_film_that_no_filter_saw(door: Door, agreed: Admitted, sealed: Callable[..., Clip]) -> None:
    with pytest.raises(TypeError):
        Screened(72, "filter-1", "0" * 64)
    other = admit(agreed.request, guard=door.guard, reader=door.eyes)
    borrowed = door.guard.content.screened([GREY] * 4, other)
    fewer = door.guard.content.screened([GREY] * 3, agreed)
    stretched = copy.copy(fewer)
    object.__setattr__(stretched, "frames", 72)
    for screened in (borrowed, fewer, stretched):
        with pytest.raises(PhotoplayError) as caught:
            sealed(screened=screened)
        assert caught.value.code == "content_unchecked"
    assert list(door.out.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"photos": ["b" * 64]}, {"consent": []}, {"request": {}}, {"audio": ["c" * 64]}, {"last": "d" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_a_recipe_of_another_film(
    door: Door, agreed: Admitted, sealed: Callable[..., Clip], change: dict[str, Any]
) -> None:
    recipe = make_recipe(agreed, TEMPLATE, PLAN, "echo") | change
    with pytest.raises(PhotoplayError) as caught:
        sealed(recipe=recipe)
    assert caught.value.code == "seal_recipe"
    assert list(door.out.iterdir()) == []


def test_other_words_in_the_recipe(agreed: Admitted, sealed: Callable[..., Clip]) -> None:
    recipe = make_recipe(agreed, TEMPLATE, PLAN, "echo")
    with pytest.raises(PhotoplayError) as caught:
        sealed(recipe=recipe | {"request": recipe["request"] | {"prompt": "harmless"}})
    assert caught.value.code == "seal_recipe"


def test_withdrawn_between_two_seals(door: Door, agreed: Admitted, sealed: Callable[..., Clip]) -> None:
    sealed()
    door.store.revoke(agreed.statements["records"][0]["id"], "", datetime.now(UTC))
    (door.out / "film.mp4").unlink()
    with pytest.raises(PhotoplayError) as caught:
        sealed()
    assert caught.value.code == "consent_revoked"
    assert list(door.out.iterdir()) == []


def test_a_preview_of_a_kiss_that_is_called_a_smile(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from photoplay.pipeline import gallery

    monkeypatch.setattr(gallery.Guard, "local", lambda: door.guard)
    request = Request((door.photo(1), door.photo(2)), ("granted",) * 2, "kiss", category="face", backend="echo")
    with pytest.raises(PhotoplayError) as caught:
        gallery.draw_preview(request, door.out / "sheet.png")
    assert caught.value.code == "consent_no_match"
    assert list(door.out.iterdir()) == []


def test_a_kind_of_film_that_is_unknown(door: Door) -> None:
    with pytest.raises(PhotoplayError) as caught:
        admit(Request((door.photo(1),), ("self",), "kiss", category="rоmantic"), guard=door.guard, reader=door.eyes)
    assert caught.value.code == "category_unknown"
    assert not np.any([entry[1] == "allowed" for entry in door.entries()])
