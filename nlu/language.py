"""The language of a message, among those a city speaks; None where the message shows none.

None means "stay": digits, emoji, "ok", names and German official terms never change the language of a conversation.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from foundation.content_models import CityContent
from nlu.words import fold, split

_SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur"),
    "CYRILLIC": ("uk", "ru", "sr", "bg"),
    "CJK": ("zh",),
    "HEBREW": ("he",),
}
_NOT_LATIN = {code for codes in _SCRIPTS.values() for code in codes}
_OWN_LETTERS = {"tr": "şğı", "de": "ß", "pl": "łśźż", "ro": "țșă", "es": "ñ¿¡", "uk": "іїєґ", "ru": "ыэъё"}
_TALK = ("greet", "thanks", "goodbye", "help")
"""What alone shows a language. Yes and no do not: they are as short as words of other languages ("da", "si")."""
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[\d_]+")
_FILLER_POINTS, _TALK_POINTS, _WORD_POINTS, _LETTER_POINTS = 2, 3, 1, 2
_ENOUGH, _CLEARLY = 3, 2
_SENTENCE, _IDEOGRAMS, _SURE, _NATS_A_POINT = 3, 4, 0.75, 2.5
"""From so many words (in Chinese: signs) on a text is a sentence; shorter ones are as often a name."""


class Languages:
    """Tells languages apart by script, then by the words that content lists for each of them."""

    def __init__(self, content: CityContent) -> None:
        self._enabled = content.city.languages
        self._terms = _masks(content)
        self._filler = {code: _folded(content.triggers.ignore.get(code, ()), code) for code in self._enabled}
        self._talk = {
            code: frozenset(
                word for word in _talk(content, code) if len(word) > 2 or _script(word[0]) == "CJK"
            )
            for code in self._enabled
        }
        self._words = {code: _vocabulary(content, code) for code in self._enabled}

    def warm(self) -> None:
        """Read the identifier's model now instead of with the first sentence."""
        _identifier()

    def of(self, text: str, spoken: str = "") -> str | None:
        """The language of `text` if it shows one clearly; `spoken` is the one of the conversation so far."""
        plain = _NOISE.sub(" ", unicodedata.normalize("NFC", text))
        for term in self._terms:
            plain = term.sub(" ", plain)
        script = _main_script(plain)
        candidates = self._written_in(script) if script else []
        if script in _SCRIPTS and len(candidates) < 2:
            return next(iter(candidates), None) if _is_more_than_a_name(plain, script) else None
        points = {code: self._points(plain, code) for code in candidates}
        second, best = [0, 0, *sorted(points.values())][-2:]
        leading = [code for code in candidates if points[code] == best]
        if best >= _ENOUGH and best - second >= _CLEARLY:
            return leading[0]
        if _is_sentence(plain):
            return _guess(plain, points)
        return _shared(leading, spoken) if best >= _ENOUGH else None

    def _written_in(self, script: str) -> list[str]:
        if script in _SCRIPTS:
            return [code for code in self._enabled if code in _SCRIPTS[script]]
        return [code for code in self._enabled if code not in _NOT_LATIN]

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


def _is_more_than_a_name(text: str, script: str) -> bool:
    """Chinese names are not told from words by spaces or capitals; two to three signs may be one."""
    return script != "CJK" or sum(map(str.isalpha, text)) >= _IDEOGRAMS


def _shared(leading: Sequence[str], spoken: str) -> str | None:
    """The language of a word that several have: "hello" is English, unless it was said in the middle of French."""
    if len(leading) == 1:
        return leading[0]
    return "en" if "en" in leading and spoken not in leading else None


def _is_sentence(text: str) -> bool:
    """Three words or more, and not all of them written like names: "Calle de Alcalá" says where, not which language."""
    written = text.split()
    long = [word for word in written if len(word) > 3]
    names = all(word[0].isupper() and not word.isupper() for word in long)
    return len(written) >= _SENTENCE and not (names and long)


def _guess(text: str, points: Mapping[str, int]) -> str | None:
    """The likeliest language by the letters of `text` and by its known words, None if that is not sure."""
    scores = dict(_identifier().rank(text))
    marks = np.array([scores[code] + _NATS_A_POINT * known for code, known in points.items()])
    shares = np.exp(marks - marks.max())
    best = int(marks.argmax())
    return list(points)[best] if shares[best] / shares.sum() >= _SURE else None


@cache
def _identifier() -> LanguageIdentifier:
    """One for the process: its model takes 30 MB. Its scores are logarithms of likelihoods."""
    return LanguageIdentifier.from_pickled_model(MODEL_FILE, norm_probs=False)


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


def _talk(content: CityContent, code: str) -> frozenset[str]:
    phrases = (
        phrase for intent in _TALK for phrase in content.triggers.intents.get(intent, {}).get(code, ())
    )
    return _folded(phrases, code)


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
