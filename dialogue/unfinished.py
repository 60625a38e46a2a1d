"""What was under way when somebody asks something else: it goes on after the answer, or is kept for them."""

from dataclasses import dataclass, replace

from conversation.reply import Option
from dialogue.context import Context, Heard
from dialogue.skills import arrival, booking, faq, gate, handoff
from dialogue.state import Offered, State
from foundation.i18n import Text


@dataclass(frozen=True)
class UnderWay:
    """An answer that was awaited (`expects`) or a gate that was being walked, the service it is for, and its choices."""

    expects: str | None
    gate: str | None
    service: str | None
    offered: tuple[Offered, ...] = ()


def of(state: State) -> UnderWay:
    """What is under way now. A question to a clerk is no form: whatever is said there is for the clerk."""
    expects = state.expects if state.expects != "question" else None
    return UnderWay(expects, state.gate, state.service, tuple(state.offered))


async def go_on(context: Context, before: UnderWay, said: int, *, asked_back: bool) -> None:
    """After an aside, whose replies begin at `said`: ask again what was asked, or offer the way back to it.

    The way back also where the aside has `asked_back`: what it offers must still be there to be chosen.
    """
    if context.state.misses >= handoff.MISSES_BEFORE_PERSON:
        return
    if before.expects is not None:
        context.state.expects, context.state.service = before.expects, before.service
        _without_choices(context, said)
        return await _ask_again(context, before.expects)
    if before.gate is None or context.state.expects is not None:
        return
    if context.state.service == before.gate and not asked_back:
        _without_choices(context, said)
        return await gate.walk(context, context.content.service(before.gate))
    context.state.gate = before.gate
    _offer_back(context, before.gate)
    context.state.unlisted += before.offered  # who types the answer after all has answered


async def resume(context: Context, heard: Heard) -> None:
    """The way back was taken (`resume:<service>`): the gate goes on where it was left."""
    about = context.content.service(heard.argument("resume") or "")
    context.state.service = about.id
    await gate.walk(context, about)


async def _ask_again(context: Context, expects: str) -> None:
    if expects in arrival.EXPECTS:
        return await arrival.ask_again(context)
    if expects == "mail":
        return booking.ask_mail(context)
    await booking.ask_place(context)


def _offer_back(context: Context, service: str) -> None:
    about = context.content.service(service)
    back = Option(f"resume:{service}", Text("talk.go_on", service=faq.service_label(about)))
    last = context.replies[-1]
    context.replies[-1] = replace(last, options=faq.fitted((back, *last.options)))
    context.state.offer(context.replies[-1].options, context.house.catalogue, context.language)


def _without_choices(context: Context, said: int) -> None:
    """Only what is asked last has choices."""
    context.replies[said:] = [replace(one, options=()) for one in context.replies[said:]]
