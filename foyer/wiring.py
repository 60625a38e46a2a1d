"""Who is given what, and who listens to what: the one place where the house is put together."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from booking.calendar import CalendarFiles
from booking.jobs import KINDS as APPOINTMENT_NEWS
from booking.jobs import Notices
from booking.ports import ContentRules
from booking.reminders import Reminders
from booking.service import Booking
from booking.slots import OfficeHours
from bots.email.channel import MailChannel
from bots.telegram.channel import TelegramChannel, open_bot
from bots.telegram.limiter import Limiter
from bots.web.channel import WebChannel
from conversation.delivery import Delivery
from conversation.ports import Channel
from conversation.service import Conversations
from dialogue.context import House as Dialogue
from dialogue.turn import Turns
from escalation.service import Escalation
from foundation import content, faults, jobs
from foundation.clock import Clock, ShiftedClock, SystemClock
from foundation.content_models import CityContent
from foundation.crypto import Vault
from foundation.db import Database
from foundation.errors import OperatorError
from foundation.events import Events, Subscriptions
from foundation.files import DatabaseFiles
from foundation.i18n import Catalogue, Filled, Sayable, Text
from foundation.settings import Settings
from foyer.contents import Contents
from nlu.service import NluService
from nlu.trained import TrainedParser
from payments.jobs import Settlement
from payments.ports import Provider
from payments.service import Fees
from payments.stripe import StripeProvider
from payments.transfer import TransferProvider
from people.models import City, Office
from people.service import People
from web_call.files import CaseFiles
from web_call.ice import Turn
from web_call.service import Calls


@dataclass(frozen=True)
class House:
    """Everything a process works with."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    catalogue: Catalogue
    content: CityContent
    contents: Contents
    events: Events
    conversations: Conversations
    people: People
    booking: Booking
    notices: Notices
    reminders: Reminders
    escalation: Escalation
    fees: Fees
    calls: Calls
    files: CaseFiles
    channels: Mapping[str, Channel]

    def settlement(self) -> Settlement:
        return Settlement(self.database, self.fees, self.clock)

    def delivery(self) -> Delivery:
        return Delivery(self.database, self.conversations, self.channels)

    def turn(self) -> Turn:
        """The city's TURN servers, as the settings name them."""
        urls = [url.strip() for url in self.settings.turn_urls.split(",") if url.strip()]
        secret = self.settings.turn_secret
        return Turn(urls, secret.get_secret_value() if secret else "")

    async def city_id(self) -> uuid.UUID:
        async with self.database.every_city() as session:
            found = await session.scalar(select(City.id).where(City.slug == self.settings.city))
        if found is None:
            raise OperatorError(
                f"The city {self.settings.city!r} is not in the database yet; run `foyer seed`."
            )
        return found

    async def office_id(self) -> uuid.UUID:
        async with self.database.city(await self.city_id()) as session:
            found = await session.scalar(select(Office.id).where(Office.slug == self.content.city.office.id))
        if found is None:
            raise OperatorError("The city has no office in the database yet; run `foyer seed`.")
        return found

    async def turns(self) -> Turns:
        dialogue = Dialogue(
            catalogue=self.catalogue,
            clock=self.clock,
            content=self.content,
            conversations=self.conversations,
            booking=self.booking,
            notices=self.notices,
            escalation=self.escalation,
            fees=self.fees,
            reminders=self.reminders,
            office_id=await self.office_id(),
            mail_enabled="email" in self.channels,
            private_channels=self.private_channels(),
            telegram="telegram" in self.channels,
        )
        return Turns(self.database, dialogue, self.understanding())

    def private_channels(self) -> frozenset[str]:
        """Where personal matters may be spoken. Matrix is served by a process of its own."""
        return frozenset({"matrix", *(name for name, one in self.channels.items() if one.private)})

    def switched_on(self) -> frozenset[str]:
        """The channels and the ways to pay of this installation, by name."""
        matrix = ["matrix"] if self.settings.matrix_homeserver else []
        return frozenset({*self.channels, *matrix, *self.fees.providers})

    def understanding(self) -> NluService:
        """What is meant: by the model that `foyer nlu serve` offers, and by word lists while it does not."""
        service = NluService.from_content(self.content)
        if self.settings.nlu == "words":
            return service
        folder, patience = self.settings.data_dir / "nlu", self.settings.nlu_patience
        return replace(service, parser=TrainedParser.announced(folder, service.rules, patience))


@dataclass(frozen=True)
class ContentFacts:
    """What escalation asks of the content."""

    content: CityContent
    rules: ContentRules

    def service_name(self, service: str | None) -> Sayable:
        if service is not None and service in self.content.services:
            return Filled(self.content.services[service].names)
        return Text("desk.no_service")

    def duration_of(self, service: str | None) -> timedelta:
        if service is not None and service in self.content.services:
            return self.rules.duration(service)
        return timedelta(minutes=10)

    def open_at(self, office: Office, instant: datetime) -> bool:
        hours: OfficeHours = self.rules.hours(office.slug)
        local = instant.astimezone(ZoneInfo(hours.zone))
        spans = hours.weekly.get(local.weekday(), ())
        return hours.open_on(local.date()) and any(start <= local.time() < end for start, end in spans)


def build(settings: Settings, database_url: str, *, clock: Clock | None = None) -> House:
    """Put the house together. Opens no connection yet. Errors: OperatorError."""
    faults.arm(settings.crash_at)
    clock = clock or (ShiftedClock(settings.now) if settings.now else SystemClock())
    city = content.load(settings.content_dir, settings.city)
    catalogue = Catalogue.load(settings.content_dir)
    vault = Vault(settings.master_secret)
    conversations = Conversations(vault, clock, catalogue, settings.public_url, city.city.languages)
    notices = Notices(conversations, CalendarFiles(catalogue), city)
    calls = Calls(conversations, clock)
    events = Events(_subscriptions(notices, calls), jobs.defer)
    rules = ContentRules(city)
    booking = Booking(rules, clock, events)
    people = People(clock)
    escalation = Escalation(conversations, people, booking, clock, events, ContentFacts(city, rules))
    database = Database(database_url)
    return House(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        catalogue=catalogue,
        content=city,
        contents=Contents(settings, database, city),
        events=events,
        conversations=conversations,
        people=people,
        booking=booking,
        notices=notices,
        reminders=Reminders(conversations, city, jobs.defer),
        escalation=escalation,
        fees=Fees(conversations, people, clock, events, city, _providers(settings), jobs.defer),
        calls=calls,
        files=CaseFiles(conversations, DatabaseFiles(vault)),
        channels=_channels(settings, city, catalogue, clock),
    )


def _channels(
    settings: Settings, city: CityContent, catalogue: Catalogue, clock: Clock
) -> dict[str, Channel]:
    """A channel is switched on by its settings alone."""
    channels: list[Channel] = [WebChannel()]
    if settings.telegram_token:
        bot = open_bot(settings.telegram_token.get_secret_value(), settings.telegram_api)
        channels.append(TelegramChannel(bot, Limiter()))
    if settings.smtp_url:
        office = city.city.office.name["de"]
        url = settings.smtp_url.get_secret_value()
        channels.append(
            MailChannel(url, sender=settings.mail_from, office_name=office, catalogue=catalogue, clock=clock)
        )
    return {channel.name: channel for channel in channels}


def _providers(settings: Settings) -> dict[str, Provider]:
    """The ways to pay, the usual one first: a vendor where its keys are set, and always the transfer."""
    providers: list[Provider] = [TransferProvider()]
    if settings.stripe_key and settings.stripe_webhook_secret:
        key, secret = (
            settings.stripe_key.get_secret_value(),
            settings.stripe_webhook_secret.get_secret_value(),
        )
        providers.insert(0, StripeProvider(key, secret, base=settings.stripe_api))
    return {provider.name: provider for provider in providers}


@asynccontextmanager
async def opened(settings: Settings, database_url: str, *, edits: bool = True) -> AsyncIterator[House]:
    """A house whose master key fits its database; closed at the end. Errors: OperatorError.

    It says what the city edited last; without `edits`, what was shipped.
    """
    house = build(settings, database_url)
    try:
        async with house.database.every_city() as session:
            await house.vault.check_master(session)
        if edits:
            await house.contents.refresh()
        yield house
    finally:
        for channel in house.channels.values():
            await channel.close()
        await house.database.close()


def _subscriptions(notices: Notices, calls: Calls) -> Subscriptions:
    """Who listens to what: in the transaction (`handlers`) and after it (`effects`)."""
    return Subscriptions(
        handlers={
            **dict.fromkeys(APPOINTMENT_NEWS, (notices.mail,)),
            "case.admitted": (calls.on_admitted,),
            "case.handed_back": (calls.on_let_go,),
            "case.closed": (calls.on_let_go,),
        }
    )
