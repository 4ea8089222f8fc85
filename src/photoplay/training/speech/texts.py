"""Who speaks and what: espeak-ng voices, common words, and made-up words that hold every sound often enough."""

from __future__ import annotations

import numpy as np

from photoplay.training.speech.espeak import Voice

LANGUAGES: dict[str, float] = {
    "en-us": 5, "en": 4, "en-gb-x-rp": 2, "en-gb-scotland": 1, "de": 3, "fr": 2, "es": 2, "es-419": 1, "it": 2, "pt-br": 2,
    "pt": 1, "nl": 1, "pl": 1, "cs": 1, "tr": 1, "ro": 1, "fi": 1, "id": 1, "sw": 1, "hr": 1, "da": 1, "nb": 1, "ca": 1,
}  # fmt: skip
"""What is spoken in training, and how often."""
HELD_OUT_LANGUAGES = ("sv", "hu")
VARIANTS: tuple[str, ...] = (
    "", "f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m8", "klatt", "klatt2", "klatt3", "klatt4",
    "klatt5", "Alex", "Alicia", "Andrea", "Annie", "adam", "anika", "antonio", "aunty", "benjamin", "boris",
    "caleb", "croak", "david", "Denis", "Diogo", "ed", "edward", "Gene", "grandma", "grandpa", "gustave",
    "Henrique", "Hugo", "ian", "iven", "iven2", "Jacky", "john", "kaukovalta", "Lee", "linda", "marcelo", "Marco",
    "Mario", "max", "Michael", "michel", "miguel", "Mike", "norbert", "pablo", "paul", "pedro", "Reed", "rob",
    "robert", "sandro", "shelby", "steph", "travis", "victor", "whisper", "zac",
)  # fmt: skip
HELD_OUT_VARIANTS: tuple[str, ...] = ("f4", "m7", "belinda", "Andy", "quincy", "steph2", "iven3", "klatt6")

_ENGLISH = """
the and that with this have from they what when there which their about would these could other people time than first
water been called who oil find long down day did get come made may part over new sound take only little work know
place year live me back give most very after thing our just name good sentence man think say great where help through
much before line right too mean old any same tell boy follow came want show also around form three small set put end
does another well large must big even such because turn here why ask went men read need land different home us move
try kind hand picture again change off play spell air away animal house point page letter mother answer found study
still learn should world high every near add food between own below country plant last school father keep tree never
start city earth eye light thought head under story saw left few while along might close something seem next hard open
example begin life always those both paper together got group often run important until children side feet car mile
night walk white sea began grow took river four carry state once book hear stop without second later miss idea enough
eat face watch far really almost let above girl sometimes mountain cut young talk soon list song being leave family
body music color beautiful happy birthday morning evening baby bubble puppy paper pepper member number remember summer
simple people problem improve camera family female five seven above village voice value very view favour thunder month
path bath both breath birthday therefore thousand judge change church cheese measure vision pleasure garage yellow yes
you young wonderful window wave twelve swim quick queen rhythm rainbow around mirror strong through three shrimp
splash spring street
"""
_WORDS: dict[str, str] = {
    "de": """
ich nicht und wir möchten schön Grüße München Apfel Pferd Mutter Vater Familie Bruder heute morgen Buch Kuchen Tisch
Zeit Wasser Freude singen springen Straße Brücke fünf zwölf Baum blau grün weiß Vogel lieben leben machen sprechen
""",
    "fr": """
bonjour je voudrais un peu de vin blanc et du pain mon ami nous avons beaucoup temps famille enfant petite maison
rouge bleu fleur jardin chanson toujours jamais peut être monde homme femme bouche beau propre votre merci
""",
    "es": """
el perro corre por la calle y juega con niños hombre mujer tiempo bueno mañana gracias pueblo camino fuego agua vida
siempre nunca mucho pequeño familia feliz cumpleaños abuela bebé febrero poder hablar mirar boca
""",
    "it": """
gli amici mangiano la pizza ogni giorno buono bella famiglia padre madre tempo sempre mai mondo parola bambino giovane
vecchio fiume montagna grazie prego febbre fuoco acqua piccolo grande bocca zucchero chiaro
""",
    "pt-br": """
o coração não tem razão meu irmão bom dia obrigado família mãe pai tempo sempre nunca mundo palavra menino cachorro
água fogo pequeno grande boca feliz aniversário verde amarelo chuva peixe
""",
    "nl": """
goedemorgen het huis is mooi en groot wij willen vandaag graag water familie moeder vader tijd altijd nooit wereld
woord kind hond vuur klein bloem brug lopen praten zingen
""",
}
_ONSETS = [
    "p",
    "b",
    "m",
    "f",
    "v",
    "t",
    "d",
    "n",
    "l",
    "s",
    "z",
    "k",
    "g",
    "h",
    "r",
    "w",
    "j",
    "m",
    "f",
    "v",
    "s",
    "sh",
    "ch",
    "th",
    "st",
    "tr",
    "br",
    "pl",
    "bl",
    "fl",
    "fr",
    "gr",
    "kl",
    "sp",
    "sk",
    "mp",
    "bm",
    "y",
    "dj",
]
_VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "au", "ei", "ou", "oo", "ee", "ea", "ie"]
_CODAS = ["", "", "", "", "", "n", "m", "p", "b", "t", "s", "l", "r", "f", "v", "k", "th", "sh", "mp", "nt", "st"]


def draw_voice(draw: np.random.Generator, languages: dict[str, float], variants: tuple[str, ...]) -> Voice:
    """A voice at a speed, pitch and liveliness drawn at random."""
    weights = np.array(list(languages.values()))
    language = list(languages)[int(draw.choice(len(weights), p=weights / weights.sum()))]
    variant = variants[int(draw.integers(len(variants)))]
    speed = int(np.clip(draw.normal(170, 38), 90, 300))
    pitch, pitch_range = int(draw.integers(20, 85)), int(draw.integers(0, 100))
    return Voice(f"{language}+{variant}" if variant else language, speed, pitch, pitch_range)


def draw_text(draw: np.random.Generator, language: str, words: int) -> str:
    """``words`` words of a language with commas and full stops: half common words where a list is here, half made up."""
    common = (_ENGLISH if language.startswith("en") else _WORDS.get(language, "")).split()
    said: list[str] = []
    for index in range(words):
        word = common[int(draw.integers(len(common)))] if common and draw.random() < 0.6 else draw_word(draw)
        ending = "." if index == words - 1 or draw.random() < 0.07 else "," if draw.random() < 0.07 else ""
        said.append(word + ending)
    return " ".join(said)


def draw_word(draw: np.random.Generator) -> str:
    """A made-up word of one to three syllables."""
    parts = []
    for _ in range(int(draw.integers(1, 4))):
        parts += [_ONSETS[int(draw.integers(len(_ONSETS)))], _VOWELS[int(draw.integers(len(_VOWELS)))]]
        parts.append(_CODAS[int(draw.integers(len(_CODAS)))])
    return "".join(parts)
