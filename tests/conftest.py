"""What every test may ask for: a real PostgreSQL with a fresh database, a clock that stands still, a city."""

import base64
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser
from psycopg import sql

from foundation.clock import FixedClock
from foundation.crypto import Vault
from foundation.db import Database
from foundation.settings import Settings
from foyer.migrations import migrate
from foyer.seed import seed
from foyer.wiring import build
from tests.doubles.stripe.server import StripeDouble, running_stripe
from tests.doubles.telegram.server import Telegram, running_telegram
from tests.support.app import App
from tests.support.browser import DESKTOP, PHONE, Visitor, running_browser, visiting
from tests.support.factory import Factory, SampleCity, sample_city
from tests.support.moments import MONDAY
from tests.support.planted import leaks_by_mail, leaks_to_telegram
from tests.support.postgres import Cluster, running_cluster
from tests.support.smtp import Mailbox, running_smtp
from tests.support.synapse import Synapse, running_synapse
from tests.support.talk import Office

pytest_plugins = ["tests.promises.plugin"]

MASTER_KEY = bytes(range(32))

# The installation on this machine must not reach into a test.
for name in [name for name in os.environ if name.startswith("FOYER_") or name == "DATABASE_URL"]:
    del os.environ[name]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL for the whole run."""
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """The name of a migrated, empty database from which each test's own is copied."""
    with cluster.connect() as connection:
        connection.execute("CREATE DATABASE foyer_template")
    migrate(cluster.url("foyer_template"))
    return "foyer_template"


@pytest.fixture
def database_url(cluster: Cluster, template: str) -> Iterator[str]:
    """The address of this test's own migrated database; it is gone after the test."""
    name = f"t_{secrets.token_hex(6)}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with cluster.connect() as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
        yield cluster.url(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def vault() -> Vault:
    return Vault(MASTER_KEY)


@pytest.fixture
def clock() -> FixedClock:
    """Monday 19 October 2026, 09:30 in Heidelberg."""
    return FixedClock(MONDAY)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a test installation: own database, own data directory, no mail server."""
    return Settings(
        _env_file=None,
        database_url=database_url,
        data_dir=tmp_path / "data",
        master_key=base64.b64encode(MASTER_KEY).decode(),
        master_key_file=tmp_path / "master.key",
    )


@pytest.fixture
async def city(database: Database) -> SampleCity:
    """Heidelberg with its office and two clerks."""
    return await sample_city(database)


@pytest.fixture
def make(vault: Vault, clock: FixedClock, city: SampleCity) -> Factory:
    """Makes people, conversations and cases of `city`."""
    return Factory(vault, clock, city)


@pytest.fixture
async def talk_office(settings: Settings, database_url: str, clock: FixedClock) -> AsyncIterator[Office]:
    """The house without processes: turns and deliveries run when the test says so, on a clock that stands still."""
    house = build(settings, database_url, clock=clock)
    await seed(house)
    yield Office(house, await house.city_id())
    await house.database.close()


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mail server that keeps all it is given."""
    with running_smtp() as mailbox:
        yield mailbox
    assert leaks_by_mail(mailbox) == []


@pytest.fixture
def app_settings() -> dict[str, str]:
    """More environment for the processes of `app`; a test module may override it."""
    return {}


@pytest.fixture
async def app(
    database_url: str, smtp: Mailbox, tmp_path: Path, app_settings: dict[str, str]
) -> AsyncIterator[App]:
    """Foyer as processes, already serving, on Monday 19 October 2026, 09:30 in Heidelberg."""
    running = App(tmp_path / "app", database_url, MONDAY, smtp.url, MASTER_KEY, app_settings)
    try:
        await running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    """Telegram on the loopback. At the end it must have nothing to say against any request, and hold no secret."""
    async with running_telegram() as double:
        yield double
        assert double.violations == []
        assert leaks_to_telegram(double) == []


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    """Stripe on the loopback."""
    async with running_stripe() as double:
        yield double


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """One Matrix homeserver for the run; every test makes its own accounts."""
    with running_synapse(tmp_path_factory.mktemp("synapse")) as running:
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the run; every visitor has a profile of their own."""
    async with running_browser() as running:
        yield running


@pytest.fixture
async def phone(browser: Browser, app: App) -> AsyncIterator[Visitor]:
    """An Arabic speaker's phone in Manila."""
    async with visiting(browser, app.url, PHONE) as visitor:
        yield visitor


@pytest.fixture
async def desktop(browser: Browser, app: App) -> AsyncIterator[Visitor]:
    """A German clerk's desktop."""
    async with visiting(browser, app.url, DESKTOP) as visitor:
        yield visitor
