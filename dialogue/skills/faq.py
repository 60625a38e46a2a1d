"""Answers about services and about the office."""

from conversation.reply import Option
from dialogue.context import MENU, PERSON, Context, Heard
from foundation.content_models import ASPECTS, Service
from foundation.i18n import Filled, Text, Verbatim

SHOWN_ASPECTS = ("documents", "fee", "duration", "deadline", "channel")


async def services(context: Context, heard: Heard) -> None:
    """The services as choices."""
    context.say(Text("faq.which_service"), options=(*service_options(context, "service"), MENU))


def service_options(context: Context, prefix: str) -> tuple[Option, ...]:
    return tuple(
        Option(f"{prefix}:{one.id}", service_label(one), _all_synonyms(one))
        for one in context.content.menu_services()
    )


def service_label(service: Service) -> Filled:
    """The own-language name, which holds the German term."""
    return Filled(service.names)


def _all_synonyms(service: Service) -> tuple[str, ...]:
    return (
        service.term,
        *service.names.values(),
        *(word for words in service.synonyms.values() for word in words),
    )


async def service(context: Context, heard: Heard) -> None:
    """What a service is, or one aspect of it."""
    service_id, aspect = _asked(context, heard)
    if service_id is None or service_id not in context.content.services:
        return await services(context, heard)
    about = context.content.service(service_id)
    context.state.service, context.state.misses, context.state.expects = about.id, 0, None
    text = about.aspects.get(aspect) or about.overview  # type: ignore[call-overload]  # an unknown aspect gets the overview
    context.say(
        Text("faq.about", service=service_label(about)), Filled(text), options=_next_questions(about, aspect)
    )


def _asked(context: Context, heard: Heard) -> tuple[str | None, str]:
    if pressed := heard.argument("service"):
        return pressed, "overview"
    if pressed := heard.argument("aspect"):
        service_id, _, aspect = pressed.partition(":")
        return service_id, aspect
    return heard.meant.service or context.state.service, heard.meant.aspect or "overview"


def _next_questions(about: Service, shown: str) -> tuple[Option, ...]:
    aspects = (one for one in ASPECTS if one in SHOWN_ASPECTS and one != shown and one in about.aspects)
    return (
        Option(f"book:{about.id}", Text("faq.can_i_book")),
        *(Option(f"aspect:{about.id}:{one}", Text(f"aspect.{one}")) for one in aspects),
        PERSON,
        MENU,
    )


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
    context.say(*parts, *link, options=(Option("topic", Text("menu.topics")), MENU, PERSON))
