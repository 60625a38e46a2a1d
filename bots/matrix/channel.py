"""Sends outbox rows into Matrix rooms."""

import contextlib
import hashlib
import logging
from dataclasses import replace
from typing import Any

from bots.matrix import render
from bots.matrix.client import Busy, Forbidden, MatrixClient, MatrixError, Refused, SignedOut, Unreachable
from bots.matrix.inbound import NAME
from bots.matrix.notes import Notes, Room
from conversation.ports import Blocked, Outgoing, RetryLater, Undeliverable
from conversation.reply import Body
from foundation.i18n import Catalogue, Text

logger = logging.getLogger(__name__)


class MatrixChannel:
    """Implements conversation.ports.Channel for the process that holds the account.

    Only encrypted rooms are written to, so the channel is private. Everything sent has a transaction id
    made from the outbox row's key: a second try is the same event.
    """

    name = NAME
    private = True

    def __init__(self, client: MatrixClient, notes: Notes, catalogue: Catalogue) -> None:
        self._client = client
        self._notes = notes
        self._catalogue = catalogue

    async def send(self, outgoing: Outgoing) -> str | None:
        """Send all parts of a message; the id of its poll, or else of its text."""
        room_id = outgoing.address
        if not self._client.settled:
            raise RetryLater(1)
        if room_id not in self._client.rooms:
            raise Blocked
        if not self._client.encrypted(room_id):
            raise RetryLater
        try:
            return await self._send(room_id, outgoing, await self._notes.of(room_id))
        except Busy as busy:
            raise RetryLater(busy.seconds) from busy
        except (Unreachable, SignedOut) as error:
            raise RetryLater from error
        except Forbidden as error:
            raise Blocked from error
        except Refused as error:
            logger.error("matrix: the homeserver refuses message %s: %s", outgoing.key, error)
            raise Undeliverable from error

    async def _send(self, room_id: str, outgoing: Outgoing, note: Room) -> str | None:
        body, sent = self._signed(outgoing), None
        status = outgoing.author == "system" and not body.choices
        question = self._catalogue.render(Text("matrix.choose"), outgoing.language)
        for attachment_number, attachment in enumerate(body.attachments):
            stored = await self._client.upload(attachment.data)
            content = render.file(attachment, stored)
            await self._event(room_id, "m.room.message", content, note, outgoing, f"file{attachment_number}")
        for piece in render.pieces(body, status=status, choose=question):
            sent = await self._event(room_id, piece.kind, piece.content, note, outgoing, piece.part)
            if piece.kind == render.POLL_START and note.poll != sent:
                await self.close_poll(room_id, note, outgoing.language)
                note.poll = sent
        with contextlib.suppress(MatrixError):
            await self._client.typing(room_id, False)
        return sent

    def _signed(self, outgoing: Outgoing) -> Body:
        """What a clerk writes says who writes: the account is everybody's."""
        if outgoing.name is None:
            return outgoing.body
        writes = self._catalogue.render(Text("message.clerk_writes", name=outgoing.name), outgoing.language)
        return replace(outgoing.body, text=f"{writes}\n\n{outgoing.body.text}")

    async def close_poll(self, room_id: str, note: Room, language: str) -> None:
        """End the open poll of a room, so that nobody answers a question of the past."""
        if note.poll is None:
            return
        poll, note.poll = note.poll, None
        content = render.poll_end(poll, self._catalogue.render(Text("matrix.poll_closed"), language))
        with contextlib.suppress(MatrixError):
            await self._client.send(room_id, render.POLL_END, content, key=transaction(poll, "end"))

    async def _event(
        self, room_id: str, kind: str, content: dict[str, Any], note: Room, outgoing: Outgoing, part: str
    ) -> str:
        placed = render.in_thread(content, note.thread, note.heard)
        return await self._client.send(room_id, kind, placed, key=transaction(outgoing.key, part))

    async def close(self) -> None:
        await self._client.close()


def transaction(*parts: str) -> str:
    """A transaction id: the same parts name the same event."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]
