"""The web channel. Its readers follow the live stream, so the row that delivery writes is the delivery."""

from dataclasses import dataclass

from conversation.ports import Outgoing

NAME = "web"


@dataclass(frozen=True)
class WebChannel:
    """Implements conversation.ports.Channel."""

    name: str = NAME
    private: bool = True

    async def send(self, outgoing: Outgoing) -> str | None:
        """Nothing to send: `conversation.delivery` shows the message in the thread right after this."""
        return None

    async def close(self) -> None:
        return None
