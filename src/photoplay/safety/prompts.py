"""What a prompt may ask for: a term policy that lives in ``policy/terms.yaml``."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from photoplay.errors import RefusedError

_SUFFIX = r"(?:s|es|'s)?"


@dataclass(frozen=True)
class TermPolicy:
    """Compiled terms: ``refused`` matches what is not allowed once ``harmless`` phrases are taken out.

    ``romantic`` matches what asks for romance, ``not_away`` what no negative prompt may take away (clothes).
    """

    refused: re.Pattern[str]
    harmless: re.Pattern[str]
    romantic: re.Pattern[str]
    not_away: re.Pattern[str]


def normalise(text: str) -> str:
    """``text`` as the policy sees it: NFKC, no invisible characters or accents, folded case, single spaces."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text))
    visible = "".join(c for c in decomposed if unicodedata.category(c) not in {"Cf", "Mn"})
    folded = unicodedata.normalize("NFKC", visible).casefold().replace("’", "'")
    return re.sub(r"[\s_\-]+", " ", folded).strip()


def compile_policy(data: dict[str, Any]) -> TermPolicy:
    """Compiles the content of a policy file; its comments say what each part means.

    Raises:
        ValueError: the policy is empty or not of this shape. Nothing may be admitted by a policy that says nothing.
    """
    harmless = "|".join(re.escape(normalise(phrase)) for phrase in data["harmless"]) or r"(?!)"
    return TermPolicy(
        refused=_any_of(data["groups"]),
        harmless=re.compile(rf"(?<!\w)(?:{harmless})(?!\w)"),
        romantic=_any_of([data["romantic"]]),
        not_away=_any_of([data["not_away"]]),
    )


def _any_of(groups: list[dict[str, Any]]) -> re.Pattern[str]:
    words = [re.escape(normalise(word)) for group in groups for word in group.get("words", [])]
    stems = [re.escape(normalise(stem)) for group in groups for stem in group.get("stems", [])]
    patterns = [f"(?:{pattern})" for group in groups for pattern in group.get("patterns", [])]
    if not words:
        raise ValueError("a term policy without words")
    parts = [f"(?:{'|'.join(words)}){_SUFFIX}", *(rf"{stem}\w*" for stem in stems), *patterns]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")


@cache
def term_policy() -> TermPolicy:
    """The policy that ships with photoplay."""
    text = files("photoplay.safety").joinpath("policy", "terms.yaml").read_text(encoding="utf-8")
    return compile_policy(yaml.safe_load(text))


def check_prompt(prompt: str, policy: TermPolicy | None = None) -> None:
    """Refuses a prompt that asks for sexual content.

    Raises:
        RefusedError: ``prompt_refused``. The message does not repeat the prompt.
    """
    policy = policy or term_policy()
    if policy.refused.search(policy.harmless.sub(" ", normalise(prompt))):
        raise RefusedError(
            "prompt_refused",
            "The prompt asks for sexual content or nudity, which photoplay never makes.",
            "Describe a movement or a mood instead, for example 'she laughs and nods'.",
        )


def check_negative_prompt(prompt: str, policy: TermPolicy | None = None) -> None:
    """Refuses a negative prompt that takes people's clothes away. Naming what shall not be seen ("nudity") is fine.

    Raises:
        RefusedError: ``prompt_refused``.
    """
    policy = policy or term_policy()
    if policy.not_away.search(normalise(prompt)):
        raise RefusedError(
            "prompt_refused",
            "The negative prompt takes clothes away, which photoplay never does.",
            "Name flaws of the picture instead, for example 'blurry, extra fingers'.",
        )


def asks_for_romance(prompt: str, policy: TermPolicy | None = None) -> bool:
    """Whether a prompt asks for romantic contact: kisses, embraces, lovers."""
    policy = policy or term_policy()
    return bool(policy.romantic.search(normalise(prompt)))


def is_readable(prompt: str) -> bool:
    """Whether every letter is Latin: words in another script would pass the policy unread."""
    letters = (c for c in normalise(prompt) if c.isalpha())
    return all(unicodedata.name(c, "").startswith("LATIN ") for c in letters)
