"""Fees: asked for by a clerk from the tariff, paid by transfer or at a vendor, settled once.

Nothing here calls a vendor; payments/jobs.py does, between two transactions.
"""

import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Case, Conversation
from conversation.reply import Attachment, Page, Reply
from conversation.service import Conversations, token_digest
from foundation.clock import Clock
from foundation.content_models import CityContent, Service
from foundation.db import new_id
from foundation.errors import FoyerError, NotFound
from foundation.events import Events
from foundation.faults import reached
from foundation.i18n import Filled, Moment, Money, Sayable, Text, Verbatim, Words
from foundation.money import creditor_reference, grouped
from payments.models import Fee, PaymentAttempt
from payments.ports import Order, Provider, Snapshot
from payments.states import ATTEMPT_NEXT, FEE_NEXT, LIVE, UNDER_WAY, advance
from payments.transfer import Transfer
from people.models import Staff
from people.service import People

logger = logging.getLogger(__name__)

USUAL = "usual"
PREFIX = "/pay/"
ASKED_FOR = timedelta(hours=23)
"""How long one attempt at a vendor is good; vendors allow a day."""

Defer = Callable[[AsyncSession, str, Mapping[str, Any]], Awaitable[None]]


class NothingToPay(FoyerError):
    """The service, or this line of its tariff, is free."""

    status = 409
    key = "fee.nothing_to_pay"


class AmountFixed(FoyerError):
    """The tariff sets the amount; nobody may name another one."""

    status = 422
    key = "fee.amount_fixed"


class AmountOutside(FoyerError):
    """The tariff leaves the amount open, within bounds."""

    status = 422
    key = "fee.amount_outside"


class AlreadyAsked(FoyerError):
    status = 409
    key = "fee.already_asked"


class NotSetUp(FoyerError):
    """No provider is switched on."""

    status = 409
    key = "fee.not_set_up"


class CaseNotHeld(FoyerError):
    """Only the clerk who holds the case may ask for its fee."""

    status = 409
    key = "desk.not_the_holder"


class NotPossible(FoyerError):
    """What the clerk wants does not fit how far the fee is."""

    status = 409
    key = "fee.not_possible"


class FeeOver(FoyerError):
    """No fee has this link (any more)."""

    status = 410
    key = "link.over"


@dataclass(frozen=True)
class Line:
    """A line of a tariff: "usual", a reduction or a variant. `amount` None: the city leaves it to the clerk."""

    id: str
    amount: int | None
    currency: str
    who: Words | None = None


@dataclass(frozen=True)
class Wish:
    """What a clerk asks for. `amount` (minor units) only where the tariff leaves it open; `method` None: the usual one.

    `key` is made by the desk, so that a request sent twice is one fee.
    """

    key: str
    line: str = USUAL
    amount: int | None = None
    method: str | None = None


@dataclass(frozen=True)
class Fees:
    """All that is asked for and paid. Methods write in the caller's transaction.

    `providers` by name; the first is the usual one.
    """

    conversations: Conversations
    people: People
    clock: Clock
    events: Events
    content: CityContent
    providers: Mapping[str, Provider]
    defer: Defer

    # -- reading -----------------------------------------------------------------------------------

    def tariff(self, service_id: str | None) -> list[Line]:
        """What may be asked for; nothing for a free service or none."""
        service = self.content.services.get(service_id or "")
        if service is None or service.fee_minor == 0:
            return []
        lines = [Line(USUAL, service.fee_minor, service.currency)]
        for one in service.priced():
            lines.append(Line(one.id, _minor(service, one.fact), service.currency, one.who))
        return [line for line in lines if line.amount != 0]

    async def of_case(self, session: AsyncSession, case_id: uuid.UUID) -> list[Fee]:
        """The case's fees, the latest first."""
        query = select(Fee).where(Fee.case_id == case_id).order_by(Fee.requested_at.desc(), Fee.id)
        return list(await session.scalars(query))

    async def of_person(self, session: AsyncSession, person_id: uuid.UUID) -> list[Fee]:
        """All fees of a person, whatever became of the cases, the latest first."""
        query = select(Fee).join(Case, Case.id == Fee.case_id).where(Case.person_id == person_id)
        return list(await session.scalars(query.order_by(Fee.requested_at.desc(), Fee.id)))

    async def fee(self, session: AsyncSession, fee_id: uuid.UUID) -> Fee:
        """Errors: NotFound."""
        found = await session.get(Fee, fee_id)
        if found is None:
            raise NotFound
        return found

    async def by_token(self, session: AsyncSession, token: str) -> Fee:
        """The fee of a pay link. Errors: FeeOver."""
        found: Fee | None = await session.scalar(select(Fee).where(Fee.token_hash == token_digest(token)))
        if found is None:
            raise FeeOver
        return found

    async def path(self, session: AsyncSession, fee: Fee) -> str:
        """The path of the pay link ("/pay/<token>")."""
        token: str = await self.conversations.vault.open(session, f"fee.token:{fee.id}", fee.token)
        return PREFIX + token

    async def attempts(self, session: AsyncSession, fee: Fee) -> list[PaymentAttempt]:
        query = select(PaymentAttempt).where(PaymentAttempt.fee_id == fee.id)
        return list(await session.scalars(query.order_by(PaymentAttempt.number)))

    async def vendor_page(self, session: AsyncSession, fee: Fee) -> str | None:
        """Where the fee can be paid at the vendor right now."""
        if fee.state not in LIVE:
            return None
        for one in reversed(await self.attempts(session, fee)):
            if one.state == "open" and one.url is not None:
                url: str = await self.conversations.vault.open(
                    session, f"payment_attempt.url:{one.id}", one.url
                )
                return url
        return None

    async def problem(self, session: AsyncSession, fee: Fee) -> str | None:
        """Why it does not go on: away, refused, differs, paid_twice."""
        return next((one.problem for one in reversed(await self.attempts(session, fee)) if one.problem), None)

    async def being_prepared(self, session: AsyncSession, fee: Fee) -> bool:
        """Whether the vendor has not yet answered, so that the person has not been asked either."""
        attempts = await self.attempts(session, fee)
        return fee.state == "open" and bool(attempts) and attempts[-1].state == "starting"

    def has_page(self, fee: Fee) -> bool:
        """Whether the fee is paid on a vendor's page, as long as that vendor is still switched on."""
        provider = self.providers.get(fee.provider)
        return provider is not None and provider.has_page

    def transfer(self, fee: Fee) -> Transfer:
        return Transfer(self.content.city.payments, fee.amount, fee.currency, fee.reference)

    # -- the desk ----------------------------------------------------------------------------------

    async def request(
        self, session: AsyncSession, case: Case, thread: Conversation, staff: Staff, wish: Wish
    ) -> Fee:
        """Ask for a fee; the person is told in `thread` as soon as it can be paid.

        Errors: CaseNotHeld, NothingToPay, AmountFixed, AmountOutside, AlreadyAsked, NotSetUp, NotFound.
        """
        case = await self.conversations.lock_case(session, case.id)
        known: Fee | None = await session.scalar(select(Fee).where(Fee.key == _desk_key(case, wish)))
        if known is not None:
            return known
        if case.state != "open" or case.holder_id != staff.id:
            raise CaseNotHeld(number=case.number)
        line = self._line(case, wish)
        await self._refuse_second(session, case, line)
        fee = await self._new_fee(session, case, thread, staff, wish, line)
        await self._first_attempt(session, fee)
        await self.people.audit(session, staff, "fee.requested", case.id)
        await self._report(session, fee, "fee.requested")
        reached("fee.requested")
        return fee

    async def received(self, session: AsyncSession, fee: Fee, staff: Staff) -> None:
        """The money of a transfer has come. A second press changes nothing. Errors: NotPossible."""
        fee = await self._locked_fee(session, fee.id)
        (*_, attempt) = await self.attempts(session, fee)
        if self.has_page(fee) or fee.state == "refunded":
            raise NotPossible
        if fee.state == "paid":
            return
        await self.people.audit(session, staff, "fee.received", fee.case_id)
        attempt.state = advance(ATTEMPT_NEXT, attempt.state, "paid")
        await self._settle(session, fee, attempt)

    async def cancel(self, session: AsyncSession, fee: Fee, staff: Staff) -> None:
        """Ask no more. What the vendor already holds is ended by a job; if it was paid meanwhile, paid it is.

        Errors: NotPossible.
        """
        fee = await self._locked_fee(session, fee.id)
        if fee.state == "cancelled":
            return
        if fee.state != "open":
            raise NotPossible
        told = not await self.being_prepared(session, fee)
        await self.people.audit(session, staff, "fee.cancelled", fee.case_id)
        await self._give_up(session, fee, "cancelled")
        if told:
            await self._tell_person(session, fee, Reply((Text("fee.cancelled_message"),)), "cancelled")

    async def give_back(self, session: AsyncSession, fee: Fee, staff: Staff) -> None:
        """Return a paid fee by the way it came: at the vendor by a job, a transfer by the cash office, noted here.

        Of a fee that was paid twice only the second payment goes back. Errors: NotPossible.
        """
        fee = await self._locked_fee(session, fee.id)
        paid = [one for one in await self.attempts(session, fee) if one.state == "paid"]
        if not paid:
            raise NotPossible
        await self.people.audit(session, staff, "fee.refunded", fee.case_id)
        for attempt in [one for one in paid if one.problem == "paid_twice"] or paid:
            if self.has_page(fee):
                attempt.refund_asked = True
                await self._later(session, "fee_refund", attempt)
            else:
                attempt.state = "refunded"
                await self._refunded(session, fee)

    # -- attempts ----------------------------------------------------------------------------------

    async def next_attempt(self, session: AsyncSession, fee_id: uuid.UUID) -> PaymentAttempt | None:
        """The attempt under way, or a new one when the last has ended; None when nothing is to be paid."""
        fee = await self._locked_fee(session, fee_id)
        if fee.state not in LIVE or not self.has_page(fee):
            return None
        attempts = await self.attempts(session, fee)
        if attempts and attempts[-1].state in UNDER_WAY:
            return attempts[-1]
        return await self._new_attempt(session, fee, len(attempts) + 1)

    async def order(self, session: AsyncSession, fee: Fee, attempt: PaymentAttempt) -> Order:
        """What the vendor is asked for; the same at every try of one attempt."""
        language = await self._language(session, fee)
        path = await self.path(session, fee)
        return Order(
            key=attempt.key,
            reference=fee.reference,
            purpose=self.conversations.catalogue.render(Text("fee.purpose"), language),
            amount=fee.amount,
            currency=fee.currency,
            language=language,
            return_url=f"{self.conversations.public_url.rstrip('/')}{path}?back=1",
            expires_at=attempt.created_at + ASKED_FOR,
        )

    async def take(self, session: AsyncSession, attempt_id: uuid.UUID, seen: Snapshot) -> None:
        """Believe what was fetched: forward only, and money only if amount, currency and reference are ours."""
        found = await session.get(PaymentAttempt, attempt_id)
        if found is None:
            return
        fee = await self._locked_fee(session, found.fee_id)
        attempt = await session.get_one(PaymentAttempt, attempt_id, populate_existing=True)
        await self._note(session, fee, attempt, seen)
        if seen.state in ("paid", "processing") and not _is_ours(fee, seen):
            logger.error("payments: attempt %s was paid with another amount than asked for", attempt.id)
            return await self._trouble(session, fee, attempt, "differs")
        before, attempt.state = attempt.state, advance(ATTEMPT_NEXT, attempt.state, seen.state)
        if attempt.problem != "paid_twice" or attempt.state == "refunded":
            attempt.problem = None
        await session.flush()
        await self._follow(session, fee, attempt, before)

    async def trouble(
        self, session: AsyncSession, attempt_id: uuid.UUID, problem: str, *, tries: int
    ) -> None:
        """Note that the vendor does not help, so that the desk says why nothing happens."""
        attempt = await session.get(PaymentAttempt, attempt_id)
        if attempt is None:
            return
        fee = await self._locked_fee(session, attempt.fee_id)
        attempt.tries += tries
        await self._trouble(session, fee, attempt, problem)

    async def abandon(self, session: AsyncSession, attempt: PaymentAttempt, state: str) -> None:
        """Give up an attempt whose page nobody was ever shown; its fee goes on with the next one."""
        attempt.state = advance(ATTEMPT_NEXT, attempt.state, state)
        await session.flush()

    async def expire(self, session: AsyncSession, fee_id: uuid.UUID) -> None:
        """The time to pay is over."""
        fee = await self._locked_fee(session, fee_id)
        if fee.state == "open" and fee.expires_at <= self.clock.now():
            await self._give_up(session, fee, "expired")

    # -- steps -------------------------------------------------------------------------------------

    def _line(self, case: Case, wish: Wish) -> Line:
        """The line with its amount. Errors: NothingToPay, NotFound, AmountFixed, AmountOutside."""
        lines = self.tariff(case.service)
        if not lines or (case.service and self._is_free(case.service, wish.line)):
            raise NothingToPay
        line = next((one for one in lines if one.id == wish.line), None)
        if line is None:
            raise NotFound
        if line.amount is not None:
            if wish.amount not in (None, line.amount):
                raise AmountFixed(amount=Money(line.amount, line.currency))
            return line
        rules = self.content.city.payments
        if wish.amount is None or not rules.least <= wish.amount <= rules.most:
            raise AmountOutside(
                least=Money(rules.least, line.currency), most=Money(rules.most, line.currency)
            )
        return Line(line.id, wish.amount, line.currency, line.who)

    def _method(self, wish: Wish) -> str:
        """Errors: NotSetUp, NotFound."""
        if not self.providers:
            raise NotSetUp
        method = wish.method or next(iter(self.providers))
        if method not in self.providers:
            raise NotFound
        return method

    def _is_free(self, service_id: str, line: str) -> bool:
        service = self.content.service(service_id)
        fact = next((one.fact for one in service.priced() if one.id == line), None)
        return fact is not None and _minor(service, fact) == 0

    async def _refuse_second(self, session: AsyncSession, case: Case, line: Line) -> None:
        same = select(Fee.reference).where(
            Fee.case_id == case.id, Fee.service == case.service, Fee.line == line.id, Fee.state.in_(LIVE)
        )
        if reference := await session.scalar(same):
            raise AlreadyAsked(reference=grouped(reference))

    async def _new_fee(
        self,
        session: AsyncSession,
        case: Case,
        thread: Conversation,
        staff: Staff,
        wish: Wish,
        line: Line,
    ) -> Fee:
        fee_id, token, now = new_id(), secrets.token_urlsafe(24), self.clock.now()
        method = self._method(wish)
        fee = Fee(
            id=fee_id,
            city_id=case.city_id,
            case_id=case.id,
            conversation_id=thread.id,
            key=_desk_key(case, wish),
            service=case.service,
            line=line.id,
            amount=line.amount,
            currency=line.currency,
            reference=await self._new_reference(session),
            provider=method,
            state="open",
            token=await self.conversations.vault.seal(session, case.key_id, f"fee.token:{fee_id}", token),
            token_hash=token_digest(token),
            requested_by=staff.id,
            requested_at=now,
            expires_at=self._last_moment(now),
            delete_after=case.delete_after,
        )
        session.add(fee)
        await session.flush()
        return fee

    async def _new_reference(self, session: AsyncSession) -> str:
        """At random, so that it tells neither how many there are nor whose it is."""
        while True:
            number = f"{secrets.randbelow(10**10):010}"
            made = creditor_reference(self.content.city.payments.reference + number)
            if not await session.scalar(select(Fee.id).where(Fee.reference == made)):
                return made

    async def _first_attempt(self, session: AsyncSession, fee: Fee) -> None:
        attempt = await self._new_attempt(session, fee, 1)
        if not self.has_page(fee):
            attempt.state = "open"
            await self._announce(session, fee)

    async def _new_attempt(self, session: AsyncSession, fee: Fee, number: int) -> PaymentAttempt:
        now = self.clock.now()
        attempt = PaymentAttempt(
            id=new_id(),
            city_id=fee.city_id,
            fee_id=fee.id,
            number=number,
            provider=fee.provider,
            key=f"fee:{fee.id}:{number}",
            state="starting",
            tries=0,
            refund_asked=False,
            created_at=now,
            checked_at=now,
            delete_after=fee.delete_after,
        )
        session.add(attempt)
        await session.flush()
        if self.has_page(fee):
            await self._later(session, "fee_start", attempt)
        return attempt

    async def _note(self, session: AsyncSession, fee: Fee, attempt: PaymentAttempt, seen: Snapshot) -> None:
        attempt.checked_at = self.clock.now()
        attempt.vendor_id = attempt.vendor_id or seen.vendor_id
        attempt.charge_id = seen.charge_id or attempt.charge_id
        if seen.url is not None and attempt.url is None:
            case = await self.conversations.case(session, fee.case_id)
            place = f"payment_attempt.url:{attempt.id}"
            attempt.url = await self.conversations.vault.seal(session, case.key_id, place, seen.url)

    async def _follow(self, session: AsyncSession, fee: Fee, attempt: PaymentAttempt, before: str) -> None:
        """Let the fee go where its attempt went."""
        if attempt.state == "open" and fee.state not in LIVE:
            await self._later(session, "fee_end", attempt)
        elif attempt.state == "open":
            await self._announce(session, fee)
        elif attempt.state == "paid" and before != "paid":
            await self._settle(session, fee, attempt)
        elif attempt.state == "refunded" and before != "refunded":
            await self._refunded(session, fee)
        elif attempt.state == "processing":
            fee.state = advance(FEE_NEXT, fee.state, "processing")
        elif attempt.state == "failed" and before == "processing":
            fee.state = advance(FEE_NEXT, fee.state, "open")
            await self._tell_person(session, fee, await self._asking(session, fee), f"again:{attempt.number}")
        await self._tell(session, fee)

    async def _announce(self, session: AsyncSession, fee: Fee) -> None:
        await self._tell_person(session, fee, await self._asking(session, fee), "request")

    async def _asking(self, session: AsyncSession, fee: Fee) -> Reply:
        parts = (
            Text("fee.request", amount=_money(fee), service=self.errand(fee)),
            Text("fee.request_how", until=self.last_day(fee)),
        )
        return Reply(parts, pages=(Page(Text("fee.open_page"), await self.path(session, fee)),))

    async def _settle(self, session: AsyncSession, fee: Fee, attempt: PaymentAttempt) -> None:
        """Paid: at the desk, in the thread with a receipt, and as news. Once."""
        if fee.state in ("paid", "refunded"):
            return await self._trouble(session, fee, attempt, "paid_twice")
        fee.state, fee.settled_at = "paid", self.clock.now()
        language = await self._language(session, fee)
        paid = Reply(
            (Text("fee.paid_message", amount=_money(fee), reference=grouped(fee.reference)),),
            pages=(Page(Text("fee.receipt_page"), await self.path(session, fee)),),
            attachments=(self.receipt(fee, language),),
        )
        await self._tell_person(session, fee, paid, "paid")
        await self._report(session, fee, "fee.paid")
        reached("fee.settled")

    async def _refunded(self, session: AsyncSession, fee: Fee) -> None:
        """Returned, unless another attempt of the same fee is still paid."""
        if any(one.state == "paid" for one in await self.attempts(session, fee)):
            return
        fee.state = advance(FEE_NEXT, fee.state, "refunded")
        reply = Reply((Text("fee.refunded_message", amount=_money(fee), reference=grouped(fee.reference)),))
        await self._tell_person(session, fee, reply, "refunded")
        await self._report(session, fee, "fee.refunded")

    async def _give_up(self, session: AsyncSession, fee: Fee, state: str) -> None:
        fee.state = advance(FEE_NEXT, fee.state, state)
        for attempt in await self.attempts(session, fee):
            if attempt.state not in UNDER_WAY:
                continue
            if attempt.vendor_id is not None:
                await self._later(session, "fee_end", attempt)
            elif not self.has_page(fee):
                attempt.state = "cancelled"
            # A vendor that has not answered yet is told when it does: see `_follow`.
        await self._report(session, fee, f"fee.{state}")

    async def _trouble(self, session: AsyncSession, fee: Fee, attempt: PaymentAttempt, problem: str) -> None:
        attempt.problem, attempt.checked_at = problem, self.clock.now()
        await session.flush()
        await self._tell(session, fee)

    async def _tell_person(self, session: AsyncSession, fee: Fee, reply: Reply, what: str) -> None:
        """Say it once in the thread of the request, if that is still there."""
        thread = await session.get(Conversation, fee.conversation_id) if fee.conversation_id else None
        if thread is None:
            return
        case = await self.conversations.case(session, fee.case_id)
        neutral = "fee.neutral" if what.startswith(("request", "again")) else "fee.neutral_settled"
        said = replace(
            reply,
            title=Text("fee.neutral_title", number=str(case.number)),
            personal=True,
            neutral=Text(neutral, number=str(case.number)),
        )
        await self.conversations.say(session, thread, said, key=f"fee:{fee.id}:{what}", author="system")

    async def _report(self, session: AsyncSession, fee: Fee, kind: str) -> None:
        data = {"fee_id": str(fee.id), "case_id": str(fee.case_id)}
        await self.events.emit(session, kind, data, city_id=fee.city_id, now=self.clock.now())
        await self._tell(session, fee)

    async def _tell(self, session: AsyncSession, fee: Fee) -> None:
        self.conversations.tell_desk(session, await self.conversations.case(session, fee.case_id))

    async def _later(self, session: AsyncSession, task: str, attempt: PaymentAttempt) -> None:
        await self.defer(session, task, {"city_id": str(attempt.city_id), "attempt_id": str(attempt.id)})

    async def _locked_fee(self, session: AsyncSession, fee_id: uuid.UUID) -> Fee:
        query = select(Fee).where(Fee.id == fee_id).with_for_update()
        fee: Fee | None = await session.scalar(query.execution_options(populate_existing=True))
        if fee is None:
            raise NotFound
        return fee

    # -- words -------------------------------------------------------------------------------------

    def errand(self, fee: Fee) -> Sayable:
        service = self.content.services.get(fee.service)
        return Filled(service.names) if service else Verbatim(fee.service)

    def receipt(self, fee: Fee, language: str) -> Attachment:
        """A neutral proof of payment as a text file, with the German beside. The fee must be settled."""
        assert fee.settled_at is not None  # noqa: S101 - only settled fees have a receipt
        tongues = dict.fromkeys((language, "de"))
        text = "\n\n".join(self._receipt_words(fee, tongue) for tongue in tongues)
        return Attachment(f"{fee.reference}.txt", "text/plain; charset=utf-8", (text + "\n").encode())

    def _receipt_words(self, fee: Fee, language: str) -> str:
        office, render = self.content.city.office, self.conversations.catalogue.render
        assert fee.settled_at is not None  # noqa: S101 - as above
        lines: tuple[Sayable, ...] = (
            Text("fee.receipt_title"),
            Filled(office.name),
            Text("fee.receipt_reference", reference=grouped(fee.reference)),
            Text("fee.receipt_amount", amount=_money(fee), purpose=Text("fee.purpose")),
            Text("fee.receipt_paid", when=Moment(fee.settled_at, office.zone)),
            Text(f"fee.receipt_by_{fee.provider}"),
        )
        return "\n".join(render(line, language) for line in lines)

    def last_day(self, fee: Fee) -> date:
        """The last day to pay, by the office's calendar."""
        return (fee.expires_at - timedelta(seconds=1)).astimezone(self._zone).date()

    def _last_moment(self, now: datetime) -> datetime:
        """The end of the last day, in UTC."""
        day = now.astimezone(self._zone).date() + timedelta(days=self.content.city.payments.days + 1)
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.content.city.office.zone)

    async def _language(self, session: AsyncSession, fee: Fee) -> str:
        thread = await session.get(Conversation, fee.conversation_id) if fee.conversation_id else None
        if thread is None:
            return self.content.city.default_language
        return (await self.conversations.address_of(session, thread)).language


def _money(fee: Fee) -> Money:
    return Money(fee.amount, fee.currency)


def _is_ours(fee: Fee, seen: Snapshot) -> bool:
    return (seen.amount, seen.currency, seen.reference) == (fee.amount, fee.currency, fee.reference)


def _minor(service: Service, fact: str) -> int | None:
    value = service.facts[fact].value
    return None if value is None else int(value)


def _desk_key(case: Case, wish: Wish) -> str:
    return f"{case.id}:{wish.key}"
