"""A city's edits as rows: every version is kept, the newest word on each key counts."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from foundation import live
from foundation.content_edits import Edit, Key
from foundation.content_models import text_of
from foundation.db import Base, CityRow, new_id

TOPIC = "content"
"""What `live.Hub.woken_by` hears after a new version."""


class ContentEdit(CityRow, Base):
    """One value of one version. Rows are added, never changed. `language` is empty where the value is no text."""

    __tablename__ = "content_edit"
    __table_args__ = (UniqueConstraint("city_id", "version", "key", "language"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int]
    key: Mapped[str]
    language: Mapped[str]
    value: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    withdrawn: Mapped[bool]
    shipped: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    author_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="SET NULL"))
    at: Mapped[datetime]
    note: Mapped[str]


async def version(session: AsyncSession) -> int:
    """The newest version of the session's city; 0 while nothing was edited."""
    return await session.scalar(select(func.max(ContentEdit.version))) or 0


async def newest(session: AsyncSession, file: str = "") -> list[Edit]:
    """The newest word on every key of the session's city, or of one file, in the order of the keys."""
    rows = await newest_rows(session, file)
    return [Edit(Key(row.key, row.language), row.value, row.withdrawn, row.shipped) for row in rows]


async def newest_rows(session: AsyncSession, file: str = "") -> list[ContentEdit]:
    """The same with who said it and when."""
    rows = await session.scalars(
        select(ContentEdit)
        .where(ContentEdit.key.startswith(f"{file}#" if file else "", autoescape=True))
        .ext(distinct_on(ContentEdit.key, ContentEdit.language))
        .order_by(ContentEdit.key, ContentEdit.language, ContentEdit.version.desc())
    )
    return list(rows)


async def rows_of(session: AsyncSession, key: Key) -> list[ContentEdit]:
    """Everything that was said on a key, the latest first."""
    rows = await session.scalars(
        select(ContentEdit)
        .where(ContentEdit.key == key.name, ContentEdit.language == key.language)
        .order_by(ContentEdit.version.desc())
    )
    return list(rows)


async def words_changed(session: AsyncSession, folder: str) -> dict[str, datetime]:
    """When the words of each edited file of a folder were last changed; a check alone changes none."""
    rows = await session.scalars(
        select(ContentEdit)
        .where(ContentEdit.key.startswith(f"{folder}/", autoescape=True), ContentEdit.language != "")
        .order_by(ContentEdit.version)
    )
    found: dict[str, datetime] = {}
    before: dict[Key, str] = {}
    for row in rows:
        key = Key(row.key, row.language)
        was = before.get(key, _words(row.shipped))
        before[key] = _words(row.shipped if row.withdrawn else row.value)
        if before[key] != was:
            found[key.file] = row.at
    return found


def _words(value: Any) -> str:
    return "" if value is None else text_of(value)


async def one_writer(session: AsyncSession) -> None:
    """Wait until no other transaction prepares a version: what is read from here on stays the newest."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('content_edit'))"))


async def add(
    session: AsyncSession, edits: Sequence[Edit], *, author_id: uuid.UUID | None, note: str, now: datetime
) -> int:
    """Write edits as the next version; whoever shows content is woken after the commit. The version.

    `author_id` is None for an operator at the command line. Call `one_writer` before reading what to change.
    """
    number = await version(session) + 1
    session.add_all(
        ContentEdit(
            version=number,
            key=edit.key.name,
            language=edit.key.language,
            value=edit.value,
            withdrawn=edit.withdrawn,
            shipped=edit.shipped,
            author_id=author_id,
            at=now,
            note=note,
        )
        for edit in edits
    )
    live.wake(session, TOPIC)
    return number
