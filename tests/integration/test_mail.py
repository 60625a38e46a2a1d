"""Mail against a real SMTP server: STARTTLS, sign-in, greylisting, unknown mailboxes."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import icalendar
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bots.email.channel import MailChannel, Server
from conversation.ports import Outgoing, RetryLater, Undeliverable
from conversation.reply import Attachment, Body, Link
from foundation.clock import FixedClock
from foundation.errors import OperatorError
from foundation.i18n import Catalogue
from foundation.settings import ROOT
from tests.unit.test_slots_calendar import FILES, NOW, appointment, invitation

LINK = "https://foyer.example/a/" + "t" * 32
PLANTED = ("Amira Haddad", "1990-03-01", "certificate of conduct", "Führungszeugnis", "passport.pdf")
CATALOGUE = Catalogue.load(ROOT / "content")


@dataclass
class Mailroom:
    """A mail server's behaviour: how often it asks to come back later, and what it took."""

    greylist: int = 0
    taken: list[tuple[bool, EmailMessage]] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.greylist:
            self.greylist -= 1
            return "451 4.3.0 greylisted"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append((session.ssl is not None, message))
        return "250 OK"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    path = tmp_path / "localhost.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(signed.public_bytes(pem) + private)
    return path


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(handled=False, success=data.login == b"foyer" and data.password == b"p@ss/word")


@pytest.fixture
def mailroom() -> Mailroom:
    return Mailroom()


@pytest.fixture
def port(mailroom: Mailroom, certificate: Path) -> Iterator[int]:
    """A server that wants STARTTLS and a sign-in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    controller = EphemeralController(
        mailroom,
        hostname="127.0.0.1",
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=_authenticate,
        enable_SMTPUTF8=True,
    )
    controller.start()
    yield controller.port
    controller.stop()


class EphemeralController(Controller):
    """On whatever port the system gives."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, port=0, **options)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types


@pytest.fixture
def channel(port: int, certificate: Path) -> MailChannel:
    return mail(f"smtp://foyer:p%40ss%2Fword@localhost:{port}?starttls=1", certificate)


def mail(url: str | None, certificate: Path | None = None) -> MailChannel:
    return MailChannel(
        url,
        sender="buergeramt@heidelberg.example",
        office_name="Bürgeramt Virtuell",
        catalogue=CATALOGUE,
        clock=FixedClock(NOW),
        tls_context=ssl.create_default_context(cafile=certificate) if certificate else None,
    )


def outgoing(address: str = "amira@example.org", *, language: str = "ar", **values: Any) -> Outgoing:
    body = Body(
        text=f"{PLANTED[0]}, {PLANTED[1]}: {PLANTED[2]}",
        german=PLANTED[3],
        links=(Link(PLANTED[2], LINK),),
        **{"title": "الموعد رقم 1001", "attachments": (), **values},
    )
    return Outgoing("booked:1", address, "bot", language, body, 1)


def calendar_file(**values: object) -> Attachment:
    row = appointment(datetime(2026, 10, 20, 7, tzinfo=UTC), **values)
    return FILES.attachment(row, invitation("ar"), now=NOW)


def parts(message: EmailMessage) -> dict[str, EmailMessage]:
    return {part.get_content_type(): part for part in message.walk() if isinstance(part, EmailMessage)}


async def test_a_confirmation_arrives_encrypted_signed_in_and_neutral(
    channel: MailChannel, mailroom: Mailroom
) -> None:
    paper = Attachment(PLANTED[4], "application/pdf", b"%PDF")
    sent = await channel.send(outgoing(attachments=(calendar_file(), paper)))
    ((encrypted, message),) = mailroom.taken
    assert encrypted
    assert message["Message-ID"] == sent
    assert (message["Subject"], message["To"]) == ("الموعد رقم 1001", "amira@example.org")
    assert (message["Auto-Submitted"], message["Content-Language"]) == ("auto-generated", "ar")
    found = parts(message)
    assert set(found) >= {"text/plain", "text/html", "text/calendar", "application/ics"}
    assert found["text/calendar"].get_param("method") == "REQUEST"
    assert found["application/ics"].get_filename() == "appointment.ics"
    assert '<html lang="ar" dir="rtl">' in found["text/html"].get_content()
    assert LINK in found["text/plain"].get_content()
    assert "15:00" in found["text/plain"].get_content()


def _readable(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode() if isinstance(payload, bytes) else ""


async def test_nothing_personal_leaves_the_house(channel: MailChannel, mailroom: Mailroom) -> None:
    paper = Attachment(PLANTED[4], "application/pdf", b"%PDF")
    for language in ("de", "en", "tr", "ar"):
        await channel.send(outgoing(language=language, attachments=(calendar_file(), paper), title=None))
    for _, message in mailroom.taken:
        words = [str(message["Subject"]), *(_readable(part) for part in message.walk())]
        assert not [word for word in PLANTED if word.lower() in "\n".join(words).lower()]
        assert "application/pdf" not in parts(message)


async def test_a_greylisting_server_takes_the_same_message_later(
    channel: MailChannel, mailroom: Mailroom
) -> None:
    mailroom.greylist = 1
    with pytest.raises(RetryLater):
        await channel.send(outgoing())
    assert not mailroom.taken
    first, second = await channel.send(outgoing()), await channel.send(outgoing())
    assert first == second
    assert len(mailroom.taken) == 2


async def test_an_unknown_mailbox_is_given_up(channel: MailChannel, mailroom: Mailroom) -> None:
    with pytest.raises(Undeliverable):
        await channel.send(outgoing("unknown@example.org"))
    assert not mailroom.taken


async def test_a_cancellation_is_one(channel: MailChannel, mailroom: Mailroom) -> None:
    await channel.send(outgoing(attachments=(calendar_file(status="cancelled", sequence=1),)))
    ((_, message),) = mailroom.taken
    calendar = icalendar.Calendar.from_ical(parts(message)["text/calendar"].get_content())
    (event,) = calendar.walk("VEVENT")
    assert parts(message)["text/calendar"].get_param("method") == "CANCEL"
    assert (str(event["STATUS"]), str(event["SEQUENCE"])) == ("CANCELLED", "1")


async def test_a_wrong_password_or_certificate_or_no_server_waits_for_the_operator(
    port: int, certificate: Path, mailroom: Mailroom
) -> None:
    wrong_password = mail(f"smtp://foyer:other@localhost:{port}?starttls=1", certificate)
    untrusted = mail(f"smtp://foyer:p%40ss%2Fword@localhost:{port}?starttls=1")
    plain = mail(f"smtp://localhost:{port}?starttls=0")
    nobody = mail("smtp://localhost:1")
    for unusable in (wrong_password, untrusted, plain, nobody):
        with pytest.raises(RetryLater):
            await unusable.send(outgoing())
    assert not mailroom.taken


async def test_without_a_server_the_channel_is_off() -> None:
    off = mail(None)
    assert not off.enabled
    with pytest.raises(Undeliverable):
        await off.send(outgoing())
    assert mail("smtps://localhost").enabled


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", Server("mail.example", 587, None, None, False, None)),
        ("smtp://u:p%40@mail.example:25?starttls=1", Server("mail.example", 25, "u", "p@", False, True)),
        ("smtps://u:p@mail.example", Server("mail.example", 465, "u", "p", True, False)),
    ],
)
def test_the_address_of_a_server(url: str, server: Server) -> None:
    assert Server.read(url) == server


def test_a_wrong_address_is_named() -> None:
    with pytest.raises(OperatorError, match="FOYER_SMTP_URL"):
        Server.read("http://mail.example")
