"""What a channel must offer. Each lives in its folder below bots/."""

from dataclasses import dataclass
from typing import Protocol

from conversation.reply import Attachment, Body


@dataclass(frozen=True)
class Inbound:
    """An update as the middle of the house reads it.

    `external_id` is the vendor's id of this update, unique in the channel; `address` is the vendor's
    id of whom to answer. `kind`: start, text, choice, file, too_large (a file that we could not take), other
    (something that cannot be read here: a voice message, a place on a map). `choice` is the id of a pressed option; a channel that cannot carry ids names
    the message and the position (from 0) instead: `pressed`. `files` came with the message.
    `language` is a first guess (BCP 47), used for new addresses only.
    """

    channel: str
    external_id: str
    address: str
    kind: str
    text: str = ""
    choice: str | None = None
    language: str | None = None
    pressed: tuple[str, int] | None = None
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Outgoing:
    """One outbox row on its way: `key` is stable over retries, so that a channel can send idempotently.

    `name` is that of the clerk who writes, None where nobody in person does.
    """

    key: str
    address: str
    author: str
    language: str
    body: Body
    attempt: int
    name: str | None = None


class Channel(Protocol):
    """Sends to one kind of address. It does no database work and knows no rule.

    `private`: only the person and the office can read it, so personal words may be said there. The others
    are given neutral words and a link (`conversation.reply.Body.guarded`).
    """

    @property
    def name(self) -> str: ...

    @property
    def private(self) -> bool: ...

    async def send(self, outgoing: Outgoing) -> str | None:
        """Send, and return the vendor's id of the message. Errors: RetryLater, Undeliverable, Blocked."""

    async def close(self) -> None:
        """Give back connections when the process ends."""


class RetryLater(Exception):
    """Not now; try again after `seconds` (None: the usual back-off)."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Undeliverable(Exception):
    """This message can never be sent."""


class Blocked(Exception):
    """The person has blocked us, or the address is gone: send nothing more there."""
