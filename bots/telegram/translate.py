"""Telegram's updates as the house reads them, and the house's messages as Telegram takes them. No I/O, no rule."""

import html
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    MaybeInaccessibleMessage,
    Message,
    Update,
)
from telegram.constants import ChatType, InlineKeyboardButtonLimit, MessageLimit

from conversation.ports import Inbound, Outgoing
from conversation.reply import Attachment, Choice, Link

NAME = "telegram"
COMMANDS = {
    "menu": "menu",
    "help": "menu",
    "book": "book",
    "appointments": "appointments",
    "person": "person",
    "language": "language",
}
"""A command and the choice it stands for; /start begins."""
_START_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a link may carry behind `?start=` (Bot API, Deep linking)."""
LARGEST_FILE = 20 * 1024 * 1024
"""Bytes that a bot may fetch (Bot API, getFile)."""


@dataclass(frozen=True)
class Sent:
    """A file that lies at Telegram: what getFile needs, and what it is called."""

    file_id: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True)
class Words:
    """One sendMessage: HTML, and the buttons below it."""

    html: str
    keyboard: InlineKeyboardMarkup | None = None


Call = Words | Attachment


# -- in ----------------------------------------------------------------------------------------------


def to_inbound(update: Update, bot_id: int) -> Inbound | None:
    """What a person did in their private chat with us; None for anything else.

    An edited message is a message: what is written now is what is meant.
    """
    external_id = f"{bot_id}:{update.update_id}"
    if update.callback_query is not None:
        return _pressed(update, external_id)
    message = update.message or update.edited_message
    if message is None or message.chat.type != ChatType.PRIVATE or message.from_user is None:
        return None
    kind, text, choice = _said(message)
    language = _primary(message.from_user.language_code)
    return Inbound(NAME, external_id, str(message.chat.id), kind, text, choice, language)


def _said(message: Message) -> tuple[str, str, str | None]:
    """Kind, text and choice of a message."""
    if message.text is None:
        return ("file" if file_of(message) else "other"), message.caption or "", None
    if not message.text.startswith("/"):
        return "text", message.text, None
    command = message.text[1:].split()[0].partition("@")[0].lower() if message.text[1:].split() else ""
    if command == "start":
        token = message.text.partition(" ")[2].strip()
        return "start", "", f"join:{token}" if _START_TOKEN.fullmatch(token) else None
    choice = COMMANDS.get(command)
    return ("choice" if choice else "text"), message.text, choice


def _pressed(update: Update, external_id: str) -> Inbound | None:
    query = update.callback_query
    if query is None or query.message is None or query.data is None:
        return None
    if query.message.chat.type != ChatType.PRIVATE:
        return None
    position = int(query.data[1:]) if re.fullmatch(r"#\d{1,3}", query.data) else -1
    return Inbound(
        channel=NAME,
        external_id=external_id,
        address=str(query.message.chat.id),
        kind="choice",
        text=_label(query.message, query.data),
        choice=query.data if position < 0 else None,
        language=_primary(query.from_user.language_code),
        pressed=(str(query.message.message_id), position),
    )


def _label(message: MaybeInaccessibleMessage, data: str) -> str:
    """What stands on the pressed button; nothing if the message is too old to be shown to us."""
    markup = message.reply_markup if isinstance(message, Message) else None
    buttons = (button for row in markup.inline_keyboard for button in row) if markup else ()
    return next((button.text for button in buttons if button.callback_data == data), "")


def _primary(tag: str | None) -> str | None:
    return tag.partition("-")[0].lower() if tag else None


def file_of(message: Message) -> Sent | None:
    """The document or picture of a message; of a picture the largest size."""
    if message.document is not None:
        given = message.document
        return Sent(
            given.file_id,
            given.file_name or "file",
            given.mime_type or "application/octet-stream",
            given.file_size or 0,
        )
    if message.photo:
        largest = message.photo[-1]
        return Sent(largest.file_id, "photo.jpg", "image/jpeg", largest.file_size or 0)
    return None


# -- out ---------------------------------------------------------------------------------------------


def render(outgoing: Outgoing) -> tuple[Call, ...]:
    """The calls for one message, in order. The buttons come last, where the person looks next."""
    body = outgoing.body
    public = tuple(link for link in body.links if is_public(link.url))
    plain = [f"{link.label}: {link.url}" for link in body.links if link not in public]
    parts = list(split("\n\n".join([body.text, *plain])))
    last = Words(html.escape(parts[-1], quote=False), _keyboard(public, body.choices))
    return (*body.attachments, *(Words(html.escape(part, quote=False)) for part in parts[:-1]), last)


def _keyboard(links: tuple[Link, ...], choices: tuple[Choice, ...]) -> InlineKeyboardMarkup | None:
    rows = [[InlineKeyboardButton(link.label, url=link.url)] for link in links]
    rows += [
        [InlineKeyboardButton(choice.label, callback_data=_code(choice.id, position))]
        for position, choice in enumerate(choices)
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def _code(choice: str, position: int) -> str:
    """The choice's id, or its position where the id is too long for a button."""
    fits = len(choice.encode()) <= InlineKeyboardButtonLimit.MAX_CALLBACK_DATA
    return choice if fits and not choice.startswith("#") else f"#{position}"


def is_public(url: str) -> bool:
    """Whether Telegram takes this address on a button: a name with a dot, or an address of the open internet."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".") and not host.endswith((".localhost", ".local", ".internal"))


def length(text: str) -> int:
    """As Telegram counts: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int = MessageLimit.MAX_TEXT_LENGTH) -> Iterator[str]:
    """Parts of at most `limit`, cut between paragraphs, else lines, sentences, words."""
    text = text.strip()
    while length(text) > limit:
        head = _head(text, limit)
        yield head.rstrip()
        text = text[len(head) :].lstrip()
    yield text


def _head(text: str, limit: int) -> str:
    fitting = text
    while length(fitting) > limit:
        fitting = fitting[: len(fitting) - max(1, (length(fitting) - limit) // 2)]
    for end in ("\n\n", "\n", ". ", "! ", "? ", "؟ ", " "):
        place = fitting.rfind(end, len(fitting) // 3)
        if place > 0:
            return fitting[: place + len(end)]
    return fitting
