"""Answers about services and about the office."""

from collections.abc import Sequence

from conversation.reply import MOST_CHOICES, Option
from dialogue.choices import fold
from dialogue.context import MENU, PERSON, Context, Heard
from foundation.content_models import ASPECTS, Service
from foundation.i18n import Filled, Text, Verbatim

SHOWN_ASPECTS = ("documents", "fee", "duration", "deadline", "channel")
PURPOSES = ("service", "book", "form", "days")
"""What a service may be chosen for: to read about it, to book it, for its form, for its next free days."""
ON_A_PAGE = MOST_CHOICES - 2
"""Other services on one page, beside the way on and the main menu."""


async def services(context: Context, heard: Heard) -> None:
    """The services as choices; `services:<purpose>:<page>` shows those that the menu has no room for."""
    named, _, page = (heard.argument("services") or "").partition(":")
    purpose = named if named in PURPOSES else PURPOSES[0]
    number = next((one for one in range(len(_pages(context))) if str(one) == page), 0)
    heading = Text("faq.other_services" if number else "faq.which_service")
    context.say(heading, options=(*service_options(context, purpose, number), MENU))


def service_options(context: Context, purpose: str, number: int = 0) -> tuple[Option, ...]:
    """One page of the services, and the way to the next. What stands on other pages may be typed all the same."""
    pages = _pages(context)
    shown = (Option(f"{purpose}:{one.id}", service_label(one), _all_synonyms(one)) for one in pages[number])
    more = Option(f"services:{purpose}:{number + 1}", Text("faq.more_services"))
    typed = (
        Option(f"{purpose}:{one.id}", service_label(one), _own_synonyms(one, context.language), unlisted=True)
        for page in pages
        if page is not pages[number]
        for one in page
    )
    return (*shown, *((more,) if number + 1 < len(pages) else ()), *typed)


def _pages(context: Context) -> list[tuple[Service, ...]]:
    """The menu's services, then the others by their names in the person's language.

    Hundreds may have been imported: these are found by what people ask, not by leafing through.
    """
    menu = context.content.menu_services()
    own = (one for one in context.content.services.values() if one.imported is None)
    others = [one for one in own if one.id not in context.content.city.menu]
    others.sort(key=lambda one: fold(one.names[context.language]))
    return [menu, *(tuple(others[at : at + ON_A_PAGE]) for at in range(0, len(others), ON_A_PAGE))]


def service_label(service: Service) -> Filled:
    """The own-language name, which holds the German term."""
    return Filled(service.names)


def _all_synonyms(service: Service) -> tuple[str, ...]:
    return tuple(word for language in service.names for word in _own_synonyms(service, language))


def _own_synonyms(service: Service, language: str) -> tuple[str, ...]:
    """The German term, the name with and without it, and what people of this language call the service."""
    name = service.names[language]
    return (service.term, name, name.partition(" (")[0], *service.synonyms.get(language, ()))


async def service(context: Context, heard: Heard) -> None:
    """What a service is, or one aspect of it."""
    service_id, aspect = _asked(context, heard)
    if service_id is None or service_id not in context.content.services:
        return await services(context, heard)
    about = context.content.service(service_id)
    context.state.service, context.state.misses, context.state.expects = about.id, 0, None
    context.state.aspect = aspect
    text = about.aspects.get(aspect) or about.overview  # type: ignore[call-overload]  # an unknown aspect gets the overview
    instead = (one for one in heard.meant.beside if one in context.content.services and one != about.id)
    others = (about_service(context, one, aspect) for one in instead)
    options = fitted((*others, *_next_questions(about, aspect)))
    context.say(Text("faq.about", service=service_label(about)), Filled(text), options=options)


async def form(context: Context, heard: Heard) -> None:
    """Which form a service needs, who fills it in, and the papers for it."""
    service_id = heard.argument("form") or heard.meant.service or context.state.service
    if service_id is None or service_id not in context.content.services:
        context.say(Text("faq.which_form"), options=(*service_options(context, "form"), MENU))
        return
    about = context.content.service(service_id)
    context.state.service, context.state.misses, context.state.expects = about.id, 0, None
    context.state.aspect = "form"
    parts = (Filled(about.aspects["form"]), Filled(about.aspects["documents"]))
    context.say(
        Text("faq.about", service=service_label(about)), *parts, options=_next_questions(about, "documents")
    )


def _asked(context: Context, heard: Heard) -> tuple[str | None, str]:
    if pressed := heard.argument("service"):
        return pressed, "overview"
    if pressed := heard.argument("aspect"):
        service_id, _, aspect = pressed.partition(":")
        return service_id, aspect
    return heard.meant.service or context.state.service, heard.meant.aspect or "overview"


def fitted(options: Sequence[Option]) -> tuple[Option, ...]:
    """As many choices as every channel shows; what else may be asked of a service makes room, it can be typed as well."""
    surplus = sum(not one.unlisted for one in options) - MOST_CHOICES
    spared = [one for one in options if one.id.startswith("aspect:")][-surplus:] if surplus > 0 else []
    return tuple(one for one in options if one not in spared)


def _next_questions(about: Service, shown: str) -> tuple[Option, ...]:
    aspects = (one for one in ASPECTS if one in SHOWN_ASPECTS and one != shown and one in about.aspects)
    return (
        Option(f"book:{about.id}", Text("faq.can_i_book")),
        *(Option(f"aspect:{about.id}:{one}", Text(f"aspect.{one}")) for one in aspects),
        PERSON,
        MENU,
    )


def about_service(context: Context, service: str, aspect: str | None) -> Option:
    """A choice that leads to another service, and to what was asked about this one."""
    about = context.content.service(service)
    if aspect in (None, "overview") or aspect not in about.aspects:
        return Option(f"service:{service}", service_label(about))
    label = Text("talk.guess", service=service_label(about), aspect=Text(f"aspect.{aspect}"))
    return Option(f"aspect:{service}:{aspect}", label)


async def topic(context: Context, heard: Heard) -> None:
    """A question about the office itself; without one, the topics as choices."""
    wanted = heard.argument("topic") or (heard.meant.intent if heard.choice is None else None)
    if wanted is None or wanted not in context.content.faq:
        options = (Option(f"topic:{one.intent}", Filled(one.title)) for one in context.content.menu_topics())
        context.say(Text("faq.which_topic"), options=(*options, MENU))
        return
    answer = context.content.topic(wanted)
    context.state.misses = 0
    parts = (Filled(answer.text),)
    link = (Verbatim(answer.link.url),) if answer.link else ()
    errands = (context.content.services[one] for one in answer.services if one in context.content.services)
    leads = (Option(f"service:{one.id}", service_label(one)) for one in errands)
    rules = context.content.arrival
    plan = (Option("arrival:start", Text("arrival.offer")),) if rules and wanted in rules.topics else ()
    context.say(*parts, *link, options=(*plan, *leads, Option("topic", Text("menu.topics")), MENU, PERSON))
