"""What a payment provider must offer. `fetch` is the truth; a webhook is only a reason to fetch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Order:
    """What the vendor is told: an administrative fee and its cash reference, never the errand.

    `key` makes it one payment however often it is sent; it starts nothing new. `amount` is in minor units.
    """

    key: str
    reference: str
    purpose: str
    amount: int
    currency: str
    language: str
    return_url: str
    expires_at: datetime


@dataclass(frozen=True)
class Snapshot:
    """The vendor's object as it is now. `state`: open, processing, paid, failed, expired, cancelled, refunded.

    `amount` (minor units) and `currency` are what is to be paid, or was; `reference` is ours as the vendor has it.
    `url` is the vendor's page while one can pay there; `charge_id` what can be refunded.
    """

    vendor_id: str
    state: str
    amount: int
    currency: str
    reference: str | None
    url: str | None = None
    charge_id: str | None = None


@dataclass(frozen=True)
class Notice:
    """A verified webhook: something happened to `vendor_id` (or to the charge of that id)."""

    external_id: str
    kind: str
    vendor_id: str


class Provider(Protocol):
    """`has_page`: people pay on the vendor's page; without one, somebody here says that money came."""

    @property
    def name(self) -> str: ...

    @property
    def has_page(self) -> bool: ...

    @property
    def can_refund(self) -> bool: ...

    async def start(self, order: Order) -> Snapshot:
        """Begin, or find what was begun with the same key. Errors: VendorAway, VendorRefused."""

    async def fetch(self, vendor_id: str) -> Snapshot:
        """Errors: VendorAway, VendorRefused."""

    async def cancel(self, vendor_id: str) -> Snapshot:
        """End it so that nobody can pay any more; what was paid meanwhile stays paid. Errors: as `fetch`."""

    async def refund(self, charge_id: str, amount: int, key: str) -> None:
        """Give back `amount` minor units, once for each key. Errors: as `fetch`."""

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice | None:
        """The notice, None for news of another kind. Errors: Forged."""


class VendorAway(Exception):
    """No answer that could be used; what was asked may have happened all the same.

    `answered`: the vendor answered with an error of its own, and may repeat it for this key.
    """

    def __init__(self, *, answered: bool = False) -> None:
        super().__init__("the payment service does not answer")
        self.answered = answered


class VendorRefused(Exception):
    """The vendor will not do it: `code` says why, for the log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Forged(Exception):
    """A webhook that the vendor did not sign."""
