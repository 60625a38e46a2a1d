"""The way to a person: arrive for an appointment, wait without one, or leave a written question."""

from datetime import datetime, timedelta

from booking.models import Appointment
from conversation.reply import Option
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import booking
from escalation.service import Place
from foundation.i18n import Text, TimeOfDay
from people.models import Office
from web_call.service import call_page

EARLIEST = timedelta(minutes=30)
LATEST = timedelta(minutes=30)
MISSES_BEFORE_PERSON = 2
LEAVE = Option("leave", Text("queue.leave"))


async def arrive(context: Context, heard: Heard) -> None:
    """ "I am here": the waiting room opens half an hour before the appointment."""
    if not await booking.has_appointment(context):
        return await person(context, heard)
    assert context.case is not None  # noqa: S101 - has_appointment says so
    booked = await context.house.booking.of_case(context.session, context.case.id)
    assert booked is not None  # noqa: S101 - has_appointment says so
    if context.house.clock.now() < booked.starts_at - EARLIEST:
        opens = booked.starts_at - EARLIEST
        context.say(
            Text(
                "queue.too_early",
                when=booking.when(context, booked.starts_at),
                opens=clock_of(context, opens),
            ),
            options=(Option("appointments", Text("menu.appointments")), MENU),
        )
        return
    in_time = context.house.clock.now() <= booked.ends_at + LATEST
    await _join(context, booked if in_time else None)


async def person(context: Context, heard: Heard) -> None:
    """A person now, if one is there; else a slot or a written question."""
    office = await context.session.get_one(Office, context.house.office_id)
    if await context.house.escalation.open_now(context.session, office):
        return await _join(context, None)
    context.say(
        Text("handoff.closed"),
        options=(Option("book", Text("menu.book")), Option("write", Text("handoff.write")), MENU),
    )


async def hand_over(context: Context, heard: Heard) -> None:
    """Who was not understood twice: to a person if one is there. Else the question can be written down, at last it is."""
    if context.state.misses > MISSES_BEFORE_PERSON:
        return await write(context, heard)
    context.say(Text("talk.not_understood_either"))
    await person(context, heard)


async def _join(context: Context, appointment: Appointment | None) -> None:
    case = await context.open_case(appointment.service if appointment else context.state.service)
    context.state.expects = None
    place = await context.house.escalation.join(context.session, case, context.conversation, appointment)
    call = await call_page(context.session, context.house.conversations, case)
    kept = Text("queue.keep_place" if context.address.channel == "web" else "queue.keep_place_chat")
    context.say(place_text(place), kept, options=(LEAVE,), pages=(call,))


def place_text(place: Place) -> Text:
    if place.position <= 1 and place.minutes < 1:
        return Text("queue.next_soon")
    if place.position <= 1:
        return Text("queue.next", count=place.minutes)
    return Text("queue.place", position=place.position, count=place.minutes)


async def noted_while_waiting(context: Context, heard: Heard) -> bool:
    """Whether the person waits and has simply written something: the clerk will read it."""
    place = await context.house.escalation.place(context.session, context.conversation.id)
    if place is None or not (
        heard.meant.fallback or heard.meant.intent in (None, "human_handoff", "out_of_scope")
    ):
        return False
    context.say(Text("queue.noted"), place_text(place), options=(LEAVE,))
    return True


async def leave(context: Context, heard: Heard) -> None:
    if context.case:
        await context.house.escalation.leave(context.session, context.case)
    context.say(Text("queue.left"), options=(Option("here", Text("menu.here_again")), MENU))


async def complain(context: Context, heard: Heard) -> None:
    """A complaint is taken down for a clerk; whoever would rather speak to one can."""
    context.state.expects = "question"
    context.say(Text("handoff.complain"), options=(PERSON, MENU))


async def write(context: Context, heard: Heard) -> None:
    """A written question: it opens a case, and a clerk answers in this thread."""
    if context.state.expects != "question" or heard.choice is not None:
        context.state.expects = "question"
        context.say(Text("handoff.write_now"), options=(MENU,))
        return
    case = await context.open_case(context.state.service)
    context.house.conversations.tell_desk(context.session, case)
    context.state.expects, context.state.misses = None, 0
    context.say(Text("handoff.written"), options=(MENU,))


def clock_of(context: Context, at: datetime) -> TimeOfDay:
    return TimeOfDay(at, context.address.zone or booking.office_zone(context))
