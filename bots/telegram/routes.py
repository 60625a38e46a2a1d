"""The webhook: Telegram calls us. The secret is compared, the update written down, and then answered."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from telegram import Update

from bots.telegram.intake import UPDATES, Intake
from bots.telegram.presence import introduce
from foundation.errors import NotAllowed

PATH = "/telegram/updates"


@dataclass(frozen=True)
class Webhook:
    """`secret` is what Telegram sends with each call since `register` told it."""

    intake: Intake
    secret: str

    async def register(self, public_url: str, languages: tuple[str, ...]) -> None:
        """Let Telegram call us from now on; only once we listen. What waits there is kept. Errors: TelegramError."""
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
