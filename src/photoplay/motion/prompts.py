"""Choosing a template from an English sentence: "she laughs", "grandma smiles shyly".

Words are stemmed, mapped to the words that templates use, and weighed by how few templates share them. A word after a
negation ("without a smile") counts against.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log
from typing import TypeVar

from photoplay.errors import RequestError
from photoplay.motion.duet_template import AnyTemplate
from photoplay.motion.library import LISTED

THRESHOLD = 0.34
NEAR = 0.2
"""Under this a template has no more in common with a sentence than a word by chance, as one in another language has."""
MAX_WORDS = 60
"""Words beyond these are not read."""

_IGNORED = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "bit", "but", "by", "camera", "can", "dad", "do", "eye", "face", "for",
    "friend", "from", "girl", "give", "gives", "go", "grandfather", "grandma", "grandmother", "grandpa", "guy", "have",
    "he", "head", "her", "here", "him", "his", "i", "if", "in", "into", "is", "it", "its", "just", "kid", "lady", "let",
    "like", "little", "look", "make", "makes", "man", "me", "mom", "mother", "much", "mum", "my", "of", "old", "on",
    "one", "or", "our", "out", "people", "person", "photo", "picture", "please", "portrait", "really", "she", "should",
    "show", "slightly", "so", "some", "somebody", "someone", "start", "starts", "subject", "that", "the", "their",
    "them", "then", "there", "they", "this", "to", "very", "video", "want", "was", "we", "while", "who", "will", "with",
    "woman", "would", "you", "young", "your",
})  # fmt: skip
_MEANINGFUL_IN_CONTEXT = frozenset({"look", "eye", "head", "out", "like", "one"})
"""Ignored alone, but they count a little where a template's name holds them ("look left")."""
_NEGATIONS = frozenset({"no", "not", "never", "without", "dont", "doesnt", "isnt", "stop", "stops"})
_SYNONYMS = {
    "grin": "smile", "beam": "smile", "smiley": "smile", "chortle": "laugh", "guffaw": "laugh", "lol": "laugh",
    "laughter": "laugh", "snigger": "giggle", "weep": "cry", "sob": "cry", "teary": "cry", "scream": "gasp",
    "peck": "kiss", "smooch": "kiss", "smack": "kiss", "goodbye": "bye", "farewell": "bye", "hey": "hello", "hi": "hello",
    "groove": "dance", "boogie": "dance", "jig": "dance", "twirl": "dance", "furious": "angry", "mad": "angry",
    "rage": "angry", "glad": "happy", "joyful": "happy", "merry": "happy", "cheery": "cheerful", "unhappy": "sad",
    "sorrow": "sad", "mourn": "sad", "grief": "sad", "astonish": "surprise", "amaze": "surprise", "shock": "surprise",
    "startle": "surprise", "stunned": "surprise", "scared": "fear", "afraid": "fear", "frighten": "fear",
    "terrify": "fear", "ponder": "think", "thought": "think", "thoughtful": "think", "reflect": "think",
    "contemplate": "think", "wonder": "think", "muse": "think", "peer": "look", "gaze": "look", "stare": "look",
    "glimpse": "glance", "speak": "talk", "spoke": "talk", "chat": "talk", "say": "talk", "tell": "talk",
    "speech": "talk", "converse": "talk", "song": "sing", "sang": "sing", "tire": "tired", "weary": "tired",
    "drowsy": "sleepy", "asleep": "sleepy", "sleep": "sleepy", "brow": "eyebrow", "brows": "eyebrow",
    "sideway": "sideways", "inhale": "breathe", "exhale": "breathe", "breath": "breathe", "applause": "clap",
    "applaud": "clap", "gently": "gentle", "softly": "gentle", "soft": "gentle", "slight": "gentle", "subtle": "gentle",
    "huge": "big", "broad": "big", "wide": "big", "widely": "big", "shyly": "shy", "bashful": "shy", "slowly": "slow",
    "calmly": "calm", "relaxed": "calm", "relax": "calm", "peaceful": "calm", "amuse": "laugh", "hooray": "cheer",
    "celebrate": "cheer", "yes": "nod", "agreement": "agree", "disgusted": "disgust", "tease": "playful",
    "cheeky": "playful", "poke": "stick", "tilting": "tilt", "cock": "tilt", "upward": "up", "upwards": "up",
    "downward": "down", "downwards": "down", "awake": "wake", "woke": "wake", "alive": "living", "life": "living",
    "cries": "cry", "cried": "cry", "dries": "dry", "shook": "shake", "leant": "lean", "goodbyes": "bye", "nope": "no",
}  # fmt: skip
_STEMMED_SYNONYMS = {word[:-1]: base for word, base in _SYNONYMS.items() if word.endswith("e") and len(word) > 4}
_ENDINGS = ("ingly", "edly", "ing", "ed", "ies", "es", "s", "ly", "er")


Kind = TypeVar("Kind", bound=AnyTemplate)


def match_prompt(prompt: str, templates: Sequence[Kind]) -> tuple[Kind, float]:
    """The template that fits the sentence best, and how well (0 .. 1).

    Raises:
        RequestError: nothing fits well; the hint names the nearest.
    """
    scores = _score(prompt, templates)
    if not scores or scores[0][1] < THRESHOLD:
        near = ", ".join(template.name for template, score in scores[:4] if score >= NEAR)
        raise RequestError(
            "prompt_not_understood",
            "No template fits this prompt.",
            (f"Nearest: {near}. " if near else "")
            + f"Describe one motion in English, such as 'a shy smile', or name a template. {LISTED}",
        )
    return scores[0]


def _score(prompt: str, templates: Sequence[Kind]) -> list[tuple[Kind, float]]:
    """Templates with their scores, the best first; ties go to the shorter and then the earlier name."""
    vocabulary = {template.name: _vocabulary(template) for template in templates}
    shared = Counter(word for words in vocabulary.values() for word in words)
    wanted, unwanted = _content(prompt)
    known = {word: log(1 + len(templates) / shared[word]) for word in wanted if word in shared}
    if not known:
        return []
    # Words that no template knows lower every score, but less than known ones: a sentence tells more than a motion.
    total = sum(known.values()) + 0.3 * sum(word not in shared for word in wanted)
    scored = []
    for template in templates:
        words = vocabulary[template.name]
        score = sum(weight * words.get(word, 0.0) for word, weight in known.items()) / total
        score -= 0.5 * sum(words.get(word, 0.0) for word in unwanted)
        # A name word that was not asked for (left, big, shy) makes a template less likely.
        extra = [word for word in _stems(template.name) if word not in wanted and word not in _IGNORED]
        scored.append((template, max(0.0, score - 0.06 * len(extra))))
    return sorted(scored, key=lambda pair: (-pair[1], len(pair[0].name), pair[0].name))


def _vocabulary(template: AnyTemplate) -> dict[str, float]:
    """Words with their weight: name and title tell most, tags a lot, the description a little."""
    words: dict[str, float] = {}
    # Earlier tags say more.
    tags = [(0.85 - 0.01 * min(place, 30), tag) for place, tag in enumerate(template.tags)]
    for weight, text in ((0.35, template.description), *tags, (1.0, template.title), (1.0, template.name)):
        for word in _stems(text):
            words[word] = max(words.get(word, 0.0), weight * (0.4 if word in _MEANINGFUL_IN_CONTEXT else 1.0))
    return {word: weight for word, weight in words.items() if word not in _IGNORED - _MEANINGFUL_IN_CONTEXT}


def _content(prompt: str) -> tuple[set[str], set[str]]:
    """The stems that were asked for and those that were ruled out."""
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for clause in re.split(r"[,.;:!?]|\bbut\b|\band\b", prompt.lower()):
        words = _tokens(clause)
        # "no" alone is a motion; "no smile" rules one out.
        cut = next((i for i, word in enumerate(words[:-1]) if word in _NEGATIONS), len(words))
        for place, word in enumerate(words[:MAX_WORDS]):
            stem = _stem(word)
            if place != cut and not {word, stem} & (_IGNORED - _MEANINGFUL_IN_CONTEXT):
                (unwanted if place > cut else wanted).add(stem)
    return wanted - unwanted, unwanted


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower().replace("'", "").replace("’", ""))


def _stems(text: str) -> list[str]:
    return [_stem(token) for token in _tokens(text)]


def _stem(word: str) -> str:
    """A word's base form, light-handed, then its synonym: laughing, laughed, laughs -> laugh; grins -> smile."""
    if word in _SYNONYMS:
        return _SYNONYMS[word]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: -len(ending)] + ("y" if ending == "ies" else "")
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "ls":
                base = base[:-1]
            word = base
            break
    whole = word
    if word.endswith("e") and len(word) > 4:
        word = word[:-1]
    return _SYNONYMS.get(whole) or _STEMMED_SYNONYMS.get(word) or word
