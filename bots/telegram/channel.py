"""Sends outbox rows to private chats of Telegram, within its limits."""

import asyncio
import logging
from collections import OrderedDict
from datetime import timedelta

from telegram import Bot, InputFile, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bots.telegram.limiter import Limiter
from bots.telegram.translate import NAME, Call, Words, render
from bots.telegram.transport import Transport
from conversation.ports import Blocked, Outgoing, RetryLater, Undeliverable
from foundation.errors import FoyerError

logger = logging.getLogger(__name__)

POLL_SECONDS = 25
SHORT_WAIT = 0.3
"""Seconds worth waiting for with the message in hand; a longer pause puts it back into the outbox."""
REPAIR_PAUSE = 300.0
GONE = ("chat not found", "user is deactivated", "bot was blocked", "peer_id_invalid")
MOST_UNFINISHED = 1000


class Away(FoyerError):
    """Telegram does not answer us just now."""

    status = 503
    key = "join.away"


def open_bot(token: str, api: str) -> Bot:
    """A bot of the Bot API server at `api` ("https://api.telegram.org"). Opens no connection yet."""
    root = api.rstrip("/")
    return Bot(
        token,
        base_url=f"{root}/bot",
        base_file_url=f"{root}/file/bot",
        request=Transport(),
        get_updates_request=Transport(read_timeout=POLL_SECONDS + 10.0, connections=1),
    )


async def close_bot(bot: Bot) -> None:
    """Close its connections, the long poll's too."""
    for transport in bot._request:  # PTB's own shutdown does nothing for a bot that was not initialised
        await transport.shutdown()


class TelegramChannel:
    """Implements conversation.ports.Channel. Telegram can read along, so it is not private."""

    name = NAME
    private = False

    def __init__(self, bot: Bot, limiter: Limiter) -> None:
        self.bot = bot
        self._limiter = limiter
        self._done: OrderedDict[str, int] = OrderedDict()
        self._username: str | None = None

    async def send(self, outgoing: Outgoing) -> str | None:
        """Send all parts; a message that was put back goes on with the part that failed."""
        last = None
        for number, call in enumerate(render(outgoing)):
            if number >= self._done.get(outgoing.key, 0):
                last = await self._send(outgoing.address, call)
                self._remember(outgoing.key, number + 1)
        self._done.pop(outgoing.key, None)
        return str(last) if last is not None else None

    async def username(self) -> str:
        """The bot's public name, without @; asked for once. Errors: Away."""
        if self._username is None:
            try:
                self._username = (await self.bot.get_me()).username or ""
            except TelegramError as error:
                raise Away from error
        return self._username

    async def close(self) -> None:
        await close_bot(self.bot)

    async def _send(self, chat: str, call: Call) -> int:
        wait = self._limiter.take(chat)
        if wait > SHORT_WAIT:
            raise RetryLater(wait)
        if wait:
            await asyncio.sleep(wait)
        try:
            return await self._call(int(chat), call)
        except TelegramError as error:
            raise self._verdict(chat, error) from None

    async def _call(self, chat: int, call: Call) -> int:
        if isinstance(call, Words):
            sent = await self.bot.send_message(
                chat,
                call.html,
                parse_mode=ParseMode.HTML,
                reply_markup=call.keyboard,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        else:
            sent = await self.bot.send_document(chat, InputFile(call.data, filename=call.name))
        return sent.message_id

    def _verdict(self, chat: str, error: TelegramError) -> Exception:
        """What an error means for this message. An error's words may hold the message, so only its kind is logged."""
        if isinstance(error, RetryAfter):
            seconds = _seconds(error.retry_after)
            self._limiter.pause(chat, seconds)
            return RetryLater(seconds)
        if isinstance(error, Forbidden) or any(word in error.message.lower() for word in GONE):
            return Blocked()
        if isinstance(error, InvalidToken):
            logger.error("telegram: the token is refused; check FOYER_TELEGRAM_TOKEN")
            return RetryLater(REPAIR_PAUSE)
        if isinstance(error, BadRequest | ChatMigrated):
            logger.error("telegram: a message was refused as malformed")
            return Undeliverable()
        logger.warning("telegram: %s", type(error).__name__)
        return RetryLater() if isinstance(error, NetworkError) else Undeliverable()

    def _remember(self, key: str, parts: int) -> None:
        self._done[key] = parts
        if len(self._done) > MOST_UNFINISHED:
            self._done.popitem(last=False)


def _seconds(pause: int | timedelta) -> float:
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)
