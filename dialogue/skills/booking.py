"""From "I am ready" to a booked slot: city of stay → slots → hold → mail address → confirm; then change and cancel."""

from dataclasses import replace
from datetime import UTC, date, datetime

from email_validator import EmailNotValidError, validate_email

from booking.arrival import Days
from booking.models import Appointment
from booking.service import HoldExpired, NotBookable, SlotTaken, Within, within_of
from booking.slots import Slot, when_text
from conversation.models import Case
from conversation.reply import Attachment, Option, Page
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import faq
from foundation import places
from foundation.errors import Invalid
from foundation.i18n import Sayable, Text, Verbatim

IN_OFFICE_CITY = "here"


class NoSlotNamed(Invalid):
    key = "booking.no_such_slot"


# -- where are you? ----------------------------------------------------------------------------------


async def ask_place(context: Context) -> None:
    """The zone is asked, never guessed from a language or a phone number."""
    if context.address.zone:
        return await offer(context)
    context.state.expects = "place"
    options = (
        Option(f"zone:{IN_OFFICE_CITY}", Text("booking.in_office_city", city=office_place(context))),
        MENU,
    )
    context.say(Text("booking.which_city"), options=options)


async def place(context: Context, heard: Heard) -> None:
    """A city, typed or chosen: `zone:<IANA zone>:<name>`."""
    if located := locate(context, heard, "zone"):
        await _settle_place(context, *located)


def names_place(context: Context, text: str) -> bool:
    return bool(places.find(text, context.language))


def locate(context: Context, heard: Heard, choice: str) -> tuple[str, str] | None:
    """The zone and name of the city that was typed or chosen (`<choice>:<IANA zone>:<name>`); else it is asked again."""
    if pressed := heard.argument(choice):
        zone, _, name = pressed.partition(":")
        if zone == IN_OFFICE_CITY:
            zone, name = (
                office_zone(context),
                context.house.catalogue.render(office_place(context), context.language),
            )
        return zone, name
    found = places.find(heard.text, context.language)
    own = context.content.city.names[context.language]
    # Other towns may share the office city's name; whoever writes it here means this one.
    named = [one for one in found if one.name == own and one.zone == office_zone(context)] or found
    if len(named) == 1:
        return named[0].zone, named[0].name
    options = (
        Option(f"{choice}:{one.zone}:{one.name}", Verbatim(f"{one.name} ({one.country})"))
        for one in found[:5]
    )
    key = "booking.which_of_these_cities" if found else "booking.city_unknown"
    context.say(Text(key), options=(*options, MENU, PERSON))
    return None


async def _settle_place(context: Context, zone: str, name: str) -> None:
    context.address.zone, context.state.place, context.state.expects = zone, name, None
    if context.state.service and context.state.service in context.state.ready:
        return await offer(context)
    context.say(Text("booking.place_noted", city=Verbatim(name)), options=(MENU,))


def office_zone(context: Context) -> str:
    return context.content.city.office.zone


def office_place(context: Context) -> Sayable:
    names = context.content.city.names
    return Verbatim(names[context.language])


def when(context: Context, start: datetime) -> Text:
    """The time on both clocks."""
    return when_text(
        start,
        office_zone=office_zone(context),
        office_place=context.house.catalogue.render(office_place(context), context.language),
        person_zone=context.address.zone or office_zone(context),
        person_place=context.state.place or "",
    )


# -- slots -------------------------------------------------------------------------------------------


async def offer(context: Context) -> None:
    """The next slots, best first for the person's waking hours."""
    service = await _bookable(context)
    slots = await context.house.booking.offer(
        context.session,
        context.house.office_id,
        service,
        zone=context.address.zone or office_zone(context),
        page=context.state.slot_page,
        within=await _within(context, service),
    )
    if not slots:
        context.state.slot_page = 0
        context.say(
            Text("booking.no_slots"),
            options=(
                Option("slots:first", Text("booking.first_slots")),
                Option("write", Text("handoff.write")),
                PERSON,
                MENU,
            ),
        )
        return
    _show(context, Text("booking.choose_slot"), slots)


async def _bookable(context: Context) -> str:
    """The service whose slots may be shown: that of the appointment, which the gate let pass, or of a walk that ends
    with "video". Errors: NotBookable.
    """
    if await has_appointment(context):
        return (await own_appointment(context)).service
    service = context.state.service
    if service is None or context.gate(service).kind != "video":
        raise NotBookable
    return service


async def _within(context: Context, service: str) -> Within:
    """The time in which the slot has to lie: that of the appointment, or of the arrival plan it is for."""
    if await has_appointment(context):
        return within_of(await own_appointment(context))
    if (days := context.state.windows.get(service)) is None:
        return None
    return Days(*map(date.fromisoformat, days)).bounds(office_zone(context))


def _show(context: Context, heading: Text, slots: list[Slot] | tuple[Slot, ...]) -> None:
    options = (Option(f"slot:{_stamp(one.start)}", when(context, one.start)) for one in slots)
    more = Option("slots:more", Text("booking.more_slots"))
    context.say(heading, options=(*options, more, MENU))


async def slot(context: Context, heard: Heard) -> None:
    """A slot chosen, or more slots wanted."""
    if heard.choice and heard.choice.startswith("slots"):
        context.state.slot_page = context.state.slot_page + 1 if heard.argument("slots") == "more" else 0
        return await offer(context)
    start = _start_of(heard.argument("slot") or "")
    if await has_appointment(context):
        return await _move(context, start)
    service = await _bookable(context)
    case = await context.open_case(service)
    zone, within = context.address.zone or office_zone(context), await _within(context, service)
    try:
        held = await context.house.booking.hold(
            context.session, case, context.gate(service), start, zone, within
        )
    except SlotTaken as taken:
        return _show(context, Text(taken.key), taken.next_slots)
    context.state.appointment = str(held.id)
    if context.house.mail_enabled and context.is_private and not context.state.mail_asked:
        return _ask_mail(context, held)
    _ask_confirm(context, held)


async def _move(context: Context, start: datetime) -> None:
    """Change the booked appointment to another slot."""
    booked = await own_appointment(context)
    try:
        moved = await context.house.booking.change(context.session, booked.id, start)
    except SlotTaken as taken:
        return _show(context, Text(taken.key), taken.next_slots)
    await _tell_booked(context, moved, Text("booking.changed", number=moved.number))


def _stamp(start: datetime) -> str:
    return start.astimezone(UTC).strftime("%Y%m%dT%H%MZ")


def _start_of(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        raise NoSlotNamed from None


# -- mail address and confirmation -------------------------------------------------------------------


def _ask_mail(context: Context, held: Appointment) -> None:
    minutes = context.content.city.slots.hold_minutes
    ask_mail(context, Text("booking.held", when=when(context, held.starts_at), count=minutes))


def ask_mail(context: Context, *before: Sayable) -> None:
    """Ask for a mailbox, after `before`."""
    context.state.expects = "mail"
    skip = Option("mail:skip", Text("booking.no_mail"))
    context.say(*before, Text("booking.ask_mail"), options=(skip, MENU))


async def mail(context: Context, heard: Heard) -> None:
    """A mail address for the calendar file, or none."""
    held = await own_appointment(context)
    if heard.argument("mail") != "skip":
        address = mail_address(heard.text)
        if address is None:
            context.say(
                Text("booking.mail_invalid"), options=(Option("mail:skip", Text("booking.no_mail")), MENU)
            )
            return
        await join_mailbox(context, address)
    context.state.mail_asked, context.state.expects = True, None
    _ask_confirm(context, held)


def mail_address(text: str) -> str | None:
    """The mail address that was typed, None if it is none."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        return None


async def join_mailbox(context: Context, address: str) -> None:
    """Let a mailbox of the person take part in the case."""
    conversations, case = context.house.conversations, await context.open_case(context.state.service)
    mailbox = await conversations.own_address(
        context.session, case, "email", address, language=context.language, zone=context.address.zone
    )
    await conversations.join_case(
        context.session, await conversations.conversation_at(context.session, mailbox), case
    )


def _ask_confirm(context: Context, held: Appointment) -> None:
    about = context.content.service(held.service)
    context.say(
        Text("booking.confirm_ask", service=faq.service_label(about), when=when(context, held.starts_at)),
        options=(
            Option("confirm:yes", Text("booking.confirm_yes"), context.words("affirm")),
            Option("slots:first", Text("booking.other_slot")),
            MENU,
        ),
    )


async def confirm(context: Context, heard: Heard) -> None:
    held = await own_appointment(context)
    try:
        booked = await context.house.booking.confirm(context.session, held.id)
    except HoldExpired:
        context.say(Text(HoldExpired.key))
        context.state.slot_page = 0
        return await offer(context)
    await _tell_booked(context, booked, Text("booking.booked", number=booked.number))


async def _tell_booked(context: Context, booked: Appointment, heading: Text) -> None:
    """Confirmation with both times, the links and the calendar file, in the chat and by mail."""
    case = await context.open_case(booked.service)
    path = await context.house.conversations.case_path(context.session, case)
    context.say(
        heading,
        when(context, booked.starts_at),
        Text("booking.how_it_goes"),
        options=(Option("here", Text("menu.here")), Option("appointments", Text("menu.appointments")), MENU),
        pages=(Page(Text("booking.open_page"), path),),
        attachments=(await _calendar(context, case, booked),),
    )


async def _calendar(context: Context, case: Case, booked: Appointment) -> Attachment:
    invitation = await context.house.notices.invitation(context.session, case, context.language)
    named = replace(invitation, person_place=context.state.place or "")
    return context.house.notices.calendars.attachment(booked, named, now=context.house.clock.now())


# -- my appointment ----------------------------------------------------------------------------------


async def has_appointment(context: Context) -> bool:
    if context.case is None:
        return False
    found = await context.house.booking.of_case(context.session, context.case.id)
    return found is not None and found.status == "booked"


async def appointments(context: Context, heard: Heard) -> None:
    """The person's appointment and what can be done with it."""
    if not await has_appointment(context):
        context.say(Text("booking.none"), options=(Option("book", Text("menu.book")), MENU))
        return
    booked = await own_appointment(context)
    path = await context.house.conversations.case_path(context.session, await context.open_case(None))
    context.say(
        Text(
            "booking.yours",
            number=booked.number,
            service=faq.service_label(context.content.service(booked.service)),
        ),
        when(context, booked.starts_at),
        options=(
            Option("here", Text("menu.here")),
            Option("change", Text("booking.change")),
            Option("cancel", Text("booking.cancel")),
            MENU,
        ),
        pages=(Page(Text("booking.open_page"), path),),
    )


async def change(context: Context, heard: Heard) -> None:
    if not await has_appointment(context):
        return await appointments(context, heard)
    booked = await own_appointment(context)
    context.state.service, context.state.slot_page = booked.service, 0
    context.say(Text("booking.change_keeps"))
    await offer(context)


async def cancel(context: Context, heard: Heard) -> None:
    """Cancel after a second yes."""
    if not await has_appointment(context):
        return await appointments(context, heard)
    booked = await own_appointment(context)
    if heard.argument("cancel") != "yes":
        options = (
            Option("cancel:yes", Text("booking.cancel_yes"), context.words("affirm")),
            Option("appointments", Text("booking.cancel_no"), context.words("deny")),
        )
        context.say(Text("booking.cancel_ask", when=when(context, booked.starts_at)), options=options)
        return
    await context.house.booking.cancel(context.session, booked.id)
    context.say(
        Text("booking.cancelled", number=booked.number), options=(Option("book", Text("menu.book")), MENU)
    )


async def own_appointment(context: Context) -> Appointment:
    """The case's appointment, booked or held. Errors: HoldExpired."""
    found = await context.house.booking.of_case(context.session, context.case.id) if context.case else None
    if found is None or found.status not in ("booked", "held", "expired"):
        raise HoldExpired
    return found
