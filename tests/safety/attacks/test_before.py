"""Attacks that end at the door: no film, no file, the right answer, and a line in the log."""

from __future__ import annotations

import pytest

from photoplay.errors import PhotoplayError
from tests.safety.attacks.attacks import ATTACKS, Attack
from tests.safety.attacks.door import Door


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_nobody_gets_a_film(door: Door, attack: Attack) -> None:
    with pytest.raises(PhotoplayError) as caught:
        attack.run(door)
    assert caught.value.code in attack.codes, repr(caught.value.__cause__)
    assert list(door.out.iterdir()) == []
    if attack.written:
        action, decision, reason = door.entries()[-1]
        assert (decision, reason) == ("refused", caught.value.code)
        assert action in ("admit", "make")
