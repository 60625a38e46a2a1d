"""From a message to what is to be answered: its questions one by one, and what it corrects of the one before."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dialogue.choices import begun, fold
from dialogue.keyboard import retyped
from dialogue.questions import clauses_of, parts_of
from dialogue.state import State
from foundation.content_models import CityContent
from nlu.service import NluService
from nlu.understanding import ABOUT_SERVICES, CLEAR, Understanding
from nlu.words import split

ANSWERS = frozenset({"service_info", "my_appointments", "payment_status", "send_document"})
"""With the topics: what is answered at once and asks nothing back."""
DEEDS = frozenset(
    {
        *("book_appointment", "start_form", "human_handoff", "leave_message", "arrival_plan", "no_slots"),
        *("running_late", "reschedule_appointment", "cancel_appointment", "stop_reminders", "complaint"),
    }
)
"""What may stand beside a question; it is done last, since it asks back."""
ALONE = frozenset({"emergency", "complaint", "delete_my_data", "cancel_appointment", "choose_language"})
"""What is heard before everything else in a message, which is then not looked at in parts."""
SURE = 0.5
"""From here on a part of a message counts as a question of its own."""
LITERAL, LIKELY, LEAST = 0.9, 0.6, 0.25
_A_FEW_WORDS, _IDEOGRAMS = 8, "\u2e80"
_WHOLE_WORDS = 2
_VAGUE = ("service_info", "deny", "affirm", "out_of_scope")
_NO_QUESTION = (None, "overview", "documents")
"""Aspects that the word lists find where only a name stands: a passport is a paper, too."""


@dataclass(frozen=True)
class Reading:
    """`meant`: the questions of a message in the order to answer them, at least one. `language`: the one it shows.

    `retyped` is what the message says if the keyboard was set to another alphabet.
    """

    meant: tuple[Understanding, ...]
    language: str | None = None
    retyped: str | None = None


@dataclass(frozen=True)
class Reader:
    """Reads by the house's understanding."""

    nlu: NluService
    content: CityContent

    async def read(self, text: str, language: str, state: State) -> Reading:
        """`language` is that of the conversation. The parser is asked once, then once for all pieces together."""
        whole = await self.nlu.understand(text, language, _about(state.service))
        spoken = whole.language or language
        if typed := self._other_keyboard(text, whole, language):
            return Reading((typed,), None, typed.text)
        if state.expects is not None or (whole.intent in ALONE and not whole.fallback):
            return Reading((whole,), whole.language)
        questions = await self._questions_of(text, whole, spoken, state)
        if questions:
            return Reading(_beside(questions, whole), whole.language)
        return Reading((await self._corrected(text, whole, spoken, state),), whole.language)

    async def _questions_of(
        self, text: str, whole: Understanding, language: str, state: State
    ) -> tuple[Understanding, ...]:
        """Several questions, or those that are clear in a message that is not; none: it is to be read as a whole."""
        joins = self.content.triggers.joins.get(language, ())
        parts, clauses = parts_of(text, joins), clauses_of(text, joins)
        pieces = await self._understood(dict.fromkeys((*parts, *clauses)), language, whole)
        named = whole.service if whole.intent in ABOUT_SERVICES and not whole.fallback else None
        heard = self._questions([pieces[one] for one in parts], language, state, named)
        smallest = self._questions([pieces[one] for one in clauses], language, state)
        found, told = _in_order(_agreed(heard, whole)), _asked(_in_order(smallest))
        unclear = whole.fallback or whole.confidence < CLEAR
        if emergency := _emergency((*heard, *smallest), unclear=unclear):
            return (emergency, *(one for one in found if one.intent != "emergency"))
        if _all_clear(told) and len(told) >= len(found) and not _has_deed((*found, whole)):
            return told
        if len(found) > 1 and not _names_nothing(found):
            return found
        lost = whole.fallback and whole.intent in ABOUT_SERVICES
        clear = all(one.confidence >= CLEAR for one in told) and any(one.service for one in told)
        return told if lost and clear else ()

    async def _understood(
        self, pieces: Iterable[str], language: str, whole: Understanding
    ) -> dict[str, Understanding]:
        """Pieces of one message, all asked at once; a greeting is known without being asked."""
        greetings = {fold(one) for one in self.content.triggers.intents["greet"].get(language, ())}
        asked = [one for one in pieces if fold(one) not in greetings]
        found = await asyncio.gather(*(self._ask(one, language, whole) for one in asked))
        return {one: Understanding(one) for one in pieces} | dict(zip(asked, found, strict=True))

    async def _ask(self, piece: str, language: str, whole: Understanding) -> Understanding:
        """Who has waited in vain for the model once does not wait for it again in the same message."""
        if whole.by_words:
            return self.nlu.rules.understand(piece, language, {})
        return await self.nlu.understand(piece, language, {})

    def _questions(
        self, pieces: Sequence[Understanding], language: str, state: State, named: str | None = None
    ) -> list[Understanding]:
        """The pieces that are questions of their own, as far as they are sure. `named`: the service of the whole."""
        about, found = None, list[Understanding]()
        for meant in filter(self._is_question, pieces):
            if meant.intent in ABOUT_SERVICES and not self._names(meant, language, named):
                meant = replace(meant, service=about or named or meant.service or state.service)
            about = meant.service or about
            found.append(meant)
        return found

    def _names(self, meant: Understanding, language: str, named: str | None) -> bool:
        """Whether a piece names its own service: as the whole does, or literally. Else the one before is meant."""
        if meant.service is None or named is None or meant.service == named:
            return meant.service is not None
        return self.nlu.rules.understand(meant.text, language, {}).service is not None

    def _is_question(self, meant: Understanding) -> bool:
        if meant.fallback or meant.intent is None or meant.confidence < SURE:
            return False
        return meant.intent in (*ANSWERS, *DEEDS, "emergency") or meant.intent in self.content.faq

    async def _corrected(self, text: str, whole: Understanding, language: str, state: State) -> Understanding:
        """ "No, I meant the passport", "and for the passport?": what was asked before, of the service named now."""
        if state.service is None or _words(text) > _A_FEW_WORDS or not self._may_correct(whole):
            return whole
        rest = self._after_no(text, language)
        meant = await self._named(rest, whole, language) if rest else self._named_only(text, whole, language)
        if meant is None or meant.service in (None, state.service):
            return whole
        if state.gate == state.service:
            if begun(text, state) and not corrects(self.content, text, language):
                return whole
            return replace(meant, intent="book_appointment", aspect=None, fallback=False)
        return replace(meant, intent="service_info", aspect=state.aspect or "overview", fallback=False)

    def _may_correct(self, whole: Understanding) -> bool:
        """Whether a message may be no more than a name; whatever it clearly asks for counts first."""
        if whole.intent in (*DEEDS, *ALONE):
            return False
        unclear = whole.fallback or whole.confidence < CLEAR
        return unclear or whole.intent in _VAGUE or whole.intent in self.content.faq

    async def _named(self, text: str, whole: Understanding, language: str) -> Understanding | None:
        """After a "no": the service that is named, as far as anything tells, whatever else may be meant."""
        known = self.nlu.rules.understand(text, language, {})
        if known.aspect not in _NO_QUESTION and whole.aspect == known.aspect:
            return None
        if known.service is not None and known.confidence >= LIKELY:
            return known
        if spelt := self._spelt(text, language):
            return replace(known, service=spelt)
        found = await self._ask(text, language, whole)
        meant, guessed = corrects(self.content, whole.text, language), found.intent not in ABOUT_SERVICES
        if (guessed or found.fallback) and not meant:
            return None
        likely = (one.service for one in found.alternatives if meant or one.confidence >= LEAST)
        first = next((one for one in (found.service, *likely) if one), None)
        return replace(found, service=first) if first else None

    def _spelt(self, text: str, language: str) -> str | None:
        """The service whose name stands in Chinese words, which no space divides; the longest name counts."""
        names = (
            (len(name), one.id)
            for one in self.content.services.values()
            for name in (one.names.get(language, ""), *one.synonyms.get(language, ()))
            if name and min(name) >= _IDEOGRAMS and name in text
        )
        return max(names, default=(0, None))[1]

    def _named_only(self, text: str, whole: Understanding, language: str) -> Understanding | None:
        """The reading of a message that names a service and asks nothing of it; None for any other."""
        known = self.nlu.rules.understand(text, language, {})
        if known.intent not in (None, "service_info") or known.aspect not in (None, "overview"):
            return None
        if known.service is not None and not known.fallback and known.confidence >= LITERAL:
            return known
        sure = whole.intent == "service_info" and whole.aspect == "overview" and not whole.fallback
        return whole if sure else None

    def _after_no(self, text: str, language: str) -> str | None:
        """What follows a "no" at the beginning, None where there is none, or nothing follows."""
        no = {fold(one) for one in self.content.triggers.intents["deny"].get(language, ())}
        first, _, rest = text.strip().partition(" ") if " " in text.strip() else _at_comma(text)
        return rest.strip() or None if fold(first) in no else None

    def _other_keyboard(self, text: str, whole: Understanding, language: str) -> Understanding | None:
        """What the keys say in another alphabet, if the words as they stand say nothing and those do."""
        foreign = whole.language is None or whole.language != language or whole.fallback
        if (
            not foreign
            or _words(text) < _WHOLE_WORDS
            or not self._says_nothing(text, whole.language or language)
        ):
            return None
        readings = (
            self.nlu.rules.understand(typed, code, {})
            for code, typed in retyped(text)
            if code in self.content.city.languages
        )
        likely = [one for one in readings if not one.fallback and one.confidence >= LIKELY]
        best = max(likely, key=_tells, default=None)
        return replace(best, fallback=True) if best else None

    def _says_nothing(self, text: str, language: str) -> bool:
        found = self.nlu.rules.understand(text, language, {})
        return found.fallback and found.intent is None


def corrects(content: CityContent, text: str, language: str) -> bool:
    """Whether somebody says that something else was meant."""
    said = f" {fold(text)}"
    words = content.triggers.corrections.get(language, ())
    return any((word if word[0] >= _IDEOGRAMS else f" {fold(word)}") in said for word in words)


def _beside(questions: tuple[Understanding, ...], whole: Understanding) -> tuple[Understanding, ...]:
    """The questions, the last of them with the services that the whole may mean instead.

    "I need two passports. What does the second cost?": no piece alone says enough.
    """
    *before, last = questions
    same = last.service == whole.service and not whole.fallback
    answered = {one.service for one in questions}
    instead = (one for one in (same and whole.beside) or last.beside if one not in answered)
    return (*before, replace(last, beside=tuple(instead)))


def _agreed(found: list[Understanding], whole: Understanding) -> list[Understanding]:
    """The parts, where the whole clearly asks what none of them does: that in place of the least sure one."""
    unsure = min(found, key=lambda one: one.confidence, default=None)
    if unsure is None or len(found) < 2 or whole.intent != "service_info" or whole.fallback:
        return found
    if whole.confidence < CLEAR or unsure.confidence >= CLEAR or any(_same(one, whole) for one in found):
        return found
    return [whole if one is unsure else one for one in found]


def _emergency(pieces: Iterable[Understanding], *, unclear: bool) -> Understanding | None:
    """The emergency that a piece tells of; beside a message that is clear about something else it must be clear, too."""
    least = SURE if unclear else CLEAR
    return next((one for one in pieces if one.intent == "emergency" and one.confidence >= least), None)


def _has_deed(found: Iterable[Understanding]) -> bool:
    return any(one.intent in DEEDS and not one.fallback for one in found)


def _names_nothing(found: Sequence[Understanding]) -> bool:
    """Two questions about no service would be asked back twice."""
    return all(one.intent in ABOUT_SERVICES and one.service is None for one in found)


def _all_clear(told: Sequence[Understanding]) -> bool:
    """Whether these are different clear questions about one service."""
    one_service = len({one.service for one in told}) == 1 and told[0].service is not None
    clear = all(one.confidence >= CLEAR and one.intent == "service_info" for one in told)
    return len(told) > 1 and one_service and clear


def _asked(found: Sequence[Understanding]) -> tuple[Understanding, ...]:
    """Without what only leads up to a question: "I have moved, what do I bring?" asks for papers alone."""
    asked = {one.service for one in found if one.aspect not in (None, "overview")}
    return tuple(one for one in found if one.aspect != "overview" or one.service not in asked)


def _in_order(found: Sequence[Understanding]) -> tuple[Understanding, ...]:
    """Each question once; what has to be done comes last, and only one such thing."""
    once = [one for at, one in enumerate(found) if not any(_same(one, before) for before in found[:at])]
    deeds = [one for one in once if one.intent in DEEDS]
    return (*(one for one in once if one.intent not in DEEDS), *deeds[:1])


def _same(one: Understanding, other: Understanding) -> bool:
    return (one.intent, one.service, one.aspect) == (other.intent, other.service, other.aspect)


def _at_comma(text: str) -> tuple[str, str, str]:
    """Chinese has no spaces, but a comma after "no"."""
    return text.strip().partition("，")


def _tells(found: Understanding) -> tuple[bool, bool, float]:
    """The more a reading names, the likelier it is what was typed."""
    return found.service is not None, found.aspect not in (None, "overview"), found.confidence


def _about(service: str | None) -> Mapping[str, str]:
    return {"service": service} if service else {}


def _words(text: str) -> int:
    """In Chinese a word has about two signs."""
    return len(split(text)) + sum(letter >= _IDEOGRAMS for letter in text) // 2
