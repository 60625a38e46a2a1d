"""Sealing of everything personal: AES-256-GCM, one data key per person, conversation or case.

Envelope: b"FY1" | key id (16 bytes) | nonce (12) | ciphertext and tag. The place it belongs to
("message.body:<id>") is the associated data, so a sealed value cannot be moved to another row.
Data keys lie wrapped by the master key in the schema `keyring`, which the backup keeps apart
(docs/adr/0001-data.md): whoever destroys a key has deleted what it sealed, in old backups too.
The installation's own secrets are sealed with a key derived from the master key: b"FYO" | nonce | ciphertext.
"""

import hashlib
import hmac
import json
import os
import uuid
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import CheckConstraint, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, CityRow, new_id
from foundation.errors import FoyerError, OperatorError

MAGIC = b"FY1"
MAGIC_OWN = b"FYO"
OWNERS = ("person", "conversation", "case")


class DataKey(CityRow, Base):
    """A wrapped 32-byte key and the row whose deletion destroys it."""

    __tablename__ = "data_key"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('person', 'conversation', 'case')", name="owner_kind"),
        {"schema": "keyring"},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    owner_kind: Mapped[str]
    owner_id: Mapped[uuid.UUID] = mapped_column(index=True)
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime]


class MasterMark(Base):
    """Which master key this database was made with, as a fingerprint."""

    __tablename__ = "master_mark"
    __table_args__ = ({"schema": "keyring"},)

    fingerprint: Mapped[str] = mapped_column(primary_key=True)


class Forgotten(FoyerError):
    """The key of this value was destroyed, or the value was changed: it cannot be read any more."""

    status = 410
    key = "error.forgotten"


class Vault:
    """Seals and opens values. `secret` is the 32-byte master key."""

    def __init__(self, secret: bytes) -> None:
        self._wrapping = AESGCM(_derive(secret, b"wrap data keys"))
        self._index = _derive(secret, b"blind index")
        self._own_secret = _derive(secret, b"own secrets")
        self._own = AESGCM(self._own_secret)
        self.fingerprint = _derive(secret, b"fingerprint").hex()[:16]

    def blind_index(self, *parts: str) -> bytes:
        """A keyed digest (32 bytes) to find a sealed value by equality; the parts cannot be read back."""
        return hmac.new(self._index, "\x1f".join(parts).encode(), hashlib.sha256).digest()

    async def make_key(
        self,
        session: AsyncSession,
        *,
        city_id: uuid.UUID,
        owner_kind: str,
        owner_id: uuid.UUID,
        now: datetime,
    ) -> uuid.UUID:
        key_id, key = new_id(), AESGCM.generate_key(256)
        nonce = os.urandom(12)
        wrapped = nonce + self._wrapping.encrypt(nonce, key, key_id.bytes)
        session.add(
            DataKey(
                id=key_id,
                city_id=city_id,
                owner_kind=owner_kind,
                owner_id=owner_id,
                wrapped=wrapped,
                created_at=now,
            )
        )
        await session.flush()
        _opened(session)[key_id] = key
        return key_id

    async def seal(self, session: AsyncSession, key_id: uuid.UUID, place: str, value: Any) -> bytes:
        """Seal a JSON value. `place` names where it will stand, e.g. "message.body:<id>"."""
        return await self.seal_bytes(session, key_id, place, json.dumps(value, ensure_ascii=False).encode())

    async def open(self, session: AsyncSession, place: str, sealed: bytes) -> Any:
        """The JSON value that was sealed for `place`. Errors: Forgotten."""
        return json.loads(await self.open_bytes(session, place, sealed))

    async def seal_bytes(self, session: AsyncSession, key_id: uuid.UUID, place: str, value: bytes) -> bytes:
        nonce = os.urandom(12)
        key = await self._key(session, key_id)
        return MAGIC + key_id.bytes + nonce + AESGCM(key).encrypt(nonce, value, place.encode())

    async def open_bytes(self, session: AsyncSession, place: str, sealed: bytes) -> bytes:
        if sealed[:3] != MAGIC:
            raise Forgotten
        key = await self._key(session, uuid.UUID(bytes=bytes(sealed[3:19])))
        try:
            return AESGCM(key).decrypt(sealed[19:31], sealed[31:], place.encode())
        except InvalidTag:
            raise Forgotten from None

    def seal_own(self, place: str, value: Any) -> bytes:
        """Seal a secret of the installation itself (a bot's keys, say): no deletion of a person ends it."""
        nonce = os.urandom(12)
        plain = json.dumps(value, ensure_ascii=False).encode()
        return MAGIC_OWN + nonce + self._own.encrypt(nonce, plain, place.encode())

    def open_own(self, place: str, sealed: bytes) -> Any:
        """The JSON value that `seal_own` sealed for `place`. Errors: Forgotten."""
        try:
            if sealed[:3] != MAGIC_OWN:
                raise Forgotten
            return json.loads(self._own.decrypt(sealed[3:15], sealed[15:], place.encode()))
        except InvalidTag:
            raise Forgotten from None

    def passphrase(self, purpose: str) -> str:
        """A passphrase for files of the installation that another library encrypts itself."""
        return _derive(self._own_secret, purpose.encode()).hex()

    async def give_keys(
        self, session: AsyncSession, *, from_id: uuid.UUID, kind: str, to_id: uuid.UUID
    ) -> None:
        """Let the keys of one owner live and die with another."""
        for row in await session.scalars(select(DataKey).where(DataKey.owner_id == from_id)):
            row.owner_kind, row.owner_id = kind, to_id

    async def destroy_keys(self, session: AsyncSession, owner_id: uuid.UUID) -> None:
        await session.execute(delete(DataKey).where(DataKey.owner_id == owner_id))
        _opened(session).clear()

    async def check_master(self, session: AsyncSession) -> None:
        """Refuse to work with another master key than this database was made with."""
        known = await session.scalar(select(MasterMark.fingerprint))
        if known is None:
            await session.execute(
                insert(MasterMark).values(fingerprint=self.fingerprint).on_conflict_do_nothing()
            )
        elif known != self.fingerprint:
            raise OperatorError(
                "This database was made with another master key, so nothing personal in it can be read. "
                "Restore that key: set FOYER_MASTER_KEY or FOYER_MASTER_KEY_FILE."
            )

    async def _key(self, session: AsyncSession, key_id: uuid.UUID) -> bytes:
        opened = _opened(session)
        if key_id not in opened:
            row = await session.get(DataKey, key_id)
            if row is None:
                raise Forgotten
            opened[key_id] = self._wrapping.decrypt(row.wrapped[:12], row.wrapped[12:], key_id.bytes)
        return opened[key_id]


def _opened(session: AsyncSession) -> dict[uuid.UUID, bytes]:
    """Unwrapped keys live no longer than the session that read them."""
    keys: dict[uuid.UUID, bytes] = session.info.setdefault("opened_keys", {})
    return keys


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"foyer/" + purpose).derive(secret)
