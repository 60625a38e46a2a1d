"""PostgreSQL through SQLAlchemy: base classes, city-scoped sessions, one transaction a block."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar

import psycopg
from sqlalchemy import DateTime, ForeignKey, LargeBinary, MetaData, event
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        uuid.UUID: UUID(as_uuid=True),
        datetime: DateTime(timezone=True),
        bytes: LargeBinary,
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


def new_id() -> uuid.UUID:
    return uuid.uuid4()


class CityRow:
    """A row that belongs to one city; a city session sees no other city's rows."""

    city_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("city.id", ondelete="CASCADE"), index=True)


class PersonalRow(CityRow):
    """A row about somebody, or of passing use: the nightly job removes it after `delete_after` (UTC)."""

    delete_after: Mapped[datetime] = mapped_column(index=True)


class Unscoped(RuntimeError):
    """A session without a city touched rows that belong to cities."""


@event.listens_for(Session, "do_orm_execute")
def _limit_to_city(state: ORMExecuteState) -> None:
    city_id = state.session.info.get("city_id")
    if city_id is None:
        return
    if state.is_select or state.is_update or state.is_delete:
        state.statement = state.statement.options(
            with_loader_criteria(CityRow, lambda row: row.city_id == city_id, include_aliases=True)
        )


@event.listens_for(Session, "before_flush")
def _stamp_city(session: Session, *_: Any) -> None:
    city_id = session.info.get("city_id")
    for row in session.new:
        if isinstance(row, CityRow):
            if city_id is not None and row.city_id is None:
                row.city_id = city_id
            elif row.city_id != city_id and not session.info.get("all_cities"):
                raise Unscoped(f"{type(row).__name__} of city {row.city_id} in a session of city {city_id}")


class Database:
    """The one door to PostgreSQL. `url` is any postgresql:// address; psycopg is the driver."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url.replace("postgres://", "postgresql://", 1)
        self.engine = create_async_engine(
            self.url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=10,
            hide_parameters=True,  # an error in the log must not quote what was to be stored
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def city(self, city_id: uuid.UUID) -> AsyncIterator[AsyncSession]:
        """One transaction that sees one city's rows: commits at the end, rolls back on an error."""
        async with self._sessions(info={"city_id": city_id}) as session, session.begin():
            yield session

    @asynccontextmanager
    async def every_city(self) -> AsyncIterator[AsyncSession]:
        """One transaction over all cities: for queues, retention and the operator's commands only."""
        async with self._sessions(info={"all_cities": True}) as session, session.begin():
            yield session

    async def connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        """A plain connection outside the pool, in autocommit: for LISTEN and for advisory locks."""
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True)

    async def close(self) -> None:
        await self.engine.dispose()


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection beneath a session, to let another library write in the same transaction."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, psycopg.AsyncConnection)  # noqa: S101 - the engine is made for psycopg above
    return connection
