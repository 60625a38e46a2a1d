"""What is meant by a message, whoever found it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

ABOUT_SERVICES = frozenset({"service_info", "book_appointment", "start_form"})
"""Intents that a service belongs to."""
TOPIC = "faq_"
"""What intents begin with that ask about something general."""
CLEAR = 0.8
"""A reading that is surer than this is taken for what is meant."""


@dataclass(frozen=True)
class Alternative:
    """Another reading, with its confidence (0 … 1)."""

    intent: str
    service: str | None = None
    aspect: str | None = None
    confidence: float = 0.0


@dataclass(frozen=True)
class Understanding:
    """Ids are those of the catalogue (intent, service, aspect); `fallback` means "not understood, ask back".

    `language` is the language of the message if it shows one; `romanised` the one that it is typed in with Latin
    letters though it has a script of its own, whose writer is asked for a language. `choice` is the language code that a
    `choose_language` asks for, or the number of a message that is only a number.
    `by_words`: the word lists alone have read it, since there is no model or it is away. `beside`: imported services
    that may be meant instead of `service`, the likeliest first.
    """

    text: str
    language: str | None = None
    intent: str | None = None
    service: str | None = None
    aspect: str | None = None
    confidence: float = 0.0
    alternatives: tuple[Alternative, ...] = ()
    fallback: bool = True
    choice: str | None = None
    romanised: str | None = None
    by_words: bool = False
    beside: tuple[str, ...] = ()


class Parser(Protocol):
    """Reads a message by a trained model. None means that it cannot just now; the rules then answer."""

    async def parse(self, text: str, language: str, context: Mapping[str, str]) -> Understanding | None: ...
