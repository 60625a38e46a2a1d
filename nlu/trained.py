"""From Rasa's answer, the service index and the word lists to one understanding.

The word lists know the names exactly, the model knows what is meant: where the model is unsure and a name
stands there literally, the name counts; where both agree, the confidence rises.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from nlu.language import written_in_script_of
from nlu.rasa_client import AnnouncedEndpoint, Answer, Ranked, RasaClient
from nlu.retrieval import ServiceIndex
from nlu.rules import Rules
from nlu.understanding import ABOUT_SERVICES, TOPIC, Alternative, Understanding

logger = logging.getLogger(__name__)

NONE = "none"
"""What the model says where a message names no service."""

UNSURE, UNSURE_ABROAD = 0.2, 0.08
"""Below it we ask back: the chance that intent, service and aspect are all right, as the product of their shares.

In a language without examples all shares are smaller: by the same bar every fifth message would be asked back.
"""
WEAK = 0.25
"""So small a share of the model counts less than a word that stands there literally."""
SAID = 0.3
"""How much a word that stands there literally counts beside the model's share of what is asked about a service."""
DOUBT = 0.4
"""From this share of "out of scope" on we ask back, whatever else is likelier."""
EXACT = 0.9
NEARNESS = 3.0
"""How much the nearest texts of a service count beside the model's share of it."""
IMPORTED, NAMED = 0.5, 0.65
"""So near (cosine) a service must lie that the model never learned.

From the second on it counts before a topic, and where the model is sure that no service is named.
"""
MOSTLY = 0.5
"""From this share on the model is taken at its word that no service is named."""
BESIDE, MOST_BESIDE = 0.45, 2
"""So near such a service must lie, and nearer than all learned ones, to be offered beside the answer; and how many."""
IMPORTED_NEARNESS, STRANGENESS = 6.0, 1.5
"""How much its nearness, and the model's doubt, count for such a service against those that were learned."""
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
        bar = UNSURE if answer.language in self.rules.languages else UNSURE_ABROAD
        return combined(text, answer, literal, context, self.index.look(), bar)


def combined(
    text: str,
    answer: Answer,
    literal: Understanding,
    context: Mapping[str, str],
    index: ServiceIndex | None,
    bar: float = UNSURE,
) -> Understanding:
    """One reading from the model's `answer` and the word lists' `literal` one; less likely than `bar`, we ask back."""
    near = _Near.of(answer, literal, index.near(answer.vector) if index else ())
    answer = replace(answer, intents=near.revealed(answer.intents))
    first, exact = answer.intents[0], not literal.fallback and literal.confidence >= EXACT
    if exact and (literal.intent in _LITERAL or first.confidence < WEAK):
        return replace(literal, language=answer.language)
    agreed = exact and literal.intent == first.name
    confidence = (1 + first.confidence) / 2 if agreed else first.confidence
    service = _service(answer, literal, context, near) if first.name in ABOUT_SERVICES else Ranked(NONE, 1.0)
    asked = _aspect(answer, literal)
    aspect = asked if first.name == "service_info" else Ranked(NONE, 1.0)
    chance = confidence * service.confidence * aspect.confidence
    explained = near.unlearned is not None and first.name in ABOUT_SERVICES
    return Understanding(
        text,
        language=answer.language,
        intent=first.name,
        service=_or_none(service),
        aspect=_or_none(aspect),
        confidence=round(confidence, 4),
        alternatives=_alternatives(answer, service, asked, context, near),
        fallback=not (near.unlearned and first.name == "service_info")
        and (chance < bar or _is_strange(answer, known=agreed or explained)),
        choice=literal.choice if literal.intent == first.name else None,
        beside=near.beside(answer, service.name) if first.name == "service_info" else (),
    )


def _is_strange(answer: Answer, *, known: bool) -> bool:
    """Whether the office does not do this, or it looks so. `known`: the word lists say that it does."""
    return answer.intents[0].name == "out_of_scope" or (not known and _share(answer, "out_of_scope") > DOUBT)


def _or_none(one: Ranked) -> str | None:
    return None if one.name == NONE else one.name


@dataclass(frozen=True)
class _Near:
    """The services whose texts lie nearest; and the one that is meant though the model never learned it, if any."""

    services: Sequence[Ranked]
    unlearned: Ranked | None

    @classmethod
    def of(cls, answer: Answer, literal: Understanding, services: Sequence[Ranked]) -> Self:
        return cls(services, _unlearned(answer, literal, services))

    def revealed(self, intents: Sequence[Ranked]) -> tuple[Ranked, ...]:
        """The intents without what the model says only because it never learned the service.

        Of what no office does, nothing is left; a topic comes second: leaving the church, then church tax.
        """
        first = intents[0]
        topic = first.name.startswith(TOPIC)
        strange = first.name == "out_of_scope"
        if self.unlearned is None or not (strange or (topic and self.unlearned.confidence >= NAMED)):
            return tuple(intents)
        others = intents[1:] if strange else intents
        kept = (one for one in others if one.name != "service_info")
        return (Ranked("service_info", self.unlearned.confidence), *kept)

    def beside(self, answer: Answer, service: str) -> tuple[str, ...]:
        """The services that may be meant instead of `service`: the model never learned them, and they lie nearest."""
        learned = {one.name for one in answer.services}
        bar = max((one.confidence for one in self.services if one.name in learned), default=0.0)
        nearer = (one.name for one in self.services if one.confidence > max(bar, _least(answer)))
        return tuple(one for one in nearer if one != service)[:MOST_BESIDE]


def _least(answer: Answer) -> float:
    """How near a service must lie to be offered; a message that names none says too little for most."""
    return NAMED if _none_seen(answer, MOSTLY) else BESIDE


def _none_seen(answer: Answer, least: float = 0.0) -> bool:
    """Whether the model sees no service named rather than any, and is at least so sure of it."""
    first = next(iter(answer.services), Ranked(NONE, 0.0))
    return first.name == NONE and first.confidence >= least


def _service(answer: Answer, literal: Understanding, context: Mapping[str, str], near: _Near) -> Ranked:
    """The service that the model and the nearest texts agree on best, and how sure the model is of it.

    The one spoken of where the message names none; the nearest texts' word on services that the model did not learn.
    """
    if near.unlearned:
        return Ranked(near.unlearned.name, 1.0)
    if _none_seen(answer):
        if named := _named(literal):
            return Ranked(named, 1.0)
        sure = answer.services[0].confidence if answer.services else 1.0
        return Ranked(context.get("service") or NONE, sure)
    together = _together(answer, near.services, NEARNESS)
    best = max(together, key=lambda name: together[name])
    return next(one for one in answer.services if one.name == best)


def _together(answer: Answer, near: Sequence[Ranked], nearness: float) -> Mapping[str, float]:
    """How much speaks for each service that the model learned; its nearness counts `nearness` times."""
    cosines = {one.name: one.confidence for one in near}
    return {
        one.name: one.confidence + nearness * cosines.get(one.name, 0.0)
        for one in answer.services
        if one.name != NONE
    }


def _unlearned(answer: Answer, literal: Understanding, near: Sequence[Ranked]) -> Ranked | None:
    """The service that the model never learned and that is meant all the same, with its nearness (cosine).

    The model's doubt speaks for it: what it does not know seems strange to it, and like none of its services. Where
    the model sees no service named, a learned one's name that stands there literally decides; where it is sure of
    that, only a service counts whose own name stands there, or that lies very near.
    """
    learned = {one.name for one in answer.services}
    best = next((one for one in near if one.name not in learned), None)
    if best is None:
        return None
    named = _named(literal)
    if _none_seen(answer) and named in learned:
        return None
    if best.confidence < (NAMED if _none_seen(answer, MOSTLY) and named != best.name else IMPORTED):
        return None
    doubt = 1 - answer.services[0].confidence if answer.services else 1.0
    strange = _share(answer, "out_of_scope")
    known = max(_together(answer, near, IMPORTED_NEARNESS).values(), default=0.0)
    return best if STRANGENESS * (doubt + strange) + IMPORTED_NEARNESS * best.confidence > known else None


def _share(answer: Answer, intent: str) -> float:
    return next((one.confidence for one in answer.intents if one.name == intent), 0.0)


def _named(literal: Understanding) -> str | None:
    """The service whose name stands in the message."""
    return literal.service if literal.intent in ABOUT_SERVICES and literal.confidence >= EXACT else None


def _aspect(answer: Answer, literal: Understanding) -> Ranked:
    """What is asked about the service; a word for it may decide between readings that are nearly alike."""
    if not answer.aspects:
        return Ranked(literal.aspect or "overview", 1.0)
    # No word stands for "overview": the lists say it wherever they find nothing else.
    said = literal.aspect if literal.aspect != "overview" else None
    named = map(_named_aspect, answer.aspects)
    weighed = (replace(one, confidence=one.confidence + SAID * (one.name == said)) for one in named)
    best = max(weighed, key=lambda one: one.confidence)
    return replace(best, confidence=min(1.0, best.confidence))


def _named_aspect(one: Ranked) -> Ranked:
    """Who asks for nothing special about a service wants to know what it is."""
    return replace(one, name="overview") if one.name == NONE else one


def _alternatives(
    answer: Answer, service: Ranked, asked: Ranked, context: Mapping[str, str], near: _Near
) -> tuple[Alternative, ...]:
    """The next readings: another question about the service, other services of the same question, other intents."""
    first, found = answer.intents[0], list[Alternative]()
    if first.name == "service_info":
        others = [one for one in map(_named_aspect, answer.aspects) if one.name != asked.name][:1]
        found += [Alternative(first.name, _or_none(service), one.name, one.confidence) for one in others]
    if first.name in ABOUT_SERVICES:
        aspect = asked.name if first.name == "service_info" else None
        neighbours = [
            one for one in near.services or answer.services if one.name not in (service.name, NONE)
        ][:2]
        left = 1 - service.confidence
        found += [Alternative(first.name, one.name, aspect, left * one.confidence) for one in neighbours]
    for one in answer.intents[1:]:
        about = _about(one.name, answer, service, context, near)
        aspect = asked.name if one.name == "service_info" else None
        found.append(Alternative(one.name, about, aspect, one.confidence))
    likeliest = sorted(found, key=lambda one: -one.confidence)[:_ALTERNATIVES]
    return tuple(replace(one, confidence=round(one.confidence, 4)) for one in likeliest)


def _about(
    intent: str, answer: Answer, service: Ranked, context: Mapping[str, str], near: _Near
) -> str | None:
    if intent not in ABOUT_SERVICES:
        return None
    return _or_none(service) or _or_none(_service(answer, _NOTHING, context, near))


_NOTHING = Understanding("")


def _hint(text: str, language: str) -> str | None:
    """The language to read a message in: a short one in that of the conversation, a long one as it shows itself."""
    short = len(text.split()) < _MANY_WORDS
    return language if short and written_in_script_of(text, language) else None
