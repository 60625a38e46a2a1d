"""The talk around the errands: first notice, menu, language, politeness, emergencies, deletion."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from babel import Locale

from conversation.joining import NothingToJoin
from conversation.reply import Option, Page, Reply
from dialogue.choices import fold
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import faq, handoff
from foundation.i18n import Filled, Text, Verbatim
from nlu.understanding import CLEAR, Alternative, Understanding

WRITE = Option("write", Text("handoff.write"))
MOST_GUESSES = 3
ALWAYS = frozenset({"menu", "person", "language", "topic", "services", "book"})
"""Choices that answer no question of ours."""
UNREADABLE = ("file", "too_large", "other")
"""Kinds of message that are answered whoever speaks: the person must know what became of them."""


def notice(context: Context) -> None:
    """The first message: which office, that it is a machine, privacy, how to reach a person, which languages."""
    languages = ", ".join(own_name(code) for code in context.content.city.languages)
    parts = [
        Text("talk.notice", office=context.office_name(), languages=languages),
        Text("talk.notice_person"),
    ]
    if context.content.city.note:
        parts.append(Text("talk.sample", note=Filled(context.content.city.note)))
    context.say(*parts, pages=(Page(Text("talk.privacy_page"), "/privacy"),))


def unreadable(context: Context, kind: str) -> None:
    """What became of a file, or of something that is no text. The choices of before stay."""
    offered = tuple(context.state.offered)
    if kind == "file":
        again = context.state.file_explained
        context.say(Text("talk.file_kept_again" if again else "talk.file_kept"))
        context.state.file_explained = True
    else:
        context.say(Text("talk.file_too_large" if kind == "too_large" else "talk.cannot_read"))
    context.state.offered = list(offered)


async def menu(context: Context, heard: Heard) -> None:
    context.state.expects, context.state.misses, context.state.gate = None, 0, None
    context.say(Text("talk.menu"), options=await main_options(context))


async def main_options(context: Context) -> tuple[Option, ...]:
    """The main menu; somebody who has an appointment finds it first."""
    booked = context.case and await context.house.booking.of_case(context.session, context.case.id)
    own = (Option("appointments", Text("menu.appointments")),) if booked and booked.status == "booked" else ()
    return (
        *own,
        Option("book", Text("menu.book")),
        Option("services", Text("menu.services")),
        Option("topic", Text("menu.topics")),
        PERSON,
        *((Option("telegram", Text("menu.telegram")),) if await goes_on_in_telegram(context) else ()),
        Option("language", Text("menu.language")),
    )


async def goes_on_in_telegram(context: Context) -> bool:
    """Whether this talk on the web could be continued there."""
    if not context.house.telegram or context.address.channel != "web":
        return False
    try:
        await context.house.joining.begun_at(context.session, context.conversation, "telegram")
    except NothingToJoin:
        return False
    return True


def ways_on(context: Context) -> tuple[Option, ...]:
    """What is always possible, when something was not."""
    return (MENU, PERSON)


async def language(context: Context, heard: Heard) -> None:
    """Offer the languages, or switch to the chosen one."""
    wanted = heard.argument("language") or _named_language(context, heard)
    if wanted in context.content.city.languages:
        context.address.language, context.state.tongue_asked = wanted, True
        context.say(Text("talk.language_now", name=own_name(wanted)), options=await main_options(context))
        return
    _offer_languages(context)


def needs_language(context: Context, meant: Sequence[Understanding]) -> bool:
    """Whether Latin letters hide the language of a message, and nobody has asked for it yet; an emergency never waits."""
    urgent = any(one.intent == "emergency" for one in meant)
    free = context.state.expects is None and not context.state.tongue_asked
    return free and not urgent and any(one.romanised for one in meant)


async def ask_language(context: Context, heard: Heard) -> None:
    """Ask before answering in a language that the person may not read; the message is answered after that."""
    context.state.tongue_asked, context.state.held = True, heard.text
    _offer_languages(context, heard.meant.romanised)


def _offer_languages(context: Context, likely: str | None = None) -> None:
    languages = sorted(context.content.city.languages, key=lambda code: code != likely)
    options = (Option(f"language:{code}", Verbatim(own_name(code))) for code in languages)
    context.say(Text("talk.which_language"), options=tuple(options))


def _named_language(context: Context, heard: Heard) -> str | None:
    """The language of a message that asks for a language is the one it asks for, if it names just one."""
    if heard.meant.choice or heard.choice is not None:
        return heard.meant.choice
    said = f" {fold(heard.text)} "
    named = {
        code
        for code, by_language in context.content.triggers.languages.items()
        for words in by_language.values()
        for word in map(fold, words)
        if (word in said if word[:1] >= _IDEOGRAMS else f" {word} " in said)
    }
    return named.pop() if len(named) == 1 else None


def own_name(code: str) -> str:
    name = Locale.parse(code).get_display_name(code) or code
    return name[:1].upper() + name[1:]


def follow_language(context: Context, spoken: str) -> None:
    """Answer in the language that the person writes."""
    if spoken in context.content.city.languages:
        context.address.language = spoken


async def polite(context: Context, heard: Heard) -> None:
    key = {"goodbye": "talk.goodbye", "thanks": "talk.thanks", "bot_challenge": "talk.bot_challenge"}
    context.say(Text(key[heard.meant.intent or "thanks"]), options=await main_options(context))


async def yes_or_no(context: Context, heard: Heard) -> None:
    """A "yes" or "no" that none of the choices asks for: nothing is guessed, the choices stand again."""
    asked = [one for one in context.state.offered if one.id not in ALWAYS]
    if heard.meant.intent == "deny" or not asked:
        return context.say(Text("talk.all_right"), options=await main_options(context))
    context.say(Text("talk.which_choice"), options=context.standing())


async def out_of_scope(context: Context, heard: Heard) -> None:
    """What the office does not do, or a misunderstanding: a person may know, or read about it later."""
    context.state.misses += 1
    unclear = heard.meant.confidence < CLEAR
    if context.state.misses + unclear > handoff.MISSES_BEFORE_PERSON:
        return await handoff.hand_over(context, heard)
    if context.state.misses == handoff.MISSES_BEFORE_PERSON:
        return context.say(Text("talk.out_of_scope_too"), options=(PERSON, WRITE, MENU))
    rest = (one for one in await main_options(context) if one != PERSON)
    context.say(Text("talk.out_of_scope"), options=(PERSON, WRITE, *rest))


async def insulted(context: Context, heard: Heard) -> None:
    """Stay polite, and show the way to a person; never the same words again and again."""
    context.state.misses += 1
    if context.state.misses >= handoff.MISSES_BEFORE_PERSON:
        return await handoff.hand_over(context, heard)
    context.say(Text("talk.insulted"), options=(PERSON, WRITE, MENU))


@dataclass(frozen=True)
class Insult:
    """`alone`: hardly anything is said beside it."""

    alone: bool


def insult(context: Context, text: str) -> Insult | None:
    """The insult in a text, in the language of the conversation: "con" is one in French, and "with" in Spanish."""
    said = f" {fold(text)} "
    rest = said
    words = {fold(word) for word in context.content.triggers.insults.get(context.language, ())}
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word if word[0] >= _IDEOGRAMS else f" {word} ", " ")
    few = _A_WORD_OR_TWO if rest.strip()[:1] < _IDEOGRAMS else 2 * _A_WORD_OR_TWO
    beside = len(rest.split()) if rest.strip()[:1] < _IDEOGRAMS else len(rest.strip())
    return Insult(beside <= few) if rest != said else None


_A_WORD_OR_TWO, _IDEOGRAMS = 2, "\u2e80"


async def no_words(context: Context, heard: Heard) -> None:
    """A picture, a row of question marks, nothing at all: the choices stand as before."""
    asked = any(one.id not in ALWAYS for one in context.state.offered)
    context.say(Text("talk.no_words"), options=context.standing() if asked else await main_options(context))


def choices_once(context: Context, answered: Collection[str]) -> None:
    """Of several answers only the last has choices, and none of them leads to what has just been `answered`."""
    *before, last = context.replies
    options = tuple(one for one in last.options if one.id not in answered)
    context.replies[:] = [*(replace(one, options=()) for one in before), replace(last, options=options)]
    context.state.offer(options, context.house.catalogue, context.language)


async def emergency(context: Context, heard: Heard) -> None:
    context.say(Text("talk.emergency"), options=(MENU,))


async def delete(context: Context, heard: Heard) -> None:
    """Mark the person for deletion by the nightly job, after a second yes; a booked slot becomes free at once."""
    if heard.argument("delete") != "yes":
        context.say(
            Text("talk.delete_ask"),
            options=(Option("delete:yes", Text("talk.delete_yes"), context.words("affirm")), MENU),
        )
        return
    booked = await context.house.booking.of_case(context.session, context.case.id) if context.case else None
    if booked and booked.status in ("booked", "held"):
        await context.house.booking.cancel(context.session, booked.id)
    await context.house.reminders.stop(context.session, context.address.person_id)
    await context.house.conversations.forget_soon(context.session, context.address.person_id)
    context.say(Text("talk.delete_done"))


async def not_understood(context: Context, heard: Heard) -> None:
    """Ask back with the nearest guesses; who is not understood twice is led to a person."""
    guesses = tuple({one.id: one for one in _guesses(context, heard)}.values())[:MOST_GUESSES]
    if heard.retyped:
        words = Text("talk.other_keyboard", text=Verbatim(heard.retyped))
        return context.say(words, options=(*guesses, MENU, PERSON))
    context.state.misses += 1
    if context.state.misses >= handoff.MISSES_BEFORE_PERSON:
        await handoff.hand_over(context, heard)
    elif guesses:
        context.say(Text("talk.which_of_these"), options=(*guesses, MENU, PERSON))
    else:
        context.say(Text("talk.not_understood"), options=await main_options(context))


def _guesses(context: Context, heard: Heard) -> Iterator[Option]:
    """What may have been meant, the likeliest first, as choices."""
    meant = heard.meant
    first = Alternative(meant.intent or "", meant.service, meant.aspect)
    for one in (first, *meant.alternatives):
        if one.service in context.content.services and one.intent == "service_info":
            yield faq.about_service(context, one.service or "", one.aspect)
        elif one.intent in context.content.faq:
            yield Option(f"topic:{one.intent}", Filled(context.content.topic(one.intent).title))
        elif one.intent in _ERRANDS:
            yield _ERRANDS[one.intent]


_ERRANDS = {
    "book_appointment": Option("book", Text("menu.book")),
    "start_form": Option("form", Text("aspect.form")),
    "my_appointments": Option("appointments", Text("menu.appointments")),
    "reschedule_appointment": Option("change", Text("booking.change")),
    "cancel_appointment": Option("cancel", Text("booking.cancel")),
    "leave_message": WRITE,
    "choose_language": Option("language", Text("menu.language")),
    "arrival_plan": Option("arrival:start", Text("arrival.offer")),
}
"""Choices that lead to what an intent asks for, where one is guessed."""


def apology() -> Reply:
    return Reply((Text("talk.sorry"),), (MENU, PERSON))
