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
from photoplay.safety.disguises import LONGEST, MOST, fold, readings, spaced, unmasked

_SUFFIX = r"(?:s|es|'s)?"


@dataclass(frozen=True)
class TermPolicy:
    """Compiled terms: ``refused`` matches what is not allowed once ``harmless`` phrases are taken out.

    ``romantic`` matches what asks for romance, ``not_away`` what no negative prompt may take away (clothes). ``words`` are
    the refused single words, for those in which stars stand for letters.
    """

    refused: re.Pattern[str]
    harmless: re.Pattern[str]
    romantic: re.Pattern[str]
    not_away: re.Pattern[str]
    words: frozenset[str] = frozenset()

    def refuses(self, text: str) -> bool:
        """Whether any reading of ``text`` asks for what is refused."""
        said = readings(text)
        if len(said) >= MOST or unmasked(text, self.words):
            return True
        return any(self.refused.search(self._without_harmless(reading)) for reading in said)

    def _without_harmless(self, reading: str) -> str:
        """Without harmless phrases, also where the reading is backwards."""
        forwards = self.harmless.sub(" ", reading)
        return self.harmless.sub(" ", forwards[::-1])[::-1]


def normalise(text: str) -> str:
    """``text`` as the policy sees it: NFKC, no invisible characters or accents, folded case, single spaces."""
    return spaced(fold(text))


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
        words=frozenset(normalise(word) for group in data["groups"] for word in group.get("words", [])),
    )


def _any_of(groups: list[dict[str, Any]]) -> re.Pattern[str]:
    words = [re.escape(normalise(word)) for group in groups for word in group.get("words", [])]
    stems = [re.escape(normalise(stem)) for group in groups for stem in group.get("stems", [])]
    patterns = [f"(?:{pattern})" for group in groups for pattern in group.get("patterns", [])]
    if not words:
        raise ValueError("a term policy without words")
    parts = [f"(?:{'|'.join(words)}){_SUFFIX}", *(rf"{stem}\w*" for stem in stems), *patterns]
    anywhere = [re.escape(normalise(text)) for group in groups for text in group.get("anywhere", [])]
    return re.compile("|".join([rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", *anywhere]))


@cache
def term_policy() -> TermPolicy:
    """The policy that ships with photoplay."""
    text = files("photoplay.safety").joinpath("policy", "terms.yaml").read_text(encoding="utf-8")
    return compile_policy(yaml.safe_load(text))


def check_prompt(prompt: str, policy: TermPolicy | None = None) -> None:
    """Refuses a prompt that asks for sexual content, disguised or not (:mod:`photoplay.safety.disguises`).

    Raises:
        RefusedError: ``prompt_refused``; ``prompt_too_long``. The message does not repeat the prompt.
    """
    policy = policy or term_policy()
    _check_length(prompt)
    if policy.refuses(prompt):
        raise RefusedError(
            "prompt_refused",
            "The prompt asks for sexual content or nudity, which photoplay never makes.",
            "Describe a movement or a mood instead, for example 'she laughs and nods'.",
        )


def check_negative_prompt(prompt: str, policy: TermPolicy | None = None) -> None:
    """Refuses a negative prompt that takes people's clothes away. Naming what shall not be seen ("nudity") is fine.

    Raises:
        RefusedError: ``prompt_refused`` or ``prompt_too_long``.
    """
    policy = policy or term_policy()
    _check_length(prompt)
    said = readings(prompt)
    if len(said) >= MOST or any(policy.not_away.search(reading) for reading in said):
        raise RefusedError(
            "prompt_refused",
            "The negative prompt takes clothes away, which photoplay never does.",
            "Name flaws of the picture instead, for example 'blurry, extra fingers'.",
        )


def asks_for_romance(prompt: str, policy: TermPolicy | None = None) -> bool:
    """Whether a prompt asks for romantic contact: kisses, embraces, lovers."""
    policy = policy or term_policy()
    said = readings(prompt[:LONGEST])
    return len(said) >= MOST or any(policy.romantic.search(reading) for reading in said)


def _check_length(prompt: str) -> None:
    if len(prompt) > LONGEST:
        raise RefusedError(
            "prompt_too_long", "The prompt is too long to be checked.", f"Use {LONGEST} characters at most."
        )


def is_readable(prompt: str) -> bool:
    """Whether every letter is Latin: words in another script would pass the policy unread."""
    letters = (c for c in normalise(prompt) if c.isalpha())
    return all(unicodedata.name(c, "").startswith("LATIN ") for c in letters)
