"""Around the visit: no time is free, somebody comes late, a paper is handed in, notices are not wanted."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from conversation.reply import Option
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import booking, faq, handoff
from foundation.i18n import Text
from foundation.web import LARGEST_UPLOAD
from web_call.service import call_page

SHOWN_DAYS = 3
SOON = timedelta(hours=12)
"""How long before an appointment somebody can be said to be late for it."""

CHANGE = Option("change", Text("booking.change"))
WRITE = Option("write", Text("handoff.write"))


async def days(context: Context, heard: Heard) -> None:
    """ "Nothing is free": the next days with free times, as days of the office. Nothing is held."""
    service = heard.argument("days") or heard.meant.service or context.state.service
    if service is None or service not in context.content.services:
        context.say(Text("booking.which_service"), options=(*faq.service_options(context, "days"), MENU))
        return
    about = context.content.service(service)
    context.state.service, context.state.misses = about.id, 0
    if not any(result.bookable for result in about.gate.results):
        ask = Option(f"book:{about.id}", Text("faq.can_i_book"))
        context.say(Text("booking.not_bookable"), options=(ask, PERSON, MENU))
        return
    slots = await context.house.booking.free_slots(context.session, context.house.office_id, about.id)
    zone = ZoneInfo(booking.office_zone(context))
    free = list(dict.fromkeys(one.start.astimezone(zone).date() for one in slots))[:SHOWN_DAYS]
    lines = [Text("booking.free_day", day=day) for day in free]
    heading = (
        Text("booking.next_days", service=faq.service_label(about)) if free else Text("booking.no_slots")
    )
    own = CHANGE if await booking.has_appointment(context) else Option(f"book:{about.id}", Text("menu.book"))
    context.say(heading, *lines, Text("booking.no_waitlist"), options=(own, WRITE, PERSON, MENU))


async def late(context: Context, heard: Heard) -> None:
    """ "I am late": the desk's list of the day says so, and the person hears until when the place is kept."""
    if not await booking.has_appointment(context):
        return await booking.appointments(context, heard)
    place = await context.house.escalation.place(context.session, context.conversation.id)
    if place is not None:
        context.say(Text("late.waiting_already"), handoff.place_text(place), options=(handoff.LEAVE,))
        return
    booked, now = await booking.own_appointment(context), context.house.clock.now()
    when = booking.when(context, booked.starts_at)
    if now < booked.starts_at - SOON:
        options = (CHANGE, Option("appointments", Text("menu.appointments")), MENU)
        context.say(Text("late.not_yet", when=when), options=options)
    elif now > booked.ends_at + handoff.LATEST:
        context.say(Text("late.over", when=when), options=(CHANGE, PERSON, MENU))
    else:
        await context.house.booking.comes_late(context.session, booked.id)
        until = handoff.clock_of(context, booked.ends_at + handoff.LATEST)
        context.say(
            Text("late.noted", until=until),
            options=(
                Option("here", Text("menu.here")),
                CHANGE,
                Option("cancel", Text("booking.cancel")),
                MENU,
            ),
        )


async def stop_reminders(context: Context, heard: Heard) -> None:
    """End the reminders of the arrival plan; beside them only the person's own calendar reminds."""
    ended = await context.house.reminders.stop(context.session, context.address.person_id)
    context.state.arrival.pop("reminders", None)
    context.say(Text("reminder.stopped" if ended else "reminder.none"), options=(MENU, PERSON))


async def send_document(context: Context, heard: Heard) -> None:
    """The page over which papers come to the case, sealed; never a picture of an ID."""
    case = context.case or await context.open_case(context.state.service)
    page = await call_page(context.session, context.house.conversations, case)
    context.say(
        Text("file.how", limit=LARGEST_UPLOAD >> 20),
        Text("file.no_id"),
        pages=(replace(page, label=Text("file.open_page")),),
        options=(WRITE, PERSON, MENU),
    )
