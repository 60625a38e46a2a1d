"""The fixtures themselves."""

from email.message import EmailMessage

import aiosmtplib
import pytest
from playwright.async_api import Browser

from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from tests.support.browser import PHONE, visiting
from tests.support.factory import Factory, SampleCity
from tests.support.smtp import Mailbox


async def test_a_case_and_its_conversation_can_be_read_back(
    database: Database, city: SampleCity, make: Factory, vault: Vault, clock: FixedClock
) -> None:
    async with database.city(city.id) as session:
        person = await make.person(session, "Layla")
        case = await make.case(session, person=person)
        conversation = await make.conversation(session, case=case)
    async with database.city(city.id) as session:
        assert await vault.open(session, f"person.name:{person.id}", person.name or b"") == "Layla"
    assert conversation.case_id == case.id
    assert clock.now().strftime("%A %H:%M") == "Monday 07:30"


async def test_the_mail_server_keeps_what_it_is_given_and_can_refuse(smtp: Mailbox) -> None:
    message = EmailMessage()
    message["Subject"] = "Termin"
    message.set_content("Guten Tag, مرحبا")
    port = int(smtp.url.rpartition(":")[2])
    await aiosmtplib.send(
        message, sender="a@b.example", recipients=["c@d.example"], hostname="127.0.0.1", port=port
    )
    (mail,) = await smtp.wait_for(1)
    assert (mail.message["Subject"], smtp.to("c@d.example")) == ("Termin", [mail])
    smtp.answer = "451 try later"
    with pytest.raises(aiosmtplib.SMTPResponseException, match="try later"):
        await aiosmtplib.send(
            message, sender="a@b.example", recipients=["c@d.example"], hostname="127.0.0.1", port=port
        )


async def test_a_visitor_notes_errors_and_foreign_requests(browser: Browser) -> None:
    async with visiting(browser, "http://127.0.0.1:9", PHONE) as visitor:
        page = await visitor.context.new_page()
        await page.set_content(
            "<meta name=viewport content='width=device-width'><img src='http://127.0.0.2:9/x.png'><script>console.error('broken')</script>"
        )
        assert visitor.foreign == ["http://127.0.0.2:9/x.png"]
        assert any("broken" in complaint for complaint in visitor.complaints)
        assert await page.evaluate("[innerWidth, navigator.language]") == [390, "ar"]
