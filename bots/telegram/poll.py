"""Asks Telegram for updates. An update is confirmed (by the next call's offset) only when it is in the inbox."""

import asyncio
import logging
import warnings
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.warnings import PTBUserWarning

from bots.telegram.channel import POLL_SECONDS
from bots.telegram.intake import UPDATES, Intake
from bots.telegram.presence import introduce
from foundation.errors import OperatorError, where
from foundation.faults import reached

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
CONFLICT_PAUSE = 5.0
MOST_TRIES = 3
"""After so many failures an update is passed over, so that one that we cannot digest holds up nobody."""


@dataclass(frozen=True)
class Poll:
    """The loop of the one process that polls."""

    bot: Bot
    intake: Intake
    languages: Sequence[str]
    seconds: int = POLL_SECONDS

    async def run(self) -> None:
        """Until cancelled. Errors: OperatorError where the token is refused."""
        await self._patiently(self._introduce)
        offset: int | None = None
        while True:
            found = await self._patiently(partial(self._fetch, offset))
            if found:
                reached("poll.fetched")
                await self._take_all([update for raw in found if (update := self._read(raw))])
                offset = int(found[-1]["update_id"]) + 1

    async def _introduce(self) -> None:
        # What is already waiting at Telegram is kept: people wrote it.
        await self.bot.delete_webhook(drop_pending_updates=False)
        await introduce(self.bot, self.intake.conversations.catalogue, self.languages)

    async def _fetch(self, offset: int | None) -> list[dict[str, Any]]:
        """Raw updates: `Bot.get_updates` would fail for all of them if it could not read one."""
        wishes = {"offset": offset, "timeout": self.seconds, "allowed_updates": UPDATES}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PTBUserWarning)
            found: list[dict[str, Any]] = await self.bot.do_api_request("getUpdates", wishes)
        return found

    def _read(self, raw: dict[str, Any]) -> Update | None:
        try:
            return Update.de_json(raw, self.bot)
        except Exception as error:
            logger.error("telegram: update %s cannot be read: %s", raw.get("update_id"), where(error))
            return None

    async def _take_all(self, updates: Sequence[Update]) -> None:
        """Each chat's updates in order; a large file in one chat does not hold up the others."""
        chats: dict[int | None, list[Update]] = defaultdict(list)
        for update in updates:
            chats[update.effective_chat.id if update.effective_chat else None].append(update)
        async with asyncio.TaskGroup() as group:
            for own in chats.values():
                group.create_task(self._take_in_order(own))

    async def _take_in_order(self, updates: Sequence[Update]) -> None:
        for update in updates:
            for attempt in range(MOST_TRIES):
                if await self._taken(update):
                    break
                await asyncio.sleep(FIRST_PAUSE * 2**attempt)
            else:
                logger.error("telegram: update %s is passed over", update.update_id)

    async def _taken(self, update: Update) -> bool:
        try:
            await self.intake.take(update)
        except (OSError, OperationalError, InterfaceError):
            raise  # without its database the process begins again; the update is still Telegram's
        except Exception as error:
            logger.error("telegram: update %s failed with %s", update.update_id, where(error))
            return False
        reached("poll.stored")
        return True

    async def _patiently(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Call until Telegram answers. Errors: OperatorError."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await call()
            except InvalidToken:
                raise OperatorError("Telegram refuses the token; check FOYER_TELEGRAM_TOKEN.") from None
            except Conflict:
                logger.warning("telegram: another program polls with this token, trying again")
                pause = max(pause, CONFLICT_PAUSE)
            except TelegramError as error:
                logger.warning("telegram: no updates (%s), trying again", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
