"""The office with Telegram switched on, without processes."""

import secrets
from typing import Any

from sqlalchemy import select

from bots.telegram.channel import TelegramChannel, open_bot
from bots.telegram.intake import Intake
from bots.telegram.limiter import Limiter
from conversation.models import File, Message
from conversation.ports import Outgoing
from conversation.reply import Body
from foundation.files import DatabaseFiles
from tests.doubles.telegram.server import TOKEN, Telegram
from tests.support.talk import Office


class Telegraphist:
    """`work` takes and answers what has come."""

    def __init__(self, office: Office, telegram: Telegram) -> None:
        self.office, self.telegram = office, telegram
        self.bot = open_bot(TOKEN, telegram.url)
        self.channel = TelegramChannel(self.bot, Limiter(lambda: 0.0))
        house = office.house
        assert isinstance(house.channels, dict)
        house.channels["telegram"] = self.channel
        self.intake = Intake(self.bot, house.database, house.conversations, office.city_id)
        self.offset: int | None = None

    async def work(self) -> None:
        """One poll without waiting, then every turn and delivery."""
        updates = await self.bot.get_updates(offset=self.offset, timeout=0)
        for update in updates:
            await self.intake.take(update)
            self.offset = update.update_id + 1
        self.channel._limiter = Limiter(lambda: 0.0)  # a test does not wait for a second to pass
        await self.office.work()

    async def outgoing(self, body: Body, chat: int = 1, key: str = "") -> Outgoing:
        return Outgoing(key or secrets.token_hex(8), str(chat), "bot", "en", body, 1)

    async def files(self) -> list[tuple[str, bytes]]:
        """Name and content of what is kept, oldest first."""
        vault = self.office.house.conversations.vault
        async with self.office.house.database.city(self.office.city_id) as session:
            rows = await session.scalars(select(File).join(Message).order_by(Message.seq))
            return [
                (
                    (await vault.open(session, f"file.about:{row.id}", row.about))["name"],
                    await DatabaseFiles(vault).get(session, row.id),
                )
                for row in rows
            ]

    async def rows(self, query: Any) -> list[Any]:
        async with self.office.house.database.city(self.office.city_id) as session:
            return list(await session.scalars(query))
