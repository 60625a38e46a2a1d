"""Somebody in Telegram: writes, presses, sends papers, blocks the bot, and reads what their chat shows."""

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.telegram.server import Shown, Telegram

_NUMBERS = itertools.count(100_001)


@dataclass
class Person:
    """A private chat with the bot. `asked` is how many messages there were when the person last did something."""

    telegram: Telegram
    language: str = "en"
    chat: int = field(default_factory=lambda: next(_NUMBERS))
    asked: int = 0
    _sent: int = 0

    @property
    def shown(self) -> list[Shown]:
        """The bot's messages in this chat."""
        return self.telegram.chats[self.chat]

    async def start(self, token: str = "") -> int:
        return await self.say(f"/start {token}".strip())

    async def say(self, text: str) -> int:
        """Write; the update's id."""
        return await self._send({"text": text})

    async def edit(self, text: str) -> int:
        """Change the last message."""
        self.asked = len(self.shown)
        message = self._message({"text": text}) | {"message_id": self._sent, "edit_date": 1}
        return await self.telegram.deliver({"edited_message": message})

    async def press(self, start: str) -> int:
        """Press the newest button whose data or label begins so."""
        for shown in reversed(self.shown):
            for label, data in shown.buttons:
                if data.startswith(start) or label.startswith(start):
                    return await self.press_in(shown, data)
        raise AssertionError(f"no button {start!r}; the chat ends with {self.shown[-2:]}")

    async def press_in(self, shown: Shown, data: str, *, readable: bool = True) -> int:
        """Press a button of a message, which Telegram no longer shows to the bot if not `readable`."""
        self.asked = len(self.shown)
        message = {"message_id": shown.id, "chat": self._chat(), "date": 1 if readable else 0}
        if readable:
            message |= {"text": shown.text, "reply_markup": shown.markup}
        query = {"id": secrets.token_hex(8), "from": self._user(), "chat_instance": "1", "data": data}
        return await self.telegram.deliver({"callback_query": {**query, "message": message}})

    async def send_document(self, name: str, media_type: str, data: bytes, *, size: int | None = None) -> int:
        file_id = f"doc{secrets.token_hex(8)}"
        self.telegram.uploads[file_id] = data
        about = {"file_id": file_id, "file_unique_id": file_id, "file_name": name, "mime_type": media_type}
        return await self._send({"document": {**about, "file_size": size or len(data)}})

    async def send_photo(self, data: bytes, caption: str = "") -> int:
        file_id = f"pic{secrets.token_hex(8)}"
        self.telegram.uploads[file_id] = data
        sizes = [
            {"file_id": f"{file_id}s", "file_unique_id": "s", "width": 90, "height": 60, "file_size": 100}
        ]
        sizes += [
            {"file_id": file_id, "file_unique_id": "l", "width": 900, "height": 600, "file_size": len(data)}
        ]
        return await self._send({"photo": sizes, **({"caption": caption} if caption else {})})

    async def send_other(self, **content: Any) -> int:
        """A sticker, a voice message, a place: whatever `content` says."""
        return await self._send(content)

    async def block(self, *, blocked: bool = True) -> int:
        """Block the bot, or let it write again."""
        (self.telegram.blocked_by.add if blocked else self.telegram.blocked_by.discard)(self.chat)
        before, after = ("member", "kicked") if blocked else ("kicked", "member")
        bot = {"id": 4711001, "is_bot": True, "first_name": "Foyer"}
        change = {"chat": self._chat(), "from": self._user(), "date": 1}
        old: dict[str, Any] = {"user": bot, "status": before, "until_date": 0}
        new: dict[str, Any] = {"user": bot, "status": after, "until_date": 0}
        return await self.telegram.deliver(
            {"my_chat_member": {**change, "old_chat_member": old, "new_chat_member": new}}
        )

    async def until(self, start: str = "") -> Shown:
        """The first message since the last thing done that has a button or a text with `start`."""

        def there() -> Shown | None:
            fresh = self.shown[self.asked :]
            return next((one for one in fresh if _fits(one, start)), None)

        try:
            found: Shown = await self.telegram.until(there)
        except TimeoutError:
            raise AssertionError(f"no {start!r}; the chat ends with {self.shown[-3:]}") from None
        return found

    async def choose(self, start: str) -> None:
        """Wait for a button and press it."""
        shown = await self.until(start)
        data = next(
            data for label, data in shown.buttons if data.startswith(start) or label.startswith(start)
        )
        await self.press_in(shown, data)

    async def _send(self, content: dict[str, Any]) -> int:
        self.asked = len(self.shown)
        return await self.telegram.deliver({"message": self._message(content)})

    def _message(self, content: dict[str, Any]) -> dict[str, Any]:
        self._sent += 1
        return {"message_id": self._sent, "date": 1, "chat": self._chat(), "from": self._user(), **content}

    def _chat(self) -> dict[str, Any]:
        return {"id": self.chat, "type": "private", "first_name": "Amal"}

    def _user(self) -> dict[str, Any]:
        return {"id": self.chat, "is_bot": False, "first_name": "Amal", "language_code": self.language}


def _fits(shown: Shown, start: str) -> bool:
    buttons = any(data.startswith(start) or label.startswith(start) for label, data in shown.buttons)
    return buttons or start in shown.text
