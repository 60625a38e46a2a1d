"""What is said, before and after it has a language.

A `Reply` says what is meant, in no language. `compose` turns it into a `Body`: the words in the
person's language, with the German beside them for the clerk. Bodies are what is sealed and sent.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from foundation.i18n import Catalogue, Sayable

OFFICE_LANGUAGE = "de"
CALENDAR = "text/calendar"

MOST_CHOICES = 8
"""So many choices every channel shows beside a message: a Matrix poll takes no more."""


@dataclass(frozen=True)
class Option:
    """Something to choose: pressed by `id`, or typed as number, label or synonym.

    `unlisted`: it is not shown and has no number, but whoever types its label or a synonym has chosen it.
    """

    id: str
    label: Sayable
    synonyms: tuple[str, ...] = ()
    unlisted: bool = False


@dataclass(frozen=True)
class Page:
    """A page to open; `path` is below the public address ("/a/…")."""

    label: Sayable
    path: str


@dataclass(frozen=True)
class Attachment:
    """A small file that travels inside the sealed body (a calendar file, a receipt)."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Reply:
    """One message, in no language yet. `title` is a neutral subject for channels that have one.

    `personal`: the words are for the person alone; a channel that others can read says only that there is
    a message (or says `neutral`), and where to read it. What a clerk writes is personal in any case.
    """

    parts: tuple[Sayable, ...]
    options: tuple[Option, ...] = ()
    pages: tuple[Page, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    title: Sayable | None = None
    personal: bool = False
    neutral: Sayable | None = None


@dataclass(frozen=True)
class Choice:
    id: str
    label: str


@dataclass(frozen=True)
class Link:
    label: str
    url: str


@dataclass(frozen=True)
class Body:
    """One message in the person's language; `german` stands beside it where that is another one.

    `neutral` is said instead on channels that others can read, None where the words are neutral already.
    """

    text: str
    german: str | None = None
    choices: tuple[Choice, ...] = ()
    links: tuple[Link, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    title: str | None = None
    neutral: "Body | None" = None

    def guarded(self) -> "Body":
        """What may be said where others can read it: neutral words, and no file but a calendar file."""
        shown = self.neutral or self
        files = tuple(file for file in shown.attachments if file.media_type.startswith(CALENDAR))
        return replace(shown, attachments=files, neutral=None)

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "german": self.german,
            "choices": [[choice.id, choice.label] for choice in self.choices],
            "links": [[link.label, link.url] for link in self.links],
            "attachments": [
                [a.name, a.media_type, base64.b64encode(a.data).decode()] for a in self.attachments
            ],
            "title": self.title,
            "neutral": self.neutral.to_json() if self.neutral else None,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(
            text=value["text"],
            german=value["german"],
            choices=tuple(Choice(*pair) for pair in value["choices"]),
            links=tuple(Link(*pair) for pair in value["links"]),
            attachments=tuple(Attachment(n, m, base64.b64decode(d)) for n, m, d in value["attachments"]),
            title=value["title"],
            neutral=cls.from_json(value["neutral"]) if value.get("neutral") else None,
        )


def compose(reply: Reply, catalogue: Catalogue, language: str, public_url: str) -> Body:
    """Put a reply into words. Parts become paragraphs."""

    def words(parts: Sequence[Sayable], tongue: str) -> str:
        return "\n\n".join(catalogue.render(part, tongue) for part in parts)

    return Body(
        text=words(reply.parts, language),
        german=words(reply.parts, OFFICE_LANGUAGE) if language != OFFICE_LANGUAGE else None,
        choices=tuple(
            Choice(option.id, catalogue.render(option.label, language))
            for option in reply.options
            if not option.unlisted
        ),
        links=tuple(
            Link(catalogue.render(page.label, language), public_url.rstrip("/") + page.path)
            for page in reply.pages
        ),
        attachments=reply.attachments,
        title=catalogue.render(reply.title, language) if reply.title else None,
    )
