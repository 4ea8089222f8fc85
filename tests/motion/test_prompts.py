"""Sentences to templates."""

from __future__ import annotations

import pytest

from photoplay.errors import RequestError
from photoplay.motion.library import built_in
from photoplay.motion.prompts import match_prompt


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("smile", "smile"),
        ("Grandma smiles gently", "gentle_smile"),
        ("a shy smile, please", "shy_smile"),
        ("a big smile without teeth", "big_smile"),
        ("she laughs and nods", "laugh"),
        ("he grins broadly", "big_smile"),
        ("winks with his left eye", "wink_left"),
        ("waving with her right hand", "wave_right"),
        ("blow a kiss to the camera", "blow_kiss"),
        ("looks around the room curiously", "look_around"),
        ("look left", "look_left"),
        ("looking to the right", "look_right"),
        ("he is surprised", "surprise"),
        ("yawning, very tired", "yawn"),
        ("she cries", "near_tears"),
        ("bring this photo to life", "living_portrait"),
        ("takes a deep breath", "breathe_deep"),
        ("shakes his head: no", "shake_head"),
        ("nod slowly", "slow_nod"),
        ("raise an eyebrow", "eyebrow_raise"),
        ("rolls her eyes", "roll_eyes"),
        ("shrugs his shoulders", "shrug"),
        ("clapping hands", "clap"),
        ("not smiling, just sad", "sad"),
        ("singing a song", "sing"),
    ],
)
def test_prompts_find_their_template(prompt: str, name: str) -> None:
    template, score = match_prompt(prompt, built_in())
    assert template.name == name
    assert 0.34 <= score <= 1


@pytest.mark.parametrize("template", built_in(), ids=lambda template: template.name)
def test_every_title_finds_its_own_template(template: object) -> None:
    assert match_prompt(template.title, built_in())[0] == template  # type: ignore[attr-defined]


@pytest.mark.parametrize("prompt", ["", "???", "quantum chromodynamics", "the the the", "лицо", "x" * 10_000])
def test_what_is_not_understood_is_told(prompt: str) -> None:
    with pytest.raises(RequestError) as caught:
        match_prompt(prompt, built_in())
    assert caught.value.code == "prompt_not_understood"


@pytest.mark.parametrize("prompt", ["er lächelt und winkt", "er laechelt und winkt", "elle sourit", "sonríe y saluda"])
def test_another_language_is_near_to_nothing_and_told_so(prompt: str) -> None:
    with pytest.raises(RequestError) as caught:
        match_prompt(prompt, built_in())
    assert "Nearest" not in caught.value.hint
    assert "in English" in caught.value.hint
    assert caught.value.hint.endswith("The list of templates names them all (`photoplay templates list`).")


def test_near_misses_are_named() -> None:
    with pytest.raises(RequestError, match="yawn"):
        match_prompt(
            "tired zebra quasar tulip anvil comet harp walrus ship lemon plank vase rug cup jar owl", built_in()
        )
