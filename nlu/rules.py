"""Understands by word lists: service names, synonyms, papers, topics and small talk, all taken from content.

The lists become spaCy phrase matchers, two a language: one for words as written (case and accents aside), one for
their stems with filler words left out. The longest phrase wins. It keeps the office open while no model is there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from foundation.content_models import CityContent
from nlu.decision import Match, decide
from nlu.understanding import Understanding
from nlu.words import fold, folds, nearest, split, stem, stems

if TYPE_CHECKING:
    from spacy.matcher import PhraseMatcher

EXACT, STEMMED, CORRECTED, LOOSE, FOREIGN = 0.97, 0.9, 0.75, 0.65, 0.9
_LOOSE_WINDOW = 7

Label = tuple[str, str]
"""What a phrase names: its kind (service, intent, aspect, document, language) and id."""


@dataclass(frozen=True)
class Phrase:
    text: str
    label: Label


@dataclass(frozen=True)
class _Matcher:
    """Phrases and what they name. `first`: the words they begin with; a message with none of these needs no search."""

    find: "PhraseMatcher"
    labels: Mapping[tuple[str, ...], Iterable[Label]]
    first: frozenset[str]


@dataclass
class _Lists:
    """The phrases of one language as matchers over a vocabulary of their own."""

    language: str
    phrases: list[Phrase]
    ignored: frozenset[str]
    _loose: dict[str, list[tuple[frozenset[str], Label]]] = field(default_factory=dict)
    """Phrases of several words, each by one of its words."""

    def __post_init__(self) -> None:
        from spacy.vocab import Vocab  # takes a second: only when the first message comes

        self._vocab = Vocab()
        self._labels: dict[tuple[str, ...], set[Label]] = {}
        self._stem_labels: dict[tuple[str, ...], dict[Label, int]] = {}
        for phrase in self.phrases:
            self._learn(phrase)
        self._vocabulary = {word for words in self._stem_labels for word in words}
        self._alike: dict[str, list[str]] = {}
        for word in self._vocabulary:
            self._alike.setdefault(word[0], []).append(word)
        clear = {words: self._clearest(labels) for words, labels in self._stem_labels.items()}
        self._written, self._stemmed = self._matcher(self._labels), self._matcher(clear)
        for words, labels in clear.items():
            if len(words) > 1:
                known = self._loose.setdefault(max(words, key=len), [])
                known += [(frozenset(words), label) for label in labels]

    def find(self, folded: list[str], *, own: bool) -> list[Match]:
        """All phrases in these words. Only the language of the message itself gets its endings and slips forgiven."""
        weight = 1.0 if own else FOREIGN
        found = list(self._matches(self._written, folded, range(len(folded)), EXACT * weight))
        if own:
            words, places, corrected = self._stems(folded)
            for match in self._matches(self._stemmed, words, places, STEMMED):
                slip = any(match.start <= place < match.end for place in corrected)
                found.append(match.sure(CORRECTED) if slip else match)
            found += self._loosely(words, places)
        return found

    def _learn(self, phrase: Phrase) -> None:
        folded = tuple(fold(word, self.language) for word in split(phrase.text))
        self._labels.setdefault(folded, set()).add(phrase.label)
        words = tuple(stem(word, self.language) for word in folded if word not in self.ignored)
        if self._telling(words, len(folded)):
            known = self._stem_labels.setdefault(words, {})
            known[phrase.label] = min(known.get(phrase.label, 999), len(phrase.text))

    def _telling(self, words: tuple[str, ...], written: int) -> bool:
        """Whether stems alone say what the phrase said: "how much" without its filler word does not."""
        if len(words) != 1:
            return bool(words)
        return len(words[0]) > (3 if written == 1 else 5)

    def _clearest(self, labels: Mapping[Label, int]) -> list[Label]:
        """Where stems of two intents fall together ("appointment", "my appointment"), the shorter phrase meant it."""
        shortest = min(labels.values())
        return [label for label, length in labels.items() if label[0] == "service" or length == shortest]

    def _matcher(self, labels: Mapping[tuple[str, ...], Iterable[Label]]) -> _Matcher:
        from spacy.matcher import PhraseMatcher
        from spacy.tokens import Doc

        found = PhraseMatcher(self._vocab)
        for words in labels:
            found.add(" ".join(words), [Doc(self._vocab, words=list(words))])
        # Sorted: a set has another order after every start, and what is offered would have it, too.
        ordered = {words: sorted(named) for words, named in labels.items()}
        return _Matcher(found, ordered, frozenset(words[0] for words in labels))

    def _matches(
        self, matcher: _Matcher, words: list[str], places: Iterable[int], confidence: float
    ) -> Iterator[Match]:
        from spacy.tokens import Doc

        if matcher.first.isdisjoint(words):
            return
        at = list(places)
        for _, start, end in matcher.find(Doc(self._vocab, words=words)):
            for kind, name in matcher.labels[tuple(words[start:end])]:
                size = sum(len(word) for word in words[start:end])
                yield Match(kind, name, at[start], at[end - 1] + 1, end - start, size, confidence)

    def _stems(self, folded: list[str]) -> tuple[list[str], list[int], set[int]]:
        """Stems without filler words, the place of each in the message, and the places that were corrected."""
        words, places, corrected = [], [], set()
        for place, word in enumerate(folded):
            if word in self.ignored:
                continue
            candidates = stems(word, self.language)
            known = next((one for one in candidates if one in self._vocabulary), None)
            if known is None and (meant := self._meant(candidates[0], len(word))):
                known = meant
                corrected.add(place)
            words.append(known or candidates[0])
            places.append(place)
        return words, places, corrected

    def _meant(self, word: str, length: int) -> str | None:
        """The word that was misspelt; nobody misses its first letter."""
        return nearest(word, self._alike.get(word[:1], ()), length)

    def _loosely(self, words: list[str], places: list[int]) -> Iterator[Match]:
        """Phrases whose words are all there, near each other, in any order."""
        where = dict(zip(words, places, strict=True))
        for wanted, (kind, name) in chain.from_iterable(self._loose.get(word, ()) for word in where):
            if wanted <= where.keys():
                at = [where[word] for word in wanted]
                if max(at) - min(at) < _LOOSE_WINDOW:
                    size = sum(len(word) for word in wanted)
                    yield Match(kind, name, min(at), max(at) + 1, len(wanted), size, LOOSE, loose=True)


class Rules:
    """Word lists of all languages of a city. Building them takes about a second; `warm()` does it at once."""

    def __init__(self, content: CityContent) -> None:
        self._content = content
        self._paper_services = {
            paper.service for paper in content.documents.values() if paper.service is not None
        }
        self._paper_intents = {paper.id: paper.intent for paper in content.documents.values() if paper.intent}

    @property
    def languages(self) -> Sequence[str]:
        """Those that the city speaks."""
        return self._content.city.languages

    def warm(self) -> None:
        self._lists  # noqa: B018 - builds the matchers

    def understand(self, text: str, language: str, context: Mapping[str, str]) -> Understanding:
        """`language` is that of the message, or of the conversation while the message shows none."""
        written = split(text)[:120]
        folded = folds(written, self._lists)
        found = [
            match
            for code, lists in self._lists.items()
            for match in lists.find(folded[code], own=code == language)
        ]
        filler = self._lists[language].ignored if language in self._lists else frozenset()
        content_words = [word for word in folded.get(language, written) if word not in filler]
        return decide(
            text,
            found,
            words=len(written),
            content_words=len(content_words),
            context=context,
            paper_services=self._paper_services,
            paper_intents=self._paper_intents,
        )

    @cached_property
    def _lists(self) -> dict[str, _Lists]:
        return {
            code: _Lists(
                code,
                list(_phrases(self._content, code)),
                frozenset(fold(word, code) for word in self._content.triggers.ignore.get(code, ())),
            )
            for code in self._content.city.languages
        }


def _phrases(content: CityContent, language: str) -> Iterator[Phrase]:
    triggers = content.triggers
    for service in content.services.values():
        named = (service.term, *_both(service.names[language]), *service.synonyms.get(language, ()))
        yield from _labelled(named, ("service", service.id))
    for paper in content.documents.values():
        named = (paper.term, *_both(paper.names[language]), *paper.synonyms.get(language, ()))
        yield from _labelled(named, ("document", paper.id))
    for topic in content.faq.values():
        named = (*_both(topic.title[language]), *topic.triggers.get(language, ()))
        yield from _labelled(named, ("intent", topic.intent))
    for kind, table in (
        ("intent", triggers.intents),
        ("aspect", triggers.aspects),
        ("language", triggers.languages),
    ):
        for name, by_language in table.items():
            yield from _labelled(by_language.get(language, ()), (kind, name))


def _both(name: str) -> tuple[str, ...]:
    """A name as a whole, and without the German term in brackets behind it."""
    return (name, name.partition("(")[0])


def _labelled(texts: Iterable[str], label: Label) -> Iterator[Phrase]:
    return (Phrase(text, label) for text in dict.fromkeys(texts) if split(text))
