"""Backup in two parts: dumps that hold no key, and one file with the latest wrapped keys.

`foyer-<time>.dump` are pg_dump archives without the rows of the schema `keyring`; any number of them may
be kept; the `.sha256` beside each tells a whole dump from a cut one (pg_restore does not always). `keyring.sealed` is overwritten each time: what was deleted has no key in it any more, so it
stays unreadable in the oldest dump, too. The keys in it are wrapped by the master key, which is in neither.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from foundation import postgres
from foundation.crypto import Vault
from foundation.errors import OperatorError
from foundation.settings import Settings
from foyer.migrations import migrate

KEYRING = "keyring.sealed"
FORMAT = 1


@dataclass(frozen=True)
class Backup:
    """The two files that one backup leaves."""

    dump: Path
    keyring: Path


@dataclass(frozen=True)
class Tools:
    """PostgreSQL's own programs for dumps."""

    pg_dump: Path
    pg_restore: Path
    psql: Path


def tools(settings: Settings) -> Tools:
    """The shipped programs for the own database; for DATABASE_URL those of the machine, whose version must fit."""
    names = ("pg_dump", "pg_restore", "psql")
    if settings.database_url is None:
        shipped = postgres.Binaries.shipped()
        return Tools(*(shipped.program(name) for name in names))
    found = [shutil.which(name) for name in names]
    if None in found:
        raise OperatorError(
            "pg_dump, pg_restore and psql are needed for DATABASE_URL. Run: apt-get install postgresql-client"
        )
    return Tools(*(Path(str(path)) for path in found))


def backup(url: str, directory: Path, using: Tools, *, now: datetime | None = None) -> Backup:
    """Write a dump, then the keyring, which is never older than the dump. Errors: OperatorError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    target = directory / f"foyer-{moment}.dump"
    unfinished = directory / f".{target.name}.new"
    with open(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        what = ["--format=custom", "--no-owner", "--no-privileges", "--exclude-table-data=keyring.*"]
        _call([using.pg_dump, *what, _plain(url)], stdout=file)
        os.fsync(file.fileno())
    _checksum_file(target).write_text(f"{_digest(unfinished)}  {target.name}\n")
    unfinished.replace(target)
    _write_keyring(url, directory / KEYRING)
    _sync(directory)
    return Backup(target, directory / KEYRING)


def restore(
    url: str, dump: Path, keyring: Path, using: Tools, settings: Settings, *, replace: bool = False
) -> None:
    """Bring a dump back with the latest keys, all or nothing, and to this version's schema.

    Errors: OperatorError when a file cannot be used, the master key does not fit, or the database is not
    empty and `replace` was not said.
    """
    _check_whole(dump)
    keys = _read_keyring(keyring, Vault(settings.master_secret).fingerprint)
    if not replace and _holds_something(url):
        raise OperatorError("The database holds data. To throw it away, say: foyer restore … --replace")
    with tempfile.TemporaryDirectory(prefix="foyer-restore-") as scratch:
        script = Path(scratch) / "restore.sql"
        _call([using.pg_restore, "--no-owner", "--no-privileges", f"--file={script}", str(dump)])
        # One transaction, so that a failure leaves what was there.
        empty = "DROP SCHEMA IF EXISTS keyring CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        options = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _call(
            [using.psql, *options, f"--command={empty}", f"--file={script}", _plain(url)],
            stdout=subprocess.DEVNULL,
        )
    _put_keys(url, keys)
    migrate(url)


def _check_whole(dump: Path) -> None:
    try:
        noted = _checksum_file(dump).read_text().split()[0]
        whole = noted == _digest(dump)
    except (OSError, IndexError) as error:
        raise OperatorError(f"{dump} and {_checksum_file(dump).name} beside it are both needed.") from error
    if not whole:
        raise OperatorError(
            f"{dump} is not what was written at the backup: it was cut or changed. Copy it again."
        )


def _checksum_file(dump: Path) -> Path:
    """As `sha256sum` writes and checks it."""
    return dump.with_name(f"{dump.name}.sha256")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_keyring(url: str, path: Path) -> None:
    with psycopg.connect(_plain(url)) as connection:
        marks = connection.execute("SELECT fingerprint FROM keyring.master_mark").fetchall()
        rows = connection.execute(
            "SELECT id, city_id, owner_kind, owner_id, wrapped, created_at FROM keyring.data_key ORDER BY id"
        ).fetchall()
    content = {
        "format": FORMAT,
        "masters": [mark for (mark,) in marks],
        "keys": [_to_json(row) for row in rows],
    }
    unfinished = path.with_name(f".{path.name}.new")
    with open(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _to_json(row: Sequence[Any]) -> list[str]:
    key_id, city_id, kind, owner_id, wrapped, created_at = row
    packed = base64.b64encode(wrapped).decode()
    return [str(key_id), str(city_id), kind, str(owner_id), packed, created_at.isoformat()]


def _read_keyring(path: Path, fingerprint: str) -> Mapping[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        known = content["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(f"{path} cannot be read as a keyring of Foyer.") from error
    if not known:
        raise OperatorError(f"{path} was written by a newer Foyer.")
    if content["masters"] not in ([], [fingerprint]):
        raise OperatorError(
            f"{path} belongs to another master key, so nothing personal could be read. "
            "Set FOYER_MASTER_KEY or FOYER_MASTER_KEY_FILE to the key of that installation."
        )
    return content


def _put_keys(url: str, content: Mapping[str, Any]) -> None:
    """Only these keys, whatever the dump held; those of cities that the dump does not know are left out."""
    into_marks: LiteralString = "INSERT INTO keyring.master_mark VALUES (%s)"
    into_keys: LiteralString = (
        "INSERT INTO keyring.data_key (id, city_id, owner_kind, owner_id, wrapped, created_at)"
        " SELECT %s, %s, %s, %s, %s, %s WHERE EXISTS (SELECT 1 FROM city WHERE id = %s)"
    )
    with psycopg.connect(_plain(url)) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE keyring.data_key, keyring.master_mark")
        cursor.executemany(into_marks, [(mark,) for mark in content["masters"]])
        cursor.executemany(into_keys, [_from_json(row) for row in content["keys"]])


def _from_json(row: Sequence[str]) -> tuple[Any, ...]:
    key_id, city_id, kind, owner_id, packed, created_at = row
    city = uuid.UUID(city_id)
    wrapped = base64.b64decode(packed, validate=True)
    return (
        uuid.UUID(key_id),
        city,
        kind,
        uuid.UUID(owner_id),
        wrapped,
        datetime.fromisoformat(created_at),
        city,
    )


def _holds_something(url: str) -> bool:
    with psycopg.connect(_plain(url)) as connection:
        if connection.execute("SELECT to_regclass('public.city')").fetchone() == (None,):
            return False
        return connection.execute(sql.SQL("SELECT 1 FROM city LIMIT 1")).fetchone() is not None


def _call(arguments: Sequence[str | Path], *, stdout: Any = None) -> None:
    done = subprocess.run([str(part) for part in arguments], stdout=stdout, stderr=subprocess.PIPE, text=True)  # noqa: S603 - PostgreSQL's own programs
    if done.returncode:
        raise OperatorError(f"{Path(arguments[0]).name} failed:\n{done.stderr.strip()}")


def _plain(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1)


def _sync(directory: Path) -> None:
    """Make the new names last over a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
