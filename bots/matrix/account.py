"""The account's memory between two lives of the process: device, token, seeds and sync token."""

import uuid
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bots.matrix.models import MatrixAccount
from foundation.clock import Clock
from foundation.crypto import Vault
from foundation.db import Database, new_id


@dataclass
class Account:
    """`seeds` are base64 by usage (bots/matrix/signing.py); empty until the account was first signed."""

    user_id: str
    device: str | None = None
    token: str | None = None
    seeds: dict[str, str] = field(default_factory=dict)
    since: str | None = None


@dataclass(frozen=True)
class Accounts:
    """Reads and writes the account's row, each in a transaction of its own."""

    database: Database
    vault: Vault
    clock: Clock
    city_id: uuid.UUID

    async def load(self, user_id: str) -> Account:
        async with self.database.city(self.city_id) as session:
            row = await _row(session, user_id)
        if row is None:
            return Account(user_id)
        kept = self.vault.open_own(f"matrix_account.secrets:{row.id}", row.secrets)
        return Account(user_id, kept["device"], kept["token"], kept["seeds"], row.since)

    async def save(self, account: Account) -> None:
        async with self.database.city(self.city_id) as session:
            row = await _row(session, account.user_id)
            if row is None:
                row = MatrixAccount(id=new_id(), user_id=account.user_id)
                session.add(row)
            kept = {"device": account.device, "token": account.token, "seeds": account.seeds}
            row.secrets = self.vault.seal_own(f"matrix_account.secrets:{row.id}", kept)
            row.since, row.saved_at = account.since, self.clock.now()

    async def save_since(self, account: Account) -> None:
        """Write down how far the inbox has come; only after the inbox has committed it."""
        async with self.database.city(self.city_id) as session:
            row = await _row(session, account.user_id)
            if row is not None:
                row.since, row.saved_at = account.since, self.clock.now()


async def _row(session: AsyncSession, user_id: str) -> MatrixAccount | None:
    found: MatrixAccount | None = await session.scalar(
        select(MatrixAccount).where(MatrixAccount.user_id == user_id)
    )
    return found
