"""From Rasa's answer, the service index and the word lists to one understanding.

The word lists know the names exactly, the model knows what is meant: where the model is unsure and a name
stands there literally, the name counts; where both agree, the confidence rises.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from nlu.rasa_client import AnnouncedEndpoint, Answer, Ranked, RasaClient
from nlu.retrieval import ServiceIndex
from nlu.rules import Rules
from nlu.understanding import Alternative, Understanding

logger = logging.getLogger(__name__)

ABOUT_SERVICES = frozenset({"service_info", "book_appointment", "start_form"})
NONE = "none"
"""What the model says where a message names no service."""

UNSURE, SURE = 0.3, 0.55
"""Below the first we ask back; from the second on no name in a message can change the model's mind on the service."""
STRANGE = 0.3
"""A message whose nearest example or service is farther away than this cosine is like none that we know."""
EXACT = 0.9
NAMED, NEAR = 0.9, 0.4
"""An errand is named where the model is so sure of the service and the service's own texts lie so near (cosine)."""
TOPIC_SURE = 0.7
"""From here on a topic is meant although an errand is named ("does my power of attorney do for the passport?")."""
ALMOST = 0.05
"""A service whose name stands in the message may lie so much farther away (cosine) than the one the model chose."""
_TIMELY = frozenset({"arrival_plan"})
"""Known by words of time, which every errand has: always gives way to an errand that is named."""
_FOLLOW_UP, _SIGNS_A_WORD, _IDEOGRAMS = 6, 2, "\u2e80"
"""So many words, no service among them: "and what does it cost?" speaks of the service spoken of. Chinese, which has
no spaces, takes about two signs for a word."""
_LITERAL = frozenset({"emergency", "choose_language"})
"""Whenever the word lists find these literally they count: the one must not wait, the other names the language."""
_MANY_WORDS = 4
_ALTERNATIVES = 3


@dataclass
class IndexFile:
    """The service index that `foyer nlu serve` keeps up to date, read again when it changes."""

    path: Path
    _seen: float = 0.0
    _index: ServiceIndex | None = None

    def look(self) -> ServiceIndex | None:
        try:
            changed = self.path.stat().st_mtime
            if changed != self._seen:
                self._index, self._seen = ServiceIndex.load(self.path), changed
        except (OSError, ValueError, KeyError):
            return None
        return self._index


SERVER_FILE, INDEX_FILE = "server.json", "index.npz"
"""Where `foyer nlu serve` announces its server and keeps the service index, in its folder of the data directory."""


@dataclass(frozen=True)
class TrainedParser:
    """The `Parser` of a trained model."""

    client: RasaClient
    rules: Rules
    index: IndexFile

    @classmethod
    def announced(cls, folder: Path, rules: Rules, patience: float) -> Self:
        """The model that `foyer nlu serve` offers by the files of `folder`, whenever it does.

        `patience`: seconds after which a message is understood without it.
        """
        client = RasaClient(AnnouncedEndpoint(folder / SERVER_FILE), patience)
        return cls(client, rules, IndexFile(folder / INDEX_FILE))

    async def parse(self, text: str, language: str, context: Mapping[str, str]) -> Understanding | None:
        """None while Rasa is away, and for what is no sentence (numbers); the word lists answer then."""
        if not any(letter.isalpha() for letter in text):
            return None
        answer = await self.client.parse(text, _hint(text, language))
        if answer is None:
            return None
        literal = self.rules.understand(text, language, context)
        return combined(text, answer, literal, context, self.index.look())


def combined(
    text: str, answer: Answer, literal: Understanding, context: Mapping[str, str], index: ServiceIndex | None
) -> Understanding:
    """One reading from the model's `answer` and the word lists' `literal` one."""
    near = index.near(answer.vector) if index else ()
    answer = _errand_before_topic(answer, near)
    first, exact = answer.intents[0], not literal.fallback and literal.confidence >= EXACT
    if exact and (literal.intent in _LITERAL or first.confidence < UNSURE):
        return replace(literal, language=answer.language)
    agreed = exact and literal.intent == first.name
    confidence = (1 + first.confidence) / 2 if agreed else first.confidence
    about = first.name in ABOUT_SERVICES
    service = _service(answer, literal, context, near) if about else None
    nearest = near[0].confidence if about and near else answer.similarity
    return Understanding(
        text,
        language=answer.language,
        intent=first.name,
        service=service,
        aspect=_aspect(answer, literal) if first.name == "service_info" else None,
        confidence=round(confidence, 4),
        alternatives=_alternatives(answer, service, context, near),
        fallback=_ask_back(first.name, confidence, max(answer.similarity, nearest), exact),
        choice=literal.choice if literal.intent == first.name else None,
    )


def _errand_before_topic(answer: Answer, near: Sequence[Ranked]) -> Answer:
    """The answer, read as a question about a service where it was taken for a topic and yet names an errand."""
    first = answer.intents[0]
    gives_way = first.name in _TIMELY or (first.name.startswith("faq_") and first.confidence < TOPIC_SURE)
    if not (gives_way and answer.services and near):
        return answer
    service, nearest = answer.services[0], near[0]
    if service.name != nearest.name or service.confidence < NAMED or nearest.confidence < NEAR:
        return answer
    others = tuple(one for one in answer.intents[1:] if one.name != "service_info")
    return replace(answer, intents=(Ranked("service_info", first.confidence), *others))


def _ask_back(intent: str, confidence: float, similarity: float, exact: bool) -> bool:
    if intent == "out_of_scope" or confidence < UNSURE:
        return True
    return similarity < STRANGE and not exact


def _service(
    answer: Answer, literal: Understanding, context: Mapping[str, str], near: Sequence[Ranked]
) -> str | None:
    """The model's word on services it learned; the nearest texts' word on those it did not."""
    trained = {one.name for one in answer.services}
    first = answer.services[0] if answer.services else Ranked(NONE, 0.0)
    spoken_of = context.get("service")
    named = literal.service if literal.intent in ABOUT_SERVICES and literal.confidence >= EXACT else None
    if spoken_of and named in (None, spoken_of) and _words(literal.text) <= _FOLLOW_UP:
        return spoken_of
    if named and named != spoken_of:
        cosines = {one.name: one.confidence for one in near}
        almost = first.name != named and cosines.get(named, 0.0) >= cosines.get(first.name, 0.0) - ALMOST
        if first.confidence < SURE or almost:
            return named
    imported = next((one for one in near if one.name not in trained), None)
    if imported is not None and imported.name == near[0].name and imported.confidence > UNSURE:
        return imported.name
    known = {one.name for one in near}
    if first.name == NONE or (known and first.name not in known):
        return spoken_of or (None if first.name == NONE or not near else near[0].name)
    return first.name


def _words(text: str) -> int:
    signs = sum(letter >= _IDEOGRAMS for letter in text)
    return len(text.split()) + signs // _SIGNS_A_WORD


def _aspect(answer: Answer, literal: Understanding) -> str:
    if not answer.aspects:
        return literal.aspect or "overview"
    first = answer.aspects[0]
    if first.confidence < UNSURE and literal.aspect and literal.confidence >= EXACT:
        return literal.aspect
    return first.name if first.name != NONE else "overview"


def _alternatives(
    answer: Answer, service: str | None, context: Mapping[str, str], near: Sequence[Ranked]
) -> tuple[Alternative, ...]:
    """The next readings: other services of the same question, and other intents."""
    first = answer.intents[0]
    found: list[Alternative] = []
    if first.name in ABOUT_SERVICES:
        others = [one for one in near or answer.services if one.name not in (service, NONE)][:2]
        aspect = answer.aspects[0].name if answer.aspects and first.name == "service_info" else None
        found += [Alternative(first.name, one.name, aspect, round(one.confidence, 4)) for one in others]
    for one in answer.intents[1:]:
        about = one.name in ABOUT_SERVICES
        named = (service or _service(answer, _NOTHING, context, near)) if about else None
        aspect = answer.aspects[0].name if answer.aspects and one.name == "service_info" else None
        found.append(Alternative(one.name, named, aspect, round(one.confidence, 4)))
    return tuple(sorted(found, key=lambda one: -one.confidence)[:_ALTERNATIVES])


_NOTHING = Understanding("")


def _hint(text: str, language: str) -> str | None:
    """The language to read a message in: a short one in that of the conversation, a long one as it shows itself."""
    return language if len(text.split()) < _MANY_WORDS else None
