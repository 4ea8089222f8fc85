"""Ids say what a thing is and nothing else."""

import hashlib
import re

from photoplay.service.ground.ids import new_id, token_digest


def test_an_id_is_a_prefix_and_26_small_letters_of_base32():
    assert re.fullmatch(r"video_[a-z2-7]{26}", new_id("video"))


def test_ids_do_not_repeat_and_use_every_letter():
    ids = {new_id("key") for _ in range(2000)}
    assert len(ids) == 2000
    assert set("".join(id_.removeprefix("key_") for id_ in ids)) == set("abcdefghijklmnopqrstuvwxyz234567")
    assert all(len({id_[place] for id_ in ids}) == 32 for place in range(4, 30))  # no place is settled


def test_of_a_token_its_sha256_is_kept_also_of_what_cannot_be_one():
    assert token_digest("pp_a") == hashlib.sha256(b"pp_a").hexdigest()
    assert token_digest("\ud800") != token_digest("\ud801")
