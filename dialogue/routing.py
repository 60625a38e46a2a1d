"""Which skill answers: read from top to bottom, the first row that fits has the turn."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dialogue import unfinished
from dialogue.context import Context, Heard
from dialogue.skills import arrival, booking, faq, gate, handoff, join, payment, talk, visit
from nlu.understanding import CLEAR

Skill = Callable[[Context, Heard], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """A skill and what leads to it. A choice leads there always, an expected answer before a guessed intent."""

    skill: Skill
    choices: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    expects: tuple[str, ...] = ()


ROUTES = (
    Route(talk.emergency, intents=("emergency",)),
    Route(unfinished.resume, choices=("resume",)),
    Route(talk.menu, choices=("menu",), intents=("greet", "help", "restart")),
    Route(talk.language, choices=("language",), intents=("choose_language",)),
    Route(handoff.person, choices=("person",), intents=("human_handoff",)),
    Route(handoff.complain, intents=("complaint",)),
    Route(handoff.arrive, choices=("here",)),
    Route(handoff.leave, choices=("leave",)),
    Route(handoff.write, choices=("write",), intents=("leave_message",), expects=("question",)),
    Route(booking.appointments, choices=("appointments",), intents=("my_appointments",)),
    Route(booking.change, choices=("change",), intents=("reschedule_appointment",)),
    Route(booking.cancel, choices=("cancel",), intents=("cancel_appointment",)),
    Route(payment.status, choices=("fee",), intents=("payment_status",)),
    Route(visit.days, choices=("days",), intents=("no_slots",)),
    Route(visit.late, intents=("running_late",)),
    Route(visit.stop_reminders, choices=("reminders",), intents=("stop_reminders",)),
    Route(arrival.talk, choices=("arrival",), intents=("arrival_plan",), expects=arrival.EXPECTS),
    Route(visit.send_document, choices=("file",), intents=("send_document",)),
    Route(booking.place, choices=("zone",), expects=("place",)),
    Route(booking.slot, choices=("slot", "slots")),
    Route(booking.mail, choices=("mail",), expects=("mail",)),
    Route(booking.confirm, choices=("confirm",)),
    Route(gate.answer, choices=("gate",)),
    Route(gate.checklist, choices=("ready", "missing")),
    Route(gate.start, choices=("book",), intents=("book_appointment",)),
    Route(faq.services, choices=("services",)),
    Route(faq.service, choices=("service", "aspect"), intents=("service_info",)),
    Route(faq.form, choices=("form",), intents=("start_form",)),
    Route(faq.topic, choices=("topic",)),
    Route(join.offer, choices=("telegram",)),
    Route(join.ask, choices=("join",)),
    Route(join.accept, choices=("accept",)),
    Route(talk.delete, choices=("delete",), intents=("delete_my_data",)),
    Route(talk.polite, intents=("goodbye", "thanks", "bot_challenge")),
    Route(talk.yes_or_no, intents=("affirm", "deny")),
    Route(talk.out_of_scope, intents=("out_of_scope",)),
)
INTERRUPTS = frozenset(
    {
        "emergency",
        "human_handoff",
        "restart",
        "help",
        "choose_language",
        "cancel_appointment",
        "delete_my_data",
        "stop_reminders",
    }
)
"""Intents that are heard even while another answer is awaited."""


ASKING_BACK = frozenset({talk.not_understood, talk.out_of_scope, talk.insulted})
"""Skills that offer what may be wanted instead."""
MISSES = ASKING_BACK | {talk.no_words}
"""Skills after which somebody may need a person; every other one shows that they were understood."""
ASIDES = MISSES | {faq.service, faq.topic, payment.status, visit.send_document, talk.polite, talk.yes_or_no}
"""Skills after which that goes on which was under way."""


def _interrupts(intent: str | None, heard: Heard) -> bool:
    """A country or a city is easily misread as the name of a language: that has to be written clearly."""
    return intent in INTERRUPTS and (intent != "choose_language" or heard.meant.confidence >= CLEAR)


_VAGUE = (None, "out_of_scope", "complaint", "bot_challenge", "deny", "goodbye", "faq_how_it_works")
"""Intents that an insult may be taken for; "nothing works here" is no question how it works."""
_QUESTIONS = ("service_info", "thanks", "bot_challenge")


def _insulted(intent: str | None, heard: Heard, context: Context) -> bool:
    """An insult, and nothing clear beside it; what is written to a clerk goes to the clerk."""
    found = talk.insult(context, heard.meant.text or heard.text)
    if found is None or context.state.expects == "question":
        return False
    vague = intent in _VAGUE or (heard.meant.confidence < CLEAR and intent != "emergency")
    return vague or found.alone


def _aside(intent: str | None, heard: Heard, context: Context) -> bool:
    """Whether something else is asked, clearly, where an answer is awaited, and it is no answer to that."""
    if intent not in _QUESTIONS and intent not in context.content.faq:
        return False
    if context.state.expects == "question" or heard.meant.confidence < CLEAR:
        return False
    return not _answers(heard.text, context)


def _answers(text: str, context: Context) -> bool:
    if context.state.expects == "place":
        return booking.names_place(context, text)
    if context.state.expects == "mail":
        return "@" in text
    return arrival.answers(context, text)


def choose(heard: Heard, context: Context) -> Skill:
    """The skill for this turn."""
    if heard.choice is not None:
        name = heard.choice.partition(":")[0]
        return next((route.skill for route in ROUTES if name in route.choices), talk.not_understood)
    if heard.meant.intent is None and not any(letter.isalnum() for letter in heard.text):
        return talk.no_words
    # "None of ours" is said to be unsure, but it is an answer of its own.
    intent = heard.meant.intent
    intent = None if heard.meant.fallback and intent != "out_of_scope" else intent
    if _insulted(intent, heard, context):
        return talk.insulted
    if context.state.expects and not _interrupts(intent, heard) and not _aside(intent, heard, context):
        found = next((route.skill for route in ROUTES if context.state.expects in route.expects), None)
        if found:
            return found
    fallback = faq.topic if intent in context.content.faq else talk.not_understood
    return next((route.skill for route in ROUTES if intent in route.intents), fallback)
