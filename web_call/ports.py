"""What a media engine on the server offers. Calls of two run between the browsers and need none."""

from typing import Protocol


class MediaSession(Protocol):
    """One connection that ends on the server: the echo check, later a third person's way into the call."""

    async def answer(self, offer: str) -> str:
        """The SDP answer to a browser's SDP offer, with every candidate in it. Errors: MediaBusy, MediaRefused."""
        ...

    async def close(self) -> None: ...
