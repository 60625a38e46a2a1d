"""What is done with one update: written down first, then the small courtesies that Telegram expects."""

import logging
import uuid
from dataclasses import dataclass, replace

from telegram import Bot, Chat, ChatMember, ChatMemberUpdated, Message, Update
from telegram.constants import ChatType
from telegram.error import TelegramError

from bots.telegram.translate import LARGEST_FILE, NAME, file_of, to_inbound
from conversation.incoming import REFUSED, sifted
from conversation.ports import Inbound
from conversation.reply import OFFICE_LANGUAGE, Attachment
from conversation.service import Conversations
from foundation.db import Database
from foundation.faults import reached
from foundation.i18n import Text

logger = logging.getLogger(__name__)

UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"]
"""What we ask Telegram for."""
TRIES = 2


@dataclass(frozen=True)
class Intake:
    """Takes updates, from the poll and from the webhook alike. The same update twice changes nothing."""

    bot: Bot
    database: Database
    conversations: Conversations
    city_id: uuid.UUID

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token: update ids are counted for each bot."""
        return int(self.bot.token.partition(":")[0])

    async def take(self, update: Update) -> None:
        """Returns when the update is safe. Errors: those of the database."""
        if update.my_chat_member is not None:
            return await self._membership(update.my_chat_member)
        if (chat := update.effective_chat) is not None and chat.type != ChatType.PRIVATE:
            return await self._leave(chat)
        inbound = to_inbound(update, self.bot_id)
        if inbound is not None:
            inbound = await sifted(await self._with_file(inbound, update.effective_message))
            async with self.database.city(self.city_id) as session:
                await self.conversations.receive(session, self.city_id, inbound)
            reached("inbox.stored")
            await self._acknowledge(update, inbound)

    async def _with_file(self, inbound: Inbound, message: Message | None) -> Inbound:
        """The same with the file's content. One that cannot be had is left out: the answer says so."""
        sent = file_of(message) if inbound.kind == "file" and isinstance(message, Message) else None
        if sent is None:
            return inbound
        if sent.size > LARGEST_FILE:
            return replace(inbound, kind=REFUSED)
        for _ in range(TRIES):
            try:
                file = await self.bot.get_file(sent.file_id)
                content = bytes(await file.download_as_bytearray())
            except TelegramError as error:
                logger.warning("telegram: a file did not come (%s)", type(error).__name__)
            else:
                return replace(inbound, files=(Attachment(sent.name, sent.media_type, content),))
        return replace(inbound, kind=REFUSED)

    async def _acknowledge(self, update: Update, inbound: Inbound) -> None:
        """Stop the button's clock; take a paper out of the chat. Neither is worth losing an update for."""
        try:
            if update.callback_query is not None:
                await self.bot.answer_callback_query(update.callback_query.id)
            if inbound.kind in ("file", REFUSED) and update.effective_message is not None:
                await self.bot.delete_message(int(inbound.address), update.effective_message.message_id)
        except TelegramError as error:
            logger.info("telegram: a courtesy failed (%s)", type(error).__name__)

    async def _membership(self, change: ChatMemberUpdated) -> None:
        """Somebody blocked or unblocked us, or put us into a group."""
        now = change.new_chat_member.status
        if change.chat.type == ChatType.PRIVATE:
            async with self.database.city(self.city_id) as session:
                await self.conversations.set_blocked(
                    session, NAME, str(change.chat.id), blocked=now == ChatMember.BANNED
                )
        elif now not in (ChatMember.LEFT, ChatMember.BANNED):
            await self._leave(change.chat)

    async def _leave(self, chat: Chat) -> None:
        """Groups and channels: what is talked about here concerns one person."""
        words = self.conversations.catalogue.render(Text("telegram.no_groups"), OFFICE_LANGUAGE)
        try:
            if chat.type != ChatType.CHANNEL:
                await self.bot.send_message(chat.id, words)
            await self.bot.leave_chat(chat.id)
        except TelegramError as error:
            logger.info("telegram: could not leave a group properly (%s)", type(error).__name__)
