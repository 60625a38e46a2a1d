"""Firefox as somebody's browser, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).

Playwright drives only its own build of Firefox; the protocol is small enough to speak to the one that people use.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

FIREFOX = "/usr/bin/firefox-esr"
_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
_PREFERENCES: dict[str, bool | int | str] = {
    # A made-up camera and microphone, allowed without asking.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Calls home of the browser itself.
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
# Waits in the page until `wanted` gives something, looking twenty times a second.
_UNTIL = """
async (wanted, milliseconds) => {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await wanted();
    if (found || Date.now() > end) return found;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
"""
_FIND = """
(selector, text) => [...document.querySelectorAll(selector)].find(one =>
  (text === null || one.textContent.trim() === text) && one.checkVisibility() && !one.disabled)
"""


@dataclass
class Firefox:
    """One tab of a running Firefox."""

    socket: aiohttp.ClientWebSocketResponse
    tab: str = ""
    numbers: Any = field(default_factory=lambda: count(1))

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command. Errors: AssertionError with what Firefox says."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer: dict[str, Any] = await self.socket.receive_json()
            if answer.get("id") == number:
                assert answer["type"] == "success", f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result

    async def goto(self, url: str) -> None:
        await self.command("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression (awaited) in the page; anything that JSON can carry."""
        answer = await self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.tab},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"].get("value") or "null")

    async def see(self, selector: str, text: str | None = None, seconds: float = 30) -> None:
        """Wait until it is shown. Errors: AssertionError with the page's words."""
        await self._found(selector, text, "!!found", seconds)

    async def click(self, selector: str, text: str | None = None, seconds: float = 30) -> None:
        await self._found(selector, text, "found && (found.click(), true)", seconds)

    async def upload(self, selector: str, path: Path) -> None:
        """Choose a file in a file field, as with the browser's own dialog."""
        found = await self.command("browsingContext.locateNodes", context=self.tab, locator=_css(selector))
        element = {"sharedId": found["nodes"][0]["sharedId"]}
        await self.command("input.setFiles", context=self.tab, element=element, files=[str(path)])

    async def _found(self, selector: str, text: str | None, then: str, seconds: float) -> None:
        given = f"{json.dumps(selector)}, {json.dumps(text)}"
        look = f"() => {{ const found = ({_FIND})({given}); return {then}; }}"
        if not await self.evaluate(f"({_UNTIL})({look}, {seconds * 1000})"):
            words = await self.evaluate("document.body.innerText")
            raise AssertionError(
                f"{selector} {text or ''} was not shown within {seconds} s; the page: {words}"
            )


def _css(selector: str) -> dict[str, str]:
    return {"type": "css", "value": selector}


@asynccontextmanager
async def running_firefox(profile: Path, languages: str, preload: str) -> AsyncIterator[Firefox]:
    """A headless Firefox with an empty profile; `preload` runs in every page before its own scripts."""
    _prepare(profile, {**_PREFERENCES, "intl.accept_languages": languages})
    process = await asyncio.create_subprocess_exec(
        FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={"HOME": str(profile), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = await asyncio.wait_for(_address(process.stderr), 60)
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}/session") as socket:
            firefox = Firefox(socket)
            await firefox.command("session.new", capabilities={})
            await firefox.command("script.addPreloadScript", functionDeclaration=f"() => {{ {preload} }}")
            tree = await firefox.command("browsingContext.getTree")
            firefox.tab = tree["contexts"][0]["context"]
            yield firefox
        drain.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _prepare(profile: Path, wanted: dict[str, bool | int | str]) -> None:
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items())
    (profile / "user.js").write_text("".join(lines))


async def _address(stream: asyncio.StreamReader) -> str:
    async for line in stream:
        if found := _LISTENING.search(line):
            return found[1].decode()
    raise AssertionError("Firefox ended before it listened")
