"""Persons, threads and cases: who writes from where, what was said, and which errand it belongs to."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Case, Conversation, File, Inbox, Message, Outbox, Person, Window
from conversation.ports import Inbound
from conversation.reply import Attachment, Body, Choice, Page, Reply, compose
from foundation import live
from foundation.clock import Clock
from foundation.crypto import Vault
from foundation.db import new_id
from foundation.errors import NotFound
from foundation.files import DatabaseFiles
from foundation.i18n import Catalogue, Text

KEEP_OPEN = timedelta(days=180)
KEEP_CLOSED = timedelta(days=90)


def stream_of(conversation_id: uuid.UUID) -> str:
    """The live stream that a thread's readers follow."""
    return f"conversation:{conversation_id}"


def office_stream(office_id: uuid.UUID) -> str:
    """The live stream that an office's desks follow."""
    return f"office:{office_id}"


@dataclass(frozen=True)
class ShownMessage:
    """A message as a reader of the thread is shown it. `at` is UTC."""

    id: uuid.UUID
    author: str
    staff_id: uuid.UUID | None
    body: Body
    language: str
    at: datetime


@dataclass(frozen=True)
class Received:
    """What became of an update: whether it was new, and the thread it belongs to."""

    fresh: bool
    conversation_id: uuid.UUID


@dataclass(frozen=True)
class Conversations:
    """All that is kept of persons, threads and cases. Methods write in the caller's transaction."""

    vault: Vault
    clock: Clock
    catalogue: Catalogue
    public_url: str
    languages: tuple[str, ...]

    # -- receiving ---------------------------------------------------------------------------------

    async def receive(self, session: AsyncSession, city_id: uuid.UUID, inbound: Inbound) -> Received:
        """Write an update down, once. Whoever commits this may acknowledge the update to its vendor."""
        address = await self.address(
            session, city_id, inbound.channel, inbound.address, language=inbound.language
        )
        address.blocked_at = None  # whoever writes wants to hear from us
        conversation = await self.conversation_at(session, address)
        if inbound.kind == "start" and conversation.address_id != address.id:
            return Received(fresh=False, conversation_id=conversation.id)  # a window: the talk has begun
        known = select(Inbox.id).where(
            Inbox.channel == inbound.channel, Inbox.external_id == inbound.external_id
        )
        if await session.scalar(known):
            return Received(fresh=False, conversation_id=conversation.id)
        if inbound.kind == "choice":
            inbound = await self._named(session, conversation, inbound)
        message = None
        if inbound.kind in ("text", "choice", "file"):
            body = Body(text=inbound.text)
            message = await self._write(session, conversation, "citizen", body, address.language)
            for file in inbound.files:
                await self._keep_file(session, conversation, message, file)
        await self._to_inbox(session, conversation, inbound, message)
        return Received(fresh=True, conversation_id=conversation.id)

    async def _keep_file(
        self, session: AsyncSession, conversation: Conversation, message: Message, file: Attachment
    ) -> None:
        """Keep a file that came with a message, sealed like the message itself."""
        file_id = new_id()
        digest = hashlib.sha256(file.data).hexdigest()
        about = {"name": file.name, "media_type": file.media_type, "size": len(file.data), "sha256": digest}
        place, key_id = f"file.about:{file_id}", conversation.key_id
        session.add(
            File(
                id=file_id,
                city_id=conversation.city_id,
                message_id=message.id,
                about=await self.vault.seal(session, key_id, place, about),
                at=message.at,
                delete_after=message.delete_after,
            )
        )
        await session.flush()
        await DatabaseFiles(self.vault).put(
            session,
            file_id,
            file.data,
            city_id=conversation.city_id,
            key_id=key_id,
            delete_after=message.delete_after,
        )

    async def _named(self, session: AsyncSession, conversation: Conversation, inbound: Inbound) -> Inbound:
        """A pressed choice with its id and its label; the label counts as typed where the message is unknown."""
        if inbound.pressed is None or (inbound.choice and inbound.text):
            return inbound
        said, position = inbound.pressed
        choices = await self._choices_of(session, conversation, said)
        if inbound.choice is not None:
            label = next((one.label for one in choices if one.id == inbound.choice), inbound.choice)
            return replace(inbound, text=label)
        if 0 <= position < len(choices):
            return replace(inbound, choice=choices[position].id, text=choices[position].label)
        return replace(inbound, kind="text")

    async def _choices_of(
        self, session: AsyncSession, conversation: Conversation, external_id: str
    ) -> tuple[Choice, ...]:
        """What was offered in the message that its vendor calls `external_id`."""
        query = select(Outbox).where(
            Outbox.conversation_id == conversation.id, Outbox.external_id == external_id
        )
        row = await session.scalar(query.order_by(Outbox.seq.desc()).limit(1))
        if row is None:
            return ()
        value = await self.vault.open(session, f"outbox.body:{row.id}", row.body)
        return Body.from_json(value).choices

    async def set_blocked(self, session: AsyncSession, channel: str, external: str, *, blocked: bool) -> None:
        """The person has blocked us, or lets us write again. Unknown addresses stay unknown."""
        address = await self.find_address(session, channel, external)
        if address is not None:
            address.blocked_at = self.clock.now() if blocked else None

    async def _to_inbox(
        self, session: AsyncSession, conversation: Conversation, inbound: Inbound, message: Message | None
    ) -> None:
        row_id, now = new_id(), self.clock.now()
        value = {"kind": inbound.kind, "text": inbound.text, "choice": inbound.choice}
        session.add(
            Inbox(
                id=row_id,
                city_id=conversation.city_id,
                channel=inbound.channel,
                external_id=inbound.external_id,
                conversation_id=conversation.id,
                message_id=message.id if message else None,
                body=await self.vault.seal(session, conversation.key_id, f"inbox.body:{row_id}", value),
                received_at=now,
                delete_after=now + KEEP_CLOSED,
            )
        )
        await session.flush()
        live.wake(session, "inbox")

    # -- persons and threads -----------------------------------------------------------------------

    async def find_address(self, session: AsyncSession, channel: str, external: str) -> Address | None:
        digest = self.vault.blind_index(channel, external)
        return await session.scalar(
            select(Address).where(Address.channel == channel, Address.external_hash == digest)
        )

    async def address(
        self,
        session: AsyncSession,
        city_id: uuid.UUID,
        channel: str,
        external: str,
        *,
        language: str | None = None,
    ) -> Address:
        """The address with this vendor id, made on first sight with a new person."""
        # Two first messages of one person may arrive at once: the second waits here for the first.
        await lock_name(session, f"address {channel} {external}")
        found = await self.find_address(session, channel, external)
        if found:
            return found
        person = await self._new_person(session, city_id)
        digest = self.vault.blind_index(channel, external)
        return await self._new_address(session, person, channel, external, digest, language)

    async def own_address(
        self,
        session: AsyncSession,
        case: Case,
        channel: str,
        external: str,
        *,
        language: str,
        zone: str | None,
    ) -> Address:
        """An address that the case's person names as theirs (a mailbox). Two people may name the same one."""
        digest = self.vault.blind_index(channel, external, str(case.person_id))
        found = await session.scalar(select(Address).where(Address.external_hash == digest))
        if found is None:
            person = await session.get_one(Person, case.person_id)
            found = await self._new_address(session, person, channel, external, digest, language)
        found.language, found.zone = language, zone
        return found

    async def _new_address(
        self,
        session: AsyncSession,
        person: Person,
        channel: str,
        external: str,
        digest: bytes,
        language: str | None,
    ) -> Address:
        address_id = new_id()
        address = Address(
            id=address_id,
            city_id=person.city_id,
            person_id=person.id,
            channel=channel,
            external_hash=digest,
            external=await self.vault.seal(
                session, person.key_id, f"address.external:{address_id}", external
            ),
            language=language if language in self.languages else self.languages[0],
            delete_after=self.clock.now() + KEEP_OPEN,
        )
        session.add(address)
        await session.flush()
        return address

    async def external_of(self, session: AsyncSession, address: Address) -> str:
        """The vendor's id of an address, in plain."""
        value: str = await self.vault.open(session, f"address.external:{address.id}", address.external)
        return value

    async def conversation_at(self, session: AsyncSession, address: Address) -> Conversation:
        """The thread with this address, or the one it is a window on; made on first use."""
        through = select(Conversation).join(Window, Window.conversation_id == Conversation.id)
        seen = await session.scalar(through.where(Window.address_id == address.id))
        if seen:
            return seen
        found = await session.scalar(select(Conversation).where(Conversation.address_id == address.id))
        if found:
            return found
        conversation_id, now = new_id(), self.clock.now()
        key_id = await self.vault.make_key(
            session, city_id=address.city_id, owner_kind="conversation", owner_id=conversation_id, now=now
        )
        conversation = Conversation(
            id=conversation_id,
            city_id=address.city_id,
            address_id=address.id,
            key_id=key_id,
            created_at=now,
            delete_after=now + KEEP_OPEN,
        )
        session.add(conversation)
        await session.flush()
        return conversation

    async def open_window(
        self, session: AsyncSession, thread: Conversation, channel: str, external: str
    ) -> None:
        """Let an address (a browser) read and write this thread, instead of one of its own."""
        owner = await self.address_of(session, thread)
        address = await self.find_address(session, channel, external)
        if address is None:
            person = await session.get_one(Person, owner.person_id)
            digest = self.vault.blind_index(channel, external)
            address = await self._new_address(session, person, channel, external, digest, owner.language)
        await session.execute(delete(Window).where(Window.address_id == address.id))
        if thread.address_id != address.id:
            session.add(
                Window(
                    id=new_id(),
                    city_id=thread.city_id,
                    address_id=address.id,
                    conversation_id=thread.id,
                    delete_after=self.clock.now() + KEEP_OPEN,
                )
            )
        await session.flush()

    async def conversation(self, session: AsyncSession, conversation_id: uuid.UUID) -> Conversation:
        found = await session.get(Conversation, conversation_id)
        if found is None:
            raise NotFound
        return found

    async def lock(
        self, session: AsyncSession, conversation_id: uuid.UUID
    ) -> tuple[Conversation, Case | None]:
        """The thread and its case, held against other writers until this transaction ends.

        Everybody locks threads before their case; so two transactions never wait for each other.
        """
        query = select(Conversation).where(Conversation.id == conversation_id).with_for_update(key_share=True)
        conversation = await session.scalar(query.execution_options(populate_existing=True))
        if conversation is None:
            raise NotFound
        return conversation, await _locked_case(
            session, conversation.case_id
        ) if conversation.case_id else None

    async def lock_case(self, session: AsyncSession, case_id: uuid.UUID) -> Case:
        """A case, held with its threads against other writers until this transaction ends."""
        threads = select(Conversation).where(Conversation.case_id == case_id).order_by(Conversation.id)
        await session.scalars(
            threads.with_for_update(key_share=True).execution_options(populate_existing=True)
        )
        case = await _locked_case(session, case_id)
        if case is None:
            raise NotFound
        return case

    async def address_of(self, session: AsyncSession, conversation: Conversation) -> Address:
        address = await session.get(Address, conversation.address_id)
        if address is None:
            raise NotFound
        return address

    async def name_of(self, session: AsyncSession, person_id: uuid.UUID) -> str | None:
        person = await session.get(Person, person_id)
        if person is None or person.name is None:
            return None
        name: str = await self.vault.open(session, f"person.name:{person.id}", person.name)
        return name

    async def set_name(self, session: AsyncSession, person_id: uuid.UUID, name: str) -> None:
        person = await session.get(Person, person_id)
        if person is None:
            raise NotFound
        person.name = await self.vault.seal(session, person.key_id, f"person.name:{person.id}", name)

    async def forget_soon(self, session: AsyncSession, person_id: uuid.UUID) -> None:
        """Let the next run of the retention job delete this person and everything of theirs."""
        person = await session.get_one(Person, person_id)
        person.delete_after = self.clock.now()

    async def _new_person(self, session: AsyncSession, city_id: uuid.UUID) -> Person:
        person_id, now = new_id(), self.clock.now()
        key_id = await self.vault.make_key(
            session, city_id=city_id, owner_kind="person", owner_id=person_id, now=now
        )
        person = Person(
            id=person_id, city_id=city_id, key_id=key_id, created_at=now, delete_after=now + KEEP_OPEN
        )
        session.add(person)
        await session.flush()
        return person

    # -- cases -------------------------------------------------------------------------------------

    async def case(self, session: AsyncSession, case_id: uuid.UUID) -> Case:
        found = await session.get(Case, case_id)
        if found is None:
            raise NotFound
        return found

    async def case_of(self, session: AsyncSession, conversation: Conversation) -> Case | None:
        return await session.get(Case, conversation.case_id) if conversation.case_id else None

    async def open_case(
        self, session: AsyncSession, conversation: Conversation, office_id: uuid.UUID, service: str | None
    ) -> Case:
        """The thread's open case, opened if there is none. It takes over the thread's key.

        So what was said on the way to the case is forgotten with it.
        """
        case = await self.case_of(session, conversation)
        if case:
            case.service = service or case.service
            return case
        address = await self.address_of(session, conversation)
        case_id, token, now = new_id(), secrets.token_urlsafe(24), self.clock.now()
        case = Case(
            id=case_id,
            city_id=conversation.city_id,
            office_id=office_id,
            person_id=address.person_id,
            key_id=conversation.key_id,
            service=service,
            holder_id=conversation.holder_id,
            token=await self.vault.seal(session, conversation.key_id, f"case.token:{case_id}", token),
            token_hash=token_digest(token),
            opened_at=now,
            delete_after=now + KEEP_OPEN,
        )
        session.add(case)
        await session.flush()
        await self.vault.give_keys(session, from_id=conversation.id, kind="case", to_id=case_id)
        conversation.case_id, conversation.holder_id = case_id, None
        earlier = update(Message).where(Message.conversation_id == conversation.id, Message.case_id.is_(None))
        await session.execute(earlier.values(case_id=case_id))
        self.tell_desk(session, case)
        return case

    async def join_case(self, session: AsyncSession, conversation: Conversation, case: Case) -> None:
        """Let another thread (the person's mailbox, say) take part in a case."""
        if conversation.case_id == case.id:
            return
        await self.vault.give_keys(session, from_id=conversation.id, kind="case", to_id=case.id)
        conversation.case_id, conversation.key_id = case.id, case.key_id
        earlier = update(Message).where(Message.conversation_id == conversation.id, Message.case_id.is_(None))
        await session.execute(earlier.values(case_id=case.id))

    async def threads_of(self, session: AsyncSession, case: Case) -> list[Conversation]:
        query = select(Conversation).where(Conversation.case_id == case.id).order_by(Conversation.created_at)
        return list(await session.scalars(query))

    async def case_path(self, session: AsyncSession, case: Case) -> str:
        """The path of the case's link ("/a/<token>")."""
        if case.token is None:
            raise NotFound
        return f"/a/{await self.vault.open(session, f'case.token:{case.id}', case.token)}"

    def reading_path(self, case: Case) -> str:
        """The path of a link that opens nothing but the case's thread; it outlives the case's end."""
        return f"/a/{case.id.hex}{self._reading_proof(case.id)}"

    async def case_to_read(self, session: AsyncSession, code: str) -> Case | None:
        """The case of a reading link, open or closed, as long as it is kept."""
        try:
            case_id = uuid.UUID(hex=code[:32])
        except ValueError:
            return None
        if not hmac.compare_digest(code[32:].encode(), self._reading_proof(case_id).encode()):
            return None
        return await session.get(Case, case_id)

    def _reading_proof(self, case_id: uuid.UUID) -> str:
        return self.vault.blind_index("case.read", str(case_id)).hex()[:32]

    async def thread_to_read(self, session: AsyncSession, case: Case) -> Conversation | None:
        """The thread in which the case was talked about, also after it has gone on without the case."""
        query = select(Message.conversation_id).where(Message.case_id == case.id, Message.author == "citizen")
        last = await session.scalar(query.order_by(Message.seq.desc()).limit(1))
        if last is None:
            return next(iter(await self.threads_of(session, case)), None)
        return await self.conversation(session, last)

    async def close_case(
        self, session: AsyncSession, case: Case, outcome: str, summary: dict[str, Any] | None
    ) -> None:
        """End a case: the bot speaks again, the link stops working, the clock of deletion starts.

        Its threads go on under fresh keys.
        """
        now = self.clock.now()
        case.state, case.outcome, case.closed_at = "closed", outcome, now
        case.holder_id, case.token, case.token_hash = None, None, token_digest(secrets.token_urlsafe(24))
        case.delete_after = now + KEEP_CLOSED
        if summary is not None:
            case.summary = await self.vault.seal(session, case.key_id, f"case.summary:{case.id}", summary)
        self.tell_desk(session, case)

    async def leave_case(self, session: AsyncSession, conversation: Conversation) -> None:
        """Let a thread go on without its (closed) case, under a key of its own."""
        conversation.case_id, conversation.state = None, None
        conversation.key_id = await self.vault.make_key(
            session,
            city_id=conversation.city_id,
            owner_kind="conversation",
            owner_id=conversation.id,
            now=self.clock.now(),
        )

    async def delete_case(self, session: AsyncSession, case: Case) -> None:
        """Delete a case and the keys of all that was said in it; and its person, if nothing else is left."""
        person_id = case.person_id
        threads = await self.threads_of(session, case)
        for thread in threads:
            await self.leave_case(session, thread)
        await session.flush()
        ids = [thread.id for thread in threads]
        await session.execute(
            delete(Inbox).where(Inbox.conversation_id.in_(ids), Inbox.handled_at.is_not(None))
        )
        await session.execute(
            delete(Outbox).where(Outbox.conversation_id.in_(ids), Outbox.state != "waiting")
        )
        await self.vault.destroy_keys(session, case.id)
        await session.execute(delete(Case).where(Case.id == case.id))
        left = await session.scalar(select(exists().where(Case.person_id == person_id)))
        if not left:
            await self.delete_person(session, person_id)

    async def delete_person(self, session: AsyncSession, person_id: uuid.UUID) -> None:
        """Delete a person with all their addresses, threads and cases, and every key of theirs."""
        threads = select(Conversation.id).join(Address).where(Address.person_id == person_id)
        cases = select(Case.id).where(Case.person_id == person_id)
        for owner_id in [person_id, *await session.scalars(threads), *await session.scalars(cases)]:
            await self.vault.destroy_keys(session, owner_id)
        await session.execute(delete(Person).where(Person.id == person_id))

    def tell_desk(self, session: AsyncSession, case: Case) -> None:
        """Let desks and the person's page know that the case has changed."""
        live.publish(
            session,
            city_id=case.city_id,
            stream=office_stream(case.office_id),
            kind="case",
            data={"case_id": str(case.id)},
            now=self.clock.now(),
        )

    # -- saying ------------------------------------------------------------------------------------

    async def say(
        self,
        session: AsyncSession,
        conversation: Conversation,
        reply: Reply,
        *,
        key: str,
        author: str = "bot",
        staff_id: uuid.UUID | None = None,
        language: str | None = None,
    ) -> None:
        """Put a reply into the outbox, in the language of the thread's address.

        `key` is what makes it one message: a second call with the same key says nothing.
        Only rows by "bot" are dropped at delivery when a clerk holds the case.
        """
        known = select(Outbox.id).where(Outbox.key == key)
        if await session.scalar(known):
            return
        address = await self.address_of(session, conversation)
        tongue = language or address.language
        row_id, now = new_id(), self.clock.now()
        composed = compose(reply, self.catalogue, tongue, self.public_url)
        if reply.personal or author == "clerk":
            composed = replace(composed, neutral=await self._neutral(session, conversation, reply, tongue))
        body = composed.to_json()
        session.add(
            Outbox(
                id=row_id,
                city_id=conversation.city_id,
                conversation_id=conversation.id,
                key=key,
                author=author,
                staff_id=staff_id,
                body=await self.vault.seal(session, conversation.key_id, f"outbox.body:{row_id}", body),
                language=tongue,
                due_at=now,
                created_at=now,
                delete_after=now + KEEP_CLOSED,
            )
        )
        await session.flush()
        live.wake(session, "outbox")

    async def _neutral(
        self, session: AsyncSession, conversation: Conversation, reply: Reply, language: str
    ) -> Body:
        """ "You have a message": what is said where others can read it; the link leads to the words."""
        case = await self.case_of(session, conversation)
        notice = Text("message.neutral_case", number=str(case.number)) if case else Text("message.neutral")
        pages = (Page(Text("message.read"), self.reading_path(case)),) if case else ()
        said = Reply((reply.neutral or notice,), reply.options, pages, title=notice)
        return compose(said, self.catalogue, language, self.public_url)

    async def write_sent(
        self, session: AsyncSession, row: Outbox, conversation: Conversation, body: Body
    ) -> None:
        """Show in the thread what was sent."""
        await self._write(session, conversation, row.author, body, row.language, staff_id=row.staff_id)

    async def write(
        self,
        session: AsyncSession,
        conversation: Conversation,
        author: str,
        body: Body,
        language: str,
        *,
        staff_id: uuid.UUID | None = None,
    ) -> Message:
        """Show something in the thread that no channel has to carry (a file, say)."""
        return await self._write(session, conversation, author, body, language, staff_id=staff_id)

    async def _write(
        self,
        session: AsyncSession,
        conversation: Conversation,
        author: str,
        body: Body,
        language: str,
        *,
        staff_id: uuid.UUID | None = None,
    ) -> Message:
        message_id, now = new_id(), self.clock.now()
        sealed = await self.vault.seal(
            session, conversation.key_id, f"message.body:{message_id}", body.to_json()
        )
        message = Message(
            id=message_id,
            city_id=conversation.city_id,
            conversation_id=conversation.id,
            case_id=conversation.case_id,
            author=author,
            staff_id=staff_id,
            body=sealed,
            language=language,
            at=now,
            delete_after=now + KEEP_OPEN,
        )
        session.add(message)
        await session.flush()
        self._announce(session, message)
        return message

    def _announce(self, session: AsyncSession, message: Message) -> None:
        live.publish(
            session,
            city_id=message.city_id,
            stream=stream_of(message.conversation_id),
            kind="message",
            data={"message_id": str(message.id)},
            now=message.at,
        )

    # -- reading -----------------------------------------------------------------------------------

    async def shown(self, session: AsyncSession, message_ids: Iterable[uuid.UUID]) -> list[ShownMessage]:
        """Messages in the given order, opened; deleted ones are left out."""
        wanted = list(message_ids)
        rows = {row.id: row for row in await session.scalars(select(Message).where(Message.id.in_(wanted)))}
        return [
            await self.open_message(session, rows[message_id]) for message_id in wanted if message_id in rows
        ]

    async def open_message(self, session: AsyncSession, row: Message) -> ShownMessage:
        body = Body.from_json(await self.vault.open(session, f"message.body:{row.id}", row.body))
        return ShownMessage(row.id, row.author, row.staff_id, body, row.language, row.at)

    async def thread(
        self, session: AsyncSession, conversation_ids: Sequence[uuid.UUID]
    ) -> list[ShownMessage]:
        """All that was said in these threads, in order."""
        query = select(Message).where(Message.conversation_id.in_(conversation_ids)).order_by(Message.seq)
        return [await self.open_message(session, row) for row in await session.scalars(query)]


async def _locked_case(session: AsyncSession, case_id: uuid.UUID) -> Case | None:
    query = select(Case).where(Case.id == case_id).with_for_update(key_share=True)
    case: Case | None = await session.scalar(query.execution_options(populate_existing=True))
    return case


async def lock_name(session: AsyncSession, name: str) -> None:
    """Hold a name until the end of this transaction; another one that wants it waits."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    await session.execute(select(func.pg_advisory_xact_lock(number)))


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
