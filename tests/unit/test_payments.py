"""Check digits, the transfer code, how far fees go, and amounts as the tariff has them."""

from itertools import pairwise

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foundation.content import load
from foundation.content_models import Payments
from foundation.money import creditor_reference, decimal_amount, grouped, is_creditor_reference, is_iban
from foundation.settings import ROOT, Settings
from payments.states import ATTEMPT_NEXT, FEE_NEXT, UNDER_WAY, advance
from payments.transfer import LONGEST_PAYLOAD, Transfer

CONTENT = load(ROOT / "content", "heidelberg")
ACCOUNT = CONTENT.city.payments
BODIES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=21)
SETTLED = {"paid", "refunded"}


def test_known_check_digits() -> None:
    assert creditor_reference("539007547034") == "RF18539007547034"  # the example of ISO 11649
    assert is_creditor_reference("RF18 5390 0754 7034")
    assert is_iban("DE89 3704 0044 0532 0130 00")  # the example of the Bundesbank
    assert is_iban(ACCOUNT.iban)
    assert grouped("RF18539007547034") == "RF18 5390 0754 7034"


@given(BODIES)
def test_every_reference_checks_and_no_single_slip_does(body: str) -> None:
    made = creditor_reference(body)
    assert is_creditor_reference(made)
    for place in range(4, len(made)):
        # A letter counts as two digits; a slip from one kind to the other is not always noticed.
        first, second = "01" if made[place].isdigit() else "AB"
        other = second if made[place] == first else first
        assert not is_creditor_reference(made[:place] + other + made[place + 1 :])


@given(BODIES)
def test_two_neighbours_exchanged_are_noticed(body: str) -> None:
    made = creditor_reference(body)
    for place in range(4, len(made) - 1):
        one, two = made[place], made[place + 1]
        # A letter counts as two digits; only exchanges of one kind keep their weight.
        if one != two and one.isdigit() == two.isdigit():
            assert not is_creditor_reference(made[:place] + two + one + made[place + 2 :])


@pytest.mark.parametrize("body", ["", "a", "Ü", "A" * 22, "A-1"])
def test_what_cannot_be_a_reference(body: str) -> None:
    with pytest.raises(ValueError, match=r"reference|invalid literal"):
        creditor_reference(body)


@pytest.mark.parametrize("iban", ["", "DE14", "DE15123456780000004711", "de", "DE14 1234 5678 0000 0047 12"])
def test_a_wrong_account_stops_the_program(iban: str) -> None:
    assert not is_iban(iban)
    with pytest.raises(ValidationError):
        Payments.model_validate({**ACCOUNT.model_dump(), "iban": iban})


@given(st.integers(min_value=1, max_value=99_999_999_999), BODIES)
def test_the_code_says_what_a_banking_app_reads(amount: int, body: str) -> None:
    reference = creditor_reference(body)
    lines = Transfer(ACCOUNT, amount, "EUR", reference).payload().split("\n")
    assert lines[:5] == ["BCD", "002", "1", "SCT", ""]
    assert lines[5:7] == [ACCOUNT.holder, ACCOUNT.iban.replace(" ", "")]
    assert lines[7].startswith("EUR")
    assert round(float(lines[7][3:]) * 100) == amount
    assert lines[8:] == ["", "", reference]


def test_the_code_stays_readable_and_refuses_what_it_cannot_say() -> None:
    longest = Payments.model_validate({**ACCOUNT.model_dump(), "holder": "Ä" * 70})
    transfer = Transfer(longest, 99_999_999_999, "EUR", creditor_reference("9" * 21))
    assert len(transfer.payload().encode()) <= LONGEST_PAYLOAD
    assert "style=" not in transfer.svg()  # the pages' policy allows none
    assert int(segno.make(transfer.payload(), error="m", boost_error=False).version) <= 13
    for amount, currency in ((0, "EUR"), (10**11, "EUR"), (100, "USD")):
        with pytest.raises(ValueError, match="SEPA"):
            Transfer(ACCOUNT, amount, currency, "RF").payload()


@given(st.integers(min_value=0, max_value=10**12))
def test_amounts_are_written_without_rounding(minor: int) -> None:
    euros, cents = decimal_amount(minor).split(".")
    assert (int(euros) * 100 + int(cents), len(cents)) == (minor, 2)


@given(st.lists(st.sampled_from(sorted(ATTEMPT_NEXT))))
def test_an_attempt_only_goes_forward(news: list[str]) -> None:
    walked = ["starting"]
    for seen in news:
        walked.append(advance(ATTEMPT_NEXT, walked[-1], seen))
    for before, after in pairwise(walked):
        assert not (before in SETTLED and after not in SETTLED)
        assert not (before not in UNDER_WAY and after in UNDER_WAY)
    if "paid" in news and not SETTLED & set(walked):
        raise AssertionError("a payment was overlooked")


@given(st.lists(st.sampled_from(sorted(FEE_NEXT))))
def test_a_fee_once_paid_is_never_unpaid(news: list[str]) -> None:
    walked = ["open"]
    for seen in news:
        walked.append(advance(FEE_NEXT, walked[-1], seen))
    for before, after in pairwise(walked):
        assert not (before in SETTLED and after not in SETTLED)
        assert (before, after) != ("refunded", "paid")
    assert ("paid" in news) <= bool(SETTLED & set(walked))


def test_whatever_is_left_open_waits_for_money() -> None:
    assert {state for state, steps in FEE_NEXT.items() if "paid" not in steps} == SETTLED


@pytest.mark.parametrize(
    "given_settings",
    [
        {"stripe_key": "sk_test_1"},
        {"stripe_webhook_secret": "whsec_1"},
        {"stripe_key": "sk_test_1", "stripe_webhook_secret": "whsec_1", "production": True},
        {
            "stripe_key": "sk_live_1",
            "stripe_webhook_secret": "whsec_1",
            "stripe_api": "http://localhost:1",
            "production": True,
        },
    ],
)
def test_half_a_vendor_account_or_a_test_one_in_production_is_refused(
    given_settings: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, public_url="https://foyer.example", **given_settings)  # type: ignore[arg-type]  # as from the environment
