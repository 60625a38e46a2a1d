"""Whether, where and with which papers an errand can be done: asked before a slot is spent."""

from collections.abc import Mapping

from conversation.reply import Option
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import booking, faq
from foundation.content_models import ChecklistItem, Question, Result, Service
from foundation.i18n import Filled, Sayable, Text


async def start(context: Context, heard: Heard) -> None:
    """Begin with a service: ask which, or its first open question."""
    service = heard.argument("book") or (
        None if heard.choice else heard.meant.service or context.state.service
    )
    if service is None or service not in context.content.services:
        context.say(Text("booking.which_service"), options=(*faq.service_options(context, "book"), MENU))
        return
    if await booking.has_appointment(context):
        return await booking.appointments(context, heard)
    await _begin(context, service)


async def _begin(context: Context, service: str) -> None:
    context.state.service, context.state.misses, context.state.expects = service, 0, None
    context.state.aspect = None
    context.state.answers.pop(service, None)  # answers of an earlier walk may no longer be true
    context.state.windows.pop(service, None)
    if service in context.state.ready:
        context.state.ready.remove(service)
    await walk(context, context.content.service(service))


async def answer(context: Context, heard: Heard) -> None:
    """An answer to a gate question: `gate:<service>:<question>:<answer>`."""
    service_id, question, answer_id = (heard.argument("gate") or "::").split(":", 2)
    about = context.content.service(service_id)
    context.state.service = service_id
    context.state.answers_for(service_id)[question] = answer_id
    await walk(context, about)


async def walk(context: Context, about: Service) -> None:
    """Go on with the gate from the answers that are there: the next question, the checklist, or why not."""
    step = about.gate.next(context.state.answers_for(about.id))
    context.state.gate = about.id if isinstance(step, Question) else None
    if isinstance(step, Question):
        _ask(context, about, step)
    elif step.service:
        context.say(Filled(step.reason))
        await _begin(context, step.service)
    elif step.bookable:
        _show_checklist(context, about, step)
    else:
        _explain(context, about, step)


def _ask(context: Context, about: Service, question: Question) -> None:
    help_text = (Filled(question.help),) if question.help else ()
    options = (
        Option(f"gate:{about.id}:{question.id}:{one.id}", Filled(one.label), _synonyms(one.synonyms))
        for one in question.answers
    )
    context.say(Filled(question.ask), *help_text, options=(*options, MENU))


def _synonyms(by_language: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(word for words in by_language.values() for word in words)


def _explain(context: Context, about: Service, result: Result) -> None:
    """Why no slot is offered, and what to do instead."""
    parts: list[Sayable] = [Filled(result.reason)]
    if result.authority:
        parts.append(Text("gate.authority", authority=Filled(result.authority)))
    if result.link:
        parts.append(Text("gate.link", label=Filled(result.link.label), url=result.link.url))
    more = Option(f"service:{about.id}", Text("gate.more_about"))
    context.say(*parts, options=(*_plan_first(context, about, result), more, PERSON, MENU))


def _plan_first(context: Context, about: Service, result: Result) -> tuple[Option, ...]:
    """Whoever cannot act yet is offered the arrival plan."""
    plan = context.content.arrival
    offered = plan is not None and plan.service == about.id and result.kind == "not_yet"
    return (Option("arrival:start", Text("arrival.offer")),) if offered else ()


def _show_checklist(context: Context, about: Service, result: Result) -> None:
    items = about.checklist_for(context.state.answers_for(about.id))
    lines = tuple(_line(item) for item in items)
    context.say(
        Filled(result.reason),
        Text("gate.checklist", service=faq.service_label(about)),
        *lines,
        Text("gate.have_all"),
        options=(
            Option(f"ready:{about.id}", Text("gate.ready")),
            Option(f"missing:{about.id}", Text("gate.missing")),
            MENU,
        ),
    )


def _line(item: ChecklistItem) -> Text:
    paper = item.document
    label = Filled({code: paper.label(code) for code in paper.names})
    key = "gate.item_later" if item.hand_in_later else "gate.item" if item.required else "gate.item_optional"
    return Text(key, paper=label, explain=Filled(paper.explain))


async def checklist(context: Context, heard: Heard) -> None:
    """All papers there → a slot. A missing one → what can be handed in later, or come back when it is there."""
    service_id = heard.argument("ready") or heard.argument("missing") or ""
    about = context.content.service(service_id)
    if context.gate(service_id).kind != "video":
        return await walk(context, about)
    if heard.argument("ready"):
        context.state.ready.append(service_id)
        context.state.service, context.state.slot_page = service_id, 0
        return await booking.ask_place(context)
    items = about.checklist_for(context.state.answers_for(service_id))
    later = [item for item in items if item.hand_in_later]
    options = (Option(f"ready:{service_id}", Text("gate.book_anyway")), PERSON, MENU)
    if later:
        context.say(Text("gate.some_later"), *(_line(item) for item in later), options=options)
    else:
        context.say(Text("gate.first_get_papers"), options=(PERSON, MENU))
