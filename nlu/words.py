"""Words as they are compared: without case, accents and endings, and with small slips forgiven.

Sources of the light stemmers: Larkey et al. 2002 (Arabic light10), Can et al. 2008 (Turkish, first five letters).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from rapidfuzz.distance import OSA

from foundation.fold import fold as fold_letters

_APOSTROPHES = "'’ʼ`´"
_NO_APOSTROPHES = dict.fromkeys(map(ord, _APOSTROPHES))
_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
_WORD = re.compile(rf"[\w{_APOSTROPHES}{_MARKS}]+")
_GERMAN_DIGRAPHS = re.compile("(?:ae|oe|ue)")
_ARABIC_ARTICLES = ("وال", "بال", "كال", "فال", "لل", "ال")
_ARABIC_PARTICLES = ("و", "ب", "ل", "ف", "ك")
_ARABIC_ENDINGS = ("ها", "هم", "كم", "نا", "ات", "ون", "ين", "يه", "ه", "ي", "ك", "ا")
_GERMAN_ENDINGS = ("en", "er", "es", "em", "e", "n", "s")
_FOLDED_APART = frozenset({"de", "tr"})
_SHORTEST_CORRECTED = 6
_LONG_WORD = 9


def split(text: str) -> list[str]:
    """The words of a text, still as written; numbers count as words."""
    return [
        word for word in _WORD.findall(unicodedata.normalize("NFKC", text)) if word.strip(_APOSTROPHES + "_")
    ]


def fold(word: str, language: str) -> str:
    """A word without case, accents, marks and apostrophes; Turkish endings after an apostrophe fall off."""
    if language == "tr":
        word = re.split(f"[{_APOSTROPHES}]", word)[0] or word
    kept = fold_letters(word).translate(_NO_APOSTROPHES)
    # ü, ue and u are one: people without umlauts on their keyboard write either.
    return _GERMAN_DIGRAPHS.sub(lambda found: found[0][0], kept) if language == "de" else kept


def folds(words: Sequence[str], languages: Iterable[str]) -> dict[str, list[str]]:
    """The words folded as each language does it; most languages do it alike, so they share one list."""
    alike = [fold(word, "") for word in words]
    return {
        code: [fold(word, code) for word in words] if code in _FOLDED_APART else alike for code in languages
    }


def stem(folded: str, language: str) -> str:
    """The part of a folded word that its inflections share, roughly."""
    match language:
        case "de":
            return _without_ending(folded, _GERMAN_ENDINGS, 4)
        case "en":
            return _english(folded)
        case "tr":
            return folded[:5]
        case "ar":
            return _without_ending(_without_article(folded), _ARABIC_ENDINGS, 3)
    return folded


def stems(folded: str, language: str) -> tuple[str, ...]:
    """All stems a word may have: Arabic glues "and", "with", "for" to a word, which only the vocabulary can tell."""
    first = stem(folded, language)
    if language == "ar" and folded[:1] in _ARABIC_PARTICLES and len(folded) > 3:
        return (first, stem(folded[1:], language))
    return (first,)


def nearest(word: str, vocabulary: Collection[str], length: int) -> str | None:
    """The one word of `vocabulary` that `word` was probably meant to be. `length` is that of the word as written.

    A slip is a letter inserted, left out, replaced or swapped with its neighbour (optimal string alignment).
    """
    if length < _SHORTEST_CORRECTED:
        return None
    allowed = 2 if length >= _LONG_WORD else 1
    likely = [one for one in vocabulary if one[:1] == word[:1] and len(one) >= _SHORTEST_CORRECTED - 1]
    slips = {one: OSA.distance(word, one, score_cutoff=allowed) for one in likely}
    fewest = min((*slips.values(), allowed))
    best = [one for one, count in slips.items() if count == fewest]
    return best[0] if len(best) == 1 else None


def _without_ending(word: str, endings: Iterable[str], shortest: int) -> str:
    for ending in endings:
        if word.endswith(ending) and len(word) - len(ending) >= shortest:
            return word.removesuffix(ending)
    return word


def _without_article(word: str) -> str:
    for article in _ARABIC_ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= 2:
            return word.removeprefix(article)
    return word


def _english(word: str) -> str:
    if word.endswith("ies") and len(word) > 5:
        return word[:-3] + "y"
    for ending, shortest in (("ing", 3), ("ed", 3), ("es", 4), ("s", 3), ("e", 3)):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= shortest:
            return word.removesuffix(ending)
    return word
