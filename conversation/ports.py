"""What a channel must offer. Each lives in its folder below bots/."""

from dataclasses import dataclass
from typing import Protocol

from conversation.reply import Body


@dataclass(frozen=True)
class Inbound:
    """An update as the middle of the house reads it.

    `external_id` is the vendor's id of this update, unique in the channel; `address` is the vendor's
    id of whom to answer. `kind`: start, text, choice. `choice` is the id of a pressed option.
    `language` is a first guess (BCP 47), used for new addresses only.
    """

    channel: str
    external_id: str
    address: str
    kind: str
    text: str = ""
    choice: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Outgoing:
    """One outbox row on its way: `key` is stable over retries, so that a channel can send idempotently."""

    key: str
    address: str
    author: str
    language: str
    body: Body
    attempt: int


class Channel(Protocol):
    """Sends to one kind of address. It does no database work and knows no rule."""

    @property
    def name(self) -> str: ...

    async def send(self, outgoing: Outgoing) -> str | None:
        """Send, and return the vendor's id of the message. Errors: RetryLater, Undeliverable, Blocked."""


class RetryLater(Exception):
    """Not now; try again after `seconds` (None: the usual back-off)."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Undeliverable(Exception):
    """This message can never be sent."""


class Blocked(Exception):
    """The person has blocked us, or the address is gone: send nothing more there."""
