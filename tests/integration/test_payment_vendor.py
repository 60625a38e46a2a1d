"""Stripe away, slow, cut off, lying or repeating itself: nothing is charged twice, and the desk says why it waits."""

import asyncio
import json
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import permutations
from typing import Any

import httpx
import pytest

from foundation.clock import FixedClock
from foundation.events import events_of
from foundation.settings import Settings
from payments.jobs import MOST_TRIES
from payments.models import Fee
from payments.ports import VendorAway
from people.models import Staff
from tests.doubles.stripe.check import Bad, arguments, operation
from tests.doubles.stripe.server import StripeDouble, running_stripe
from tests.promises.plugin import Promise
from tests.support.fees import PRICE, Till, opened_till

away = pytest.mark.promise("pay.vendor-away")
SLOW = 10.0
IMPATIENT = 1.0
"""Seconds: the vendor takes longer than the house waits."""


@pytest.fixture
async def stripe(clock: FixedClock) -> AsyncIterator[StripeDouble]:
    async with running_stripe(clock.now) as double:
        yield double


@pytest.fixture
async def till(
    settings: Settings, database_url: str, clock: FixedClock, stripe: StripeDouble
) -> AsyncIterator[Till]:
    async with opened_till(settings, database_url, clock, stripe, timeout=IMPATIENT) as opened:
        yield opened


@asynccontextmanager
async def desk(till: Till) -> AsyncIterator[httpx.AsyncClient]:
    """The clerk's own browser."""
    async with till.house.database.city(till.city_id) as session:
        password = await till.house.people.reset_password(session, till.clerk.login)
        (await session.get_one(Staff, till.clerk.id)).must_change_password = False
    async with till.browser(language="en") as http:
        await http.post("/desk/sign-in", data={"login": "weber", "password": password})
        yield http


async def shown(http: httpx.AsyncClient, fee: Fee) -> dict[str, Any]:
    """The latest fee as the desk shows it."""
    answer: dict[str, Any] = (await http.get(f"/desk/api/cases/{fee.case_id}/fees")).json()
    return dict(answer["fees"][0])


async def paid_events(till: Till) -> int:
    async with till.house.database.city(till.city_id) as session:
        return len(await events_of(session, "fee.paid"))


async def test_the_vendor_learns_the_amount_and_the_reference_but_not_the_errand(
    till: Till, stripe: StripeDouble
) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    assert await till.said(errand) == []
    assert await till.work() == ["fee_start"]
    assert "€13.00" in (await till.said(errand))[0].text
    (session,) = stripe.sessions
    assert (session["amount_total"], session["currency"]) == (PRICE, "eur")
    assert session["client_reference_id"] == fee.reference
    told = json.dumps([given for _, _, given in stripe.asked], ensure_ascii=False)
    for word in ("conduct", "Führung", str(errand.case_id), str(errand.thread_id), errand.visitor):
        assert word not in told


async def test_the_double_refuses_what_stripe_would_refuse() -> None:
    _, described, _ = operation("post", "/v1/checkout/sessions")
    for body in ("mode=gift", "line_items[0][price_data][unit_amount]=5", "sausages=2", "expires_at=soon"):
        with pytest.raises(Bad):
            arguments(described, "post", "", body)


@away
async def test_the_vendor_is_off_and_comes_back(till: Till, stripe: StripeDouble, promise: Promise) -> None:
    await stripe.off()
    errand = await till.errand()
    async with desk(till) as clerk:
        wish = {"key": secrets.token_hex(8)}
        begun = time.monotonic()
        answer = await clerk.post(f"/desk/api/cases/{errand.case_id}/fees", json=wish)
        promise.figure(round(time.monotonic() - begun, 2), "s until the clerk has an answer, vendor off")
        assert answer.json()["preparing"]
        again = await clerk.post(f"/desk/api/cases/{errand.case_id}/fees", json=wish)
        assert again.json()["id"] == answer.json()["id"]
        (fee,) = await fees_of(till, errand.case_id)
        for _ in range(3):
            assert await till.work() == []
        seen = await shown(clerk, fee)
        assert (seen["state"], seen["problem"], seen["preparing"]) == ("open", "away", True)
        assert await till.said(errand) == []
        await stripe.on()
        assert await till.work() == ["fee_start"]
        seen = await shown(clerk, fee)
        assert (seen["problem"], seen["preparing"]) == (None, False)
    assert len(await till.said(errand)) == len(stripe.sessions) == 1


@away
async def test_the_round_starts_what_every_job_has_given_up(
    till: Till, stripe: StripeDouble, clock: FixedClock
) -> None:
    await stripe.off()
    errand = await till.errand()
    await till.ask(errand)
    await till.work()
    await till.forget_jobs()
    await stripe.on()
    await till.settlement.reconcile()
    assert stripe.sessions == []  # it was tried a moment ago
    clock.move(timedelta(seconds=20))
    await till.settlement.reconcile()
    assert len(await till.said(errand)) == len(stripe.sessions) == 1


@away
@pytest.mark.parametrize("trouble", ["slow", "cut"])
async def test_the_vendor_acts_but_its_answer_never_comes(
    till: Till, stripe: StripeDouble, trouble: str
) -> None:
    """The session is there; the house does not know. Asking again finds it instead of making a second."""
    if trouble == "slow":
        stripe.slow = SLOW
    else:
        stripe.cut = 1
    errand = await till.errand()
    fee = await till.ask(errand)
    assert await till.work() == []
    assert len(stripe.sessions) == 1
    async with desk(till) as clerk:
        assert (await shown(clerk, fee))["problem"] == "away"
    stripe.slow = 0
    assert await till.work() == ["fee_start"]
    assert len(await till.said(errand)) == len(stripe.sessions) == 1
    (attempt,) = await till.attempts(fee)
    assert attempt.vendor_id == stripe.sessions[0]["id"]


@away
async def test_two_workers_start_one_attempt_at_once(till: Till, stripe: StripeDouble) -> None:
    errand = await till.errand()
    (attempt,) = await till.attempts(await till.ask(errand))
    await asyncio.gather(*(till.settlement.start(till.city_id, attempt.id) for _ in range(8)))
    assert len(await till.said(errand)) == len(stripe.sessions) == 1


@away
async def test_an_error_that_the_vendor_repeats_for_one_key_is_passed_by_with_the_next(
    till: Till, stripe: StripeDouble
) -> None:
    stripe.broken = MOST_TRIES
    errand = await till.errand()
    fee = await till.ask(errand)
    for _ in range(MOST_TRIES):
        assert await till.work() == []
    await till.work()
    await till.work()
    assert [one.state for one in await till.attempts(fee)] == ["failed", "open"]
    assert len(await till.said(errand)) == len(stripe.sessions) == 1


async def open_at_vendor(till: Till) -> tuple[Any, Fee]:
    errand = await till.errand()
    fee = await till.ask(errand)
    await till.work()
    return errand, fee


async def fees_of(till: Till, case_id: Any) -> list[Fee]:
    async with till.house.database.city(till.city_id) as session:
        return await till.house.fees.of_case(session, case_id)


@away
async def test_a_webhook_that_comes_twice_settles_once(till: Till, stripe: StripeDouble) -> None:
    errand, fee = await open_at_vendor(till)
    event = stripe.pay(stripe.sessions[0]["id"])
    assert [await stripe.send(event) for _ in range(5)] == [200] * 5
    assert await till.work() == ["fee_webhook"]
    assert (await till.fee(fee)).state == "paid"
    assert len(await till.said(errand)) == 2
    assert await paid_events(till) == 1
    (stored,) = await till.webhooks()
    assert stored.handled_at is not None


@away
async def test_lost_webhooks_are_made_up_for(till: Till, stripe: StripeDouble, clock: FixedClock) -> None:
    errand, fee = await open_at_vendor(till)
    stripe.pay(stripe.sessions[0]["id"])
    clock.move(timedelta(minutes=1))
    await till.settlement.reconcile()
    assert (await till.fee(fee)).state == "paid"
    await till.settlement.reconcile()
    assert (await paid_events(till), len(await till.said(errand))) == (1, 2)


@away
async def test_webhooks_in_any_order_lead_to_the_same_end(till: Till, stripe: StripeDouble) -> None:
    """A direct debit: completed without money, then paid; and an old "expired" of nobody's making."""
    for order in permutations(range(3)):
        _, fee = await open_at_vendor(till)
        session = stripe.sessions[-1]
        events = [
            stripe.debit(session["id"]),
            stripe.debited(session["id"]),
            stripe.happened("checkout.session.expired", session),
        ]
        for index in order:
            assert await stripe.send(events[index]) == 200
        await till.work()
        assert (await till.fee(fee)).state == "paid"


@away
async def test_forged_webhooks_are_not_even_stored(till: Till, stripe: StripeDouble) -> None:
    _, fee = await open_at_vendor(till)
    session = stripe.sessions[0]
    lie = stripe.happened("checkout.session.completed", {**session, "payment_status": "paid"})
    assert await stripe.send(lie, secret="whsec_somebody_else") == 400
    async with till.browser() as http:
        for headers in ({}, {"Stripe-Signature": "t=1,v1=00"}, {"Stripe-Signature": "nonsense"}):
            bare = await http.post("/hooks/payments/stripe", content=json.dumps(lie), headers=headers)
            assert bare.status_code == 400
        assert (await http.post("/hooks/payments/transfer", content=b"{}")).status_code == 200
        assert (await http.post("/hooks/payments/nobody", content=b"{}")).status_code == 404
    assert await till.webhooks() == []
    assert (await till.fee(fee)).state == "open"


@away
async def test_a_signed_webhook_is_not_believed_either(till: Till, stripe: StripeDouble) -> None:
    """It says paid; the object that is fetched says open."""
    errand, fee = await open_at_vendor(till)
    session = stripe.sessions[0]
    early = stripe.happened("checkout.session.completed", {**session, "payment_status": "paid"})
    assert await stripe.send(early) == 200
    await till.work()
    assert (await till.fee(fee)).state == "open"
    assert len(await till.said(errand)) == 1


@away
@pytest.mark.parametrize(
    "wrong", [{"amount_total": PRICE - 1}, {"currency": "usd"}, {"client_reference_id": "RF"}]
)
async def test_other_money_than_was_asked_for_does_not_count(
    till: Till, stripe: StripeDouble, wrong: dict[str, Any]
) -> None:
    errand, fee = await open_at_vendor(till)
    session = stripe.sessions[0]
    event = stripe.pay(session["id"])
    session.update(wrong)
    await stripe.send(event)
    await till.work()
    assert (await till.fee(fee)).state == "open"
    async with desk(till) as clerk:
        assert (await shown(clerk, fee))["problem"] == "differs"
    assert len(await till.said(errand)) == 1


async def test_a_direct_debit_is_processed_and_may_be_refused(
    till: Till, stripe: StripeDouble, clock: FixedClock
) -> None:
    errand, fee = await open_at_vendor(till)
    session = stripe.sessions[0]
    await stripe.send(stripe.debit(session["id"]))
    await till.work()
    assert (await till.fee(fee)).state == "processing"
    await stripe.send(stripe.debited(session["id"], refused=True))
    await till.work()
    assert (await till.fee(fee)).state == "open"
    assert len(await till.said(errand)) == 2  # the person is asked once more
    async with till.browser(errand.visitor) as person:
        page = await person.post(f"{await till.path(fee)}/start")
        assert stripe.sessions[1]["url"] in page.text
    assert [one.state for one in await till.attempts(fee)] == ["failed", "open"]


@away
async def test_a_fee_that_is_cancelled_while_it_is_paid_is_paid(till: Till, stripe: StripeDouble) -> None:
    _, fee = await open_at_vendor(till)
    await till.at_desk("cancel", fee)
    stripe.pay(stripe.sessions[0]["id"])
    await till.work()
    assert (await till.fee(fee)).state == "paid"


@away
async def test_what_is_cancelled_cannot_be_paid_any_more(till: Till, stripe: StripeDouble) -> None:
    _, fee = await open_at_vendor(till)
    await till.at_desk("cancel", fee)
    assert await till.work() == ["fee_end"]
    assert stripe.sessions[0]["status"] == "expired"
    assert (await till.fee(fee)).state == "cancelled"


@away
async def test_a_fee_cancelled_before_the_vendor_has_answered_leaves_no_open_session(
    till: Till, stripe: StripeDouble
) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    (attempt,) = await till.attempts(fee)
    stripe.slow = 0.4
    starting = asyncio.create_task(till.settlement.start(till.city_id, attempt.id))
    await stripe.acted.wait()
    await till.at_desk("cancel", fee)
    await starting
    await till.work()
    assert [one["status"] for one in stripe.sessions] == ["expired"]
    assert await till.said(errand) == []


@away
async def test_an_expired_session_is_followed_by_one_new_one(
    till: Till, stripe: StripeDouble, clock: FixedClock
) -> None:
    errand, fee = await open_at_vendor(till)
    stripe.expire(stripe.sessions[0]["id"])
    async with till.browser(errand.visitor) as person:
        path = await till.path(fee)
        await asyncio.gather(*(person.post(f"{path}/start") for _ in range(4)))
        assert stripe.sessions[1]["url"] in (await person.get(path)).text
    assert len(stripe.sessions) == 2
    stripe.pay(stripe.sessions[1]["id"])
    clock.move(timedelta(minutes=1))
    await till.settlement.reconcile()
    assert [one.state for one in await till.attempts(fee)] == ["expired", "paid"]
    assert await paid_events(till) == 1


@away
async def test_paid_twice_is_shown_and_only_the_second_goes_back(
    till: Till, stripe: StripeDouble, clock: FixedClock
) -> None:
    """The vendor said expired, and took the money all the same."""
    _, fee = await open_at_vendor(till)
    first = stripe.sessions[0]
    stripe.expire(first["id"])
    await till.settlement.again(till.city_id, fee.id)
    second = stripe.sessions[1]
    first["status"] = "open"
    for session in (second, first):
        await stripe.send(stripe.pay(session["id"]))
    await till.work()
    async with desk(till) as clerk:
        seen = await shown(clerk, fee)
        assert (seen["state"], seen["problem"]) == ("paid", "paid_twice")
        assert (await clerk.post(f"/desk/api/fees/{fee.id}/give-back")).status_code == 200
        stripe.cut = 1
        while "fee_refund" not in await till.work():
            pass
        assert [one["payment_intent"] for one in stripe.refunds] == [first["payment_intent"]]
        seen = await shown(clerk, fee)
        assert (seen["state"], seen["problem"]) == ("paid", None)
    assert await paid_events(till) == 1


async def test_a_refund_is_made_once_and_told(till: Till, stripe: StripeDouble) -> None:
    errand, fee = await open_at_vendor(till)
    await stripe.send(stripe.pay(stripe.sessions[0]["id"]))
    await till.work()
    for _ in range(2):
        await till.at_desk("give_back", fee)
    await till.work()
    assert [one["amount"] for one in stripe.refunds] == [PRICE]
    assert (await till.fee(fee)).state == "refunded"
    assert len(await till.said(errand)) == 3


@away
async def test_any_mixture_of_trouble_charges_once(
    till: Till, stripe: StripeDouble, clock: FixedClock, promise: Promise
) -> None:
    """Random trouble at every step until the fee is paid: one receipt, one payment."""
    chance = random.Random(4)
    fees = 12
    for _ in range(fees):
        errand = await till.errand()
        fee = await till.ask(errand)
        stripe.cut, stripe.broken = chance.randrange(3), chance.randrange(3)
        for _ in range(40):
            clock.move(timedelta(seconds=30))
            await till.work()
            await till.settlement.reconcile()
            mine = [one for one in stripe.sessions if one["client_reference_id"] == fee.reference]
            reachable = {one.vendor_id for one in await till.attempts(fee)}
            if mine and mine[-1]["status"] == "open" and mine[-1]["id"] in reachable:
                event = stripe.pay(mine[-1]["id"])
                stripe.cut = chance.randrange(2)
                for _ in range(chance.randrange(3)):
                    await stripe.send(event)
            if (await till.fee(fee)).state == "paid":
                break
        assert [one["payment_status"] for one in mine].count("paid") == 1
        assert len(await till.said(errand)) == 2
    assert await paid_events(till) == fees
    promise.figure(fees, "fees paid once each through random trouble")


async def test_a_start_that_fails_says_so_to_the_person(till: Till, stripe: StripeDouble) -> None:
    errand, fee = await open_at_vendor(till)
    stripe.expire(stripe.sessions[0]["id"])
    await till.settlement.check(till.city_id, fee.id)
    await stripe.off()
    async with till.browser(errand.visitor) as person:
        page = await person.post(f"{await till.path(fee)}/start")
        assert 'role="alert"' in page.text
        assert till.house.catalogue("pay.away", "en") in page.text
    with pytest.raises(VendorAway):
        await till.settlement.again(till.city_id, fee.id)
