"""What goes to Telegram and to mailboxes is neutral: a whole talk full of personal words, on both."""

import io
from datetime import timedelta

import pikepdf
import pytest
from sqlalchemy import select

from bots.email.channel import MailChannel
from conversation.models import Case
from conversation.reply import Attachment, Reply
from escalation.outcome import Closing
from foundation.clock import FixedClock
from foundation.i18n import Verbatim
from people.models import Office as OfficeRow
from people.models import Staff
from tests.doubles.telegram.server import Telegram
from tests.promises.plugin import Promise
from tests.support.planted import BORN, NAME, NOTE, PAPER, STREET, leaks_by_mail, leaks_to_telegram
from tests.support.smtp import Mailbox
from tests.support.talk import Citizen, Office
from tests.support.telegram import Person
from tests.support.telegraph import Telegraphist

MAIL = "somebody@example.org"
WORDS = f"Ich heiße {NAME}, geboren am {BORN}, und wohne {STREET}."


def paper() -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.pages[0].Contents = pdf.make_stream(f"BT ({PAPER}) Tj ET".encode())
        pdf.save(out, compress_streams=False)
    return out.getvalue()


async def clerk_of(office: Office) -> Staff:
    house = office.house
    async with house.database.city(office.city_id) as session:
        row = await session.get_one(OfficeRow, await house.office_id())
        staff, _ = await house.people.create_staff(
            session, row, login="weber", name="Frau Weber", roles=["clerk"], languages=["de"]
        )
    return staff


async def served(office: Office, clerk: Staff) -> None:
    """The clerk fetches whoever has a case, speaks of personal things, sends a paper, and closes."""
    escalation, house = office.house.escalation, office.house
    async with house.database.city(office.city_id) as session:
        case = (await session.scalars(select(Case).where(Case.state == "open"))).one()
        await escalation.take_over(session, case, clerk)
        await escalation.say(session, case, clerk, WORDS, key="1")
        file = Attachment(f"{PAPER}.pdf", "application/pdf", paper())
        thread = await escalation.thread_of(session, case)
        reply = Reply((Verbatim("Anbei"),), attachments=(file,))
        await house.conversations.say(session, thread, reply, key="paper", author="clerk", staff_id=clerk.id)
        for one in await house.conversations.threads_of(session, case):
            await house.conversations.say(
                session,
                one,
                Reply((Verbatim(WORDS),)),
                key=f"also:{one.id}",
                author="clerk",
                staff_id=clerk.id,
            )
    await office.work()
    async with house.database.city(office.city_id) as session:
        case = (await session.scalars(select(Case).where(Case.state == "open"))).one()
        await escalation.close(session, case, clerk, Closing("done", note=f"{NAME}: {NOTE}"))
    await office.work()


@pytest.mark.promise("channel.nothing-personal")
@pytest.mark.parametrize("language", ["de", "en", "tr", "ar"])
async def test_telegram_hears_nothing_personal(
    talk_office: Office, telegram: Telegram, language: str, clock: FixedClock, promise: Promise
) -> None:
    desk, person = Telegraphist(talk_office, telegram), Person(telegram, language)
    await person.start()
    await desk.work()
    for act in ("book", "book:address_change", "gate:address_change:moved_in:yes"):
        await person.press(act)
        await desk.work()
    await person.press("gate:address_change:where_to:same_city")
    await desk.work()
    await person.press("ready:")
    await desk.work()
    await person.press("zone:here")
    await desk.work()
    for act in ("slot:", "confirm:yes"):
        await person.press(act)
        await desk.work()
    await person.say(WORDS)
    await person.send_document(f"{PAPER}.pdf", "application/pdf", paper())
    await desk.work()
    clerk = await clerk_of(talk_office)
    said = len(person.shown)
    await served_with_patience(desk, clerk, clock)
    assert len(person.shown) - said >= 3
    assert leaks_to_telegram(telegram) == []
    assert any(shown.file for shown in person.shown)
    await desk.channel.close()
    promise.figure(len(telegram.requests), "Telegram payloads")


async def served_with_patience(desk: Telegraphist, clerk: Staff, clock: FixedClock) -> None:
    """With Telegram's pauses between the messages."""
    await served(desk.office, clerk)
    for _ in range(4):
        clock.move(timedelta(seconds=5))
        await desk.work()


@pytest.mark.promise("channel.nothing-personal")
async def test_mailboxes_hear_nothing_personal(talk_office: Office, smtp: Mailbox, promise: Promise) -> None:
    house = talk_office.house
    channels = house.channels
    assert isinstance(channels, dict)
    office_name = house.content.city.office.name["de"]
    channels["email"] = MailChannel(
        smtp.url,
        sender="x@example.org",
        office_name=office_name,
        catalogue=house.catalogue,
        clock=house.clock,
    )
    citizen = Citizen(talk_office, "de")
    await citizen.start()
    for act in ("book", "book:address_change", "gate:address_change:moved_in:yes"):
        await citizen.press(act)
    await citizen.press("gate:address_change:where_to:same_city")
    await citizen.press("ready:")
    await citizen.press("zone:here")
    await citizen.press("slot:")
    await citizen.say(MAIL)
    await citizen.press("confirm:yes")
    await citizen.say(WORDS)
    await served(talk_office, await clerk_of(talk_office))
    assert len(smtp.mails) >= 2
    assert leaks_by_mail(smtp) == []
    promise.figure(len(smtp.mails), "mails")
