"""Accounts, sign-in and its slow-down, sessions, the audit trail: on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from foundation.clock import FixedClock
from foundation.db import Database
from foundation.errors import NotAllowed, SignInNeeded
from people.models import Audit, Staff, StaffSession
from people.service import (
    IDLE,
    LoginTaken,
    PasswordTooShort,
    PasswordUnchanged,
    People,
    SignedIn,
    SignInSlowed,
    require_role,
)
from tests.support.factory import SampleCity

NEW = "a-very-own-password"


@pytest.fixture
def people(clock: FixedClock) -> People:
    return People(clock)


@pytest.fixture
async def password(database: Database, city: SampleCity, people: People) -> str:
    """The first password of a new clerk "Mina"."""
    async with database.city(city.id) as session:
        _, first = await people.create_staff(
            session, city.office, login="Mina", name="Mina M.", roles=["clerk"], languages=["de", "tr"]
        )
    return first


async def signed_in(
    database: Database, city: SampleCity, people: People, login: str, password: str
) -> SignedIn | None:
    async with database.city(city.id) as session:
        return await people.sign_in(session, login, password)


async def test_first_password_opens_once_and_must_be_changed(
    database: Database, city: SampleCity, people: People, password: str
) -> None:
    first = await signed_in(database, city, people, " MINA ", password)
    assert first is not None
    assert first.staff.must_change_password
    async with database.city(city.id) as session:
        staff = await people.staff_of(session, first.token)
        assert await people.change_password(session, staff, old="wrong", new=NEW) is None
        with pytest.raises(PasswordTooShort):
            await people.change_password(session, staff, old=password, new="short")
        with pytest.raises(PasswordUnchanged):
            await people.change_password(session, staff, old=password, new=password)
        second = await people.change_password(session, staff, old=password, new=NEW)
        assert second is not None
    async with database.city(city.id) as session:
        assert not (await people.staff_of(session, second.token)).must_change_password
        with pytest.raises(SignInNeeded):  # the change has ended the other sessions
            await people.staff_of(session, first.token)
    assert await signed_in(database, city, people, "mina", password) is None
    assert await signed_in(database, city, people, "mina", NEW) is not None


async def test_neither_password_nor_token_is_kept(
    database: Database, city: SampleCity, people: People, password: str
) -> None:
    opened = await signed_in(database, city, people, "mina", password)
    assert opened is not None
    async with database.city(city.id) as session:
        staff = await session.scalar(select(Staff).where(Staff.login == "mina"))
        assert staff is not None
        assert staff.password_hash.startswith("$argon2id$")
        assert password not in staff.password_hash
        for row in await session.scalars(select(StaffSession)):
            assert opened.token.encode() not in row.token_hash


async def test_a_login_is_given_once(
    database: Database, city: SampleCity, people: People, password: str
) -> None:
    async with database.city(city.id) as session:
        with pytest.raises(LoginTaken):
            await people.create_staff(
                session, city.office, login="mina ", name="Other", roles=["clerk"], languages=["de"]
            )


async def test_wrong_tries_slow_down_and_are_forgotten(
    database: Database, city: SampleCity, people: People, clock: FixedClock, password: str
) -> None:
    for _ in range(3):
        assert await signed_in(database, city, people, "mina", "wrong") is None
    waits = []
    for _ in range(7):
        with pytest.raises(SignInSlowed) as slowed:
            await signed_in(database, city, people, "mina", password)
        waits.append(slowed.value.params["seconds"])
        clock.move(timedelta(seconds=waits[-1]))
        assert await signed_in(database, city, people, "mina", "wrong") is None
    assert waits == [3, 5, 9, 17, 33, 61, 61]
    with pytest.raises(SignInSlowed):
        await signed_in(database, city, people, "mina", password)
    clock.move(timedelta(seconds=61))
    assert await signed_in(database, city, people, "mina", password) is not None
    assert await signed_in(database, city, people, "mina", "wrong") is None  # counted from the start again


async def test_an_unknown_login_is_treated_like_a_known_one(
    database: Database, city: SampleCity, people: People
) -> None:
    for _ in range(3):
        assert await signed_in(database, city, people, "nobody", "wrong") is None
    with pytest.raises(SignInSlowed):
        await signed_in(database, city, people, "nobody", "wrong")


async def test_an_idle_session_ends_and_a_used_one_lives_on(
    database: Database, city: SampleCity, people: People, clock: FixedClock, password: str
) -> None:
    opened = await signed_in(database, city, people, "mina", password)
    assert opened is not None
    for _ in range(2):
        clock.move(IDLE - timedelta(minutes=1))
        async with database.city(city.id) as session:
            await people.staff_of(session, opened.token)
    clock.move(IDLE)
    async with database.city(city.id) as session:
        with pytest.raises(SignInNeeded):
            await people.staff_of(session, opened.token)


async def test_sign_out_and_reset_end_sessions(
    database: Database, city: SampleCity, people: People, password: str
) -> None:
    one, two = [await signed_in(database, city, people, "mina", password) for _ in range(2)]
    assert one is not None
    assert two is not None
    async with database.city(city.id) as session:
        await people.sign_out(session, one.token)
        with pytest.raises(SignInNeeded):
            await people.staff_of(session, one.token)
        assert await people.staff_of(session, two.token)
        fresh = await people.reset_password(session, "mina")
        with pytest.raises(SignInNeeded):
            await people.staff_of(session, two.token)
        with pytest.raises(SignInNeeded):
            await people.staff_of(session, None)
    again = await signed_in(database, city, people, "mina", fresh)
    assert again is not None
    assert again.staff.must_change_password


async def test_a_heartbeat_keeps_a_clerk_on_duty(
    database: Database, city: SampleCity, people: People, clock: FixedClock
) -> None:
    async with database.city(city.id) as session:
        assert await people.clerks_on_duty(session, city.office.id) == []
        await people.stay_on_duty(session, city.clerk.id)
        assert [one.login for one in await people.clerks_on_duty(session, city.office.id)] == ["clerk"]
        clock.move(timedelta(seconds=91))
        assert await people.clerks_on_duty(session, city.office.id) == []


async def test_audit_holds_who_what_and_when(
    database: Database, city: SampleCity, people: People, clock: FixedClock
) -> None:
    async with database.city(city.id) as session:
        await people.audit(session, city.clerk, "case.looked", city.id)
    async with database.city(city.id) as session:
        row = (await session.scalars(select(Audit))).one()
        assert (row.staff_id, row.action, row.case_id, row.at) == (
            city.clerk.id,
            "case.looked",
            city.id,
            clock.now(),
        )


def test_roles() -> None:
    staff = Staff(roles=["content"])
    require_role(staff, "clerk", "content")
    with pytest.raises(NotAllowed):
        require_role(staff, "clerk")
