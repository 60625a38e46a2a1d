"""What was deleted is unreadable in every old dump: with the real pg_dump, restored into another database."""

import secrets
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from foundation.crypto import Forgotten, Vault
from foundation.db import Database
from foundation.errors import OperatorError
from foundation.postgres import Binaries
from foundation.settings import Settings
from foyer.backup import Tools, backup, restore
from tests.promises.plugin import Promise
from tests.support.factory import Factory, SampleCity
from tests.support.postgres import Cluster

WORDS = "Ayşe Yıldırım, geboren am 12.04.1988"
PLACE = "case.summary:"
LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def tools() -> Tools:
    shipped = Binaries.shipped()
    return Tools(shipped.program("pg_dump"), shipped.program("pg_restore"), shipped.program("psql"))


@pytest.fixture
def other_url(cluster: Cluster) -> Iterator[str]:
    """An empty database, as on a new machine."""
    name = sql.Identifier(f"r_{secrets.token_hex(6)}")
    with cluster.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield cluster.url(name.as_string().strip('"'))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
async def planted(database: Database, city: SampleCity, make: Factory, vault: Vault) -> list[bytes]:
    """Two cases whose summaries hold a citizen's words; the ids of the cases in order."""
    planted = []
    async with database.city(city.id) as session:
        await vault.check_master(session)
        for _ in range(2):
            case = await make.case(session)
            case.summary = await vault.seal(session, case.key_id, PLACE + str(case.id), WORDS)
            planted.append(case.id.bytes)
    return planted


async def read(url: str, vault: Vault, case_id: bytes) -> str:
    """The words of a case as the database at `url` gives them. Errors: Forgotten."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            'SELECT id::text, summary FROM "case" WHERE uuid_send(id) = %s', [case_id]
        ).fetchone()
    assert row is not None
    opened = Database(url)
    try:
        async with opened.every_city() as session:
            words: str = await vault.open(session, PLACE + row[0], row[1])
            return words
    finally:
        await opened.close()


@pytest.mark.promise("privacy.at-rest")
async def test_a_deleted_case_is_unreadable_in_an_old_dump(
    database: Database,
    database_url: str,
    other_url: str,
    planted: list[bytes],
    city: SampleCity,
    vault: Vault,
    settings: Settings,
    tools: Tools,
    tmp_path: Path,
    promise: Promise,
) -> None:
    old = backup(database_url, tmp_path, tools)
    early_keys = old.keyring.read_bytes()
    async with database.city(city.id) as session:
        await vault.destroy_keys(session, UUID(bytes=planted[0]))
    new = backup(database_url, tmp_path, tools, now=LATER)

    restore(other_url, old.dump, new.keyring, tools, settings)

    assert await read(other_url, vault, planted[1]) == WORDS
    with pytest.raises(Forgotten):
        await read(other_url, vault, planted[0])
    assert all(WORDS.encode() not in path.read_bytes() for path in (old.dump, new.dump, new.keyring))
    assert early_keys != new.keyring.read_bytes()
    promise.figure(1, "deleted case unreadable in the dump taken before")


@pytest.mark.usefixtures("planted")
def test_no_key_is_in_a_dump(database_url: str, tools: Tools, tmp_path: Path) -> None:
    made = backup(database_url, tmp_path, tools)
    with psycopg.connect(database_url) as connection:
        keys = [row[0] for row in connection.execute("SELECT wrapped FROM keyring.data_key")]
    script = tmp_path / "plain.sql"
    subprocess.run([tools.pg_restore, f"--file={script}", made.dump], check=True)
    assert keys
    assert all(key.hex() not in script.read_text() for key in keys)
    assert {path.name for path in tmp_path.iterdir()} == {
        made.dump.name,
        f"{made.dump.name}.sha256",
        "keyring.sealed",
        "plain.sql",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in (made.dump, made.keyring))


async def test_a_database_with_data_is_not_overwritten_unasked(
    database_url: str, planted: list[bytes], settings: Settings, tools: Tools, tmp_path: Path, vault: Vault
) -> None:
    made = backup(database_url, tmp_path, tools)
    with pytest.raises(OperatorError, match="--replace"):
        restore(database_url, made.dump, made.keyring, tools, settings)
    restore(database_url, made.dump, made.keyring, tools, settings, replace=True)
    assert await read(database_url, vault, planted[0]) == WORDS


async def test_a_broken_dump_leaves_what_was_there(
    database_url: str, planted: list[bytes], settings: Settings, tools: Tools, tmp_path: Path, vault: Vault
) -> None:
    made = backup(database_url, tmp_path, tools)
    whole = made.dump.read_bytes()
    made.dump.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(OperatorError, match="cut or changed"):
        restore(database_url, made.dump, made.keyring, tools, settings, replace=True)
    assert await read(database_url, vault, planted[0]) == WORDS


@pytest.mark.usefixtures("planted")
def test_another_master_key_is_refused(
    database_url: str, settings: Settings, tools: Tools, tmp_path: Path
) -> None:
    made = backup(database_url, tmp_path, tools)
    stranger = Settings(_env_file=None, data_dir=tmp_path / "d", master_key_file=tmp_path / "other.key")
    with pytest.raises(OperatorError, match="another master key"):
        restore(database_url, made.dump, made.keyring, tools, stranger, replace=True)
