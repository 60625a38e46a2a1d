"""Stripe Checkout: one session a payment attempt. Only here is the vendor's library used.

A session, not a payment link: it is for one fee, expires, can be ended, and carries our reference.
"""

import json
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import stripe

from payments.ports import Forged, Notice, Order, Snapshot, VendorAway, VendorRefused

NAME = "stripe"
API_VERSION = "2026-08-26.dahlia"
TIMEOUT = 20.0
TOLERANCE = 300
"""Seconds that a webhook may be old, against repeating a recorded one."""
LOCALES = frozenset(
    {"de", "en", "tr", "fr", "es", "it", "pl", "ro", "bg", "hr", "el", "ru", "zh", "vi", "pt"}
)
EXPAND = ["payment_intent", "payment_intent.latest_charge"]

_T = TypeVar("_T")


class StripeProvider:
    """`base` is another address of the API, for tests. `timeout` in seconds."""

    name = NAME
    has_page = True
    can_refund = True

    def __init__(
        self, key: str, webhook_secret: str, *, base: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._secret = webhook_secret
        self._client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={"api": base} if base else None,
            http_client=stripe.HTTPXClient(timeout=timeout, allow_sync_methods=True),
            max_network_retries=0,  # the job tries again, and the desk knows meanwhile
        )

    async def start(self, order: Order) -> Snapshot:
        sessions = self._client.v1.checkout.sessions
        made = sessions.create_async(_params(order), {"idempotency_key": order.key})
        return _snapshot(await _asked(made))

    async def fetch(self, vendor_id: str) -> Snapshot:
        sessions = self._client.v1.checkout.sessions
        return _snapshot(await _asked(sessions.retrieve_async(vendor_id, {"expand": EXPAND})))

    async def cancel(self, vendor_id: str) -> Snapshot:
        try:
            return _snapshot(await _asked(self._client.v1.checkout.sessions.expire_async(vendor_id)))
        except VendorRefused:
            # Paid or expired at the same moment: what is there counts.
            return await self.fetch(vendor_id)

    async def refund(self, charge_id: str, amount: int, key: str) -> None:
        params: Any = {"payment_intent": charge_id, "amount": amount}
        try:
            await _asked(self._client.v1.refunds.create_async(params, {"idempotency_key": key}))
        except VendorRefused as refused:
            if refused.code != "charge_already_refunded":
                raise

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> Notice | None:
        try:
            text = body.decode()
            stripe.WebhookSignature.verify_header(
                text, headers.get("stripe-signature", ""), self._secret, TOLERANCE
            )
            event = json.loads(text)
            kind, about = str(event["type"]), event["data"]["object"]
            vendor_id = about["id"] if kind.startswith("checkout.session.") else about.get("payment_intent")
            return Notice(str(event["id"]), kind, str(vendor_id)) if vendor_id else None
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError):
            raise Forged from None


def _params(order: Order) -> Any:
    ours = {"reference": order.reference, "attempt": order.key}
    return {
        "mode": "payment",
        "client_reference_id": order.reference,
        "metadata": ours,
        "payment_intent_data": {"description": f"{order.purpose} {order.reference}", "metadata": ours},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.currency.lower(),
                    "unit_amount": order.amount,
                    "product_data": {"name": order.purpose, "description": order.reference},
                },
            }
        ],
        # A fee is set in one currency by law; the person's bank may convert it.
        "adaptive_pricing": {"enabled": False},
        "locale": order.language if order.language in LOCALES else "auto",
        "success_url": order.return_url,
        "cancel_url": order.return_url,
        "expires_at": int(order.expires_at.timestamp()),
    }


def _snapshot(session: Any) -> Snapshot:
    intent = session.payment_intent
    return Snapshot(
        vendor_id=session.id,
        state=_state(session, intent),
        amount=session.amount_total,
        currency=session.currency.upper(),
        reference=session.client_reference_id,
        url=session.url,
        charge_id=intent if isinstance(intent, str | None) else intent.id,
    )


def _state(session: Any, intent: Any) -> str:
    expanded = not isinstance(intent, str | None)
    if session.payment_status == "paid":
        charge = intent.latest_charge if expanded else None
        return "refunded" if charge and not isinstance(charge, str) and charge.refunded else "paid"
    if session.status == "expired":
        return "expired"
    if session.status != "complete":
        return "open"
    # A direct debit takes days, and the bank may refuse it then.
    refused = expanded and intent.status in ("requires_payment_method", "canceled")
    return "failed" if refused else "processing"


async def _asked(answer: Awaitable[_T]) -> _T:
    """The vendor's answer, with its errors in our words. Errors: VendorAway, VendorRefused."""
    try:
        return await answer
    except (stripe.APIConnectionError, stripe.RateLimitError):
        raise VendorAway from None
    except stripe.StripeError as error:
        if error.http_status is None or error.http_status >= 500 or error.http_status == 409:
            raise VendorAway(answered=True) from None
        raise VendorRefused(error.code or type(error).__name__) from None
