from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from photoplay.errors import InputError
from photoplay.training.shards import list_examples, load_example, read_facts, save_example
from tests.training import toys


def test_an_example_comes_back_bit_for_bit_and_its_facts_can_be_read_alone(tmp_path):
    example = toys.example(3)
    save_example(tmp_path / "one.npz", example)
    back = load_example(tmp_path / "one.npz")
    np.testing.assert_array_equal(back.target, example.target)
    for field in fields(example.window):
        was, now = getattr(example.window, field.name), getattr(back.window, field.name)
        np.testing.assert_array_equal(now, was)
        assert now.dtype == was.dtype
    assert back.facts == example.facts == read_facts(tmp_path / "one.npz")


@pytest.mark.parametrize("read", [load_example, read_facts])
def test_what_is_not_an_example_is_said_to_be_damaged(tmp_path, read):
    whole = tmp_path / "whole.npz"
    save_example(whole, toys.example(0))
    for content in (b"", b"PK\x03\x04 no zip", whole.read_bytes()[:2000]):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(InputError) as caught:
            read(tmp_path / "bad.npz")
        assert caught.value.code == "example_damaged"


def test_examples_are_listed_by_name_and_unfinished_ones_are_not(tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("b.npz", "a.npz", "c.part"):
        (tmp_path / "train" / name).touch()
    assert [path.name for path in list_examples(tmp_path, "train")] == ["a.npz", "b.npz"]
    assert not list(list_examples(tmp_path, "held-out"))
