"""Words that must stay out of every payload to Telegram and mail, whatever test is running."""

from email.message import EmailMessage

from foundation.content import load
from foundation.settings import ROOT
from tests.doubles.telegram.server import Telegram
from tests.support.smtp import Mail, Mailbox
from tests.support.traces import Hunt

NAME, BORN, STREET = "Amal Haddadin-Quist", "17.03.1988", "Zwetschgenweg 93"
PAPER = "Mietvertrag-Quittenhof-4711"
NOTE = "Aufkleber-Quendelstern"
PLANTED = (NAME, "Haddadin-Quist", BORN, STREET, "Zwetschgenweg", PAPER, NOTE)
"""Whoever talks in a test gives these as their own."""


def services() -> set[str]:
    """Every name of every service, in every language."""
    shipped = load(ROOT / "content", "heidelberg").services.values()
    return {name.casefold() for one in shipped for name in (one.term, *one.names.values())}


def leaks_to_telegram(telegram: Telegram) -> list[str]:
    """Where planted words stand in what was sent to Telegram, and services in the names of files."""
    hunt, titles = Hunt(PLANTED), list[str]()
    for number, request in enumerate(telegram.requests):
        place = f"{request.method} {number}"
        for name, value in request.fields.items():
            hunt.look(f"{place} {name}", value.encode())
        for file in request.files.values():
            hunt.look(f"{place} file", file.data + file.name.encode())
            titles += [file.name, *_summaries(file.data)]
    return [f"{find.word} in {find.where}" for find in hunt.finds] + _named(titles)


def leaks_by_mail(mailbox: Mailbox) -> list[str]:
    """Where planted words stand in mails, and services in subjects, file names and calendar titles."""
    hunt, titles = Hunt(PLANTED), list[str]()
    for number, mail in enumerate(mailbox.mails):
        hunt.look(f"mail {number}", mail.raw)
        titles.append(str(mail.message["Subject"]))
        for part in _parts(mail):
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                hunt.look(f"mail {number} {part.get_content_type()}", content)
                titles += [str(part.get_filename() or ""), *_summaries(content)]
    return [f"{find.word} in {find.where}" for find in hunt.finds] + _named(titles)


def _parts(mail: Mail) -> list[EmailMessage]:
    return [part for part in mail.message.walk() if isinstance(part, EmailMessage)]


def _summaries(data: bytes) -> list[str]:
    lines = data.decode("utf-8", "replace").replace("\r\n ", "").splitlines()
    return [line for line in lines if line.startswith(("SUMMARY", "CATEGORIES"))]


def _named(titles: list[str]) -> list[str]:
    known = services()
    return [
        f"{name} in the title {title!r}" for title in titles for name in known if name in title.casefold()
    ]
