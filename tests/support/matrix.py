"""A citizen at a Matrix client that is not ours (tests/support/matrix_citizen), steered over pipes."""

import asyncio
import base64
import contextlib
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.app import ROOT
from tests.support.postgres import die_with_parent

CLIENT = ROOT / "tests" / "support" / "matrix_citizen"
PATIENCE = 120
POLL = "org.matrix.msc3381.poll.start"
TEXT = "org.matrix.msc1767.text"

Event = dict[str, Any]


@dataclass
class MatrixCitizen:
    """One person with one device. `events` is all they can read, in the order it became readable.

    `signs` counts what happens at the house meanwhile (processes that died and come back): as long as it goes
    up, the person waits on, because how long ten starts take is a matter of the machine.
    """

    process: asyncio.subprocess.Process
    user: str = ""
    bot: str = ""
    room: str = ""
    events: list[Event] = field(default_factory=list)
    signs: Callable[[], int] = lambda: 0
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _asked: int = 0

    async def do(self, what: str, *, patience: float = PATIENCE, **given: Any) -> dict[str, Any]:
        """One command to the client. Errors: AssertionError with the client's own words, TimeoutError."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"n": number, "do": what, **given}).encode() + b"\n")
        line = await asyncio.wait_for(answer, patience)
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

    def mark(self) -> None:
        """What comes from now on is what `until` looks at."""
        self._asked = len(self.events)

    def look_back(self) -> None:
        """All that has come is what `until` looks at."""
        self._asked = 0

    async def say(self, text: str, **more: Any) -> str:
        self._asked = len(self.events)
        event_id: str = (await self.do("text", room=self.room, text=text, **more))["id"]
        return event_id

    async def vote(self, poll: Event, choice: str, **more: Any) -> str:
        self._asked = len(self.events)
        event_id: str = (await self.do("vote", room=self.room, poll=poll["id"], answer=choice, **more))["id"]
        return event_id

    async def offered(self, label: str) -> tuple[Event, str]:
        """The poll that offers this label, and the choice's id."""
        poll = await self.until(lambda one: label in _answers(one), f"a poll with {label!r}")
        return poll, _answers(poll)[label]

    async def press(self, label: str) -> None:
        """Wait for a poll with this label and vote for it."""
        await self.vote(*await self.offered(label))

    async def position(self, label: str) -> int:
        """The number of this label in the numbered list that comes."""
        listed = await self.until(lambda one: label in _numbered(body(one)), f"a list with {label!r}")
        return _numbered(body(listed))[label]

    async def hears(self, text: str) -> Event:
        """The bot's first message after our last one with these words."""
        return await self.until(lambda one: text in body(one), repr(text))

    async def until(self, wanted: Callable[[Event], bool], what: str = "an answer") -> Event:
        """The bot's first event after our last one that fits. Errors: AssertionError with what came."""
        found: list[Event] = []

        def there() -> bool:
            found[:] = [
                one
                for one in self.events[self._asked :]
                if one["sender"] == self.bot and one["room"] == self.room and wanted(one)
            ]
            return bool(found)

        try:
            await self._wait(there)
        except TimeoutError:
            last = "\n".join(f"{one['sender']} {one['type']}: {body(one)[:200]}" for one in self.events[-6:])
            raise AssertionError(f"{what} did not come; the room ends with\n{last}") from None
        return found[0]

    async def answers(self, count: int) -> None:
        """Wait until the bot has said so many things after our last word. Errors: TimeoutError."""

        def enough() -> bool:
            since = self.events[self._asked :]
            said = [one for one in since if one["sender"] == self.bot and one["type"] == "m.room.message"]
            return len(said) >= count

        await self._wait(enough)

    async def settled(self, count: int) -> None:
        """Wait a while until so many texts of the bot can be read at all; the caller counts them."""

        def enough() -> bool:
            texts = [one for one in self.events if one["sender"] == self.bot and is_text(one)]
            return len(texts) >= count

        with contextlib.suppress(TimeoutError):
            await self._wait(enough)

    async def _wait(self, wanted: Callable[[], bool]) -> None:
        """Errors: TimeoutError when nothing has happened for a while, here or at the house."""
        while True:
            before = self.signs()
            try:
                async with self._news, asyncio.timeout(PATIENCE):
                    await self._news.wait_for(wanted)
                return
            except TimeoutError:
                if self.signs() == before:
                    raise

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


def is_text(event: Event) -> bool:
    return bool(event["type"] == "m.room.message" and event["content"].get("msgtype") != "m.file")


def body(event: Event) -> str:
    return str(event.get("content", {}).get("body", ""))


def _answers(event: Event) -> dict[str, str]:
    """Label → id."""
    answers = event.get("content", {}).get(POLL, {}).get("answers", [])
    return {one[TEXT]: one["id"] for one in answers}


def _numbered(text: str) -> dict[str, int]:
    found = (re.fullmatch(r"(\d+)\. (.+)", line) for line in text.splitlines())
    return {match[2]: int(match[1]) for match in found if match}


@contextlib.asynccontextmanager
async def _client(program: str) -> AsyncIterator[MatrixCitizen]:
    process = await asyncio.create_subprocess_exec(
        shutil.which("node") or str(ROOT / ".tools" / "node" / "path" / "node"),
        str(CLIENT / program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=16 * 1024 * 1024,
        preexec_fn=die_with_parent(),
    )
    client = MatrixCitizen(process)
    ears = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        ears.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def matrix_citizen(url: str, user: str, password: str = "secret") -> AsyncIterator[MatrixCitizen]:
    """A citizen who has signed in; the client ends with the block."""
    async with _client("citizen.mjs") as citizen:
        citizen.user = (await citizen.do("start", url=url, user=user, password=password))["user"]
        yield citizen


@contextlib.asynccontextmanager
async def matrix_crowd(url: str, users: list[str], password: str = "secret") -> AsyncIterator[MatrixCitizen]:
    """Many citizens in one process; they know `write` (to the bot) and `answered` only."""
    async with _client("crowd.mjs") as crowd:
        await crowd.do("start", patience=300, url=url, users=users, password=password)
        yield crowd
