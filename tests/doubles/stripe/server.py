"""A stateful Stripe for tests, on a socket of this machine: Checkout Sessions, refunds, signed webhooks, idempotency.

It can be off, slow, or cut the line after it acted; webhooks are sent when the test says so.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from aiohttp import web

from tests.doubles.stripe.check import SPEC, Bad, arguments, checked, operation

KEY = "sk_test_double"
WEBHOOK_SECRET = "whsec_double"
Object = dict[str, Any]


@dataclass
class StripeDouble:
    """`hook` is where webhooks go. `slow` is how long an answer takes, in seconds; `cut` how many answers are
    cut off after the double has acted; `broken` how many are errors of its own. `asked` lists every request."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    hook: str | None = None
    slow: float = 0.0
    cut: int = 0
    broken: int = 0
    objects: dict[str, Object] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    port: int = 0
    transport: httpx.AsyncBaseTransport | None = None
    acted: asyncio.Event = field(default_factory=asyncio.Event)
    _keys: dict[str, tuple[Any, Object]] = field(default_factory=dict)
    _runner: web.AppRunner | None = None
    _telling: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sessions(self) -> list[Object]:
        return [one for one in self.objects.values() if one["object"] == "checkout.session"]

    @property
    def refunds(self) -> list[Object]:
        return [one for one in self.objects.values() if one["object"] == "refund"]

    # -- on and off --------------------------------------------------------------------------------

    async def on(self) -> None:
        """Listen, at the same address as before."""
        app = web.Application()
        app.router.add_route("*", "/v1/{rest:.*}", self._api)
        app.router.add_get("/pay/{session}", self._page)
        app.router.add_post("/pay/{session}", self._pay)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def off(self) -> None:
        """Nobody listens; what was done stays done."""
        for task in self._telling:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # -- what people and banks do ------------------------------------------------------------------

    def pay(self, session_id: str, *, amount: int | None = None) -> Object:
        """A person pays by card; the event is in `events`, not sent. `amount`: another one than asked for."""
        session = self._get(session_id)
        intent = self._intent(session, "succeeded", amount or session["amount_total"])
        session.update(status="complete", payment_status="paid", url=None, payment_intent=intent["id"])
        session["amount_total"] = amount or session["amount_total"]
        return self.happened("checkout.session.completed", session)

    def debit(self, session_id: str) -> Object:
        """A person pays by direct debit: the money comes in days, or never (`debited`)."""
        session = self._get(session_id)
        intent = self._intent(session, "processing", session["amount_total"])
        session.update(status="complete", payment_status="unpaid", url=None, payment_intent=intent["id"])
        return self.happened("checkout.session.completed", session)

    def debited(self, session_id: str, *, refused: bool = False) -> Object:
        session = self._get(session_id)
        intent = self.objects[session["payment_intent"]]
        if refused:
            intent["status"] = "requires_payment_method"
            return self.happened("checkout.session.async_payment_failed", session)
        intent["status"], session["payment_status"] = "succeeded", "paid"
        return self.happened("checkout.session.async_payment_succeeded", session)

    def expire(self, session_id: str) -> Object:
        session = self._get(session_id)
        session.update(status="expired", url=None)
        return self.happened("checkout.session.expired", session)

    def happened(self, kind: str, about: Object) -> Object:
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": SPEC["version"],
            "created": int(self.now().timestamp()),
            "data": {"object": deepcopy(about)},
            "livemode": False,
            "type": kind,
        }
        self.events.append(event)
        return event

    async def send(self, event: Object, *, secret: str = WEBHOOK_SECRET) -> int:
        """Deliver a webhook; the status it was answered with."""
        assert self.hook is not None
        body = json.dumps(event).encode()
        # Webhooks are signed with the time of day, whatever the tests' clock says.
        stamp = int(datetime.now(UTC).timestamp())
        signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={stamp},v1={signature}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(timeout=10, transport=self.transport) as client:
            return (await client.post(self.hook, content=body, headers=headers)).status_code

    async def insist(self, event: Object) -> None:
        """Deliver a webhook until it is acknowledged. Errors: TimeoutError."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if await self.send(event) == 200:
                        return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), 0.1)

    # -- the API -----------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        try:
            made = await self._answer(request)
        except Bad as bad:
            return web.json_response({"error": bad.error}, status=bad.status)
        self.acted.set()
        if self.cut > 0:
            self.cut -= 1
            assert request.transport is not None
            request.transport.abort()
        if self.slow:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), self.slow)
        return web.json_response(made)

    async def _answer(self, request: web.Request) -> Object:
        method, path, body = request.method.lower(), request.path, await request.text()
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise Bad("Invalid API Key provided", code=None, status=401)
        if request.headers.get("Stripe-Version") != SPEC["version"]:
            raise Bad(f"the double speaks {SPEC['version']}", code=None)
        template, described, about = operation(method, path)
        given = arguments(described, method, request.query_string, body)
        self.asked.append((method, path, given))
        if self.broken > 0:
            self.broken -= 1
            raise Bad("An unknown error occurred", code=None, status=500, kind="api_error")
        return self._once(
            request.headers.get("Idempotency-Key"), (template, body), lambda: self._do(template, about, given)
        )

    def _once(self, key: str | None, what: Any, do: Callable[[], Object]) -> Object:
        if key is None:
            return do()
        if key in self._keys and self._keys[key][0] != what:
            raise Bad("Keys can only be used with the same parameters", code=None, kind="idempotency_error")
        if key not in self._keys:
            self._keys[key] = (what, deepcopy(do()))
        return self._keys[key][1]

    def _do(self, template: str, about: str, given: dict[str, Any]) -> Object:
        match template:
            case "/v1/checkout/sessions":
                return checked(self._new_session(given))
            case "/v1/checkout/sessions/{session}/expire":
                return self._end(about)
            case "/v1/refunds":
                return checked(self._refund(given))
            case _:
                return checked(self._expanded(self._get(about), given.get("expand", [])))

    def _new_session(self, given: dict[str, Any]) -> Object:
        now, until = int(self.now().timestamp()), given["expires_at"]
        if not now + 30 * 60 <= until <= now + 24 * 3600:
            raise Bad("expires_at must be 30 minutes to 24 hours ahead", param="expires_at")
        (item,) = given["line_items"]
        amount = item["price_data"]["unit_amount"] * item["quantity"]
        session_id = f"cs_test_{secrets.token_hex(12)}"
        session = {
            "id": session_id,
            "object": "checkout.session",
            "amount_subtotal": amount,
            "amount_total": amount,
            "automatic_tax": {"enabled": False},
            "client_reference_id": given.get("client_reference_id"),
            "created": now,
            "currency": item["price_data"]["currency"],
            "custom_fields": [],
            "custom_text": {},
            "expires_at": until,
            "livemode": False,
            "metadata": given.get("metadata", {}),
            "mode": given["mode"],
            "payment_intent": None,
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "shipping_options": [],
            "status": "open",
            "success_url": given["success_url"],
            "url": f"{self.url}/pay/{session_id}",
        }
        self.objects[session_id] = session
        return session

    def _end(self, session_id: str) -> Object:
        session = self._get(session_id)
        if session["status"] != "open":
            raise Bad(f"Only open sessions can be expired; this one is {session['status']}", code=None)
        self.expire(session_id)
        return checked(session)

    def _refund(self, given: dict[str, Any]) -> Object:
        intent = self._get(given["payment_intent"])
        if intent["latest_charge"]["refunded"]:
            raise Bad("Charge has already been refunded.", code="charge_already_refunded")
        intent["latest_charge"]["refunded"] = True
        refund_id = f"re_{secrets.token_hex(12)}"
        refund = {
            "id": refund_id,
            "object": "refund",
            "amount": given["amount"],
            "created": int(self.now().timestamp()),
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "status": "succeeded",
        }
        self.objects[refund_id] = refund
        self.happened("refund.created", refund)
        return refund

    def _intent(self, session: Object, status: str, amount: int) -> Object:
        if session["status"] != "open":
            raise Bad(f"This session is {session['status']}", code=None)
        intent = {
            "id": f"pi_{secrets.token_hex(12)}",
            "object": "payment_intent",
            "amount": amount,
            "created": int(self.now().timestamp()),
            "currency": session["currency"],
            "latest_charge": {"id": f"ch_{secrets.token_hex(12)}", "object": "charge", "refunded": False},
            "livemode": False,
            "payment_method_types": ["card"],
            "status": status,
        }
        self.objects[str(intent["id"])] = checked(intent)
        return intent

    def _expanded(self, found: Object, wanted: list[str]) -> Object:
        if "payment_intent" in wanted and found.get("payment_intent"):
            return {**found, "payment_intent": self.objects[found["payment_intent"]]}
        return found

    def _get(self, about: str) -> Object:
        if about not in self.objects:
            raise Bad(f"No such object: {about!r}", param="id", code="resource_missing", status=404)
        return self.objects[about]

    # -- the vendor's own page ---------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        session = self._get(request.match_info["session"])
        shown = f"{session['amount_total'] / 100:.2f} {session['currency']}"
        icon = "<link rel=icon href='data:,'>"
        form = (
            f"<!doctype html>{icon}<title>Pay</title><p>{shown}<form method=post><button>Pay</button></form>"
        )
        return web.Response(text=form, content_type="text/html")

    async def _pay(self, request: web.Request) -> web.Response:
        """Pay, tell the house as soon as it listens, and go back there."""
        session = self._get(request.match_info["session"])
        if session["status"] == "open":
            event = self.pay(session["id"])
            if self.hook is not None:
                self._telling.append(asyncio.create_task(self.insist(event)))
        return web.Response(status=303, headers={"Location": session["success_url"]})


@asynccontextmanager
async def running_stripe(now: Callable[[], datetime] | None = None) -> AsyncIterator[StripeDouble]:
    """A double that listens until the end."""
    double = StripeDouble(now=now) if now else StripeDouble()
    await double.on()
    try:
        yield double
    finally:
        await double.off()
