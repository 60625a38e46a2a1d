"""From a message to what is to be answered: its questions one by one, and what it corrects of the one before."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dialogue.choices import fold
from dialogue.keyboard import retyped
from dialogue.questions import parts_of
from dialogue.state import State
from foundation.content_models import CityContent
from nlu.service import NluService
from nlu.understanding import Understanding
from nlu.words import split

ABOUT_SERVICES = ("service_info", "book_appointment", "start_form")
ANSWERS = frozenset({"service_info", "my_appointments", "payment_status", "send_document"})
"""With the topics: what is answered at once and asks nothing back."""
DEEDS = frozenset({"book_appointment", "start_form", "human_handoff", "leave_message"})
"""What may stand beside a question; it is done last, since it asks back."""
ALONE = frozenset({"emergency", "complaint", "delete_my_data", "cancel_appointment", "choose_language"})
"""What is heard before everything else in a message, which is then not looked at in parts."""
SURE = 0.5
"""From here on a part of a message counts as a question of its own."""
LITERAL, LIKELY = 0.9, 0.6
_A_FEW_WORDS, _IDEOGRAMS = 8, "\u2e80"
_WHOLE_WORDS = 2


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
        """`language` is that of the conversation. The parser is asked once, and once for each part if there are some."""
        whole = await self.nlu.understand(text, language, _about(state.service))
        spoken = whole.language or language
        if typed := self._other_keyboard(text, whole, language):
            return Reading((typed,), None, typed.text)
        if state.expects is not None or whole.intent in ALONE:
            return Reading((whole,), whole.language)
        questions = await self._questions(text, whole, spoken, state)
        if len(questions) > 1:
            return Reading(questions, whole.language)
        return Reading((self._corrected(text, whole, spoken, state),), whole.language)

    async def _questions(
        self, text: str, whole: Understanding, language: str, state: State
    ) -> tuple[Understanding, ...]:
        """The parts that are questions of their own, if they are sure and differ; what has to be done comes last."""
        about = whole.service if whole.intent in ABOUT_SERVICES and whole.service else state.service
        found: dict[tuple[str | None, ...], Understanding] = {}
        for part in parts_of(text, self.content.triggers.joins.get(language, ())):
            meant = await self.nlu.understand(part, language, _about(about))
            if meant.intent == "emergency" and not meant.fallback:
                return (meant,)
            if not self._is_question(meant):
                continue
            about = meant.service or about
            found.setdefault((meant.intent, meant.service, meant.aspect), meant)
        deeds = [one for one in found.values() if one.intent in DEEDS]
        return (*(one for one in found.values() if one not in deeds), *deeds[:1])

    def _is_question(self, meant: Understanding) -> bool:
        if meant.fallback or meant.intent is None or meant.confidence < SURE:
            return False
        return meant.intent in ANSWERS or meant.intent in DEEDS or meant.intent in self.content.faq

    def _corrected(self, text: str, whole: Understanding, language: str, state: State) -> Understanding:
        """ "No, I meant the passport", "and for the passport?": what was asked before, of the service named now."""
        if state.service is None or _words(text) > _A_FEW_WORDS or whole.intent in DEEDS:
            return whole
        named = self.nlu.rules.understand(text, language, {})
        if named.intent not in (None, "service_info", "deny") or named.aspect not in (None, "overview"):
            return whole
        clear = named.service is not None and not named.fallback and named.confidence >= LITERAL
        meant = named if clear else whole if self._only_names(whole, text, language) else None
        if meant is None or meant.service in (None, state.service):
            return whole
        if state.gate is not None:
            return replace(meant, intent="book_appointment", aspect=None)
        return replace(meant, intent="service_info", aspect=state.aspect or "overview")

    def _only_names(self, whole: Understanding, text: str, language: str) -> bool:
        """Whether a service is named and nothing asked of it, as far as the parser can tell."""
        if whole.intent != "service_info" or whole.fallback:
            return False
        return whole.aspect == "overview" or self._begins_with_no(text, language)

    def _begins_with_no(self, text: str, language: str) -> bool:
        said = f"{fold(text)} "
        return any(
            said.startswith(f"{fold(no)} ") for no in self.content.triggers.intents["deny"].get(language, ())
        )

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


def _tells(found: Understanding) -> tuple[bool, bool, float]:
    """The more a reading names, the likelier it is what was typed."""
    return found.service is not None, found.aspect not in (None, "overview"), found.confidence


def _about(service: str | None) -> Mapping[str, str]:
    return {"service": service} if service else {}


def _words(text: str) -> int:
    """In Chinese a word has about two signs."""
    return len(split(text)) + sum(letter >= _IDEOGRAMS for letter in text) // 2
