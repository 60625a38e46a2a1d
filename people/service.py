"""Staff: accounts, sign-in, browser sessions, being on duty, and the audit trail."""

import asyncio
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.clock import Clock
from foundation.errors import FoyerError, Invalid, NotAllowed, NotFound, SignInNeeded, TooMany
from people.models import Audit, FailedSignIn, Office, Staff, StaffSession

COOKIE = "foyer_staff"
IDLE = timedelta(hours=12)
RENEW_AFTER = timedelta(minutes=10)
ON_DUTY = timedelta(seconds=90)
AUDIT_KEPT = timedelta(days=400)
SHORTEST_PASSWORD = 12
ROLES = ("clerk", "content", "admin")
CONTENT_ROLES = ("content", "admin")
"""Who looks after what the city says."""

FREE_TRIES = 3
LONGEST_WAIT = timedelta(seconds=60)
FORGET_FAILURES = timedelta(minutes=15)

# Without the letters and digits that are mixed up on paper: the first password is read and typed.
_EASY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class SignInRefused(FoyerError):
    """Login or password is wrong; which of them is not said."""

    status = 401
    key = "staff.sign_in_refused"


class SignInSlowed(TooMany):
    """Too many failed tries; `seconds` until the next one is heard."""

    key = "staff.sign_in_slowed"


class PasswordTooShort(Invalid):
    key = "staff.password_too_short"


class PasswordUnchanged(Invalid):
    key = "staff.password_unchanged"


class PasswordChangeNeeded(NotAllowed):
    key = "staff.password_change_needed"


class LoginTaken(FoyerError):
    status = 409
    key = "staff.login_taken"


@dataclass(frozen=True)
class SignedIn:
    """`token` goes into the browser's cookie and is kept nowhere else."""

    token: str
    staff: Staff


class People:
    """Everything about those who work for the city."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hasher = PasswordHasher()
        # Checked when a login is unknown, so that the answer takes as long as for a known one.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    async def create_staff(
        self,
        session: AsyncSession,
        office: Office,
        *,
        login: str,
        name: str,
        roles: list[str],
        languages: list[str],
    ) -> tuple[Staff, str]:
        """A new account and its first password, which is shown once and must be changed. Errors: LoginTaken."""
        if await self._by_login(session, login) is not None:
            raise LoginTaken(login=login)
        password = first_password()
        staff = Staff(
            city_id=office.city_id,
            office_id=office.id,
            login=_tidy(login),
            name=name,
            password_hash=await asyncio.to_thread(self._hasher.hash, password),
            roles=roles,
            languages=languages,
            must_change_password=True,
            active=True,
        )
        session.add(staff)
        await session.flush()
        return staff, password

    async def everyone(self, session: AsyncSession) -> list[Staff]:
        """Every account of the city, by login."""
        return list(await session.scalars(select(Staff).order_by(Staff.login)))

    async def reset_password(self, session: AsyncSession, login: str) -> str:
        """A new first password; every open session of this account ends. Errors: NotFound."""
        staff = await self._by_login(session, login)
        if staff is None:
            raise NotFound
        password = first_password()
        await self._set_password(session, staff, password, must_change=True)
        return password

    async def sign_in(self, session: AsyncSession, login: str, password: str) -> SignedIn | None:
        """A new session, or None when login or password is wrong.

        None is a value and not an error, because the failure is written down in this transaction.
        Errors: SignInSlowed.
        """
        known_as = _login_hash(login)
        await self._slow_down(session, known_as)
        staff = await self._by_login(session, login)
        right = await self._verify(staff.password_hash if staff else self._nobody, password)
        if staff is None or not staff.active or not right:
            await self._write_failure(session, staff, known_as)
            return None
        await session.execute(delete(FailedSignIn).where(FailedSignIn.login_hash == known_as))
        return await self._open_session(session, staff)

    async def change_password(
        self, session: AsyncSession, staff: Staff, *, old: str, new: str
    ) -> SignedIn | None:
        """Set an own password; other sessions end and a new one begins. None when `old` is wrong.

        Errors: SignInSlowed, PasswordTooShort, PasswordUnchanged.
        """
        await self._slow_down(session, _login_hash(staff.login))
        if not await self._verify(staff.password_hash, old):
            await self._write_failure(session, staff, _login_hash(staff.login))
            return None
        if len(new) < SHORTEST_PASSWORD:
            raise PasswordTooShort(field="new", letters=SHORTEST_PASSWORD)
        if new == old:
            raise PasswordUnchanged(field="new")
        await self._set_password(session, staff, new, must_change=False)
        await self.audit(session, staff, "staff.password_changed")
        return await self._open_session(session, staff)

    async def staff_of(self, session: AsyncSession, token: str | None, *, renew: bool = True) -> Staff:
        """Whose browser this is. `renew` when a person did something, not for a page that is merely open.

        Errors: SignInNeeded.
        """
        now = self._clock.now()
        found = await session.scalar(
            select(StaffSession).where(
                StaffSession.token_hash == _token_hash(token or ""), StaffSession.expires_at > now
            )
        )
        staff = await session.get(Staff, found.staff_id) if found else None
        if found is None or staff is None or not staff.active:
            raise SignInNeeded
        if renew and found.expires_at < now + IDLE - RENEW_AFTER:
            found.expires_at = found.delete_after = now + IDLE
        return staff

    async def clerk_of(self, session: AsyncSession, token: str | None, *, renew: bool = True) -> Staff:
        """Which clerk's browser this is, at work at the desk.

        Errors: SignInNeeded, PasswordChangeNeeded, NotAllowed.
        """
        staff = await self.staff_of(session, token, renew=renew)
        if staff.must_change_password:
            raise PasswordChangeNeeded
        require_role(staff, "clerk")
        return staff

    async def sign_out(self, session: AsyncSession, token: str | None) -> None:
        await session.execute(delete(StaffSession).where(StaffSession.token_hash == _token_hash(token or "")))

    async def stay_on_duty(self, session: AsyncSession, staff_id: uuid.UUID) -> None:
        """The heartbeat of an open desk; at most 90 seconds without one and the clerk counts as away."""
        staff = await session.get(Staff, staff_id, with_for_update=True)
        if staff is not None:
            staff.on_duty_until = self._clock.now() + ON_DUTY

    async def clerks_on_duty(self, session: AsyncSession, office_id: uuid.UUID) -> list[Staff]:
        """The clerks of an office whose desk is open right now, by name."""
        on_duty = select(Staff).where(
            Staff.office_id == office_id, Staff.active, Staff.on_duty_until > self._clock.now()
        )
        return [
            staff for staff in await session.scalars(on_duty.order_by(Staff.name)) if "clerk" in staff.roles
        ]

    async def audit(
        self,
        session: AsyncSession,
        staff: Staff | None,
        action: str,
        case_id: uuid.UUID | None = None,
        *,
        city_id: uuid.UUID | None = None,
        detail: str | None = None,
    ) -> None:
        """Write down who did what to which case; `detail` is a code, never a person's words."""
        now = self._clock.now()
        session.add(
            Audit(
                city_id=staff.city_id if staff else city_id,
                at=now,
                staff_id=staff.id if staff else None,
                action=action,
                case_id=case_id,
                detail=detail,
                delete_after=now + AUDIT_KEPT,
            )
        )
        await session.flush()

    async def _slow_down(self, session: AsyncSession, known_as: bytes) -> None:
        # One try at a time for each login: a hundred at once would all be counted too late.
        number = int.from_bytes(known_as[:8], signed=True)
        if not await session.scalar(select(func.pg_try_advisory_xact_lock(number))):
            raise SignInSlowed(seconds=1)
        now = self._clock.now()
        failures = list(
            await session.scalars(
                select(FailedSignIn.at)
                .where(FailedSignIn.login_hash == known_as, FailedSignIn.at > now - FORGET_FAILURES)
                .order_by(FailedSignIn.at)
            )
        )
        wait = _wait_after(failures, now)
        if wait > timedelta(0):
            raise SignInSlowed(seconds=int(wait.total_seconds()) + 1)

    async def _write_failure(self, session: AsyncSession, staff: Staff | None, known_as: bytes) -> None:
        now = self._clock.now()
        session.add(
            FailedSignIn(
                city_id=session.info["city_id"],
                login_hash=known_as,
                at=now,
                delete_after=now + FORGET_FAILURES,
            )
        )
        await self.audit(session, staff, "staff.sign_in_failed", city_id=session.info["city_id"])

    async def _open_session(self, session: AsyncSession, staff: Staff) -> SignedIn:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        session.add(
            StaffSession(
                city_id=staff.city_id,
                staff_id=staff.id,
                token_hash=_token_hash(token),
                created_at=now,
                expires_at=now + IDLE,
                delete_after=now + IDLE,
            )
        )
        await self.audit(session, staff, "staff.signed_in")
        return SignedIn(token, staff)

    async def _set_password(
        self, session: AsyncSession, staff: Staff, password: str, *, must_change: bool
    ) -> None:
        staff.password_hash = await asyncio.to_thread(self._hasher.hash, password)
        staff.must_change_password = must_change
        await session.execute(delete(StaffSession).where(StaffSession.staff_id == staff.id))
        await session.flush()

    async def _verify(self, known: str, password: str) -> bool:
        try:
            return await asyncio.to_thread(self._hasher.verify, known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _by_login(self, session: AsyncSession, login: str) -> Staff | None:
        return await session.scalar(select(Staff).where(Staff.login == _tidy(login)))


def has_role(staff: Staff, *roles: str) -> bool:
    """Whether the person has one of the roles."""
    return not set(roles).isdisjoint(staff.roles)


def require_role(staff: Staff, *roles: str) -> None:
    """Errors: NotAllowed, unless the person has one of the roles."""
    if not has_role(staff, *roles):
        raise NotAllowed


def first_password() -> str:
    """Four groups of four letters, about 79 bits."""
    groups = ("".join(secrets.choice(_EASY_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def _wait_after(failures: list[datetime], now: datetime) -> timedelta:
    """How long the next try has to wait: nothing after three failures, then 2, 4, 8 … 60 seconds."""
    over = len(failures) - FREE_TRIES
    if over < 0:
        return timedelta(0)
    wait = min(timedelta(seconds=2 ** (over + 1)), LONGEST_WAIT)
    return failures[-1] + wait - now


def _tidy(login: str) -> str:
    return login.strip().casefold()


def _login_hash(login: str) -> bytes:
    return hashlib.sha256(_tidy(login).encode()).digest()


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
