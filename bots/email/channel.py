"""Mail, sent only: a neutral subject, a neutral sentence, the link, and the calendar file.

What a reply says stays in the thread; a mailbox is read over shoulders and by providers. So nothing
of the body's own words goes out, and no attachment but a calendar file, which names no errand.
"""

import hashlib
import html
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import icalendar

from booking.calendar import NAME, addressed_to
from conversation.ports import Outgoing, RetryLater, Undeliverable
from conversation.reply import Attachment
from foundation.clock import Clock
from foundation.errors import OperatorError
from foundation.i18n import Catalogue, Text, direction

logger = logging.getLogger(__name__)

TIMEOUT = 30.0
OUR_FAULT = frozenset({530, 534, 535, 538})
"""Replies about our own sign-in (RFC 4954): the operator repairs it, and then the message can still go."""
REPAIR_PAUSE = 300.0


@dataclass(frozen=True)
class Server:
    """A mail server. `tls`: from the first byte; `starttls`: True demanded, None if offered, False never."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool
    starttls: bool | None

    @classmethod
    def read(cls, url: str) -> Self:
        """`smtp://user:password@host:port?starttls=1` or `smtps://…`. Errors: OperatorError."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise OperatorError("FOYER_SMTP_URL must look like smtp://user:password@host:587?starttls=1")
        tls = parts.scheme == "smtps"
        wish = parse_qs(parts.query).get("starttls", [""])[0]
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 587),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            starttls=False if tls else {"1": True, "0": False}.get(wish),
        )


class MailChannel:
    """Sends outbox rows to mailboxes. `url` None: there is no mail server and the channel is off.

    `sender` is the From address, `office_name` stands before it. Errors of `send`: RetryLater, Undeliverable.
    """

    name = "email"
    private = False

    def __init__(
        self,
        url: str | None,
        *,
        sender: str,
        office_name: str,
        catalogue: Catalogue,
        clock: Clock,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = Server.read(url) if url else None
        self._sender = sender
        self._office_name = office_name
        self._catalogue = catalogue
        self._clock = clock
        self._tls_context = tls_context

    @property
    def enabled(self) -> bool:
        """Whether a mail address is worth asking for."""
        return self._server is not None

    async def send(self, outgoing: Outgoing) -> str | None:
        """Hand one message to the mail server and return its Message-ID, the same at every try."""
        if self._server is None:
            raise Undeliverable
        message = self.message(outgoing)
        try:
            await aiosmtplib.send(message, **self._options(self._server))
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _verdict(refused.recipients[0].code) from refused
        except aiosmtplib.SMTPResponseException as answer:
            raise _verdict(answer.code) from answer
        except (aiosmtplib.SMTPException, OSError) as error:
            logger.warning("mail: the server cannot be reached (%s)", type(error).__name__)
            raise RetryLater from error
        return str(message["Message-ID"])

    async def close(self) -> None:
        """Every mail has a connection of its own."""

    def message(self, outgoing: Outgoing) -> EmailMessage:
        """The whole mail: plain text and HTML, and a calendar file if there is one, as part and as attachment."""
        calendar = next(
            (a for a in outgoing.body.attachments if a.media_type.startswith("text/calendar")), None
        )
        title = outgoing.body.title or self._say("mail.subject", outgoing)
        message = self._head(outgoing, title)
        lines = self._lines(outgoing, calendar)
        message.set_content("\n\n".join(lines), cte="quoted-printable")
        message.add_alternative(
            _html(lines, title, outgoing.language), subtype="html", cte="quoted-printable"
        )
        if calendar is not None:
            _invite(message, *addressed_to(calendar.data, outgoing.address))
        # Last, because EmailMessage takes every Content-* header into the first part.
        message["Content-Language"] = outgoing.language
        return message

    def _head(self, outgoing: Outgoing, title: str) -> EmailMessage:
        domain = self._sender.rpartition("@")[2]
        digest = hashlib.sha256(outgoing.key.encode()).hexdigest()[:40]
        plain = outgoing.address.isascii()
        message = EmailMessage(policy=SMTP if plain else SMTP.clone(utf8=True))
        message["From"] = Address(self._office_name, addr_spec=self._sender)
        message["To"] = outgoing.address
        message["Subject"] = title
        message["Message-ID"] = f"<{digest}@{domain}>"
        message["Date"] = format_datetime(self._clock.now())
        message["Auto-Submitted"] = "auto-generated"
        return message

    def _lines(self, outgoing: Outgoing, calendar: Attachment | None) -> list[str]:
        """Neutral sentences; a calendar file's own description says both times and is neutral too."""
        described = _description(calendar) if calendar else [self._say("mail.neutral", outgoing)]
        links = [link.url for link in outgoing.body.links[:1]]
        if links and links[0] not in described:
            described += [self._say("mail.open", outgoing), *links]
        return [*described, self._say("mail.automatic", outgoing)]

    def _say(self, key: str, outgoing: Outgoing) -> str:
        return self._catalogue.render(Text(key), outgoing.language)

    def _options(self, server: Server) -> dict[str, Any]:
        return {
            "hostname": server.host,
            "port": server.port,
            "username": server.user,
            "password": server.password,
            "use_tls": server.tls,
            "start_tls": server.starttls,
            "tls_context": self._tls_context,
            "timeout": TIMEOUT,
        }


def _verdict(code: int) -> Exception:
    """What a server's answer (RFC 5321, 4.2.1) means for this message."""
    if code in OUR_FAULT:
        logger.error("mail: the server refuses our sign-in (%d); check FOYER_SMTP_URL", code)
        return RetryLater(REPAIR_PAUSE)
    return RetryLater() if 400 <= code < 500 else Undeliverable()


def _description(calendar: Attachment) -> list[str]:
    (event,) = icalendar.Calendar.from_ical(calendar.data).walk("VEVENT")
    return str(event["DESCRIPTION"]).split("\n")


def _html(lines: Sequence[str], title: str, language: str) -> str:
    paragraphs = "".join(f"<p>{_linked(line)}</p>" for line in lines)
    return (
        f'<!doctype html><html lang="{language}" dir="{direction(language)}"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title></head><body>{paragraphs}</body></html>"
    )


def _linked(line: str) -> str:
    shown = html.escape(line)
    return f'<a href="{shown}" dir="ltr">{shown}</a>' if line.startswith(("https://", "http://")) else shown


def _invite(message: EmailMessage, data: bytes, method: str) -> None:
    """As a part (the buttons of Outlook and Gmail) and as a file (everything else)."""
    message.add_alternative(data.decode(), subtype="calendar", params={"method": method}, cte="base64")
    message.add_attachment(data, maintype="application", subtype="ics", filename=NAME)
