"""The Matrix bot: its own sync loop. An event is in the inbox before the sync token moves past it."""

import asyncio
import contextlib
import logging
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from bots.matrix import inbound as reading
from bots.matrix import render
from bots.matrix.account import Account, Accounts
from bots.matrix.channel import MatrixChannel, transaction
from bots.matrix.client import (
    Batch,
    Busy,
    Forbidden,
    Invite,
    MatrixClient,
    MatrixError,
    RoomEvent,
    RoomNews,
    SignedOut,
    TooLarge,
)
from bots.matrix.inbound import NAME
from bots.matrix.notes import Notes
from bots.matrix.signing import Identity
from conversation import corrections
from conversation.incoming import sifted
from conversation.models import Conversation
from conversation.ports import Inbound
from conversation.reply import Page, Reply
from conversation.service import Conversations
from foundation.clock import Clock
from foundation.db import Database
from foundation.errors import where
from foundation.faults import reached
from foundation.i18n import Catalogue, Text

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
MOST_TRIES = 3
"""How often an event is handled that makes us fail, before it is left out so that the others are heard."""
AT_ONCE = 8
"""Rooms worked on side by side; within a room everything is in order."""
MOST_ROOMS = 20_000
MOST_ROOMS_EACH = 5
MOST_PAGES = 50
LARGEST_FILE = 20 * 1024 * 1024
PATIENCE_FOR_KEYS = 10.0
"""Seconds that a message key may come later than its message."""


@dataclass
class MatrixBot:
    """Hears for the office's account. `password` None: the account was given by a token."""

    database: Database
    conversations: Conversations
    catalogue: Catalogue
    clock: Clock
    city_id: uuid.UUID
    client: MatrixClient
    accounts: Accounts
    notes: Notes
    channel: MatrixChannel
    password: str | None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _since: str | None = None
    _tries: Counter[str] = field(default_factory=Counter)
    _blind: dict[str, RoomEvent] = field(default_factory=dict)
    _errands: set[asyncio.Task[None]] = field(default_factory=set)
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self, account: Account) -> None:
        """Hear until cancelled. Errors: OperatorError when the account cannot be used."""
        pause, whole, signed_in = FIRST_PAUSE, True, False
        while True:
            try:
                if not signed_in:
                    await self._sign_in(account)
                    signed_in = whole = True
                self._since = account.since
                batch = await self.client.sync(account.since, whole=whole)
                await self._take(batch)
                reached("sync.taken")
                account.since = batch.since
                await self.accounts.save_since(account)
            except SignedOut as out:
                logger.warning("matrix: the homeserver has ended our session")
                signed_in, account.token = False, None
                account.device = account.device if out.soft else None
            except Busy as busy:
                pause = max(pause, busy.seconds)
            except (MatrixError, SQLAlchemyError, psycopg.Error, OSError, _TryAgain) as error:
                logger.warning("matrix: %s, trying again", _named(error))
                whole = whole or not isinstance(error, MatrixError)
            else:
                pause, whole = FIRST_PAUSE, False
                self.ready.set()
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _sign_in(self, account: Account) -> None:
        """A device that everybody can trust: signed by seeds that were written down before they were used."""
        await self.client.sign_in(account, self.password)
        identity = (
            Identity.from_seeds(account.user_id, account.seeds)
            if account.seeds
            else Identity.new(account.user_id)
        )
        account.seeds = identity.seeds
        await self.accounts.save(account)
        await self.client.publish_keys(identity, self.password)

    # -- one batch ---------------------------------------------------------------------------------

    async def _take(self, batch: Batch) -> None:
        """Write everything down. What fails is tried again with the same sync token."""
        await self.client.keep_keys()
        jobs = [self._room(news) for news in batch.rooms] + [self._invited(one) for one in batch.invites]
        failed = [one for one in await asyncio.gather(*jobs, return_exceptions=True) if one is not None]
        if failed:
            raise failed[0]
        for room_id in batch.keys & self._blind.keys():
            await self._look_again(room_id)
        for room_id in batch.withheld - {"None"}:
            logger.warning("matrix: a device in room %s keeps its message keys from us", room_id)
            await self._explain_blindness(room_id)

    async def _room(self, news: RoomNews) -> None:
        async with self._at_once:
            try:
                events = await self._whole(news)
                await self._arrived(news.room_id, events)
                for event in events:
                    if news.room_id not in self.client.rooms:
                        return  # we have left it
                    await self._guarded(news.room_id, event)
                self._show_read(news.room_id, events)
            except Forbidden:
                logger.info("matrix: room %s is closed to us", news.room_id)

    async def _whole(self, news: RoomNews) -> list[RoomEvent]:
        """The room's events, with those that the server left out of a long absence."""
        before: list[RoomEvent] = []
        start, since = news.gap, self._since
        for _ in range(MOST_PAGES):
            if start is None:
                break
            page, start = await self.client.earlier(news.room_id, start, since)
            before += page
        return [*reversed(before), *news.events]

    async def _guarded(self, room_id: str, event: RoomEvent) -> None:
        """Handle one event; one that makes us fail again and again must not make us deaf."""
        try:
            await self._event(room_id, event)
        except (MatrixError, SQLAlchemyError, psycopg.Error, OSError):
            raise
        except Exception as error:
            self._tries[event.id] += 1
            logger.error("matrix: event %s failed with %s", event.id, where(error))
            if self._tries[event.id] < MOST_TRIES:
                raise _TryAgain from error

    async def _event(self, room_id: str, event: RoomEvent) -> None:
        if event.sender == self.client.user_id:
            return
        if event.state_key is not None:
            if event.type == "m.room.member":
                await self._somebody_moved(room_id)
            return
        if event.blind:
            return self._not_readable(room_id, event)
        if event.type == "m.room.redaction" and event.redacts:
            return await self._withdraw(event.redacts)
        if event.type == "m.call.invite":
            return await self._hang_up(room_id, event)
        if (edit := reading.edit(event)) is not None:
            return await self._amend(room_id, event, edit)
        found = reading.to_inbound(room_id, event)
        if found is not None:
            if reading.has_file(event):
                found = await sifted(await self._with_file(found, event))
            await self._hear(room_id, event, found)

    # -- what people do ----------------------------------------------------------------------------

    async def _hear(self, room_id: str, event: RoomEvent, found: Inbound) -> None:
        async with self.database.city(self.city_id) as session:
            received = await self.conversations.receive(session, self.city_id, found)
            thread = await session.get_one(Conversation, received.conversation_id)
            address = await self.conversations.address_of(session, thread)
            case = await self.conversations.case_of(session, thread)
            language, held = address.language, (case or thread).holder_id is not None
        reached("inbox.stored")
        if received.fresh:
            self._soon(self._after_hearing(room_id, event, language, held=held))

    async def _after_hearing(self, room_id: str, event: RoomEvent, language: str, *, held: bool) -> None:
        note = await self.notes.of(room_id)
        note.thread, note.heard = reading.thread_root(event), event.id
        if not held:
            await self.client.typing(room_id, True)
        await self.channel.close_poll(room_id, note, language)

    async def _with_file(self, found: Inbound, event: RoomEvent) -> Inbound:
        try:
            data = await self.client.download(event.content, LARGEST_FILE)
        except TooLarge:
            return replace(found, kind="too_large")
        return found if data is None else reading.with_file(found, event.content, data)

    async def _amend(self, room_id: str, event: RoomEvent, edit: reading.Edit) -> None:
        """A correction counts instead of what waits for its turn, and as a new message after that."""
        async with self.database.city(self.city_id) as session:
            done = await corrections.amend(self.conversations, session, NAME, edit.of, edit.text)
        if not done and edit.text:
            await self._hear(room_id, event, Inbound(NAME, event.id, room_id, "text", edit.text))

    async def _withdraw(self, event_id: str) -> None:
        async with self.database.city(self.city_id) as session:
            now = self.clock.now()
            await corrections.withdraw(self.conversations, session, NAME, event_id, now=now)

    async def _hang_up(self, room_id: str, event: RoomEvent) -> None:
        """Calls are made on the office's own page: say so instead of letting it ring."""
        content = {
            "call_id": event.content.get("call_id"),
            "version": event.content.get("version", 0),
            "party_id": "foyer",
            "reason": "user_busy",
        }
        await self.client.send(room_id, "m.call.hangup", content, key=transaction(event.id, "hangup"))
        page = Page(Text("matrix.open_web"), "/")
        await self._notice(room_id, Reply((Text("matrix.no_calls"),), pages=(page,)), f"call:{event.id}")

    # -- rooms -------------------------------------------------------------------------------------

    async def _invited(self, invite: Invite) -> None:
        """Accept within limits: one person needs one room, and nobody needs many."""
        async with self._at_once:
            theirs = sum(invite.by in self.client.others(room) for room in self.client.rooms)
            try:
                if theirs >= MOST_ROOMS_EACH or len(self.client.rooms) >= MOST_ROOMS:
                    logger.warning("matrix: too many rooms, an invitation to %s is declined", invite.room_id)
                    return await self.client.leave(invite.room_id)
                await self.client.join(invite.room_id)
            except Forbidden:
                logger.info("matrix: the invitation to %s is gone", invite.room_id)

    async def _arrived(self, room_id: str, events: list[RoomEvent]) -> None:
        """On our first look at a room: is it one for two people, and can others not read it?"""
        own = [one for one in events if one.state_key == self.client.user_id and one.type == "m.room.member"]
        if not own or own[-1].content.get("membership") != "join":
            return
        if len(self.client.others(room_id)) > 1:
            return await self._leave_with(room_id, "matrix.direct_only", own[-1])
        if not self.client.encrypted(room_id):
            try:
                await self.client.encrypt(room_id)
            except Forbidden:
                return await self._leave_with(room_id, "matrix.encrypted_only", own[-1])
        if not any(reading.to_inbound(room_id, one) for one in events if one.sender != self.client.user_id):
            # Who has written already is greeted in the language they wrote.
            await self._hear(room_id, own[-1], reading.start(room_id, own[-1]))

    async def _somebody_moved(self, room_id: str) -> None:
        others = self.client.others(room_id)
        if room_id in self.client.rooms and not others:
            await self.client.leave(room_id)
        elif len(others) > 1:
            await self._leave_with(room_id, "matrix.direct_only", None)

    async def _leave_with(self, room_id: str, key: str, event: RoomEvent | None) -> None:
        """Say why, in the office's language and in English, and leave."""
        words = "\n\n".join(self.catalogue(key, language) for language in ("de", "en"))
        name = transaction(room_id, key, event.id if event else "")
        with contextlib.suppress(Forbidden):
            await self.client.send(room_id, "m.room.message", render.message(words, status=True), key=name)
        await self.client.leave(room_id)

    # -- what cannot be read -----------------------------------------------------------------------

    def _not_readable(self, room_id: str, event: RoomEvent) -> None:
        logger.warning("matrix: event %s in room %s cannot be decrypted", event.id, room_id)
        if room_id not in self._blind:
            self._blind[room_id] = event
            self._soon(self._explain_later(room_id))

    async def _explain_later(self, room_id: str) -> None:
        await asyncio.sleep(PATIENCE_FOR_KEYS)
        if room_id in self._blind:
            await self._explain_blindness(room_id)

    async def _explain_blindness(self, room_id: str) -> None:
        if room_id in self.client.rooms:
            # Once a room, but again for a new device: what was written before it was known is lost anew.
            key = f"blind:{room_id}:{self.client.device}"
            await self._notice(room_id, Reply((Text("matrix.not_readable"),)), key)

    async def _look_again(self, room_id: str) -> None:
        """A message key has come after its message."""
        self._blind.pop(room_id, None)
        for event in await self.client.latest(room_id):  # what was heard already is known by its id
            await self._guarded(room_id, event)

    async def _notice(self, room_id: str, reply: Reply, key: str) -> None:
        """Say something of our own through the outbox; the same `key` says it once."""
        async with self.database.city(self.city_id) as session:
            address = await self.conversations.address(session, self.city_id, NAME, room_id)
            thread = await self.conversations.conversation_at(session, address)
            await self.conversations.say(
                session, thread, reply, key=f"matrix:{transaction(key)}", author="system"
            )

    # -- small things that may fail ------------------------------------------------------------------

    def _show_read(self, room_id: str, events: list[RoomEvent]) -> None:
        theirs = [one for one in events if one.sender != self.client.user_id and one.id]
        if theirs and room_id in self.client.rooms:
            self._soon(self.client.read(room_id, theirs[-1].id))

    def _soon(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do it beside the loop; it is no loss when it fails."""
        task = asyncio.create_task(_harmless(errand))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


class _TryAgain(Exception):
    """An event could not be handled this time."""


async def _harmless(errand: Coroutine[Any, Any, None]) -> None:
    try:
        await errand
    except Exception as error:
        logger.info("matrix: a courtesy failed with %s", where(error))


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip() if isinstance(error, MatrixError) else where(error)
