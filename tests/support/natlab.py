"""Two homes behind symmetric NAT and a public net with Foyer and a relay, all in network namespaces of their own.

    citizen 10.1.0.2 - NAT 203.0.113.21 \\
                                         > 203.0.113.10 (Foyer, coturn)
    clerk   10.2.0.2 - NAT 203.0.113.22 /

Needs root, `ip`, `iptables-nft` and `turnserver`; nothing leaves the machine.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.async_api import Browser, async_playwright

from tests.support.app import App
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.postgres import die_with_parent

PUBLIC = "203.0.113.10"
PACKAGES = {"turnserver": "coturn", "iptables-nft": "iptables", "ip": "iproute2"}
SIDES = {"citizen": 1, "clerk": 2}


class NoLab(AssertionError):
    """This machine cannot have the laboratory."""


def run(*command: str) -> str:
    """Errors: AssertionError with what the command said."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Lab:
    """`tag` keeps the namespaces of two runs apart; `home` is a folder for what is written."""

    tag: str
    home: Path

    def space(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def within(self, name: str, *command: str) -> str:
        return run("ip", "netns", "exec", self.space(name), *command)

    def prefix(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.space(name))

    # -- building ----------------------------------------------------------------------------------

    def up(self) -> None:
        for name in self._spaces():
            run("ip", "netns", "add", self.space(name))
            self.within(name, "ip", "link", "set", "lo", "up")
        self.within("public", "ip", "link", "add", "br0", "type", "bridge")
        self.within("public", "ip", "link", "set", "br0", "up")
        self.within("public", "ip", "addr", "add", f"{PUBLIC}/24", "dev", "br0")
        for side, number in SIDES.items():
            self._outside(side, number)
            self._inside(side, number)
            self._translate(side)

    def down(self) -> None:
        for name in self._spaces():
            subprocess.run(["ip", "netns", "del", self.space(name)], capture_output=True, check=False)

    def _spaces(self) -> list[str]:
        return ["public", *SIDES, *(f"nat-{side}" for side in SIDES)]

    def _outside(self, side: str, number: int) -> None:
        nat, port = f"nat-{side}", f"port{number}"
        self.within(
            "public",
            "ip",
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            "wan",
            "netns",
            self.space(nat),
        )
        self.within("public", "ip", "link", "set", port, "master", "br0", "up")
        self.within(nat, "ip", "addr", "add", f"203.0.113.{20 + number}/24", "dev", "wan")
        self.within(nat, "ip", "link", "set", "wan", "up")

    def _inside(self, side: str, number: int) -> None:
        nat = f"nat-{side}"
        self.within(
            side, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan", "netns", self.space(nat)
        )
        self.within(nat, "ip", "addr", "add", f"10.{number}.0.1/24", "dev", "lan")
        self.within(nat, "ip", "link", "set", "lan", "up")
        self.within(side, "ip", "addr", "add", f"10.{number}.0.2/24", "dev", "eth0")
        self.within(side, "ip", "link", "set", "eth0", "up")
        self.within(side, "ip", "route", "add", "default", "via", f"10.{number}.0.1")

    def _translate(self, side: str) -> None:
        """Symmetric: a random port for every peer, and nothing comes in that was not asked for."""
        nat = f"nat-{side}"
        self.within(nat, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for rule in (
            "-P FORWARD DROP",
            "-A FORWARD -i lan -o wan -j ACCEPT",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "-A INPUT -i wan -p udp -j DROP",
            "-t nat -A POSTROUTING -o wan -j MASQUERADE --random-fully",
        ):
            self.within(nat, "iptables-nft", *rule.split())

    # -- trouble -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def blackout(self, side: str) -> Iterator[None]:
        """No packet in or out."""
        self.within(f"nat-{side}", "iptables-nft", "-I", "FORWARD", "1", "-j", "DROP")
        try:
            yield
        finally:
            self.within(f"nat-{side}", "iptables-nft", "-D", "FORWARD", "1")

    def move(self, side: str) -> None:
        """From one network to another: the old address is gone, the new one has other ports at the NAT."""
        number = SIDES[side]
        self.within(side, "ip", "addr", "add", f"10.{number}.0.77/24", "dev", "eth0")
        self.within(side, "ip", "addr", "del", f"10.{number}.0.2/24", "dev", "eth0")
        # The kernel takes the second address of a net away with the first.
        shown = self.within(side, "ip", "-4", "addr", "show", "dev", "eth0")
        if f"10.{number}.0.77" not in shown:
            self.within(side, "ip", "addr", "add", f"10.{number}.0.77/24", "dev", "eth0")
        self.within(side, "ip", "route", "replace", "default", "via", f"10.{number}.0.1")

    # -- what runs in it ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def relay(self, configuration: str) -> Iterator[None]:
        """coturn with the configuration that `foyer turn-config` prints, on the lab's address and certificate."""
        certificate, key = self.home / "turn.pem", self.home / "turn.key"
        run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={PUBLIC}",
            "-addext", f"subjectAltName=IP:{PUBLIC}", "-keyout", str(key), "-out", str(certificate),
        )  # fmt: skip
        kept = [line for line in configuration.splitlines() if not line.startswith(("cert=", "pkey="))]
        kept += [f"cert={certificate}", f"pkey={key}", f"listening-ip={PUBLIC}", f"relay-ip={PUBLIC}"]
        kept += ["log-file=stdout", f"pidfile={self.home / 'turn.pid'}", f"userdb={self.home / 'turn.db'}"]
        (self.home / "turnserver.conf").write_text("\n".join(kept) + "\n")
        with open(self.home / "turn.log", "wb") as log:
            child = subprocess.Popen(
                [*self.prefix("public"), "turnserver", "-c", str(self.home / "turnserver.conf")],
                stdout=log, stderr=log, preexec_fn=die_with_parent(),
            )  # fmt: skip
        try:
            yield
        finally:
            child.terminate()
            child.wait(10)

    @asynccontextmanager
    async def browser(self, side: str, origin: str) -> AsyncIterator[Browser]:
        """Chromium at one of the homes; the camera works although the lab has no HTTPS."""
        wrapper = self.home / f"chromium-{side}"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(self.prefix(side))} {CHROMIUM} "$@"\n')
        wrapper.chmod(0o755)
        flags = [
            *FLAGS,
            f"--unsafely-treat-insecure-origin-as-secure={origin}",
            "--ignore-certificate-errors",
        ]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=str(wrapper), args=flags)
            try:
                yield browser
            finally:
                await browser.close()


@dataclass
class LabApp(App):
    """Foyer in the public net of a laboratory. `inside` is the command prefix that enters it."""

    inside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for process in self.processes:
            process.prefix = self.inside

    @property
    def url(self) -> str:
        return f"http://{PUBLIC}:{self.port}"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "FOYER_HOST": PUBLIC}

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        look = f"import urllib.request; urllib.request.urlopen('{self.url}/healthz', timeout=2)"
        child = await asyncio.create_subprocess_exec(
            *self.inside, sys.executable, "-c", look, stderr=asyncio.subprocess.DEVNULL
        )
        return await child.wait() == 0


@contextlib.contextmanager
def laboratory(home: Path) -> Iterator[Lab]:
    """Build it, and take it away again. Errors: NoLab."""
    if os.geteuid() != 0:
        raise NoLab("the NAT laboratory needs root for its network namespaces")
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if missing:
        subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing], check=True)
    lab = Lab(f"foyer{os.getpid()}", home)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
