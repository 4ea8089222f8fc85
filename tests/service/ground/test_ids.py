"""Ids say what a thing is and nothing else."""

import re

from photoplay.service.ground.ids import new_id


def test_an_id_is_a_prefix_and_26_small_letters_of_base32():
    assert re.fullmatch(r"video_[a-z2-7]{26}", new_id("video"))


def test_ids_do_not_repeat_and_use_every_letter():
    ids = {new_id("key") for _ in range(2000)}
    assert len(ids) == 2000
    assert set("".join(id_.removeprefix("key_") for id_ in ids)) == set("abcdefghijklmnopqrstuvwxyz234567")
    assert all(len({id_[place] for id_ in ids}) == 32 for place in range(4, 30))  # no place is settled
