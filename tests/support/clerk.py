"""A clerk at the desk, without a browser: the page's own requests and its socket, which shows who is on duty."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import websockets

PATIENCE = 90


@dataclass
class Clerk:
    """One signed-in clerk; `frames` is what the socket has told."""

    http: httpx.AsyncClient
    url: str
    frames: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sign_in(self, login: str, password: str) -> None:
        answer = await self.http.post("/desk/sign-in", data={"login": login, "password": password})
        assert (answer.status_code, answer.headers.get("location")) == (303, "/desk"), answer.text

    async def overview(self) -> dict[str, Any]:
        return await self._json("GET", "/desk/api/overview")

    async def case(self, case_id: str) -> dict[str, Any]:
        return await self._json("GET", f"/desk/api/cases/{case_id}")

    async def waiting(self, count: int = 1) -> list[dict[str, Any]]:
        """The waiting room, once so many are in it. Errors: TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = len(self.frames)
                people: list[dict[str, Any]] = (await self.overview())["waiting"]
                if len(people) >= count:
                    return people
                async with self._news:
                    await self._news.wait_for(partial(self._more_than, seen))

    async def reads(self, case_id: str, text: str) -> None:
        """Wait until these words stand in a case. Errors: TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = len(self.frames)
                if text in json.dumps(await self.case(case_id), ensure_ascii=False):
                    return
                async with self._news:
                    await self._news.wait_for(partial(self._more_than, seen))

    def _more_than(self, seen: int) -> bool:
        return len(self.frames) > seen

    async def admit(self, waiting_id: str) -> str:
        """The id of the case that is now in hand."""
        case_id: str = (await self._json("POST", f"/desk/api/waiting/{waiting_id}/admit"))["case_id"]
        return case_id

    async def say(self, case_id: str, text: str) -> None:
        await self._json(
            "POST", f"/desk/api/cases/{case_id}/say", {"text": text, "key": secrets.token_hex(8)}
        )

    async def close(self, case_id: str, outcome: str = "done", note: str = "") -> dict[str, Any]:
        closing = {"outcome": outcome, "next_steps": [{"code": "confirmation_by_post"}], "note": note}
        return await self._json("POST", f"/desk/api/cases/{case_id}/close", closing)

    async def _json(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        value: dict[str, Any] = answer.json()
        return value

    async def sit(self) -> None:
        """Keep the desk open until cancelled; like the page it comes back when the server was gone."""
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                await self._sit()
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(0.1, done.set)
            await done.wait()

    async def _sit(self) -> None:
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.http.cookies.jar)
        address = f"{self.url.replace('http', 'ws', 1)}/desk/live"
        async with websockets.connect(address, additional_headers={"Cookie": cookies}) as line:
            async for text in line:
                async with self._news:
                    self.frames.append(json.loads(text))
                    self._news.notify_all()

    async def on_duty(self, wanted: Callable[[list[str]], bool] = bool) -> None:
        """Wait until the desk says that somebody is on duty."""
        async with asyncio.timeout(PATIENCE):
            while not wanted((await self.overview())["on_duty"]):
                pass


@contextlib.asynccontextmanager
async def sitting_clerk(url: str, login: str, password: str) -> AsyncIterator[Clerk]:
    """A clerk who is signed in and on duty."""
    async with httpx.AsyncClient(base_url=url, headers={"Accept-Language": "de"}, timeout=30) as http:
        clerk = Clerk(http, url)
        await clerk.sign_in(login, password)
        desk = asyncio.create_task(clerk.sit())
        try:
            await clerk.on_duty()
            yield clerk
        finally:
            desk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await desk
