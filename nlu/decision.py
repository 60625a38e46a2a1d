"""From phrases found in a message to one reading of it: which phrase counts, and what they mean together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from nlu.understanding import TOPIC, Alternative, Understanding

_FIRST = (
    "emergency",
    "bot_challenge",
    "human_handoff",
    "complaint",
    "delete_my_data",
    "leave_message",
    "running_late",
    "reschedule_appointment",
    "cancel_appointment",
    "my_appointments",
)
"""Heard whatever else is said, in this order."""

_LAST = ("restart", "help", "thanks", "goodbye", "greet")
"""Heard when nothing else is said."""

_SHORT = ("affirm", "deny")
"""Heard only when it is all that is said."""

_WEAK_TOPICS = frozenset({"faq_how_it_works", "faq_landlord_confirmation", "faq_device", "faq_time_zone"})
"""Topics that give way to a service named in the same message."""

_HOUSE = frozenset({"payment_status", "send_document", "stop_reminders", "no_slots", "arrival_plan"})
"""What is asked of the house itself; read like a topic."""

_ERRANDS = ("service", "intent")
_UNSURE = 0.6


@dataclass(frozen=True)
class Match:
    """A phrase found: words `start` … `end` of the message, how many of its own words and letters it has."""

    kind: str
    name: str
    start: int
    end: int
    words: int
    letters: int
    confidence: float
    loose: bool = False

    def sure(self, confidence: float) -> Self:
        return replace(self, confidence=confidence)

    @property
    def strength(self) -> tuple[int, int, float]:
        """Longer is more telling; among equals the surer one."""
        return (self.words, self.letters, self.confidence)

    def overlaps(self, other: "Match") -> bool:
        return self.start < other.end and other.start < self.end


def decide(
    text: str,
    found: Sequence[Match],
    *,
    words: int,
    content_words: int,
    context: Mapping[str, str],
    paper_services: Collection[str | None],
    paper_intents: Mapping[str, str],
) -> Understanding:
    """The reading of a message; `fallback` if there is none or more than one."""
    by_kind = _Found(_longest(found))
    if text.strip().isdecimal():
        return Understanding(text, choice=str(int(text.strip())))
    intents = by_kind.best("intent")
    for name in _FIRST:
        if name in intents:
            return _plain(text, intents[name], by_kind)
    services = by_kind.best("service")
    if len(services) > 1:
        others = {name: match for name, match in services.items() if name not in paper_services}
        services, named_paper = (others, len(others) < len(services)) if others else (services, False)
    else:
        named_paper = False
    languages = by_kind.best("language")
    if "choose_language" in intents or (languages and not services and content_words <= 3):
        wanted = next(iter(languages), None)
        sure = max(match.confidence for match in (*languages.values(), *intents.values()))
        return Understanding(text, intent="choose_language", confidence=sure, fallback=False, choice=wanted)
    topic = _topic(intents, services)
    if topic:
        return _plain(text, topic, by_kind)
    aspects = by_kind.best("aspect")
    papers = _papers(by_kind, services)
    aspect = next(iter(aspects), "documents" if papers or named_paper else None)
    if len(services) > 1 and not _one_is_stronger(services):
        return Understanding(
            text,
            intent="service_info",
            aspect=aspect,
            confidence=_UNSURE / 2,
            alternatives=_alternatives(services, aspect),
        )
    if "start_form" in intents:
        return _about(text, "start_form", services, None, intents["start_form"].confidence)
    if "book_appointment" in intents and not (aspects and services):
        return _about(text, "book_appointment", services, None, intents["book_appointment"].confidence)
    if services:
        return _about(text, "service_info", services, aspect or "overview", 1.0)
    if papers and not aspects:
        return _paper(text, papers, context, paper_intents)
    if aspects or papers:
        sure = next(iter((*aspects.values(), *papers.values()))).confidence
        return Understanding(
            text,
            intent="service_info",
            service=context.get("service"),
            aspect=aspect,
            confidence=sure if context.get("service") else _UNSURE,
            fallback=False,
        )
    for name in _LAST:
        if name in intents:
            return _plain(text, intents[name], by_kind)
    for name in _SHORT:
        if name in intents and (content_words <= 2 or intents[name].words == words):
            return _plain(text, intents[name], by_kind)
    return Understanding(text)


class _Found:
    """Matches by kind; for each name the strongest, strongest first."""

    def __init__(self, matches: Sequence[Match]) -> None:
        self._matches = sorted(matches, key=lambda match: match.strength, reverse=True)

    def best(self, kind: str) -> dict[str, Match]:
        first: dict[str, Match] = {}
        for match in self._matches:
            if match.kind == kind:
                first.setdefault(match.name, match)
        return first


def _longest(found: Sequence[Match]) -> list[Match]:
    """Drop phrases inside longer ones. Phrases over the very same words stay side by side.

    A loosely found phrase only counts if it has more words than any other that names a service or an intent.
    """
    strict = _without_overlaps([match for match in found if not match.loose])
    telling = [
        match.words for match in strict if match.kind in _ERRANDS and match.name not in (*_LAST, *_SHORT)
    ]
    loose = _without_overlaps([match for match in found if match.loose and match.kind in _ERRANDS])[:1]
    if not loose or loose[0].words <= max(telling, default=0):
        return strict
    return [*loose, *(match for match in strict if match.kind == "aspect" or not match.overlaps(loose[0]))]


def _without_overlaps(found: Sequence[Match]) -> list[Match]:
    kept: list[Match] = []
    for match in sorted(found, key=lambda one: one.strength, reverse=True):
        same = [one for one in kept if (one.start, one.end) == (match.start, match.end)]
        if same or not any(match.overlaps(one) for one in kept):
            kept.append(match)
    return kept


def _papers(found: _Found, services: Mapping[str, Match]) -> dict[str, Match]:
    """Papers named beside a service; words that name the service itself are no paper."""
    own = [(match.start, match.end) for match in services.values()]
    return {
        name: match for name, match in found.best("document").items() if (match.start, match.end) not in own
    }


def _topic(intents: Mapping[str, Match], services: Mapping[str, Match]) -> Match | None:
    topics = [match for name, match in intents.items() if name.startswith(TOPIC) or name in _HOUSE]
    if not topics:
        return None
    if not services:
        return topics[0]
    strongest = max(match.words for match in services.values())
    return next((one for one in topics if one.name not in _WEAK_TOPICS and one.words > strongest), None)


def _one_is_stronger(services: Mapping[str, Match]) -> bool:
    first, second, *_ = services.values()
    return first.words > second.words or (first.confidence > second.confidence and first.overlaps(second))


def _plain(text: str, match: Match, found: _Found) -> Understanding:
    services = found.best("service")
    service = next(iter(services)) if len(services) == 1 else None
    return Understanding(
        text, intent=match.name, service=service, confidence=match.confidence, fallback=False
    )


def _about(
    text: str, intent: str, services: Mapping[str, Match], aspect: str | None, confidence: float
) -> Understanding:
    service, match = next(iter(services.items()), (None, None))
    return Understanding(
        text,
        intent=intent,
        service=service,
        aspect=aspect,
        confidence=min(confidence, match.confidence) if match else confidence,
        alternatives=_alternatives({name: one for name, one in services.items() if name != service}, aspect),
        fallback=False,
    )


def _paper(
    text: str, papers: Mapping[str, Match], context: Mapping[str, str], paper_intents: Mapping[str, str]
) -> Understanding:
    name, match = next(iter(papers.items()))
    if name in paper_intents:
        return Understanding(text, intent=paper_intents[name], confidence=match.confidence, fallback=False)
    return Understanding(
        text,
        intent="service_info",
        service=context.get("service"),
        aspect="documents",
        confidence=match.confidence if context.get("service") else _UNSURE,
        fallback=False,
    )


def _alternatives(services: Mapping[str, Match], aspect: str | None) -> tuple[Alternative, ...]:
    return tuple(
        Alternative("service_info", name, aspect or "overview", match.confidence)
        for name, match in sorted(services.items(), key=lambda item: item[1].start)
    )
