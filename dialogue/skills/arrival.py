"""The arrival plan, for people who are not here yet: three questions, dated steps, reminders, slots in the right days."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale

from booking.arrival import (
    Journey,
    Planned,
    Works,
    plan,
    remind_at,
    remind_zone,
    slot_days,
    working,
)
from booking.reminders import STOP, Note
from booking.slots import when_text
from conversation.reply import Option, Page
from dialogue.choices import fold
from dialogue.context import MENU, PERSON, Context, Heard
from dialogue.skills import booking, gate
from foundation import dates
from foundation.content_models import Arrival, ArrivalGroup, Result
from foundation.errors import Invalid
from foundation.i18n import Filled, Sayable, Text

EARLIEST, LATEST = timedelta(days=180), timedelta(days=540)
"""How long ago somebody may have arrived, and how far ahead is planned."""
EXAMPLE = timedelta(days=30)
CHAT_ONLY = "web"
"""The channel that cannot call on people: for a reminder they need a mailbox, too."""

GROUP, ARRIVES, MOVES_IN, PLACE, MAIL = (
    "arrival_group",
    "arrival_day",
    "arrival_move",
    "arrival_place",
    "arrival_mail",
)
EXPECTS = (GROUP, ARRIVES, MOVES_IN, PLACE, MAIL)


async def talk(context: Context, heard: Heard) -> None:
    """Whatever belongs to the plan: pressed (`arrival:<what>`), an answer that is awaited, or the wish for a plan."""
    rules = context.content.arrival
    if rules is None:
        return context.say(Text("arrival.no_plan_here"), options=(MENU, PERSON))
    if heard.choice is not None:
        what, _, named = (heard.argument("arrival") or "start").partition(":")
        return await _pressed(context, heard, rules, what, named)
    match context.state.expects:
        case "arrival_group":
            await _group_typed(context, heard, rules)
        case "arrival_day" | "arrival_move":
            await _day_typed(context, heard, rules)
        case "arrival_place":
            await _place(context, heard, rules)
        case "arrival_mail":
            await _mail(context, heard, rules)
        case _:
            await _wished(context, rules)


async def _pressed(context: Context, heard: Heard, rules: Arrival, what: str, named: str) -> None:
    if what == "start":
        return await _begin(context, rules)
    if what == "group":
        return await _settle_group(context, rules, rules.group(named))
    if _journey(context) is None:
        return await _wished(context, rules)
    if what == "slot":
        await _find_slot(context, heard, rules)
    elif what == "remind":
        await _remind(context, rules)
    elif what == "zone":
        await _place(context, heard, rules)
    elif what == "mail":
        context.state.mail_asked = True
        await _remind(context, rules)
    else:
        _show(context, rules)


# -- the questions -----------------------------------------------------------------------------------


async def _wished(context: Context, rules: Arrival) -> None:
    """The plan that is there, or the first question."""
    if _journey(context) is not None:
        return _show(context, rules)
    await _begin(context, rules)


async def _begin(context: Context, rules: Arrival) -> None:
    """Ask anew; only that reminders are wanted stays. Where others can read along, the answers go over our page."""
    kept = context.state.arrival.get("reminders")
    context.state.arrival = {"reminders": kept} if kept else {}
    context.state.windows.pop(rules.service, None)
    context.state.misses, context.state.expects = 0, GROUP
    private: tuple[Text, ...] = ()
    pages: tuple[Page, ...] = ()
    if not context.is_private:
        case = await context.open_case(rules.service)
        pages = (Page(Text("arrival.open_page"), context.house.conversations.reading_path(case)),)
        private = (Text("arrival.private_page"),)
    _ask_group(context, rules, Text("arrival.intro"), *private, Text("arrival.which_group"), pages=pages)


def _ask_group(context: Context, rules: Arrival, *parts: Sayable, pages: tuple[Page, ...] = ()) -> None:
    options = (
        Option(
            f"arrival:group:{one.id}", Filled(one.label), tuple(w for ws in one.synonyms.values() for w in ws)
        )
        for one in rules.groups
    )
    context.say(*parts, options=(*options, MENU), pages=pages)


async def _group_typed(context: Context, heard: Heard, rules: Arrival) -> None:
    """A country instead of one of the choices."""
    land = _country(heard.text, context.language)
    found = next((one for one in rules.groups if land in one.countries), None)
    found = found or next((one for one in rules.groups if land and one.others), None)
    if found is None:
        return _ask_group(context, rules, Text("arrival.group_unknown"))
    await _settle_group(context, rules, found)


async def _settle_group(context: Context, rules: Arrival, group: ArrivalGroup) -> None:
    context.state.arrival = {**context.state.arrival, "group": group.id}
    for known in ("arrives", "moves_in"):
        context.state.arrival.pop(known, None)
    _ask_day(context, ARRIVES if group.arrives else MOVES_IN)


def _ask_day(context: Context, which: str) -> None:
    context.state.expects = which
    example = _today(context) + EXAMPLE
    if which == ARRIVES:
        context.say(Text("arrival.when_arrive", example=example), options=(MENU,))
    else:
        city = booking.office_place(context)
        context.say(Text("arrival.when_move", city=city, example=example), options=(MENU,))


async def _day_typed(context: Context, heard: Heard, rules: Arrival) -> None:
    """The day of arrival or of moving in; what is wrong with it is said, and it is asked again."""
    today = _today(context)
    try:
        day = dates.read(heard.text, context.language, today=today)
    except Invalid as error:
        return context.say(Text(error.key), options=(MENU,))
    first = today if context.state.expects == MOVES_IN else today - EARLIEST
    if day > today + LATEST or day < today - EARLIEST:
        wrong = Text("arrival.day_outside", day=day, first=first, last=today + LATEST)
        return context.say(wrong, options=(MENU,), personal=True)
    if context.state.expects == ARRIVES:
        context.state.arrival["arrives"] = day.isoformat()
        return _ask_day(context, MOVES_IN)
    if day < today:
        register = Option(f"book:{rules.service}", Text("arrival.register_now"))
        return context.say(Text("arrival.moved_already", day=day), options=(register, MENU), personal=True)
    arrives = context.state.arrival.get("arrives")
    if arrives and day.isoformat() < arrives:
        params = {"day": day, "arrives": date.fromisoformat(arrives)}
        return context.say(Text("arrival.move_before_arrival", **params), options=(MENU,), personal=True)
    context.state.arrival["moves_in"] = day.isoformat()
    context.state.expects = None
    _show(context, rules)
    if "reminders" in context.state.arrival:
        await _remind(context, rules)


async def ask_again(context: Context) -> None:
    """The question that is still open (`state.expects`)."""
    rules, expects = context.content.arrival, context.state.expects
    if rules is None or expects is None:
        return
    if expects == GROUP:
        _ask_group(context, rules, Text("arrival.which_group"))
    elif expects in (ARRIVES, MOVES_IN):
        _ask_day(context, expects)
    else:
        await _remind(context, rules)


def answers(context: Context, text: str) -> bool:
    """Whether `text` answers the question that is open."""
    match context.state.expects:
        case "arrival_group":
            return _country(text, context.language) is not None
        case "arrival_place":
            return booking.names_place(context, text)
        case "arrival_mail":
            return "@" in text
        case _:
            return any(letter.isdigit() for letter in text)


# -- the plan ----------------------------------------------------------------------------------------


def _show(context: Context, rules: Arrival) -> None:
    """The dated steps, personal words: others only see that there is a message."""
    journey = _journey(context)
    if journey is None:
        return context.say(Text("arrival.none_yet"), options=(MENU,))
    context.state.expects = None
    steps = [part for one in plan(rules, journey, _works(context)) for part in _step(context, rules, one)]
    slots, find = _slots(context, rules, journey)
    context.say(
        _heading(journey),
        *steps,
        *slots,
        Text("arrival.office_days", city=booking.office_place(context)),
        options=(
            *find,
            Option("arrival:remind", Text("arrival.remind_me")),
            Option("arrival:start", Text("arrival.change_dates")),
            PERSON,
            MENU,
        ),
        personal=True,
    )


def _heading(journey: Journey) -> Text:
    if journey.arrives is None:
        return Text("arrival.heading_inside", moves_in=journey.moves_in)
    return Text("arrival.heading", arrives=journey.arrives, moves_in=journey.moves_in)


def _step(context: Context, rules: Arrival, planned: Planned) -> tuple[Sayable, ...]:
    """A step with its day; one whose day is over is to be done as soon as possible."""
    step, past = planned.step, planned.day < _today(context) and planned.step.kind == "by"
    when = "past" if past else step.kind
    words = Text(f"arrival.step_{when}", day=planned.day, title=Filled(step.title), text=Filled(step.text))
    link = (Text("gate.link", label=Filled(step.link.label), url=step.link.url),) if step.link else ()
    result = _result(context, rules) if step.books else None
    how = (Filled(result.reason),) if result else ()
    return (words, *how, *link)


def _slots(context: Context, rules: Arrival, journey: Journey) -> tuple[tuple[Text, ...], tuple[Option, ...]]:
    """What is said of slots, and the way to them: only where the errand can be done by video, and in time."""
    days, result = slot_days(rules, journey, _works(context)), _result(context, rules)
    if days is None or result is None or not result.bookable or days.last < _today(context):
        return (), ()
    opens = days.first - timedelta(days=context.content.city.slots.horizon_days)
    span = {"first": days.first, "last": days.last}
    if opens > _today(context):
        return (Text("arrival.slots_later", opens=opens, **span),), ()
    return (Text("arrival.slots_open", **span),), (Option("arrival:slot", Text("arrival.find_slot")),)


async def _find_slot(context: Context, heard: Heard, rules: Arrival) -> None:
    """Go on to the errand's checklist and slots, inside the days of the plan alone."""
    journey = _journey(context)
    days = slot_days(rules, journey, _works(context)) if journey else None
    result = _result(context, rules)
    if journey is None or days is None or result is None or not result.bookable:
        return _show(context, rules)
    if await booking.has_appointment(context):
        return await booking.appointments(context, heard)
    service = rules.service
    context.state.service, context.state.slot_page, context.state.expects = service, 0, None
    context.state.answers[service] = dict(rules.group(journey.group).answers)
    context.state.windows[service] = [days.first.isoformat(), days.last.isoformat()]
    context.say(Text("arrival.slots_between", first=days.first, last=days.last), personal=True)
    await gate.walk(context, context.content.service(service))


# -- reminders ---------------------------------------------------------------------------------------


async def _remind(context: Context, rules: Arrival) -> None:
    """Set the reminders; asked before is only what is needed: where somebody is until they travel, and a mailbox."""
    journey = _journey(context)
    if journey is None:
        return await _wished(context, rules)
    planned = [one for one in plan(rules, journey, _works(context)) if one.day > _today(context)]
    if not planned:
        return context.say(Text("arrival.nothing_to_remind"), options=(MENU,))
    if context.address.zone is None and any(
        _remind_day(context, one) < (journey.arrives or date.min) for one in planned
    ):
        context.state.expects = PLACE
        return context.say(Text("arrival.where_before"), options=(MENU,))
    if context.house.mail_enabled and context.address.channel == CHAT_ONLY and not context.state.mail_asked:
        context.state.expects = MAIL
        skip = Option("arrival:mail", Text("arrival.mail_here"))
        return context.say(Text("arrival.ask_mail"), options=(skip, MENU))
    context.state.expects = None
    context.state.arrival["reminders"] = "yes"
    notes = [_note(context, journey, one) for one in planned]
    await context.house.reminders.set(context.session, context.conversation, notes)
    lines = (_line(context, rules, note) for note in notes)
    context.say(
        Text("arrival.reminders_set"),
        *lines,
        Text("arrival.reminders_end"),
        options=(STOP, MENU),
        personal=True,
    )


def _remind_day(context: Context, planned: Planned) -> date:
    """The day to remind of a step; tomorrow, where that is past and the step is not."""
    return max(planned.remind_on, _today(context) + timedelta(days=1))


def _note(context: Context, journey: Journey, planned: Planned) -> Note:
    office, day = booking.office_zone(context), _remind_day(context, planned)
    zone = remind_zone(journey, day, home=context.address.zone or office, office=office)
    return Note(planned.step.id, planned.day, remind_at(day, zone), zone)


def _line(context: Context, rules: Arrival, note: Note) -> Text:
    """When the reminder comes, on both clocks, and of what."""
    when = when_text(
        note.at,
        office_zone=booking.office_zone(context),
        office_place=context.house.catalogue.render(booking.office_place(context), context.language),
        person_zone=note.zone,
        person_place=(context.state.place or "") if note.zone == context.address.zone else "",
    )
    return Text("arrival.reminder_line", when=when, title=Filled(rules.step(note.step).title))


async def _place(context: Context, heard: Heard, rules: Arrival) -> None:
    """The city in which the person is until they travel."""
    if located := booking.locate(context, heard, "arrival:zone"):
        context.address.zone, context.state.place = located
        await _remind(context, rules)


async def _mail(context: Context, heard: Heard, rules: Arrival) -> None:
    address = booking.mail_address(heard.text)
    if address is None:
        skip = Option("arrival:mail", Text("arrival.mail_here"))
        return context.say(Text("booking.mail_invalid"), options=(skip, MENU))
    await booking.join_mailbox(context, address)
    context.state.mail_asked = True
    await _remind(context, rules)


# -- what is known -----------------------------------------------------------------------------------


def _journey(context: Context) -> Journey | None:
    """What the person has said, None while something is missing."""
    said: Mapping[str, str] = context.state.arrival
    rules = context.content.arrival
    known = rules is not None and said.get("group") in {one.id for one in rules.groups}
    if not known or "moves_in" not in said:
        return None
    arrives = date.fromisoformat(said["arrives"]) if "arrives" in said else None
    return Journey(said["group"], date.fromisoformat(said["moves_in"]), arrives)


def _result(context: Context, rules: Arrival) -> Result | None:
    """What the errand's gate will say to this group once they have moved in."""
    answers = rules.group(context.state.arrival["group"]).answers
    step = context.content.service(rules.service).gate.next(answers)
    return step if isinstance(step, Result) else None


def _works(context: Context) -> Works:
    return working(context.content.city.holidays.subdivision)


def _today(context: Context) -> date:
    """The day it is in the office."""
    return context.house.clock.now().astimezone(ZoneInfo(booking.office_zone(context))).date()


def _country(text: str, language: str) -> str | None:
    """The country whose name stands in the text (ISO 3166), in the person's language, English or German; the longest
    name counts ("Guinea-Bissau"), and two countries are none.
    """
    said = f" {fold(text)} "
    found = [name for name in _countries(language) if f" {name} " in said]
    most = max(map(len, found), default=0)
    codes = {_countries(language)[name] for name in found if len(name) == most}
    return codes.pop() if len(codes) == 1 else None


@lru_cache(maxsize=32)
def _countries(language: str) -> dict[str, str]:
    return {
        fold(name): code
        for tongue in ("en", "de", language)
        for code, name in Locale.parse(tongue).territories.items()
        if len(code) == 2 and code.isalpha()
    }
