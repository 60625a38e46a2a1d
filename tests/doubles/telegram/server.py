"""Telegram on the loopback: an emulator of the Bot API, and before it a proxy that judges every request.

The proxy also adds what the emulator lacks (a user name in getMe, valid parameters that it refuses, methods that it
answers with 501, kinds of updates that it does not know, files that people send), and keeps every payload.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from lo_bot_api_emulator import LoBotApiEmulator

from tests.doubles.telegram.api import File, judge, plain

TOKEN = "4711001:AAtest-token-of-the-double"
REFUSED_BUT_VALID = ("link_preview_options", "protect_content")
MISSING = (
    "setMyDescription",
    "setMyShortDescription",
    "setMyName",
    "leaveChat",
    "sendChatAction",
    "deleteMessage",
)
SAYS = ("sendMessage", "sendDocument")
CARRIED = "foyer-double:"


@dataclass(frozen=True)
class Request:
    """One request of the bot, as it came."""

    method: str
    fields: dict[str, str]
    files: dict[str, File]
    status: int

    @property
    def chat(self) -> int:
        return int(self.fields["chat_id"])


@dataclass(frozen=True)
class Shown:
    """A message as its reader sees it; `buttons` are (label, callback data or address)."""

    id: int
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    markup: dict[str, Any] | None = None
    file: File | None = None


@dataclass
class Telegram:
    """A running double. `url` is its FOYER_TELEGRAM_API."""

    emulator: LoBotApiEmulator
    behind: str = ""
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    chats: dict[int, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    blocked_by: set[int] = field(default_factory=set)
    hurried: dict[int, int] = field(default_factory=dict)
    """Chats whose next message is answered with 429 and so many seconds to wait."""
    down: bool = False
    twice: bool = False
    """Every update is delivered twice in the same answer."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    polls: int = 0
    refused: int = 0
    patience: float = 30
    """Seconds that somebody waits for an answer."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _session: aiohttp.ClientSession | None = None

    # -- what people do ----------------------------------------------------------------------------

    async def deliver(self, update: dict[str, Any]) -> int:
        """Queue an update; its id. Kinds that the emulator does not know travel inside one that it does."""
        if not set(update) & {"message", "callback_query", "inline_query"}:
            update = {"message": {"text": CARRIED + json.dumps(update)}}
        identity: int = await self.emulator.enqueue_update(update, token=TOKEN)
        return identity

    async def until(self, there: Callable[[], Any]) -> Any:
        """What `there` returns, once it is something. Errors: TimeoutError."""
        async with self._news, asyncio.timeout(self.patience):
            return await self._news.wait_for(there)

    # -- what the bot does -------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.Response:
        """One call of the Bot API."""
        method = request.match_info["method"]
        fields, files = await _read(request)
        if self.down:
            async with self._news:
                self.refused += 1
                self._news.notify_all()
            return _refuse(502, "Bad Gateway")
        if request.match_info["token"] != TOKEN:
            return _refuse(401, "Unauthorized")
        self.violations += judge(method, fields, files)
        answer = self._own_answer(method, fields) or await self._passed_on(method, fields, files)
        async with self._news:
            self.requests.append(Request(method, fields, files, answer.status))
            if method in SAYS and answer.status == 200:
                self._show(fields, files, json.loads(answer.body or b"{}"))  # type: ignore[arg-type]  # always bytes
            self.polls += method == "getUpdates"
            self._news.notify_all()
        return answer

    def _own_answer(self, method: str, fields: dict[str, str]) -> web.Response | None:
        chat = int(fields["chat_id"]) if fields.get("chat_id", "").lstrip("-").isdigit() else 0
        if chat in self.blocked_by:
            return _refuse(403, "Forbidden: bot was blocked by the user")
        if method in SAYS and chat in self.hurried:
            seconds = self.hurried.pop(chat)
            return _refuse(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        if method == "getFile" and fields.get("file_id") in self.uploads:
            name = fields["file_id"]
            return _fine({"file_id": name, "file_unique_id": name, "file_path": f"papers/{name}"})
        return _fine(True) if method in MISSING else None

    async def _passed_on(self, method: str, fields: dict[str, str], files: dict[str, File]) -> web.Response:
        form = aiohttp.FormData(
            {name: value for name, value in fields.items() if name not in REFUSED_BUT_VALID}
        )
        for name, file in files.items():
            form.add_field(name, file.data, filename=file.name, content_type=file.media_type)
        assert self._session is not None
        async with self._session.post(f"{self.behind}/bot{TOKEN}/{method}", data=form) as answer:
            status, body = answer.status, json.loads(await answer.read())
        if method == "getMe" and body["ok"]:
            body["result"] |= {"username": "foyer_test_bot", "id": int(TOKEN.partition(":")[0])}
        if method == "getUpdates" and body["ok"]:
            body["result"] = [
                self._unpacked(update) for update in body["result"] for _ in range(1 + self.twice)
            ]
        return web.json_response(body, status=status)

    def _unpacked(self, update: dict[str, Any]) -> dict[str, Any]:
        text = str(update.get("message", {}).get("text", ""))
        if not text.startswith(CARRIED):
            return update
        return {"update_id": update["update_id"], **json.loads(text.removeprefix(CARRIED))}

    def _show(self, fields: dict[str, str], files: dict[str, File], answer: dict[str, Any]) -> None:
        markup = json.loads(fields["reply_markup"]) if "reply_markup" in fields else None
        buttons = [button for row in (markup or {"inline_keyboard": []})["inline_keyboard"] for button in row]
        shown = Shown(
            id=answer["result"]["message_id"],
            text=plain(fields.get("text", "")),
            buttons=tuple((one["text"], one.get("callback_data") or one.get("url", "")) for one in buttons),
            markup=markup,
            file=next(iter(files.values()), None),
        )
        self.chats[int(fields["chat_id"])].append(shown)

    async def download(self, request: web.Request) -> web.Response:
        content = self.uploads.get(request.match_info["name"])
        return web.Response(body=content) if content is not None else web.Response(status=404)


def _fine(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refuse(status: int, description: str, **parameters: int) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return web.json_response(body, status=status)


async def _read(request: web.Request) -> tuple[dict[str, str], dict[str, File]]:
    fields, files = dict[str, str](), dict[str, File]()
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = File(value.filename, value.content_type, value.file.read())
        else:
            fields[name] = value if isinstance(value, str) else bytes(value).decode()
    return fields, files


@asynccontextmanager
async def running_telegram() -> AsyncIterator[Telegram]:
    """Both servers on free ports of 127.0.0.1."""
    double = Telegram(LoBotApiEmulator(max_assets=1000, max_history=10_000))
    before = web.Application(client_max_size=60 * 1024 * 1024)
    before.router.add_post("/bot{token}/{method}", double.handle)
    before.router.add_get("/file/bot{token}/papers/{name}", double.download)
    async with (
        aiohttp.ClientSession() as session,
        _served(double.emulator.app()) as behind,
        _served(before) as url,
    ):
        double._session, double.behind, double.url = session, behind, url
        yield double


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
