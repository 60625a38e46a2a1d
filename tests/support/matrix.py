"""A citizen at a Matrix client that is not ours (tests/support/matrix_citizen), steered over pipes."""

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.app import ROOT
from tests.support.postgres import die_with_parent

CLIENT = ROOT / "tests" / "support" / "matrix_citizen"
PATIENCE = 45
POLL = "org.matrix.msc3381.poll.start"
TEXT = "org.matrix.msc1767.text"

Event = dict[str, Any]


@dataclass
class MatrixCitizen:
    """One person with one device. `events` is all they can read, in the order it became readable."""

    process: asyncio.subprocess.Process
    user: str = ""
    bot: str = ""
    room: str = ""
    events: list[Event] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _asked: int = 0

    async def do(self, what: str, **given: Any) -> dict[str, Any]:
        """One command to the client. Errors: AssertionError with the client's own words, TimeoutError."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"n": number, "do": what, **given}).encode() + b"\n")
        line = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in line, f"{what}: {line['error']}"
        found: dict[str, Any] = line["ok"]
        return found

    async def meet(self, bot: str, *, version: str = "12") -> None:
        """Open an encrypted direct room with the bot and wait until it is there."""
        await self.invite(bot, version=version)
        await self.do("joined", room=self.room, user=bot)

    async def invite(self, bot: str, **wishes: Any) -> None:
        self.bot = bot
        self.room = (await self.do("room", invite=[bot], **wishes))["room"]

    async def say(self, text: str, **more: Any) -> str:
        self._asked = len(self.events)
        event_id: str = (await self.do("text", room=self.room, text=text, **more))["id"]
        return event_id

    async def vote(self, poll: Event, choice: str, **more: Any) -> str:
        self._asked = len(self.events)
        event_id: str = (await self.do("vote", room=self.room, poll=poll["id"], answer=choice, **more))["id"]
        return event_id

    async def choose(self, prefix: str) -> str:
        """Wait for a poll with a choice whose id begins so, and vote for it; the choice's id."""
        poll = await self.until(lambda one: bool(_answers(one, prefix)), f"a poll with {prefix}")
        choice = _answers(poll, prefix)[0]
        await self.vote(poll, choice)
        return choice

    async def hears(self, text: str) -> Event:
        """The bot's first message after our last one with these words."""
        return await self.until(lambda one: text in body(one), repr(text))

    async def until(self, wanted: Callable[[Event], bool], what: str = "an answer") -> Event:
        """The bot's first event after our last one that fits. Errors: AssertionError with what came."""
        found: list[Event] = []

        def there() -> bool:
            found[:] = [
                one for one in self.events[self._asked :] if one["sender"] == self.bot and wanted(one)
            ]
            return bool(found)

        try:
            async with self._news, asyncio.timeout(PATIENCE):
                await self._news.wait_for(there)
        except TimeoutError:
            last = "\n".join(f"{one['sender']} {one['type']}: {body(one)[:200]}" for one in self.events[-6:])
            raise AssertionError(f"{what} did not come; the room ends with\n{last}") from None
        return found[0]

    def said(self) -> list[str]:
        """The texts of the room, in order."""
        return [body(one) for one in self.events if one["type"] == "m.room.message"]

    async def fetch(self, event: Event) -> bytes:
        """A file of the room, decrypted by this client."""
        return base64.b64decode((await self.do("fetch", file=event["content"]["file"]))["data"])

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            line = json.loads(raw)
            if "event" in line:
                async with self._news:
                    self.events.append(line["event"])
                    self._news.notify_all()
            elif (waiting := self._answers.pop(line["n"], None)) and not waiting.done():
                waiting.set_result(line)


def body(event: Event) -> str:
    return str(event.get("content", {}).get("body", ""))


def _answers(event: Event, prefix: str) -> list[str]:
    answers = event.get("content", {}).get(POLL, {}).get("answers", [])
    return [one["id"] for one in answers if one["id"].startswith(prefix)]


@contextlib.asynccontextmanager
async def matrix_citizen(url: str, user: str, password: str = "secret") -> AsyncIterator[MatrixCitizen]:
    """A citizen who has signed in; the client ends with the block."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(CLIENT / "citizen.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=16 * 1024 * 1024,
        preexec_fn=die_with_parent(),
    )
    citizen = MatrixCitizen(process)
    ears = asyncio.create_task(citizen.listen())
    try:
        citizen.user = (await citizen.do("start", url=url, user=user, password=password))["user"]
        yield citizen
    finally:
        ears.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
