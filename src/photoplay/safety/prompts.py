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
    """Compiled terms: ``refused`` matches what is not allowed once ``harmless`` phrases are taken out."""

    refused: re.Pattern[str]
    harmless: re.Pattern[str]


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
    groups = data["groups"]
    words = [re.escape(normalise(word)) for group in groups for word in group.get("words", [])]
    stems = [re.escape(normalise(stem)) for group in groups for stem in group.get("stems", [])]
    patterns = [f"(?:{pattern})" for group in groups for pattern in group.get("patterns", [])]
    if not words:
        raise ValueError("a term policy without words")
    parts = [f"(?:{'|'.join(words)}){_SUFFIX}", *(rf"{stem}\w*" for stem in stems), *patterns]
    harmless = "|".join(re.escape(normalise(phrase)) for phrase in data["harmless"]) or r"(?!)"
    return TermPolicy(re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)"), re.compile(rf"(?<!\w)(?:{harmless})(?!\w)"))


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
