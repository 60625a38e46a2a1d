"""Stand-ins for Rasa's server as the house meets it on a bad day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from nlu.rasa_client import Endpoint
from tests.support.app import free_port

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[Endpoint]:
    """An HTTP server on loopback that answers everything by `handler`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Endpoint(f"http://127.0.0.1:{port}", "a token")
    finally:
        await runner.cleanup()


async def never(_: web.Request) -> web.Response:
    """Slower than anybody waits."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 30)
    return web.Response(text="too late")


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=500, text="<h1>Server error</h1>")


async def nonsense(_: web.Request) -> web.Response:
    return web.json_response({"answers": [{"intent": "who knows"}]})


def nowhere() -> Endpoint:
    """A server that has gone: nothing listens there any more."""
    return Endpoint(f"http://127.0.0.1:{free_port()}", "a token")
