"""`foyer bot matrix`: the process that holds the office's Matrix account; one at a time, by an advisory lock."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from bots.matrix.account import Account, Accounts
from bots.matrix.bot import MatrixBot
from bots.matrix.channel import MatrixChannel
from bots.matrix.client import MatrixClient
from bots.matrix.notes import Notes
from bots.telegram.channel import close_bot, open_bot
from bots.telegram.intake import Intake
from bots.telegram.poll import Poll
from conversation.delivery import Delivery
from foundation.errors import OperatorError
from foundation.live import Hub
from foyer.wiring import House
from foyer.worker import deliver

logger = logging.getLogger(__name__)

LOOK_AGAIN = 2.0


async def matrix(house: House) -> None:
    """Hear and deliver for the account until cancelled. Errors: OperatorError."""
    user = house.settings.matrix_user
    if not house.settings.matrix_homeserver or user is None:
        raise OperatorError("Matrix is not switched on: set FOYER_MATRIX_HOMESERVER and FOYER_MATRIX_USER.")
    async with only_one(house, f"matrix {user}") as held:
        bot, account = await matrix_bot(house, user)
        try:
            async with Hub(house.database) as hub, asyncio.TaskGroup() as group:
                group.create_task(_still_held(held), name="matrix lock")
                group.create_task(bot.run(account), name="matrix bot")
                group.create_task(_deliver(house, hub, bot), name="matrix delivery")
        except* OperatorError as errors:
            raise errors.exceptions[0] from None
        finally:
            await bot.client.close()


async def telegram(house: House) -> None:
    """Ask Telegram for updates until cancelled; the workers deliver. Errors: OperatorError."""
    settings = house.settings
    if settings.telegram_token is None:
        raise OperatorError("Telegram is not switched on: set FOYER_TELEGRAM_TOKEN.")
    if settings.telegram_by_webhook:
        raise OperatorError("Telegram calls us by webhook; unset FOYER_TELEGRAM_SECRET to poll instead.")
    bot = open_bot(settings.telegram_token.get_secret_value(), settings.telegram_api)
    intake = Intake(bot, house.database, house.conversations, await house.city_id())
    try:
        async with only_one(house, f"telegram {intake.bot_id}") as held, asyncio.TaskGroup() as group:
            group.create_task(_still_held(held), name="telegram lock")
            group.create_task(Poll(bot, intake, house.content.city.languages).run(), name="telegram poll")
    except* OperatorError as errors:
        raise errors.exceptions[0] from None
    finally:
        await close_bot(bot)


async def matrix_bot(house: House, user: str) -> tuple[MatrixBot, Account]:
    """The bot with all it works with, and the account as it was when an earlier life ended."""
    settings, city_id = house.settings, await house.city_id()
    store = settings.matrix_store or settings.data_dir / "matrix"
    client = MatrixClient(settings.matrix_homeserver or "", store, house.vault.passphrase("matrix store"))
    accounts = Accounts(house.database, house.vault, house.clock, city_id)
    account = await accounts.load(user)
    if account.token is None and settings.matrix_token:
        account.token = settings.matrix_token.get_secret_value()
    notes = Notes(house.database, house.conversations, city_id, client)
    bot = MatrixBot(
        database=house.database,
        conversations=house.conversations,
        catalogue=house.catalogue,
        clock=house.clock,
        city_id=city_id,
        client=client,
        accounts=accounts,
        notes=notes,
        channel=MatrixChannel(client, notes, house.catalogue),
        password=settings.matrix_password.get_secret_value() if settings.matrix_password else None,
    )
    return bot, account


async def _deliver(house: House, hub: Hub, bot: MatrixBot) -> None:
    """Deliver once the rooms are known."""
    await bot.ready.wait()
    await deliver(house, hub, Delivery(house.database, house.conversations, {bot.channel.name: bot.channel}))


@asynccontextmanager
async def only_one(house: House, name: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Wait until no other process holds `name`, and hold it; a process that dies lets go at once."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    async with await house.database.connect() as connection:
        told = False
        while not await _taken(connection, number):
            if not told:
                logger.info("%s: another process holds this account, waiting for it", name)
                told = True
            await asyncio.sleep(LOOK_AGAIN)
        yield connection


async def _taken(connection: psycopg.AsyncConnection[Any], number: int) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (number,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _still_held(connection: psycopg.AsyncConnection[Any]) -> None:
    """Fail as soon as the lock is lost with its connection: two processes must not share one encryption store."""
    while True:
        await connection.execute("SELECT 1")
        await asyncio.sleep(LOOK_AGAIN)
