"""A real SMTP server on the loopback that keeps what it is given."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


@dataclass(frozen=True)
class Mail:
    """One accepted message; `raw` is what came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes


@dataclass
class Mailbox:
    """All mail of a test. `answer` replaces the server's "250 OK" to DATA, e.g. "451 try later"."""

    url: str = ""
    mails: list[Mail] = field(default_factory=list)
    answer: str | None = None
    refused: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    async def wait_for(self, count: int, *, seconds: float = 20) -> list[Mail]:
        """At least `count` mails. Errors: TimeoutError."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                self._arrived.clear()
                if len(self.mails) < count:
                    await self._arrived.wait()
        return list(self.mails)

    def to(self, recipient: str) -> list[Mail]:
        return [mail for mail in self.mails if recipient in mail.recipients]

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """aiosmtpd's hook, called in the server's own thread."""
        if self.answer is not None:
            self.refused += 1
            return self.answer
        raw = bytes(envelope.content)
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self.mails.append(Mail(envelope.mail_from, tuple(envelope.rcpt_tos), message, raw))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._arrived.set)
        return "250 OK"


@contextmanager
def running_smtp() -> Iterator[Mailbox]:
    """A server on a free port of 127.0.0.1; `url` is its address for FOYER_SMTP_URL."""
    mailbox = Mailbox()
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        mailbox.url = f"smtp://127.0.0.1:{controller.bound_port}"
        yield mailbox
    finally:
        controller.stop()


class _AnyPort(Controller):
    """aiosmtpd's start() knocks at the port it was given; with port 0 that is known only once it listens."""

    @property
    def bound_port(self) -> int:
        listening: Any = self.server
        port: int = listening.sockets[0].getsockname()[1]
        return port

    def _trigger_server(self) -> None:
        self.port = self.bound_port
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types
