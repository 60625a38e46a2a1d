"""What a message looks like in Matrix. No I/O, no rule.

Matrix has no buttons: choices are a numbered list in the text, and a poll of the same choices below it.
Every event has a plain `body`, and the HTML is as simple as every client shows it.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conversation.reply import MOST_CHOICES, Attachment, Body, Choice, Link

Json = dict[str, Any]
POLL = "org.matrix.msc3381.poll"
POLL_START, POLL_END = f"{POLL}.start", f"{POLL}.end"
TEXT = "org.matrix.msc1767.text"
MOST_CHARACTERS = 6000
"""In one event: 65,536 bytes hold body and HTML of this many characters of any script, encrypted."""
POLL_SIZES = range(2, MOST_CHOICES + 1)


@dataclass(frozen=True)
class Piece:
    """One event to send; `part` names it among the events of one message, the same at every try."""

    kind: str
    content: Json
    part: str


def pieces(body: Body, *, status: bool, choose: str) -> list[Piece]:
    """The events of a message but its files. `choose` is a poll's question; `status`: nothing is asked."""
    pages = _pages(body.text)
    made = []
    for number, page in enumerate(pages):
        last = number == len(pages) - 1
        choices, links = (body.choices, body.links) if last else ((), ())
        made.append(Piece("m.room.message", message(page, choices, links, status=status), f"text{number}"))
    if len(body.choices) in POLL_SIZES:
        made.append(Piece(POLL_START, poll(choose, body.choices), "poll"))
    return made


def message(
    text: str, choices: Sequence[Choice] = (), links: Sequence[Link] = (), *, status: bool = False
) -> Json:
    """An m.text that may be answered, or an m.notice that merely tells."""
    listed = [f"{number}. {choice.label}" for number, choice in enumerate(choices, 1)]
    named = [f"{link.label}: {link.url}" for link in links]
    plain = "\n\n".join(filter(None, (text, "\n".join(listed), "\n".join(named))))
    content: Json = {"msgtype": "m.notice" if status else "m.text", "body": plain}
    if choices or links:
        content["format"] = "org.matrix.custom.html"
        content["formatted_body"] = _html(text, choices, links)
    return content


def poll(question: str, choices: Sequence[Choice]) -> Json:
    """A poll with one answer (MSC3381); its answers carry the choices' ids."""
    fallback = "\n".join([question, *(f"{number}. {one.label}" for number, one in enumerate(choices, 1))])
    return {
        POLL_START: {
            "question": {TEXT: question, "msgtype": "m.text", "body": question},
            "kind": f"{POLL}.disclosed",
            "max_selections": 1,
            "answers": [{"id": choice.id, TEXT: choice.label} for choice in choices],
        },
        TEXT: fallback,
    }


def poll_end(poll_id: str, words: str) -> Json:
    return {
        "m.relates_to": {"rel_type": "m.reference", "event_id": poll_id},
        POLL_END: {},
        TEXT: words,
        "body": words,
    }


def file(attachment: Attachment, stored: Json) -> Json:
    """A file whose encrypted bytes lie at `stored`."""
    return {
        "msgtype": "m.file",
        "body": attachment.name,
        "filename": attachment.name,
        "info": {"mimetype": attachment.media_type.partition(";")[0], "size": len(attachment.data)},
        "file": {**stored, "mimetype": attachment.media_type.partition(";")[0]},
    }


def in_thread(content: Json, root: str | None, latest: str | None) -> Json:
    """The same content inside a thread; `latest` is what older clients show it as a reply to."""
    if root is None:
        return content
    relation = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}
    if latest:
        relation["m.in_reply_to"] = {"event_id": latest}
    return {**content, "m.relates_to": relation}


def _html(text: str, choices: Sequence[Choice], links: Sequence[Link]) -> str:
    paragraphs = "".join(
        f"<p>{html.escape(one).replace(chr(10), '<br>')}</p>" for one in text.split("\n\n") if one
    )
    listed = "".join(f"<li>{html.escape(choice.label)}</li>" for choice in choices)
    named = "<br>".join(f'<a href="{html.escape(link.url)}">{html.escape(link.label)}</a>' for link in links)
    return paragraphs + (f"<ol>{listed}</ol>" if listed else "") + (f"<p>{named}</p>" if named else "")


def _pages(text: str) -> list[str]:
    """The text cut where it hurts least, in parts of at most MOST_CHARACTERS."""
    parts = []
    while len(text) > MOST_CHARACTERS:
        cut = max(text.rfind(mark, MOST_CHARACTERS // 2, MOST_CHARACTERS) for mark in ("\n", ". ", " "))
        cut = cut + 1 if cut > 0 else MOST_CHARACTERS
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*parts, text]
