"""The one file that knows matrix-nio: a thin adapter with our own words, and what nio lacks.

Added here: errors as exceptions, a fallback key (nio keeps 50 one-time keys, so of many newcomers during
a downtime some could not be read), cross-signing, encrypted uploads from memory, polls read back.
People's words are in nio's warnings, so its loggers are silent.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import nio
from nio.crypto import decrypt_attachment, encrypt_attachment
from nio.store import SqliteStore

from bots.matrix.account import Account
from bots.matrix.signing import Identity
from foundation.errors import OperatorError

logger = logging.getLogger(__name__)

Json = dict[str, Any]
API = "/_matrix/client/v3"
SIGNED_KEY = "signed_curve25519"
WAIT = 30_000
"""Milliseconds that the server may hold a sync when there is no news."""
REQUEST_TIMEOUT = 60.0
NOTHING: Json = {"types": []}
WITHHELD = ("m.room_key.withheld", "org.matrix.room_key.withheld")


class MatrixError(Exception):
    """The homeserver said no, or nothing."""


class Unreachable(MatrixError):
    """Not now: no connection, no answer, or a failing server."""


class Busy(MatrixError):
    """Asked too often; `seconds` is how long the server wants to be left alone."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class SignedOut(MatrixError):
    """The token is not valid any more. `soft`: the device is, so the same one may sign in again."""

    def __init__(self, *, soft: bool) -> None:
        super().__init__(soft)
        self.soft = soft


class Forbidden(MatrixError):
    """Not allowed, or not there (any more)."""


class TooLarge(MatrixError):
    """A file of more bytes than we take."""


class Refused(MatrixError):
    """Another error of the server; the argument is its code."""


@dataclass(frozen=True)
class RoomEvent:
    """An event of a room, decrypted if it could be. `state_key` is None for what is not state.

    `id`, `sender` are Matrix ids; `content` is JSON as it came; `blind`: encrypted, and we have no key.
    """

    id: str
    sender: str
    type: str
    content: Json
    state_key: str | None = None
    redacts: str | None = None
    blind: bool = False


@dataclass(frozen=True)
class RoomNews:
    """What has happened in a room since the last sync; `gap` is where earlier events can be fetched from."""

    room_id: str
    events: tuple[RoomEvent, ...]
    gap: str | None


@dataclass(frozen=True)
class Invite:
    room_id: str
    by: str


@dataclass(frozen=True)
class Batch:
    """One sync: everything up to `since`. `keys` are rooms that got a message key, `withheld` that got none."""

    since: str
    rooms: tuple[RoomNews, ...]
    invites: tuple[Invite, ...]
    keys: frozenset[str]
    withheld: frozenset[str]


class _Client(nio.AsyncClient):  # type: ignore[misc]  # nio has no types
    """Notes one field of the sync that nio drops."""

    unused_fallback: list[str] | None = None

    async def parse_body(self, transport_response: aiohttp.ClientResponse) -> Json:
        body: Json = await super().parse_body(transport_response)
        if isinstance(body, dict) and "device_unused_fallback_key_types" in body:
            self.unused_fallback = body["device_unused_fallback_key_types"]
        return body


class MatrixClient:
    """One signed-in device of the office's account. Not shared between processes.

    `homeserver` is its address, `store` the directory of the encryption keys, `passphrase` what they are
    encrypted with, `page` how many events a room brings at most with one answer.
    """

    def __init__(self, homeserver: str, store: Path, passphrase: str, *, page: int = 100) -> None:
        for name in ("nio", "peewee"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._homeserver = homeserver.rstrip("/")
        self._store = store
        self._passphrase = passphrase
        self._keys = asyncio.Lock()
        self._device_name = "Foyer"
        self._page = page
        self._nio: _Client
        self._signed_in = False
        self._settled = False

    # -- the account -------------------------------------------------------------------------------

    async def sign_in(self, account: Account, password: str | None) -> None:
        """Use the account's device, or sign in and let `account` know the new one. Errors: OperatorError."""
        if self._signed_in:
            await self._nio.close()
        self._nio, self._signed_in, self._settled = self._make(account.user_id), True, False
        if account.token and account.device and self._has_store(account):
            self._nio.restore_login(account.user_id, account.device, account.token)
            return
        if password is None:
            return await self._take_token(account)
        keep = account.device if account.device and self._has_store(account) else ""
        self._nio.device_id = keep
        answer = await self._guarded(self._nio.login(password, device_name=self._device_name))
        if isinstance(answer, nio.ErrorResponse):
            if answer.status_code == "M_FORBIDDEN":
                raise OperatorError(
                    "The homeserver does not accept FOYER_MATRIX_USER with FOYER_MATRIX_PASSWORD."
                )
            _check(answer)
        self._nio.load_store()
        account.user_id, account.device, account.token = answer.user_id, answer.device_id, answer.access_token

    async def _take_token(self, account: Account) -> None:
        if not account.token:
            raise OperatorError("FOYER_MATRIX_TOKEN is not valid any more; give a new one, or a password.")
        self._nio.access_token = account.token
        status, who = await self._call("GET", "/account/whoami")
        if status != 200:
            raise OperatorError("The homeserver does not accept FOYER_MATRIX_TOKEN.")
        self._nio.restore_login(who["user_id"], who["device_id"], account.token)
        account.user_id, account.device = who["user_id"], who["device_id"]

    def _make(self, user_id: str) -> _Client:
        self._store.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = nio.AsyncClientConfig(
            store=SqliteStore,
            pickle_key=self._passphrase,
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=REQUEST_TIMEOUT,
        )
        return _Client(self._homeserver, user_id, store_path=str(self._store), config=config)

    def _has_store(self, account: Account) -> bool:
        return (self._store / f"{account.user_id}_{account.device}.db").exists()

    async def publish_keys(self, identity: Identity, password: str | None) -> None:
        """Make this device known to everybody: its keys, and its signature by the account."""
        if self._nio.should_upload_keys:
            _check(await self._guarded(self._nio.keys_upload()))
        await self._sign_device(identity, password)

    async def _sign_device(self, identity: Identity, password: str | None) -> None:
        own = self._nio.user_id
        _, known = await self._call("POST", "/keys/query", {"device_keys": {own: [self._nio.device_id]}})
        master = known.get("master_keys", {}).get(own, {}).get("keys", {})
        if f"ed25519:{identity.master.public}" not in master:
            await self._upload_identity(identity, password)
        device = known["device_keys"][own][self._nio.device_id]
        ours = self._nio.olm.account.identity_keys["ed25519"]
        if device["keys"].get(f"ed25519:{self._nio.device_id}") != ours:
            raise OperatorError("The homeserver shows other keys for our device than ours; do not trust it.")
        if not identity.has_signed(device) or not master:
            signed = {own: {self._nio.device_id: identity.sign_device(device)}}
            status, answer = await self._call("POST", "/keys/signatures/upload", signed)
            if status != 200 or answer.get("failures"):
                raise Refused("keys/signatures/upload")

    async def _upload_identity(self, identity: Identity, password: str | None) -> None:
        path, body = "/keys/device_signing/upload", identity.upload()
        status, answer = await self._call("POST", path, body)
        if status == 401 and "session" in answer:
            if password is None:
                raise OperatorError(
                    "The homeserver wants the password before it takes signing keys: set FOYER_MATRIX_PASSWORD."
                )
            body["auth"] = {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": self._nio.user_id},
                "password": password,
                "session": answer["session"],
            }
            status, answer = await self._call("POST", path, body)
        if status != 200:
            raise Refused("keys/device_signing/upload")

    async def _upload_fallback_key(self) -> None:
        account = self._nio.olm.account
        inner = account._account
        inner.generate_fallback_key()
        keys: Json = {}
        for key_id, key in inner.fallback_key.items():
            value: Json = {"key": key if isinstance(key, str) else key.to_base64(), "fallback": True}
            signature = self._nio.olm.sign_json(dict(value))
            value["signatures"] = {self._nio.user_id: {f"ed25519:{self._nio.device_id}": signature}}
            keys[f"{SIGNED_KEY}:{key_id}"] = value
        # Kept before it is published: a key that others use and we have lost would make us deaf.
        self._nio.olm.save_account()
        status, _ = await self._call("POST", "/keys/upload", {"fallback_keys": keys})
        if status != 200:
            raise Refused("keys/upload")
        inner.mark_keys_as_published()
        self._nio.olm.save_account()
        self._nio.unused_fallback = None

    # -- receiving ---------------------------------------------------------------------------------

    async def sync(self, since: str | None, *, whole: bool) -> Batch:
        """Wait for news after `since`; `whole` asks for the full state of every room, too."""
        # nio ignores a batch that it has seen; after a failed commit it must be decrypted again.
        self._nio.next_batch = None
        timeout = 0 if whole else WAIT
        answer = await self._guarded(
            self._nio.sync(timeout, sync_filter=self._filter(), since=since, full_state=whole or None)
        )
        _check(answer)
        self._settled = self._settled or whole
        return self._batch(answer, since)

    def _filter(self) -> Json:
        rooms = {"timeline": {"limit": self._page}, "ephemeral": NOTHING, "account_data": NOTHING}
        return {"presence": NOTHING, "account_data": NOTHING, "room": rooms}

    def _batch(self, answer: Any, since: str | None) -> Batch:
        rooms = tuple(
            RoomNews(
                room_id,
                tuple(_event(event) for event in news.timeline.events),
                news.timeline.prev_batch if since and news.timeline.limited else None,
            )
            for room_id, news in answer.rooms.join.items()
        )
        for room_id in answer.rooms.leave:
            self._nio.rooms.pop(room_id, None)
        invites = tuple(Invite(room_id, self._inviter(room_id)) for room_id in answer.rooms.invite)
        keys, withheld = set(), set()
        for event in answer.to_device_events:
            if isinstance(event, nio.RoomKeyEvent | nio.ForwardedRoomKeyEvent):
                keys.add(event.room_id)
            elif getattr(event, "type", None) in WITHHELD:
                withheld.add(str(event.source.get("content", {}).get("room_id")))
        return Batch(answer.next_batch, rooms, invites, frozenset(keys), frozenset(withheld))

    def _inviter(self, room_id: str) -> str:
        room = self._nio.invited_rooms.get(room_id)
        return (room.inviter if room else None) or ""

    async def keep_keys(self) -> None:
        """What every sync may ask for: more one-time keys, others' new devices, broken sessions, fallback key."""
        async with self._keys:
            if self._nio.should_upload_keys:
                _check(await self._guarded(self._nio.keys_upload()))
            if self._nio.should_query_keys:
                _check(await self._guarded(self._nio.keys_query()))
            if self._nio.should_claim_keys:
                _check(await self._guarded(self._nio.keys_claim(self._nio.get_users_for_key_claiming())))
            await self._guarded(self._nio.send_to_device_messages())
            # Only after a sync has read what the old key was used for: the one before that is forgotten.
            if self._nio.unused_fallback is not None and SIGNED_KEY not in self._nio.unused_fallback:
                await self._upload_fallback_key()

    async def earlier(
        self, room_id: str, start: str, until: str | None
    ) -> tuple[list[RoomEvent], str | None]:
        """A page of a room's events before `start`, newest first, and where the next page starts."""
        answer = await self._guarded(
            self._nio.room_messages(
                room_id, start=start, end=until, direction=nio.MessageDirection.back, limit=self._page
            )
        )
        _check(answer)
        return [_event(event) for event in answer.chunk], answer.end if answer.chunk else None

    async def latest(self, room_id: str) -> list[RoomEvent]:
        """A room's last hundred events, oldest first, decrypted as far as keys are known now."""
        answer = await self._guarded(self._nio.room_messages(room_id, limit=self._page))
        _check(answer)
        return [_event(event) for event in reversed(answer.chunk)]

    async def event(self, room_id: str, event_id: str) -> RoomEvent:
        """One event. Errors: Forbidden."""
        answer = await self._guarded(self._nio.room_get_event(room_id, event_id))
        _check(answer)
        found = answer.event
        if isinstance(found, nio.MegolmEvent):
            found.room_id = room_id
            found = self._nio.olm._decrypt_megolm_no_error(found) or found
        return _event(found)

    # -- rooms -------------------------------------------------------------------------------------

    @property
    def user_id(self) -> str:
        return str(self._nio.user_id)

    @property
    def device(self) -> str:
        return str(self._nio.device_id)

    @property
    def settled(self) -> bool:
        """Whether `rooms` is the truth: after each sign-in it takes a sync to know them."""
        return self._settled

    @property
    def rooms(self) -> frozenset[str]:
        return frozenset(self._nio.rooms)

    def encrypted(self, room_id: str) -> bool:
        return room_id in self._nio.rooms and bool(self._nio.rooms[room_id].encrypted)

    def others(self, room_id: str) -> frozenset[str]:
        """Who else is in a room or invited to it."""
        room = self._nio.rooms.get(room_id)
        return frozenset(room.users) - {self.user_id} if room else frozenset()

    async def join(self, room_id: str) -> None:
        _check(await self._guarded(self._nio.join(room_id)))

    async def leave(self, room_id: str) -> None:
        """Leave a room, or decline an invitation."""
        _check(await self._guarded(self._nio.room_leave(room_id)))
        self._nio.rooms.pop(room_id, None)
        await self._guarded(self._nio.room_forget(room_id))

    async def encrypt(self, room_id: str) -> None:
        """Switch a room's encryption on, for ever. Errors: Forbidden."""
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        _check(await self._guarded(self._nio.room_put_state(room_id, "m.room.encryption", content)))

    # -- saying ------------------------------------------------------------------------------------

    async def send(self, room_id: str, kind: str, content: Json, *, key: str) -> str:
        """Send an event, encrypted where the room is; its id. The same `key` sends it once."""
        if self._nio.should_query_keys:
            await self.keep_keys()
        answer = await self._guarded(
            self._nio.room_send(room_id, kind, content, tx_id=key, ignore_unverified_devices=True)
        )
        _check(answer)
        return str(answer.event_id)

    async def upload(self, data: bytes) -> Json:
        """Store bytes encrypted at the homeserver; the `file` member of an m.file event."""
        sealed, keys = encrypt_attachment(data)
        status, answer = await self._request(
            "POST", "/_matrix/media/v3/upload", sealed, "application/octet-stream"
        )
        if status != 200:
            raise Refused("upload")
        return {"url": answer["content_uri"], **keys}

    async def download(self, content: Json, most: int) -> bytes | None:
        """The bytes of an attachment, decrypted; None if it is gone or cannot be opened. Errors: TooLarge."""
        file = content.get("file")
        parts = urlsplit(str((file or content).get("url")))
        path = f"/_matrix/client/v1/media/download/{quote(parts.netloc, safe='')}/{quote(parts.path.strip('/'), safe='')}"
        try:
            answer = await self._nio.send("GET", path, None, self._headers(), None, REQUEST_TIMEOUT)
            async with answer:
                if answer.status != 200:
                    return None
                if (answer.content_length or 0) > most:
                    raise TooLarge
                raw: bytes = await answer.content.read(most + 1)
                while len(raw) <= most and not answer.content.at_eof():
                    raw += await answer.content.read(most + 1 - len(raw))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable from error
        if len(raw) > most:
            raise TooLarge
        return _opened(raw, file) if file else raw

    async def typing(self, room_id: str, on: bool) -> None:
        await self._guarded(self._nio.room_typing(room_id, on, 15_000))

    async def read(self, room_id: str, event_id: str) -> None:
        """Show that we have read up to an event."""
        await self._guarded(self._nio.room_read_markers(room_id, event_id, event_id))

    async def close(self) -> None:
        if self._signed_in:
            await self._nio.close()

    # -- raw calls ---------------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._nio.access_token}"}

    async def _call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        data = None if body is None else json.dumps(body)
        return await self._request(method, API + path, data, "application/json")

    async def _request(self, method: str, path: str, data: str | bytes | None, kind: str) -> tuple[int, Json]:
        headers = {**self._headers(), "Content-Type": kind}
        try:
            async with await self._nio.send(method, path, data, headers, None, REQUEST_TIMEOUT) as answer:
                if answer.status == 429 or answer.status >= 500:
                    raise Unreachable
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable from error

    async def _guarded(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except (aiohttp.ClientError, TimeoutError, nio.SendRetryError) as error:
            raise Unreachable from error
        except nio.LocalProtocolError as error:
            raise Forbidden from error


def _check(answer: Any) -> None:
    """Raise what an error response means."""
    if not isinstance(answer, nio.ErrorResponse):
        return
    code = answer.status_code
    if code in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"):
        raise SignedOut(soft=answer.soft_logout)
    if code == "M_LIMIT_EXCEEDED":
        raise Busy((answer.retry_after_ms or 5000) / 1000)
    if code in ("M_FORBIDDEN", "M_NOT_FOUND"):
        raise Forbidden(code)
    if code is None or code == "M_UNKNOWN":
        raise Unreachable(code)
    raise Refused(code)


def _event(event: Any) -> RoomEvent:
    source: Json = event.source
    content = source.get("content")
    content = content if isinstance(content, dict) else {}
    decrypted = bool(getattr(event, "decrypted", False))
    redacts = source.get("redacts") or content.get("redacts")
    return RoomEvent(
        id=str(source.get("event_id", "")),
        sender=str(source.get("sender", "")),
        type=str(source.get("type", "")),
        content=content,
        # State is never encrypted: what pretends to be is somebody's text.
        state_key=None if decrypted else source.get("state_key"),
        redacts=redacts if isinstance(redacts, str) else None,
        blind=isinstance(event, nio.MegolmEvent)
        or (not decrypted and source.get("type") == "m.room.encrypted"),
    )


def _opened(sealed: bytes, file: Json) -> bytes | None:
    try:
        return bytes(decrypt_attachment(sealed, file["key"]["k"], file["hashes"]["sha256"], file["iv"]))
    except (KeyError, TypeError, ValueError, nio.EncryptionError):
        return None
