"""Paying by bank transfer: nothing but an account, a reference and a QR code. Needs no vendor and no keys.

The code is the European Payments Council's "Quick Response Code: Guidelines to Enable the Data Capture for the
Initiation of a SEPA Credit Transfer" (EPC069-12, version 002), which banking apps read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import segno
from markupsafe import Markup

from foundation.content_models import Payments
from foundation.money import compact, decimal_amount
from payments.ports import Notice, Order, Snapshot, VendorRefused

NAME = "transfer"
LARGEST_VERSION = 13
LONGEST_PAYLOAD = 331
MOST = 99_999_999_999
"""The most that the code can say, in cents (AT-04)."""


@dataclass(frozen=True)
class Transfer:
    """What the person enters at their bank. `amount` is in cents; only euros can be transferred so."""

    account: Payments
    amount: int
    currency: str
    reference: str

    def payload(self) -> str:
        """The text in the QR code, line by line. Errors: ValueError for what it cannot say."""
        if self.currency != "EUR" or not 0 < self.amount <= MOST:
            raise ValueError("a SEPA code carries 0.01 to 999999999.99 euros")
        lines = (
            "BCD",
            "002",  # without BIC inside the EEA
            "1",  # UTF-8
            "SCT",
            "",
            self.account.holder,
            compact(self.account.iban),
            f"EUR{decimal_amount(self.amount)}",
            "",
            # As free text: several banking apps leave the structured field out.
            "",
            self.reference,
        )
        text = "\n".join(lines)
        if len(text.encode()) > LONGEST_PAYLOAD:
            raise ValueError("the account holder's name is too long for a SEPA code")
        return text

    def svg(self) -> Markup:
        """The QR code as an element to stand in the page, black on white in any colour scheme."""
        code = segno.make(self.payload(), error="m", boost_error=False, micro=False, encoding="utf-8")
        assert int(code.version) <= LARGEST_VERSION  # noqa: S101 - follows from the longest payload
        drawn = code.svg_inline(scale=1, border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr")
        return Markup(drawn)  # noqa: S704 - drawn by the library from its own numbers


class TransferProvider:
    """The money comes to the city's account; a clerk or the cash office says that it is there."""

    name = NAME
    has_page = False
    can_refund = False

    async def start(self, order: Order) -> Snapshot:
        return Snapshot(order.key, "open", order.amount, order.currency, order.reference)

    async def fetch(self, vendor_id: str) -> Snapshot:
        raise VendorRefused("a transfer has no vendor")

    async def cancel(self, vendor_id: str) -> Snapshot:
        raise VendorRefused("a transfer has no vendor")

    async def refund(self, charge_id: str, amount: int, key: str) -> None:
        raise VendorRefused("a transfer is given back by the cash office")

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice | None:
        return None
