"""What an event of a room means. No I/O, no rule."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bots.matrix.client import RoomEvent
from conversation.ports import Inbound
from conversation.reply import Attachment

NAME = "matrix"
TEXTS = ("m.text", "m.emote")
FILES = ("m.file", "m.image", "m.audio", "m.video")
RESPONSES = ("org.matrix.msc3381.poll.response", "m.poll.response")
MOST_CHARACTERS = 8000


@dataclass(frozen=True)
class Edit:
    """A correction of the event `of`; `text` is what it says now."""

    of: str
    text: str


def start(room_id: str, event: RoomEvent) -> Inbound:
    """Our own arrival in a room: the talk begins."""
    return Inbound(NAME, event.id, room_id, "start")


def to_inbound(room_id: str, event: RoomEvent) -> Inbound | None:
    """A person's event as the middle of the house reads it; None for what nobody has to answer."""
    if event.type in RESPONSES:
        return _vote(room_id, event)
    if event.type == "m.sticker":
        return Inbound(NAME, event.id, room_id, "other")
    if event.type != "m.room.message" or edit(event):
        return None
    kind = event.content.get("msgtype")
    if kind in TEXTS:
        text = _text(event.content)
        return Inbound(NAME, event.id, room_id, "text", text) if text else None
    if kind in FILES:
        return Inbound(NAME, event.id, room_id, "other", _caption(event.content))
    # A notice is by a program, and programs must not answer each other.
    return Inbound(NAME, event.id, room_id, "other") if kind and kind != "m.notice" else None


def with_file(inbound: Inbound, content: Mapping[str, Any], data: bytes) -> Inbound:
    """The same message with its attachment, once that is fetched."""
    info = content.get("info")
    media_type = info.get("mimetype") if isinstance(info, Mapping) else None
    name = str(content.get("filename") or content.get("body") or "file")[:200]
    found = Attachment(name, str(media_type or "application/octet-stream")[:100], data)
    return replace(inbound, kind="file", files=(found,))


def has_file(event: RoomEvent) -> bool:
    return event.type == "m.room.message" and event.content.get("msgtype") in FILES


def edit(event: RoomEvent) -> Edit | None:
    """The correction that an event is, if it is one."""
    relation = _relation(event.content)
    new = event.content.get("m.new_content")
    if relation.get("rel_type") != "m.replace" or not isinstance(new, Mapping):
        return None
    return Edit(str(relation.get("event_id")), _text(new))


def thread_root(event: RoomEvent) -> str | None:
    """The thread that an event was written in."""
    relation = _relation(event.content)
    root = relation.get("event_id")
    return root if relation.get("rel_type") == "m.thread" and isinstance(root, str) else None


def _vote(room_id: str, event: RoomEvent) -> Inbound | None:
    response = event.content.get("org.matrix.msc3381.poll.response") or event.content.get("m.poll.response")
    answers = response.get("answers") if isinstance(response, Mapping) else event.content.get("m.selections")
    poll = _relation(event.content).get("event_id")
    if not isinstance(answers, list) or not answers or not isinstance(poll, str):
        return None
    return Inbound(NAME, event.id, room_id, "choice", choice=str(answers[0])[:200], pressed=(poll, -1))


def _relation(content: Mapping[str, Any]) -> Mapping[str, Any]:
    relation = content.get("m.relates_to")
    return relation if isinstance(relation, Mapping) else {}


def _text(content: Mapping[str, Any]) -> str:
    body = content.get("body")
    text = body if isinstance(body, str) else ""
    relation = content.get("m.relates_to")
    if isinstance(relation, Mapping) and "m.in_reply_to" in relation and text.startswith("> "):
        # Older clients quote what they reply to in the plain body.
        _, _, text = text.partition("\n\n")
    return text.strip()[:MOST_CHARACTERS]


def _caption(content: Mapping[str, Any]) -> str:
    """What was written with a file: the body, where the file's name stands apart (MSC2530)."""
    name, body = content.get("filename"), content.get("body")
    return body.strip()[:MOST_CHARACTERS] if isinstance(body, str) and name and body != name else ""
