"""A citizen at the web chat, without a browser: the page's own requests and its live line."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets

PATIENCE = 30

Frame = dict[str, Any]


@dataclass
class Citizen:
    """One visitor. `messages` is the thread as received, each row once and in order; `standing` the last
    frames that have no number (who speaks, the place in the waiting room)."""

    http: httpx.AsyncClient
    url: str
    seq: int = 0
    messages: list[Frame] = field(default_factory=list)
    standing: dict[str, Frame] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _asked: int = 0

    async def start(self) -> None:
        """Open the page and begin the thread."""
        (await self.http.get("/")).raise_for_status()
        (await self.http.post("/chat/start", json={})).raise_for_status()

    async def say(self, text: str) -> str:
        """Type a message; the browser's id of it."""
        return await self.send({"id": str(uuid.uuid4()), "kind": "text", "text": text})

    async def press(self, choice: str) -> str:
        """Press a choice; as the page does, its label is sent along to be shown in the thread."""
        labels = {one["id"]: one["label"] for message in self.messages for one in message["choices"]}
        text = labels.get(choice, "")
        return await self.send({"id": str(uuid.uuid4()), "kind": "choice", "choice": choice, "text": text})

    async def send(self, message: dict[str, str]) -> str:
        """Send until it is taken, as the page does: the same id every time. Errors: TimeoutError."""
        self._asked = len(self.messages)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    (await self.http.post("/chat/messages", json=message)).raise_for_status()
                    return message["id"]
                except (httpx.TransportError, httpx.HTTPStatusError) as error:
                    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
                        raise
                    await _breathe()

    async def until(self, wanted: Callable[[Frame], bool], what: str = "an answer") -> Frame:
        """The first message after the last one sent that fits. Errors: AssertionError with the thread."""
        found: list[Frame] = []

        def there() -> bool:
            found[:] = [message for message in self.messages[self._asked :] if wanted(message)]
            return bool(found)

        try:
            async with self._news, asyncio.timeout(PATIENCE):
                await self._news.wait_for(there)
        except TimeoutError:
            said = "\n".join(f"{m['author']}: {m['text']} {m['choices']}" for m in self.messages[-4:])
            raise AssertionError(f"{what} did not come; the thread ends with\n{said}") from None
        return found[0]

    async def answered(self) -> Frame:
        """The first message after the last one sent that is not the citizen's own."""
        return await self.until(lambda one: one["author"] != "citizen")

    async def offered(self, prefix: str) -> str:
        """The first offered choice whose id begins so."""
        message = await self.until(lambda one: bool(_choices(one, prefix)), f"a choice {prefix}")
        return _choices(message, prefix)[0]

    async def choose(self, prefix: str) -> str:
        """Wait for a choice that begins so and press it."""
        choice = await self.offered(prefix)
        await self.press(choice)
        return choice

    async def stand(self, kind: str, wanted: Callable[[Frame], bool]) -> Frame:
        """The standing of a kind ("case", "queue"), once it fits."""
        async with self._news, asyncio.timeout(PATIENCE):
            await self._news.wait_for(lambda: kind in self.standing and wanted(self.standing[kind]))
        return self.standing[kind]

    async def follow_for_ever(self) -> None:
        """The live line: resumes from the last number seen however often it breaks."""
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                await self._follow()
            await _breathe()

    async def _follow(self) -> None:
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.http.cookies.jar)
        address = f"{self.url.replace('http', 'ws', 1)}/chat/live?after={self.seq}"
        async with websockets.connect(address, additional_headers={"Cookie": cookies}) as line:
            async for text in line:
                await self._take(json.loads(text))

    async def _take(self, frame: Frame) -> None:
        async with self._news:
            if "seq" in frame:
                if frame["seq"] <= self.seq:
                    self.repeated.append(frame["seq"])
                self.seq = frame["seq"]
            if frame["kind"] == "message":
                self.messages.append(frame)
            else:
                self.standing[frame["kind"]] = frame
            self._news.notify_all()


def _choices(message: Frame, prefix: str) -> list[str]:
    return [choice["id"] for choice in message["choices"] if choice["id"].startswith(prefix)]


async def _breathe() -> None:
    """Between two tries to reach a server that is not there."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, done.set)
    await done.wait()


@contextlib.asynccontextmanager
async def visiting_citizen(
    url: str, language: str = "ar", *, cookies: dict[str, str] | None = None
) -> AsyncIterator[Citizen]:
    """A citizen whose thread has begun and whose live line is open; `cookies` are those of a known visitor."""
    headers = {"Accept-Language": language}
    async with httpx.AsyncClient(base_url=url, headers=headers, cookies=cookies, timeout=10) as http:
        citizen = Citizen(http, url)
        await citizen.start()
        line = asyncio.create_task(citizen.follow_for_ever())
        try:
            yield citizen
        finally:
            line.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await line
