"""The arrival plan as five people walk it in the chat, reminders and slots included, across a clock change."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from booking.models import Appointment, Reminder
from booking.reminders import tasks
from conversation.models import Outbox
from conversation.reply import Body
from foundation.clock import FixedClock
from foundation.i18n import Moment
from foundation.settings import Settings
from foyer.seed import seed
from foyer.wiring import build
from tests.promises.plugin import Promise
from tests.support.smtp import Mailbox
from tests.support.talk import Citizen, Office

pytestmark = pytest.mark.usefixtures("talk_office")

HERE = "Europe/Berlin"
SUMMER = datetime(2026, 9, 14, 8, tzinfo=UTC)
"""Monday 14 September 2026: everybody still has to move in, on 20 October; on 25 October the clocks change."""
MOVES_IN, LAST_DAY = date(2026, 10, 20), date(2026, 11, 3)
POST = date(2026, 11, 24)


@dataclass(frozen=True)
class Traveller:
    """Who comes from where: what they press or type, the days their plan must hold, and where they read a clock."""

    name: str
    language: str
    group: str
    answers: tuple[str, ...]
    steps: dict[str, date]
    home: str = HERE
    lives_in: str = ""
    by_video: bool = False


KEYS_AND_LAST_DAY = {"keys": MOVES_IN, "register": LAST_DAY}
PEOPLE = (
    Traveller(
        "Kyiv",
        "en",
        "Ukraine",
        ("10 October 2026", "2026-10-20"),
        {**KEYS_AND_LAST_DAY, "tax_id": POST, "permit_protection": date(2027, 1, 7)},
    ),
    Traveller(
        "Manila",
        "en",
        "I am from the Philippines",
        ("18 December", "20 December 2026"),
        {
            "visa": date(2026, 9, 25),
            "keys": date(2026, 12, 20),
            "register": date(2027, 1, 4),
            "tax_id": date(2027, 1, 25),
            "permit_visa": date(2027, 3, 17),
        },
        home="Asia/Manila",
        lives_in="Manila",
    ),
    Traveller(
        "Cairo",
        "ar",
        "مصر",
        ("١٥ أكتوبر ٢٠٢٦", "٢٠/١٠/٢٠٢٦"),
        {
            "visa": date(2026, 7, 23),
            **KEYS_AND_LAST_DAY,
            "tax_id": POST,
            "permit_visa": date(2027, 1, 12),
        },
    ),
    Traveller("Wien", "de", "Österreich", ("1. Oktober", "20.10."), {**KEYS_AND_LAST_DAY, "tax_id": POST}),
    Traveller("Stuttgart", "de", "1", ("20.10.2026",), KEYS_AND_LAST_DAY, by_video=True),
)


async def planned(office: Office, clock: FixedClock, person: Traveller) -> Citizen:
    """From "not moved in yet" to the plan."""
    clock.instant = SUMMER
    citizen = Citizen(office, language=person.language)
    await citizen.start()
    await citizen._send("choice", choice="book:residence_registration")
    await citizen.press("gate:residence_registration:moved_in:no")
    await citizen.press("arrival:start")
    for answer in (person.group, *person.answers):
        await citizen.say(answer)
    return citizen


def shown_days(office: Office, person: Traveller, words: str) -> dict[str, date]:
    """The days that stand beside the steps in the person's language."""
    arrival, catalogue = office.house.content.arrival, office.house.catalogue
    assert arrival is not None
    found = {}
    for paragraph in words.split("\n\n"):
        head = paragraph.partition("\n")[0].replace("\u2068", "").replace("\u2069", "")
        for step in arrival.steps:
            title = step.title[person.language]
            if title in head and "arrival" not in head:
                days = [SUMMER.date() + timedelta(days=n) for n in range(-100, 400)]
                named = [day for day in days if catalogue.format(day, person.language) in head]
                found[step.id] = max(named, key=lambda day: len(catalogue.format(day, person.language)))
    return found


@pytest.mark.promise("arrival.plan")
@pytest.mark.parametrize("person", PEOPLE, ids=lambda one: one.name)
async def test_each_gets_the_right_dated_steps(
    talk_office: Office, clock: FixedClock, person: Traveller, promise: Promise
) -> None:
    citizen = await planned(talk_office, clock, person)
    found = shown_days(talk_office, person, citizen.text)
    permits = {one: day for one, day in person.steps.items() if one.startswith("permit")}
    # All permits have one title in some languages: the day decides.
    same = {one: day for one, day in found.items() if not one.startswith("permit")}
    assert same == {one: day for one, day in person.steps.items() if one not in permits}
    assert set(found.values()) == set(person.steps.values())
    offered = [one.id for one in citizen.last.choices]
    assert ("arrival:slot" in offered) is person.by_video
    assert citizen.last.german is not None or person.language == "de"
    promise.figure(len(person.steps), "dated steps")


@pytest.mark.promise("arrival.plan")
@pytest.mark.parametrize("person", PEOPLE, ids=lambda one: one.name)
async def test_reminders_come_at_nine_by_their_clock_on_both_sides_of_the_change(
    talk_office: Office, clock: FixedClock, person: Traveller, promise: Promise
) -> None:
    citizen = await planned(talk_office, clock, person)
    await citizen.press("arrival:remind")
    if person.lives_in:
        await citizen.say(person.lives_in)
    waiting = await reminders(talk_office)
    assert len(waiting) == len([day for day in person.steps.values() if day > SUMMER.date()])
    catalogue, clocks = talk_office.house.catalogue, set()
    for one in waiting:
        zone = person.home if one.due_at < arrival_of(person) else HERE
        local = one.due_at.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute) == (9, 0)
        assert catalogue.format(Moment(one.due_at, HERE), person.language) in citizen.text
        clocks.add((zone, local.utcoffset()))
    assert len(clocks) > 1, "all reminders are on one side of the change"
    for one in waiting:
        clock.instant = one.due_at
        await due(talk_office)
        await citizen.listen()
        assert [message.author for message in citizen.heard] == ["system"]
    assert await reminders(talk_office) == []
    promise.figure(len(waiting), "reminders")


@pytest.mark.promise("arrival.plan")
async def test_slots_are_offered_from_moving_in_to_the_last_day_alone(
    talk_office: Office, clock: FixedClock
) -> None:
    citizen = await planned(talk_office, clock, PEOPLE[-1])
    await citizen.press("arrival:slot")
    await citizen.press("ready:residence_registration")
    await citizen.say("Stuttgart")
    seen = await offered_days(citizen)
    assert min(seen) >= MOVES_IN
    assert max(seen) <= LAST_DAY
    early = datetime(2026, 10, 19, 8, tzinfo=UTC)
    await citizen._send("choice", choice=f"slot:{early:%Y%m%dT%H%MZ}")
    assert not any(one.id.startswith("confirm") for one in citizen.last.choices)
    await citizen._send("choice", choice="slots:first")
    await citizen.press("slot:")
    await citizen.press("confirm:yes")
    booked = await appointment(talk_office)
    assert MOVES_IN <= booked.starts_at.astimezone(ZoneInfo(HERE)).date() <= LAST_DAY
    await citizen.press("appointments")
    await citizen.press("change")
    assert min(await offered_days(citizen)) >= MOVES_IN
    await citizen._send("choice", choice=f"slot:{early:%Y%m%dT%H%MZ}")
    assert (await appointment(talk_office)).starts_at == booked.starts_at


async def test_slots_are_not_looked_for_before_they_can_be_booked(
    talk_office: Office, clock: FixedClock
) -> None:
    person = Traveller("Köln", "de", "1", ("12.1.2027",), {})
    citizen = await planned(talk_office, clock, person)
    assert "ab 1. Dezember 2026" in citizen.text
    assert "arrival:slot" not in [one.id for one in citizen.last.choices]
    await citizen._send("choice", choice="arrival:slot")
    assert not any(one.id.startswith("slot") for one in citizen.last.choices)


@pytest.mark.promise("arrival.plan")
@pytest.mark.parametrize("person", PEOPLE[:4], ids=lambda one: one.name)
async def test_who_comes_from_abroad_is_offered_no_slot_also_when_asking_for_it(
    talk_office: Office, clock: FixedClock, person: Traveller
) -> None:
    citizen = await planned(talk_office, clock, person)
    await citizen._send("choice", choice="arrival:slot")
    await citizen._send("choice", choice="slots:first")
    await citizen._send("choice", choice="slot:20261021T0700Z")
    assert not any(one.id.startswith(("slot:", "confirm")) for one in citizen.last.choices)


async def test_days_are_checked_and_said_in_the_persons_language(
    talk_office: Office, clock: FixedClock
) -> None:
    clock.instant = SUMMER
    citizen = Citizen(talk_office, language="tr")
    await citizen.start()
    await citizen.say("geliş planı")
    await citizen.say("Atlantis")
    assert "tanımıyorum" in citizen.text
    await citizen.say("Türkiye")
    await citizen.say("bilmiyorum")
    assert "gün, ay ve yıl" in citizen.text
    await citizen.say("31.2.2027")
    assert "Böyle bir gün yok" in citizen.text
    await citizen.say("1 Ocak 2031")
    assert "1 Ocak 2031" in citizen.text
    await citizen.say("3 Aralık")
    await citizen.say("1 Aralık")
    assert "önce" in citizen.text
    await citizen.say("1.9.2026")
    assert "book:residence_registration" in [one.id for one in citizen.last.choices]
    await citizen.say("2026-12-05")
    assert "5 Aralık 2026" in citizen.text


async def test_reminders_end_when_they_are_not_wanted(talk_office: Office, clock: FixedClock) -> None:
    citizen = await planned(talk_office, clock, PEOPLE[3])
    await citizen.press("arrival:remind")
    assert len(await reminders(talk_office)) == 3
    await citizen.say("keine Erinnerungen mehr")
    assert "keine Erinnerungen mehr" in citizen.text
    clock.move(timedelta(days=120))
    await due(talk_office)
    assert len([one for one in await citizen.listen() if one.author == "system"]) == 0


async def test_new_days_take_the_place_of_the_old_ones(talk_office: Office, clock: FixedClock) -> None:
    citizen = await planned(talk_office, clock, PEOPLE[-1])
    await citizen.press("arrival:remind")
    await citizen._send("choice", choice="arrival:show")
    await citizen.press("arrival:start")
    await citizen.press("arrival:group:inside")
    await citizen.say("1.12.2026")
    days = {one.due_at.date() for one in await reminders(talk_office)}
    assert days == {date(2026, 12, 1), date(2026, 12, 10)}


async def test_a_delayed_reminder_waits_for_the_morning(talk_office: Office, clock: FixedClock) -> None:
    await (citizen := await planned(talk_office, clock, PEOPLE[-1])).press("arrival:remind")
    first = min(one.due_at for one in await reminders(talk_office))
    clock.instant = first + timedelta(hours=16)  # one in the night
    await due(talk_office)
    assert len(await reminders(talk_office)) == 2
    clock.instant = first + timedelta(days=1)
    await due(talk_office)
    assert len(await reminders(talk_office)) == 1
    assert "Papier vom Vermieter" in (await citizen.listen())[-1].body.text


async def test_a_messenger_that_others_can_read_hears_nothing_personal(
    talk_office: Office, clock: FixedClock
) -> None:
    clock.instant = SUMMER
    citizen = Citizen(talk_office, language="en", channel="telegram", address="4711")
    await unheard(citizen, "start")
    await unheard(citizen, "text", text="arrival plan")
    for answer in ("Ukraine", "10 October 2026", "1 October 2026", "2026-10-20"):
        await unheard(citizen, "text", text=answer)
    await unheard(citizen, "choice", choice="arrival:remind")
    clock.instant = min(one.due_at for one in await reminders(talk_office))
    await due(talk_office)
    said = "\n".join(await said_outside(talk_office))
    assert "Answer on our page" in said
    assert "reminder that you asked for" in said
    assert not any(
        word in said for word in ("10 October", "20 October", "November", "24 AufenthG", "landlord")
    )


async def test_a_reminder_by_mail_says_only_that_there_is_one(
    settings: Settings, database_url: str, clock: FixedClock, smtp: Mailbox
) -> None:
    house = build(
        settings.model_copy(update={"smtp_url": SecretStr(smtp.url), "mail_from": "office@example.org"}),
        database_url,
        clock=clock,
    )
    await seed(house)
    office = Office(house, await house.city_id())
    citizen = await planned(office, clock, PEOPLE[0])
    await citizen.press("arrival:remind")
    await citizen.say("not an address")
    assert "cannot read this e-mail address" in citizen.text
    await citizen.say("kyiv@example.org")
    assert "We will remind you" in citizen.text
    clock.instant = min(one.due_at for one in await reminders(office))
    await due(office)
    (mail,) = smtp.to("kyiv@example.org")
    part = mail.message.get_body(("plain",))
    assert part is not None
    words = f"{mail.message['Subject']} {' '.join(part.get_content().split())}"
    assert "There is a message for you" in words
    assert not any(word in words for word in ("October", "landlord", "24 AufenthG"))
    assert "landlord" in (await citizen.listen())[-1].body.text
    await house.database.close()


# -- what the tests look at --------------------------------------------------------------------------


def arrival_of(person: Traveller) -> datetime:
    """Midnight in the office of the day on which they arrive; for who lives there, long ago."""
    days = {
        "Kyiv": date(2026, 10, 10),
        "Manila": date(2026, 12, 18),
        "Cairo": date(2026, 10, 15),
        "Wien": date(2026, 10, 1),
    }
    day = days.get(person.name, date(2020, 1, 1))
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(HERE))


async def reminders(office: Office) -> list[Reminder]:
    async with office.house.database.city(office.city_id) as session:
        return list(await session.scalars(select(Reminder).order_by(Reminder.due_at)))


async def due(office: Office) -> None:
    """Run every reminder's job whose time has come by the house's clock, then deliver."""
    known = tasks(office.house.database, office.house.reminders)
    query = text(
        "SELECT id, task_name, args FROM procrastinate_jobs WHERE scheduled_at <= :now AND status = 'todo'"
    )
    async with office.house.database.every_city() as session:
        jobs = (await session.execute(query, {"now": office.house.clock.now()})).all()
    for job_id, name, args in jobs:
        values = json.loads(args) if isinstance(args, str) else args
        assert set(values) == {"city_id", "reminder_id"}
        assert all(uuid.UUID(one) for one in values.values())
        for _ in range(2):  # a job may run more than once
            await known[name](None, **values)
        async with office.house.database.every_city() as session:
            await session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})
    await office.work()


async def offered_days(citizen: Citizen) -> set[date]:
    """The days of all slots that are offered, page after page."""
    days: set[date] = set()
    while slots := [one.id.partition(":")[2] for one in citizen.last.choices if one.id.startswith("slot:")]:
        days |= {
            datetime.strptime(one, "%Y%m%dT%H%MZ").replace(tzinfo=UTC).astimezone(ZoneInfo(HERE)).date()
            for one in slots
        }
        if len(days) > 5:
            break
        await citizen.press("slots:more")
    return days


async def appointment(office: Office) -> Appointment:
    async with office.house.database.city(office.city_id) as session:
        return (await session.scalars(select(Appointment).where(Appointment.status == "booked"))).one()


async def unheard(citizen: Citizen, kind: str, **said: str) -> None:
    """Say something in a channel that nobody delivers to in this test."""
    await citizen._send(kind, **said)


async def said_outside(office: Office) -> list[str]:
    """What a channel that others can read is given, all of it."""
    async with office.house.database.city(office.city_id) as session:
        vault = office.house.vault
        bodies = [
            Body.from_json(await vault.open(session, f"outbox.body:{row.id}", row.body)).guarded()
            for row in await session.scalars(select(Outbox).order_by(Outbox.seq))
        ]
    return [
        "\n".join([one.text, *(c.label for c in one.choices), *(link.label for link in one.links)])
        for one in bodies
    ]
