"""The whole main walk: from "hello" through a call with papers and a fee to the outcome.

An Arabic-speaking citizen on a phone, by any channel (`Person`), and a German clerk at a desk. Each step waits
for what its person sees, so it may be interrupted by a power cut and go on: whoever drives it restarts the
processes (`Guardian`), the pages come back by themselves, and a step that was refused is done again as a
person would do it.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from playwright.async_api import Browser, Error, Locator, Page, Route, expect
from sqlalchemy import select

from booking.models import Appointment
from foundation import content
from foundation.content_models import Answer, CityContent, Gate, Question
from foundation.db import Database
from foundation.i18n import Catalogue, Money
from tests.doubles.stripe.server import StripeDouble
from tests.e2e.person import CHAT, PATIENCE, Person, until
from tests.support.app import App
from tests.support.browser import DESKTOP, PHONE, Visitor, visiting
from tests.support.call import WATCHED, Sides
from tests.support.files import pdf, picture
from tests.support.guardian import Guardian, Traps
from tests.support.moments import MONDAY
from tests.support.planted import BORN, NAME, NOTE, STREET

SERVICE = "certificate_of_conduct"
MAIL = "amal@example.org"
CITIZEN_SAID = (
    "أريد شهادة حسن السيرة",
    "مانيلا",
    f"عندي سؤال، اسمي {NAME} ولدت في {BORN}",
    "شكرا جزيلا",
)
CLERK_SAID = f"Guten Tag {NAME}, geboren {BORN}: Ihre Anschrift {STREET} steht hier."
CLOSING = f"Bitte bewahren Sie alles auf, {NAME}: {NOTE}."
PAPER, LEAFLET = "Ausweis.pdf", "Merkblatt.png"
TALK = (
    "hello", "asks", "gate", "place", "slot", "books", "the_day_comes", "arrives", "writes_while_waiting",
    "clerk_signs_in", "clerk_sees_the_day", "admits", "they_talk",
)  # fmt: skip
CALL = (
    "goes_to_the_call", "accepts", "sends_papers", "fetches_papers", "asks_for_the_fee", "asks_again_in_vain",
    "pays", "both_see_it_paid", "still_see_each_other",
)  # fmt: skip
END = ("closes", "reads_the_summary", "keeps_the_receipt")
STEPS = (*TALK, *CALL, *END)


@dataclass
class Walk:
    """Both people, step by step. `sums` are the checksums of the two files as their senders were shown them,
    `reference` is the fee's Kassenzeichen as the desk shows it."""

    app: App
    database: Database
    catalogue: Catalogue
    content: CityContent
    person: Person
    clerk: Page
    desktop: Visitor
    account: tuple[str, str]
    guardian: Guardian
    stripe: StripeDouble
    cuts: bool = False
    sums: list[str] = field(default_factory=list)
    reference: str = ""

    def ar(self, key: str, **params: object) -> str:
        return self.catalogue(key, "ar", **params)

    def de(self, key: str, **params: object) -> str:
        return self.catalogue(key, "de", **params)

    @property
    def sides(self) -> Sides:
        return Sides(self.person.phone, self.desktop, self.person.page, self.clerk)

    @property
    def way(self) -> list[tuple[Question, Answer]]:
        """The gate's questions with the answers that lead to a video talk."""
        gate = self.content.service(SERVICE).gate
        found = way_to_video(gate, gate.start())
        assert found is not None
        return found

    # -- until the appointment ---------------------------------------------------------------------

    async def hello(self) -> None:
        await self.person.begin()
        await self.person.hears(self.content.city.office.name[self.person.first_language])

    async def asks(self) -> None:
        await self.person.say(CITIZEN_SAID[0])
        await self.person.hears("Führungszeugnis")
        await self.person.offered(self.ar("faq.can_i_book"))

    async def gate(self) -> None:
        await self.person.choose(self.ar("faq.can_i_book"))
        for question, answer in self.way:
            await self.person.hears(question.ask["ar"])
            await self.person.choose(answer.label["ar"])
        await self.person.hears(self.ar("gate.have_all"))

    async def place(self) -> None:
        await self.person.choose(self.ar("gate.ready"))
        await self.person.hears(self.ar("booking.which_city"))
        await self.person.say(CITIZEN_SAID[1])
        await self.person.hears(self.ar("booking.choose_slot"))

    async def slot(self) -> None:
        """A mail address is asked for only where others cannot read it."""
        await self.person.choose_slot(CITIZEN_SAID[1])
        if self.person.private:
            await self.person.hears(self.ar("booking.ask_mail"))
            await self.person.say(MAIL)
        await self.person.offered(self.ar("booking.confirm_yes"))

    async def books(self) -> None:
        await self.person.choose(self.ar("booking.confirm_yes"))
        await self.person.has_calendar()
        await self.person.offered(self.ar("menu.here"))

    async def the_day_comes(self) -> None:
        """Ten minutes before the appointment; a normal restart of the office lies between."""
        async with self.database.every_city() as session:
            booked = (await session.scalars(select(Appointment).where(Appointment.status == "booked"))).one()
        await self.guardian.move_time(booked.starts_at - timedelta(minutes=10))
        await expect(self.person.page.locator(".trouble")).to_have_count(0, timeout=PATIENCE)
        # The page's own tries to reach a server that was just away are no fault of the page.
        self.forgive("ERR_CONNECTION_REFUSED")

    def forgive(self, complaint: str) -> None:
        for visitor in (self.person.phone, self.desktop):
            visitor.complaints[:] = [one for one in visitor.complaints if complaint not in one]

    # -- the talk ----------------------------------------------------------------------------------

    async def arrives(self) -> None:
        await self.person.choose(self.ar("menu.here"))
        await self.person.waits(self.ar("queue.leave"))

    async def writes_while_waiting(self) -> None:
        await self.person.say(CITIZEN_SAID[2])
        await self.person.hears(self.ar("queue.noted"))

    async def clerk_signs_in(self) -> None:
        login, password = self.account
        await self.clerk.goto("/desk")
        await self.clerk.locator("#login").fill(login)
        await self.clerk.locator("#password").fill(password)
        await self.clerk.locator("form button[class*=primary]").click()
        await expect(self.clerk.locator(".list--waiting")).to_be_visible(timeout=PATIENCE)

    async def clerk_sees_the_day(self) -> None:
        today = self.clerk.locator(".list").filter(has=self.clerk.get_by_role("heading", name="Heute"))
        await expect(today).to_contain_text(self.content.service(SERVICE).names["de"], timeout=PATIENCE)
        await expect(self.clerk.locator(".list--waiting .row")).to_have_count(1, timeout=PATIENCE)

    async def admits(self) -> None:
        admit = self.clerk.locator(".list--waiting .row button.act")
        await until(admit.click, self.clerk.locator("#compose"))
        await self.clerk_hears(CITIZEN_SAID[2])
        await self.person.reads(self.ar("escalation.clerk_here", name="Frau Weber"))

    async def they_talk(self) -> None:
        await self.clerk.locator("#compose").fill(CLERK_SAID)
        await self.clerk.locator("#compose").press("Enter")
        await self.person.reads(CLERK_SAID)
        await self.person.say(CITIZEN_SAID[3])
        await self.clerk_hears(CITIZEN_SAID[3])

    async def clerk_hears(self, text: str) -> None:
        await expect(self.clerk.locator(CHAT)).to_contain_text(text, timeout=PATIENCE)

    # -- the call ----------------------------------------------------------------------------------

    async def goes_to_the_call(self) -> None:
        await self.person.to_call()
        await self.person.page.locator("[data-act=begin]").click(timeout=PATIENCE)
        await expect(self.person.page.locator("video.preview")).to_be_visible(timeout=PATIENCE)
        await self.sides.connected(seconds=PATIENCE / 1000)

    async def accepts(self) -> None:
        await self.person.page.locator("[data-act=accept]").click(timeout=PATIENCE)
        await expect(self.person.page.locator(".talk")).to_be_visible(timeout=PATIENCE)
        await self.still_see_each_other()

    async def still_see_each_other(self) -> None:
        """New frames are decoded at both ends."""
        await self.person.page.bring_to_front()
        await self.sides.pictures(seconds=PATIENCE / 1000)

    async def sends_papers(self) -> None:
        self.sums = [
            await self.sides.send_file(self.person.page, PAPER, "application/pdf", pdf()),
            await self.sides.send_file(self.clerk, LEAFLET, "image/png", picture("PNG")),
        ]
        if self.person.channel != "web":
            await self.person.hears(self.ar("file.waiting"))

    async def fetches_papers(self) -> None:
        """Each side has both files, byte for byte what was kept."""
        for page in (self.person.page, self.clerk):
            fetched = [await self.sides.fetch_file(page, name) for name in (PAPER, LEAFLET)]
            assert fetched == [(one, one) for one in self.sums]

    # -- the fee -----------------------------------------------------------------------------------

    @property
    def fee(self) -> Locator:
        return self.clerk.locator(".fee__one")

    async def asks_for_the_fee(self) -> None:
        """With power cuts the desk also loses one answer, so that the clerk presses a second time."""
        if self.cuts:
            await self.clerk.route("**/fees", lose_one_answer)
        await until(self.clerk.get_by_role("button", name=self.de("desk.fee_request")).click, self.fee)
        await expect(self.fee.locator(".tag")).to_have_text(self.de("desk.fee_state_open"))
        self.reference = await self.fee.locator("bdi").inner_text()

    async def asks_again_in_vain(self) -> None:
        refused = self.clerk.locator(".band--danger").filter(has_text=self.reference)
        await until(self.clerk.get_by_role("button", name=self.de("desk.fee_request")).click, refused)
        await expect(self.fee).to_have_count(1)
        self.forgive("409")

    async def pays(self) -> None:
        """By the link that was sent, on the vendor's page and back, to the receipt."""
        page = await self.person.to_pay()
        paid = page.locator("a[href$='/receipt']")
        await page.get_by_role("link", name=self.ar("pay.online")).click(timeout=PATIENCE)
        await page.get_by_role("button", name="Pay").click(timeout=PATIENCE)
        if not page.url.startswith(self.app.url):
            await page.wait_for_url(f"{self.app.url}/**", timeout=PATIENCE)
        await until(page.reload, paid)
        async with page.expect_download() as download:
            await paid.click()
        receipt = (await (await download.value).path()).read_text(encoding="utf-8")
        assert self.reference in receipt
        assert "13,00" in receipt
        await page.close()
        phone = self.person.phone
        phone.foreign[:] = [one for one in phone.foreign if not one.startswith(self.stripe.url)]

    async def both_see_it_paid(self) -> None:
        """In the call's thread and wherever the person reads; at the desk beside the call and in its thread."""
        service = self.content.service(SERVICE)
        assert service.fee_minor is not None
        facts = {"amount": Money(service.fee_minor, service.currency), "reference": self.reference}
        paid = {language: self.catalogue("fee.paid_message", language, **facts) for language in ("ar", "de")}
        await expect(self.person.page.locator(CHAT)).to_contain_text(paid["ar"], timeout=PATIENCE)
        await self.person.reads(paid["ar"])
        await expect(self.fee.locator(".tag")).to_have_text(self.de("desk.fee_state_paid"), timeout=PATIENCE)
        await self.clerk_hears(paid["de"])

    # -- the end -----------------------------------------------------------------------------------

    async def closes(self) -> None:
        await self.clerk.get_by_role("button", name=self.de("desk.close")).click()
        dialog = self.clerk.locator("dialog")
        await dialog.locator("input[value=done]").check()
        await dialog.get_by_label(self.de("next_step.keep_documents"), exact=True).check()
        await dialog.locator("#closing-note").fill(CLOSING)
        await expect(dialog.locator(".closing__preview")).to_contain_text(
            self.de("outcome.done"), timeout=PATIENCE
        )
        await until(dialog.locator("footer button:not([type=button])").click, dialog, gone=True)

    async def reads_the_summary(self) -> None:
        await self.person.leaves_the_call()
        await self.person.reads(self.ar("next_step.keep_documents"), CLOSING)

    async def keeps_the_receipt(self) -> None:
        await self.person.keeps(f"{self.reference.replace(' ', '')}.txt")

    # -- all of it ---------------------------------------------------------------------------------

    async def whole(self, steps: tuple[str, ...] = STEPS) -> None:
        for step in steps:
            try:
                act: Callable[[], Coroutine[Any, Any, None]] = getattr(self, step)
                await act()
            except Exception as error:
                error.add_note(f"in step {step!r}; the processes wrote:\n{self.app.logs()[-4000:]}")
                raise


def way_to_video(gate: Gate, step: Any) -> list[tuple[Question, Answer]] | None:
    """Questions and answers from `step` to a result that can be booked, None where there is none."""
    if not isinstance(step, Question):
        return [] if step.bookable else None
    for answer in step.answers:
        then = gate.question(answer.next) if answer.next else gate.result(answer.result or "")
        if (rest := way_to_video(gate, then)) is not None:
            return [(step, answer), *rest]
    return None


async def lose_one_answer(route: Route) -> None:
    """The server does what it was asked; its answer does not arrive. Once: then all goes on as usual."""
    if route.request.method != "POST":
        return await route.continue_()
    try:
        await route.fetch()
    except Error:
        return await route.abort()
    assert route.request.frame.page is not None
    await route.abort()
    await route.request.frame.page.unroute("**/fees")


Introduced = Callable[[Visitor, Page], Person]
"""Makes the citizen from their browser and its first page."""


@asynccontextmanager
async def walking(
    app: App,
    browser: Browser,
    database_url: str,
    stripe: StripeDouble,
    person: Introduced,
    traps: Traps | None = None,
) -> AsyncIterator[Walk]:
    """Both people with their browsers open, nothing done yet; the processes die in the `traps`."""
    settings, account, database = app.chosen(), await app.clerk(), Database(database_url)
    stripe.now = lambda: app.now or MONDAY
    stripe.hook = f"{app.url}/hooks/payments/stripe"
    guardian = Guardian(app, {name: list(steps) for name, steps in (traps or {}).items()})
    async with visiting(browser, app.url, PHONE) as phone, visiting(browser, app.url, DESKTOP) as desktop:
        for visitor in (phone, desktop):
            await visitor.context.add_init_script(WATCHED)
            await visitor.context.grant_permissions(["camera", "microphone"])
        walk = Walk(
            app=app,
            database=database,
            catalogue=Catalogue.load(settings.content_dir),
            content=content.load(settings.content_dir, settings.city),
            person=person(phone, await phone.context.new_page()),
            clerk=await desktop.context.new_page(),
            desktop=desktop,
            account=account,
            guardian=guardian,
            stripe=stripe,
            cuts=bool(traps),
        )
        walk.person.deaths = guardian.deaths
        if traps:
            app.kill()
            await guardian.restart()
        async with guardian.watching():
            yield walk
    await database.close()
