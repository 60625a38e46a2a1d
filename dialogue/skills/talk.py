"""The talk around the errands: first notice, menu, language, politeness, emergencies, deletion."""

from babel import Locale

from conversation.joining import NothingToJoin
from conversation.reply import Option, Page, Reply
from dialogue.context import MENU, PERSON, Context, Heard
from foundation.i18n import Filled, Text, Verbatim

MISSES_BEFORE_PERSON = 2
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
    context.state.expects, context.state.misses = None, 0
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
        context.address.language = wanted
        context.say(Text("talk.language_now", name=own_name(wanted)), options=await main_options(context))
        return
    options = (
        Option(f"language:{code}", Verbatim(own_name(code))) for code in context.content.city.languages
    )
    context.say(Text("talk.which_language"), options=tuple(options))


def _named_language(context: Context, heard: Heard) -> str | None:
    """The language of a message that asks for a language is the one it asks for."""
    return heard.meant.choice if heard.meant.choice else None


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
    offered = (Option(one.id, Verbatim(one.label), tuple(one.synonyms)) for one in context.state.offered)
    unlisted = context.state.unlisted
    context.say(Text("talk.which_choice"), options=tuple(offered))
    context.state.unlisted = unlisted


async def out_of_scope(context: Context, heard: Heard) -> None:
    """What the office does not do; or a misunderstanding."""
    context.state.misses += 1
    person = (PERSON,) if context.state.misses >= MISSES_BEFORE_PERSON else ()
    rest = (one for one in await main_options(context) if one not in person)
    context.say(Text("talk.out_of_scope"), options=(*person, *rest))


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
    """Ask back with the nearest guesses; after two misses offer a person first."""
    context.state.misses += 1
    guesses = tuple(
        Option(f"service:{one}", Filled(context.content.service(one).names))
        for one in _guessed_services(context, heard)
    )
    if context.state.misses >= MISSES_BEFORE_PERSON:
        context.say(Text("talk.still_not_understood"), options=(PERSON, *guesses, MENU))
    elif guesses:
        context.say(Text("talk.which_of_these"), options=(*guesses, MENU, PERSON))
    else:
        context.say(Text("talk.not_understood"), options=await main_options(context))


def _guessed_services(context: Context, heard: Heard) -> list[str]:
    named = [heard.meant.service, *(one.service for one in heard.meant.alternatives)]
    return list(dict.fromkeys(one for one in named if one and one in context.content.services))[:3]


def apology() -> Reply:
    return Reply((Text("talk.sorry"),), (MENU, PERSON))
