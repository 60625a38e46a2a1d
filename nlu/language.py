"""The language of a message, among those a city speaks; None where the message shows none.

None means "stay": digits, emoji, "ok", names and German official terms never change the language of a conversation.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from foundation.content_models import CityContent
from nlu.words import fold, split

_SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur"),
    "CYRILLIC": ("uk", "ru", "sr", "bg"),
    "CJK": ("zh",),
    "HEBREW": ("he",),
}
_OWN_LETTERS = {"tr": "şğı", "de": "ß"}
_TALK = ("greet", "thanks", "goodbye", "affirm", "deny", "help")
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[\d_]+")
_FILLER_POINTS, _TALK_POINTS, _WORD_POINTS, _LETTER_POINTS = 2, 3, 1, 2
_ENOUGH = 3


class Languages:
    """Tells languages apart by script, then by the words that content lists for each of them."""

    def __init__(self, content: CityContent) -> None:
        self._enabled = content.city.languages
        self._terms = _masks(content)
        self._filler = {code: _folded(content.triggers.ignore.get(code, ()), code) for code in self._enabled}
        self._talk = {
            code: _folded(
                (word for intent in _TALK for word in content.triggers.intents.get(intent, {}).get(code, ())),
                code,
            )
            for code in self._enabled
        }
        self._words = {code: _vocabulary(content, code) for code in self._enabled}

    def of(self, text: str) -> str | None:
        """The language of `text` if it shows one clearly."""
        plain = _NOISE.sub(" ", unicodedata.normalize("NFC", text))
        for term in self._terms:
            plain = term.sub(" ", plain)
        script = _main_script(plain)
        if script is None:
            return None
        if script in _SCRIPTS:
            candidates = [code for code in _SCRIPTS[script] if code in self._enabled]
            return candidates[0] if len(candidates) == 1 else None
        points = {code: self._points(plain, code) for code in self._enabled}
        ranked = sorted(points.items(), key=lambda item: item[1], reverse=True)
        if not ranked or ranked[0][1] < _ENOUGH:
            return None
        if len(ranked) > 1 and ranked[0][1] <= ranked[1][1]:
            return None
        return ranked[0][0]

    def _points(self, text: str, code: str) -> int:
        written = split(text)
        points = 0
        for word in written:
            folded = fold(word, code)
            if folded in self._talk[code]:
                points += _TALK_POINTS
            elif folded in self._filler[code]:
                points += _FILLER_POINTS
            elif len(written) > 1 and folded in self._words[code]:
                points += _WORD_POINTS
        own = _OWN_LETTERS.get(code, "")
        if len(written) > 1 and any(letter in text.lower().replace("i̇", "i") for letter in own):
            points += _LETTER_POINTS
        return points


def _main_script(text: str) -> str | None:
    """The script of most letters; None if there are none, or a single foreign one."""
    letters = Counter(_script(one) for one in text if one.isalpha())
    script, count = letters.most_common(1)[0] if letters else ("", 0)
    return script if count > 1 else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "LATIN").split()[0]


def _masks(content: CityContent) -> list[re.Pattern[str]]:
    """German official terms, and each of their long words: a citizen of any language writes them."""
    words = {word for term in content.terms() for word in split(term) if len(word) > 5}
    single = {
        word
        for service in content.services.values()
        for word in service.synonyms.get("de", ())
        if " " not in word
    }
    return [
        re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
        for word in sorted(words | {one for one in single if one[:1].isupper()}, key=len, reverse=True)
    ]


def _folded(phrases: Iterable[str], code: str) -> frozenset[str]:
    return frozenset(fold(word, code) for phrase in phrases for word in split(phrase))


def _vocabulary(content: CityContent, code: str) -> frozenset[str]:
    """Words of the lists of one language, German terms aside."""
    own: list[str] = []
    for service in content.services.values():
        own += service.synonyms.get(code, ())
    for topic in content.faq.values():
        own += topic.triggers.get(code, ())
    for table in (content.triggers.intents, content.triggers.aspects):
        for by_language in table.values():
            own += by_language.get(code, ())
    return frozenset(word for word in _folded(own, code) if len(word) > 2)
