"""Where media ends on the server (aiortc): an echo, for people whose check through the relay fails.

Two people's calls never run through here: decoding and encoding one costs a third of a core, and end-to-end
encryption would end. An echo lives for seconds, and only a few at a time.
"""

import asyncio
import logging
from types import TracebackType

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import MediaStreamTrack

from foundation.errors import where
from web_call.echo import EchoRefused

logger = logging.getLogger(__name__)

ANSWERS_WITHIN = 8.0


class Echo:
    """A MediaSession that sends back what it hears."""

    def __init__(self) -> None:
        self._connection = RTCPeerConnection()
        self._sink = MediaBlackhole()

    async def __aenter__(self) -> "Echo":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def answer(self, offer: str) -> str:
        """Errors: EchoRefused."""
        self._connection.on("track", self._send_back)
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                await self._sink.start()
                await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # aiortc raises whatever a hostile SDP makes it stumble on
            logger.info("call: no echo: %s", where(error))
            raise EchoRefused from None
        return str(self._connection.localDescription.sdp)

    async def close(self) -> None:
        await self._sink.stop()
        await self._connection.close()

    def _send_back(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._connection.addTrack(track)
        else:
            self._sink.addTrack(track)
