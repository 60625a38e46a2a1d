"""The language of a message, among those a city speaks; None where the message shows none of them.

None means "stay": digits, emoji, "ok", names, German official terms, and languages that the city does not speak never
change the language of a conversation. Nor does a language that is typed in Latin letters though it has a script of its
own ("mujhe Anmeldung karna hai"): letters tell nothing there, so its writer is asked.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from foundation.content_models import CityContent
from nlu.romanised import Hidden, romanised
from nlu.words import fold, folds, split

_SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur", "ckb"),
    "CYRILLIC": ("uk", "ru", "sr", "bg"),
    "CJK": ("zh",),
    "HEBREW": ("he",),
    "ETHIOPIC": ("am", "ti"),
    "MYANMAR": ("my",),
    "LATIN": ("nl", "pt", "vi"),
}
"""Scripts and the languages written in them. The city's own are told from these, which it may not speak."""
_NOT_LATIN = {code for script, codes in _SCRIPTS.items() if script != "LATIN" for code in codes}
_OWN_LETTERS = {
    "tr": "şğı",
    "de": "ß",
    "pl": "łśźż",
    "ro": "țșă",
    "es": "ñ¿¡",
    "uk": "іїєґ",
    "ru": "ыэъё",
    "fa": "پچژگکی",
    "ar": "ةىيكأإ",
    "pt": "ãõ",
    "vi": "đơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
}
_TALK = ("greet", "thanks", "goodbye", "help")
"""What alone shows a language. Yes and no do not: they are as short as words of other languages ("da", "si")."""
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[\d_]+")
_NOISE_BUT_DIGITS = re.compile(r"https?://\S+|\S+@\S+")
_FILLER_POINTS, _TALK_POINTS, _WORD_POINTS, _LETTER_POINTS = 2, 3, 1, 2
_ENOUGH, _CLEARLY = 3, 2
_SENTENCE, _IDEOGRAMS, _SURE, _NATS_A_POINT, _OUTWEIGHS = 3, 4, 0.75, 2.5, 3
"""From so many words (in Chinese: signs) on a text is a sentence; shorter ones are as often a name."""
_TERM = 14
"""Words of so many letters are as a rule German terms in whatever language."""


_LETTER = "[0-9A-Za-z\u00c0-\u024f]"
"""Chinese signs may stand right beside a German term."""


class Languages:
    """Tells languages apart by script, then by the words that content lists for each of them."""

    def __init__(self, content: CityContent) -> None:
        self._enabled = content.city.languages
        others = (code for codes in _SCRIPTS.values() for code in codes)
        self._all = tuple(dict.fromkeys((*self._enabled, *others)))
        self._terms = _mask(content)
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
        _identifier(self._all)

    def of(self, text: str, spoken: str = "") -> str | None:
        """The language of `text` if it shows one clearly; `spoken` is the one of the conversation so far."""
        return self.read(text, spoken)[0]

    def read(self, text: str, spoken: str = "") -> tuple[str | None, str | None]:
        """The language that `text` shows, and the one that its Latin letters hide: at most one of them is told."""
        plain = self._plain(text)
        script = _main_script(plain) or ""
        hidden = self._hidden(text, plain) if script == "LATIN" else None
        return (None, hidden) if hidden else (self._shown(plain, script, spoken), None)

    def _shown(self, plain: str, script: str, spoken: str) -> str | None:
        own = [code for code in self._enabled if code in self._written_in(script)]
        if not own:
            return None
        points = self._points(plain, self._written_in(script))
        if len(points) == 1:
            return own[0] if _is_more_than_a_name(plain, script) else None
        if _is_sentence(plain):
            found = self._guess(plain, points, spoken)
            return found if found in own else None
        if len(own) == 1:
            return own[0] if points[own[0]] == max(points.values()) else None
        return _of_a_few_words({code: points[code] for code in own}, spoken)

    def _guess(self, text: str, points: Mapping[str, int], spoken: str) -> str | None:
        """The likeliest language by the letters of `text` and by its known words, None if that is not sure.

        That a conversation stays in its language is as likely as one more known word.
        """
        best, share = self._likeliest(
            text, {code: known + (code == spoken) for code, known in points.items()}
        )
        if share >= _SURE:
            return best
        return _of_a_few_words(points, "") if best in self._enabled else None

    def _likeliest(self, text: str, points: Mapping[str, int]) -> tuple[str, float]:
        """The likeliest of the languages that have `points`, and how likely it is (0 … 1).

        A language that the identifier does not know is as likely as the least likely one it knows.
        """
        scores = dict(_identifier(self._all).rank(_telling(text, next(iter(points)) in _NOT_LATIN)))
        least = min(scores.values())
        marks = np.array([scores.get(code, least) + _NATS_A_POINT * known for code, known in points.items()])
        shares = np.exp(marks - marks.max())
        best = int(marks.argmax())
        return list(points)[best], float(shares[best] / shares.sum())

    def _hidden(self, text: str, plain: str) -> str | None:
        """The language of a text that has a script of its own and is typed in Latin letters all the same."""
        said = _NOISE_BUT_DIGITS.sub(" ", text)
        found = romanised(said)
        return found.language if found and not self._is_ours(said, plain, found) else None

    def _is_ours(self, said: str, plain: str, hidden: Hidden) -> bool:
        """Whether a text surely is in one of the city's languages: by its letters, and by more little words of it.

        Letters alone are no proof: the identifier is as sure of texts whose language it cannot know in Latin letters.
        """
        best, share = self._likeliest(plain, dict.fromkeys(self._written_in("LATIN"), 0))
        little = self._filler.get(best, frozenset()) - hidden.words
        return share >= _SURE and sum(fold(word, best) in little for word in split(said)) > len(hidden.own)

    def _plain(self, text: str) -> str:
        return self._terms.sub(" ", _NOISE.sub(" ", unicodedata.normalize("NFC", text)))

    def _written_in(self, script: str) -> list[str]:
        """The city's languages in this script, then the others."""
        others = _SCRIPTS.get(script, ())
        own = [
            code for code in self._enabled if code in others or (script == "LATIN" and code not in _NOT_LATIN)
        ]
        return [*own, *(code for code in others if code not in own)]

    def _points(self, text: str, codes: Sequence[str]) -> dict[str, int]:
        written = split(text)
        letters = set(text.lower().replace("i̇", "i")) if len(written) > 1 else set()
        folded = folds(written, codes)
        return {
            code: self._known(folded[code], code)
            + (_LETTER_POINTS if letters.intersection(_OWN_LETTERS.get(code, "")) else 0)
            for code in codes
        }

    def _known(self, folded: Sequence[str], code: str) -> int:
        points = 0
        for word in folded:
            if word in self._talk.get(code, ()):
                points += _TALK_POINTS
            elif word in self._filler.get(code, ()):
                points += _FILLER_POINTS
            elif len(folded) > 1 and word in self._words.get(code, ()):
                points += _WORD_POINTS
        return points


def _is_more_than_a_name(text: str, script: str) -> bool:
    """Chinese names are not told from words by spaces or capitals; two to three signs may be one."""
    return script != "CJK" or sum(map(str.isalpha, text)) >= _IDEOGRAMS


def _of_a_few_words(points: Mapping[str, int], spoken: str) -> str | None:
    """The language of "guten Morgen": no sentence, so only known words tell."""
    second, best = [0, 0, *sorted(points.values())][-2:]
    leading = [code for code, found in points.items() if found == best]
    if best < _ENOUGH:
        return None
    return leading[0] if best - second >= _CLEARLY else _shared(leading, spoken)


def _shared(leading: Sequence[str], spoken: str) -> str | None:
    """The language of a word that several have: "hello" is English, unless it was said in the middle of French."""
    if len(leading) == 1:
        return leading[0]
    return "en" if "en" in leading and spoken not in leading else None


def _telling(text: str, other_script: bool) -> str:
    """The words that tell the language: terms are often the longest of them, and in Latin letters among others."""
    written = text.split()
    kept = [
        word
        for word in written
        if len(word) < _TERM and not (other_script and any(_script(letter) == "LATIN" for letter in word))
    ]
    return " ".join(kept if len(kept) >= _SENTENCE else written)


def _is_sentence(text: str) -> bool:
    """Three words or more, and not all of them written like names: "Calle de Alcalá" says where, not which language."""
    written = text.split()
    long = [word for word in written if len(word) > 3]
    names = all(word[0].isupper() and not word.isupper() for word in long)
    return len(written) >= _SENTENCE and not (names and long)


@cache
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    """One for the process: its model takes 30 MB. Its scores are logarithms of likelihoods."""
    found = LanguageIdentifier.from_pickled_model(MODEL_FILE, norm_probs=False)
    known = {str(code) for code in found.nb_classes}
    found.set_languages([code for code in languages if code in known])
    return found


def written_in_script_of(text: str, language: str) -> bool:
    """Whether a text of this script may be in this language; one without letters may be in any."""
    script = _main_script(text)
    if script == "LATIN":
        return language not in _NOT_LATIN
    return script is None or language in _SCRIPTS.get(script, ())


def _main_script(text: str) -> str | None:
    """The script that tells most; None if there are no letters, or a single foreign one.

    A German term among Arabic or Chinese words is longer than they are and says nothing about the language.
    """
    letters = Counter(_script(one) for one in text if one.isalpha())
    latin = letters.pop("LATIN", 0)
    script, count = letters.most_common(1)[0] if letters else ("", 0)
    if count > 1 and count * _OUTWEIGHS >= latin:
        return script
    return "LATIN" if latin > 1 else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "LATIN").split()[0]


def _mask(content: CityContent) -> re.Pattern[str]:
    """German official terms, and each of their long words: a citizen of any language writes them."""
    words = {word for term in content.terms() for word in split(term) if len(word) > 5}
    single = {
        word
        for service in content.services.values()
        for word in service.synonyms.get("de", ())
        if " " not in word
    }
    found = sorted(words | {one for one in single if one[:1].isupper()}, key=len, reverse=True)
    return re.compile(rf"(?<!{_LETTER})(?:{'|'.join(map(re.escape, found))})(?!{_LETTER})", re.IGNORECASE)


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
