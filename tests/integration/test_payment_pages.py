"""The pay page: in every language, without a script, for the person's browsers only; and the desk's part."""

import re
import secrets
from collections.abc import AsyncIterator

import pytest

from foundation.clock import FixedClock
from foundation.money import grouped
from foundation.settings import Settings
from tests.doubles.stripe.server import StripeDouble, running_stripe
from tests.support.fees import Till, opened_till

KEY_WITHOUT_TEXT = re.compile(r">\s*(pay|fee|link)\.\w+")


@pytest.fixture
async def till(settings: Settings, database_url: str, clock: FixedClock) -> AsyncIterator[Till]:
    async with opened_till(settings, database_url, clock) as opened:
        yield opened


@pytest.fixture
async def stripe(clock: FixedClock) -> AsyncIterator[StripeDouble]:
    async with running_stripe(clock.now) as double:
        yield double


@pytest.fixture
async def online(
    settings: Settings, database_url: str, clock: FixedClock, stripe: StripeDouble
) -> AsyncIterator[Till]:
    async with opened_till(settings, database_url, clock, stripe) as opened:
        yield opened


@pytest.mark.parametrize(
    ("language", "direction", "amount"),
    [("de", "ltr", "13,00"), ("en", "ltr", "13.00"), ("tr", "ltr", "13,00"), ("ar", "rtl", "13.00")],
)
async def test_the_page_says_what_to_pay_and_how(
    till: Till, language: str, direction: str, amount: str
) -> None:
    errand = await till.errand(language=language)
    fee = await till.ask(errand)
    path = await till.path(fee)
    async with till.browser(errand.visitor, language) as person:
        page = await person.get(path)
        assert f'<html lang="{language}" dir="{direction}">' in page.text
        assert amount in page.text
        assert fee.reference in page.text
        assert "<svg" in page.text
        assert "DE14123456780000004711" in page.text
        assert not KEY_WITHOUT_TEXT.search(page.text)
        await till.at_desk("received", fee)
        paid = await person.get(path)
        assert 'role="status"' in paid.text
        assert "DE14" not in paid.text
        assert not KEY_WITHOUT_TEXT.search(paid.text)
        receipt = await person.get(f"{path}/receipt")
        assert "attachment" in receipt.headers["content-disposition"]
        assert grouped(fee.reference) in receipt.text


@pytest.mark.parametrize("what", ["cancel", "received"])
async def test_nothing_is_offered_when_nothing_is_to_be_paid(till: Till, what: str) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    await till.at_desk(what, fee)
    async with till.browser(errand.visitor) as person:
        page = await person.get(await till.path(fee))
        assert '<svg viewBox="0 0 4' not in page.text
        assert "IBAN" not in page.text
        assert (await person.get(f"{await till.path(fee)}/receipt")).status_code == (
            404 if what == "cancel" else 200
        )


async def test_strangers_see_and_do_nothing(online: Till, stripe: StripeDouble) -> None:
    errand, other = await online.errand(), await online.errand()
    fee = await online.ask(errand)
    await online.work()
    path = await online.path(fee)
    asked = len(stripe.asked)
    async with online.browser() as stranger, online.browser(other.visitor) as another:
        for http in (stranger, another):
            for answer in (
                await http.get(path),
                await http.get(f"{path}/receipt"),
                await http.post(f"{path}/start"),
                await http.post(f"{path}/check"),
            ):
                assert answer.status_code == 200
                assert not re.search("13|conduct|cs_test|RF", answer.text.split("<main")[1])
            assert (await http.get(f"{path}/state")).status_code == 404
            assert (await http.get("/pay/never")).status_code == 410
        forged = await stranger.post(f"{path}/open", headers={"Origin": "https://elsewhere.example"})
        assert forged.status_code == 403
    assert len(stripe.asked) == asked


async def test_another_browser_proves_itself_by_the_code_in_the_thread(till: Till) -> None:
    errand = await till.errand()
    fee = await till.ask(errand)
    path = await till.path(fee)
    async with till.browser() as second:
        assert (await second.post(f"{path}/open")).url.path == f"{path}/code"
        (code,) = re.findall(r"\d{6}", (await till.said(errand))[-1].title or "")
        wrong = await second.post(f"{path}/code", data={"code": f"{(int(code) + 1) % 10**6:06}"})
        assert wrong.status_code == 422
        assert "13.00" in (await second.post(f"{path}/code", data={"code": code})).text
        assert "13.00" in (await second.get(path)).text


async def test_a_person_goes_to_the_vendor_and_comes_back(
    online: Till, stripe: StripeDouble, clock: FixedClock
) -> None:
    """Without webhooks: coming back changes nothing, the button does."""
    errand = await online.errand()
    fee = await online.ask(errand)
    await online.work()
    path = await online.path(fee)
    async with online.browser(errand.visitor) as person:
        page = await person.get(path)
        (session,) = stripe.sessions
        assert f'href="{session["url"]}"' in page.text
        assert session["success_url"] == f"http://localhost:8080{path}?back=1"
        stripe.pay(session["id"])
        for _ in range(3):
            back = await person.get(f"{path}?back=1")
        assert f'action="{path}/check"' in back.text
        assert (await online.fee(fee)).state == "open"
        assert 'role="status"' in (await person.post(f"{path}/check")).text
    assert (await online.fee(fee)).state == "paid"


async def test_the_open_page_learns_that_it_is_out_of_date(online: Till, stripe: StripeDouble) -> None:
    errand = await online.errand()
    fee = await online.ask(errand)
    path = await online.path(fee)
    async with online.browser(errand.visitor) as person:
        seen = []
        for step in (online.work, None):
            seen.append((await person.get(f"{path}/state")).json()["state"])
            shown = re.search(r'data-state="([^"]*)"', (await person.get(path)).text)
            assert shown is not None
            assert shown[1] == seen[-1]
            if step:
                await step()
        assert seen == ["open", "open ready"]


async def test_the_desk_asks_sees_and_receives(till: Till) -> None:
    errand = await till.errand()
    async with till.house.database.city(till.city_id) as session:
        password = await till.house.people.reset_password(session, "weber")
    async with till.browser() as http:
        await http.post("/desk/sign-in", data={"login": "weber", "password": password})
        await http.post(
            "/desk/password",
            data={"old": password, "new": "ein-eigenes-passwort", "again": "ein-eigenes-passwort"},
        )
        home = f"/desk/api/cases/{errand.case_id}/fees"
        offered = (await http.get(home)).json()
        assert [(one["id"], one["amount"]) for one in offered["lines"]] == [("usual", "€13.00")]
        assert (offered["free"], offered["methods"], offered["fees"]) == (False, ["transfer"], [])
        wish = {"key": secrets.token_hex(8)}
        fee = (await http.post(home, json=wish)).json()
        assert (await http.post(home, json=wish)).json()["id"] == fee["id"]
        assert (fee["state"], fee["can_receive"], fee["can_cancel"]) == ("open", True, True)
        refused = await http.post(
            home, json={"key": secrets.token_hex(8)}, headers={"Accept": "application/json"}
        )
        assert (refused.status_code, refused.json()["error"]) == (409, "fee.already_asked")
        paid = (await http.post(f"/desk/api/fees/{fee['id']}/received")).json()
        assert (paid["state"], paid["can_give_back"], paid["can_cancel"]) == ("paid", True, False)
        assert (await http.get(home)).json()["fees"] == [paid]
    async with till.browser() as nobody:
        assert (await nobody.get(home, headers={"Accept": "application/json"})).status_code == 401
