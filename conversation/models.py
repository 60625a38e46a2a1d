"""Person, address, conversation, case, message, and the two queues: inbox and outbox.

`seq` is the order of arrival; the order a reader sees is that of the live stream.
Every `bytes` column is sealed (foundation/crypto.py) at the place "<table>.<column>:<id>",
except `external_hash`, which is a blind index, and `token_hash`, a SHA-256.
"""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, PersonalRow, new_id


class Person(PersonalRow, Base):
    """A citizen, known by nothing but what they told us."""

    __tablename__ = "person"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    key_id: Mapped[uuid.UUID]
    name: Mapped[bytes | None]
    created_at: Mapped[datetime]


class Address(PersonalRow, Base):
    """Where a person can be reached: a browser, a Telegram chat, a Matrix room, a mailbox."""

    __tablename__ = "address"
    __table_args__ = (UniqueConstraint("city_id", "channel", "external_hash"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    channel: Mapped[str]
    external_hash: Mapped[bytes]
    external: Mapped[bytes]
    language: Mapped[str]
    zone: Mapped[str | None]
    blocked_at: Mapped[datetime | None]


class Case(PersonalRow, Base):
    """One errand from "hello" to the receipt. `holder_id` is the clerk who speaks; None is the bot."""

    __tablename__ = "case"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'closed')", name="state"),
        UniqueConstraint("city_id", "number"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(BigInteger, Identity(start=4711))
    office_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("office.id"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    key_id: Mapped[uuid.UUID]
    service: Mapped[str | None]
    holder_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    state: Mapped[str] = mapped_column(default="open")
    outcome: Mapped[str | None]
    summary: Mapped[bytes | None]
    token: Mapped[bytes | None]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class CaseBrowser(PersonalRow, Base):
    """A browser that may open the case's link, or asked to: `bound_at` is when it proved to be the person's.

    `browser_hash` is the SHA-256 of its cookie, `code_hash` a blind index of the code it was sent.
    """

    __tablename__ = "case_browser"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    browser_hash: Mapped[bytes]
    asked_at: Mapped[datetime]
    bound_at: Mapped[datetime | None]
    code_hash: Mapped[bytes | None]
    code_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)


class Conversation(PersonalRow, Base):
    """A thread with one address; it may join a case. `state` is the dialogue's memory, sealed."""

    __tablename__ = "conversation"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    address_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("address.id", ondelete="CASCADE"), index=True)
    case_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("case.id", ondelete="SET NULL"), index=True)
    key_id: Mapped[uuid.UUID]
    holder_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    state: Mapped[bytes | None]
    created_at: Mapped[datetime]


class Window(PersonalRow, Base):
    """A browser (`address`) in which the person reads and writes a thread that lives in another channel."""

    __tablename__ = "thread_window"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    address_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("address.id", ondelete="CASCADE"), unique=True)
    conversation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )


class Message(PersonalRow, Base):
    """What was said, by whom, as the thread shows it."""

    __tablename__ = "message"
    __table_args__ = (CheckConstraint("author IN ('citizen', 'bot', 'clerk', 'system')", name="author"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    conversation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    case_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"), index=True)
    author: Mapped[str]
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    body: Mapped[bytes]
    language: Mapped[str]
    at: Mapped[datetime]


class File(PersonalRow, Base):
    """A file that came with a message. `about` is {"name", "media_type", "size", "sha256"}; what is in it lies in
    the file store (foundation/files.py) under this id."""

    __tablename__ = "file"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    about: Mapped[bytes]
    at: Mapped[datetime]


class Inbox(PersonalRow, Base):
    """Every update as it came, before anything else is done with it."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("city_id", "channel", "external_id"),
        Index("ix_inbox_waiting", "conversation_id", "seq", postgresql_where=text("handled_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    channel: Mapped[str]
    external_id: Mapped[str]
    conversation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    message_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    body: Mapped[bytes]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)


class Outbox(PersonalRow, Base):
    """Every message to be sent. Rows by the bot are dropped at delivery when a clerk holds the case."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("city_id", "key"),
        CheckConstraint("author IN ('bot', 'clerk', 'system')", name="author"),
        CheckConstraint("state IN ('waiting', 'sent', 'dropped', 'failed')", name="state"),
        Index("ix_outbox_waiting", "conversation_id", "seq", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    conversation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    key: Mapped[str]
    author: Mapped[str]
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    body: Mapped[bytes]
    language: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    external_id: Mapped[str | None]
    created_at: Mapped[datetime]
