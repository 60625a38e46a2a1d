"""The webhook: Telegram calls us. The secret is compared, the update written down, and then answered."""

import asyncio
import hmac
import logging
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from telegram import Update
from telegram.error import TelegramError

from bots.telegram.intake import UPDATES, Intake
from bots.telegram.presence import introduce
from foundation.errors import NotAllowed

logger = logging.getLogger(__name__)

PATH = "/telegram/updates"
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 60.0


@dataclass(frozen=True)
class Webhook:
    """`secret` is what Telegram sends with each call since `register` told it."""

    intake: Intake
    secret: str

    async def register(self, public_url: str, languages: tuple[str, ...]) -> None:
        """Let Telegram call us from now on; tried until it has heard. What waits there is kept."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._register(public_url, languages)
            except TelegramError as error:
                logger.warning("telegram: the webhook is not set yet (%s)", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _register(self, public_url: str, languages: tuple[str, ...]) -> None:
        await self.intake.bot.set_webhook(
            public_url.rstrip("/") + PATH,
            secret_token=self.secret,
            allowed_updates=UPDATES,
            drop_pending_updates=False,
        )
        await introduce(self.intake.bot, self.intake.conversations.catalogue, languages)


def router(webhook: Webhook) -> APIRouter:
    """POST /telegram/updates. An error makes Telegram call again."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(PATH, name="telegram_updates")
    async def take(
        update: Annotated[dict[str, Any], Body()],
        secret: Annotated[str, Header(alias="X-Telegram-Bot-Api-Secret-Token")] = "",
    ) -> dict[str, bool]:
        if not hmac.compare_digest(secret.encode(), webhook.secret.encode()):
            raise NotAllowed
        await webhook.intake.take(Update.de_json(update, webhook.intake.bot))
        return {"ok": True}

    return routes
