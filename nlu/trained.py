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

UNSURE = 0.25
"""Below it we ask back: the model's share of the intent, and of the service where one is spoken of."""
DOUBT = 0.3
"""From this share of "out of scope" on we ask back, whatever else is likelier."""
EXACT = 0.9
NEARNESS = 2.0
"""How much the nearest texts of a service count beside the model's share of it."""
IMPORTED = 0.3
"""So near (cosine) the nearest service must lie if the model never learned it."""
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
    first, exact = answer.intents[0], not literal.fallback and literal.confidence >= EXACT
    if exact and (literal.intent in _LITERAL or first.confidence < UNSURE):
        return replace(literal, language=answer.language)
    agreed = exact and literal.intent == first.name
    confidence = (1 + first.confidence) / 2 if agreed else first.confidence
    service = _service(answer, literal, context, near) if first.name in ABOUT_SERVICES else Ranked(NONE, 1.0)
    named = None if service.name == NONE else service.name
    return Understanding(
        text,
        language=answer.language,
        intent=first.name,
        service=named,
        aspect=_aspect(answer, literal) if first.name == "service_info" else None,
        confidence=round(confidence, 4),
        alternatives=_alternatives(answer, named, context, near),
        fallback=_ask_back(answer, min(confidence, service.confidence), sure=agreed),
        choice=literal.choice if literal.intent == first.name else None,
    )


def _ask_back(answer: Answer, confidence: float, *, sure: bool) -> bool:
    strange = next((one.confidence for one in answer.intents if one.name == "out_of_scope"), 0.0)
    if answer.intents[0].name == "out_of_scope":
        return True
    return not sure and (strange > DOUBT or confidence < UNSURE)


def _service(
    answer: Answer, literal: Understanding, context: Mapping[str, str], near: Sequence[Ranked]
) -> Ranked:
    """The service that the model and the nearest texts agree on best, and how sure the model is of it.

    The one spoken of where the message names none; the nearest texts' word on services that the model did not learn.
    """
    learned = {one.name: one.confidence for one in answer.services}
    likeliest = answer.services[0].name if answer.services else NONE
    if near and near[0].name not in learned and near[0].confidence > IMPORTED:
        return Ranked(near[0].name, 1.0)
    if likeliest == NONE:
        return Ranked(_named(literal) or context.get("service") or NONE, 1.0)
    cosines = {one.name: one.confidence for one in near}
    together = {
        name: share + NEARNESS * cosines.get(name, 0.0) for name, share in learned.items() if name != NONE
    }
    best = max(together, key=lambda name: together[name])
    return Ranked(best, learned[best])


def _named(literal: Understanding) -> str | None:
    """The service whose name stands in the message."""
    return literal.service if literal.intent in ABOUT_SERVICES and literal.confidence >= EXACT else None


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
        other = service or _service(answer, _NOTHING, context, near).name
        named = other if about and other != NONE else None
        aspect = answer.aspects[0].name if answer.aspects and one.name == "service_info" else None
        found.append(Alternative(one.name, named, aspect, round(one.confidence, 4)))
    return tuple(sorted(found, key=lambda one: -one.confidence)[:_ALTERNATIVES])


_NOTHING = Understanding("")


def _hint(text: str, language: str) -> str | None:
    """The language to read a message in: a short one in that of the conversation, a long one as it shows itself."""
    return language if len(text.split()) < _MANY_WORDS else None
