"""The program as people run it: `foyer serve` and `foyer worker` as processes of their own."""

import asyncio
import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from foundation.settings import Settings
from people.models import Office
from tests.support.postgres import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from foyer.cli import main; sys.exit(main())"
READY_WITHIN = 60
CHANNELS = {"FOYER_TELEGRAM_TOKEN": "telegram", "FOYER_MATRIX_HOMESERVER": "matrix"}
"""Channels with a process of their own, by the setting that switches them on."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """One child; its output is appended to `log` over all its lives."""

    name: str
    arguments: Sequence[str]
    environment: dict[str, str]
    log: Path
    child: subprocess.Popen[bytes] | None = None
    prefix: Sequence[str] = ()

    def start(self, extra: dict[str, str] | None = None) -> None:
        """Start it anew; `extra` settings hold for this life only."""
        assert self.child is None or self.child.poll() is not None, f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [*self.prefix, sys.executable, "-c", START, *self.arguments],
                env={**self.environment, **(extra or {})},
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def kill(self, sign: int = signal.SIGKILL) -> None:
        """End it at once, as a power cut would, and wait until it is gone."""
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                self.child.send_signal(sign)
            self.child.wait(30)

    async def ended(self, seconds: float = 30) -> int:
        """Wait until it ends by itself; its exit code, negative for a signal. Errors: TimeoutExpired."""
        assert self.child is not None
        return await asyncio.to_thread(self.child.wait, seconds)


@dataclass
class App:
    """A running Foyer on one database: `url` is where it serves, `serve` and `worker` are its processes;
    `bots` those of channels that the settings switch on and that need one."""

    directory: Path
    database_url: str
    now: datetime | None
    smtp_url: str | None = None
    master_key: bytes = bytes(range(32))
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.serve = self._process("serve")
        self.worker = self._process("worker")
        named = (name for setting, name in CHANNELS.items() if setting in self.settings)
        self.bots = [self._process(name, "bot", name) for name in named]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def processes(self) -> tuple[Process, ...]:
        return self.serve, self.worker, *self.bots

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(name, arguments or [name], self.environment(), self.directory / f"{name}.log")

    def environment(self) -> dict[str, str]:
        """What the processes are given; nothing of the machine's own Foyer settings."""
        passed = {key: value for key, value in os.environ.items() if not key.startswith("FOYER_")}
        chosen = {
            "DATABASE_URL": self.database_url,
            "FOYER_PORT": str(self.port),
            "FOYER_PUBLIC_URL": self.url,
            "FOYER_DATA_DIR": str(self.directory / "data"),
            "FOYER_MASTER_KEY": base64.b64encode(self.master_key).decode(),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        if self.now is not None:
            chosen["FOYER_NOW"] = self.now.isoformat()
        if self.smtp_url is not None:
            chosen["FOYER_SMTP_URL"] = self.smtp_url
        return {**passed, **chosen, **self.settings}

    def second_serve(self) -> "App":
        """Another web process on the same database, not started; its worker is not meant to be used."""
        return App(
            self.directory / "second",
            self.database_url,
            self.now,
            self.smtp_url,
            self.master_key,
            self.settings,
        )

    def chosen(self) -> Settings:
        """The same settings as the processes have."""
        with environment(self.environment()):
            return Settings(_env_file=None)

    async def seed(self) -> None:
        """Bring the city of the content into the database, as `foyer seed` does."""
        # Imported late, so that a test of one room does not need the whole house to be sound.
        from foyer.seed import seed
        from foyer.wiring import opened

        async with opened(self.chosen(), self.database_url) as house:
            await seed(house)

    async def clerk(
        self,
        login: str = "weber",
        name: str = "Frau Weber",
        *,
        roles: Sequence[str] = ("clerk",),
        must_change: bool = False,
    ) -> tuple[str, str]:
        """Login and password of a new clerk; they have chosen it already unless they must change it."""
        from foyer.wiring import opened

        async with opened(self.chosen(), self.database_url) as house:
            city_id, office_id = await house.city_id(), await house.office_id()
            async with house.database.city(city_id) as session:
                office = await session.get_one(Office, office_id)
                staff, password = await house.people.create_staff(
                    session, office, login=login, name=name, roles=list(roles), languages=["de", "en"]
                )
                staff.must_change_password = must_change
        return login, password

    async def start(self, *, crash_at: str | None = None) -> None:
        """Start both processes and wait until pages are served; `crash_at` names the step where they die."""
        await self.seed()
        for process in self.processes:
            process.start(_crash(crash_at))
        await self.ready()

    async def ready(self) -> None:
        """Wait until /healthz answers. Errors: AssertionError with the log, TimeoutError."""
        async with httpx.AsyncClient() as client, asyncio.timeout(READY_WITHIN):
            while not await self._answers(client):
                assert self.serve.alive, f"foyer serve ended:\n{self.logs()}"

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/healthz", timeout=2)).status_code == 200
        except httpx.TransportError:
            await pause()
            return False

    def kill(self) -> None:
        """kill -9 of everything."""
        for process in self.processes:
            process.kill()

    async def restart(self, *, crash_at: str | None = None) -> None:
        """Start again whatever does not live."""
        for process in self.processes:
            if not process.alive:
                process.start(_crash(crash_at))
        await self.ready()

    async def wait_for_crash(self, seconds: float = 30) -> Process:
        """The process that dies first. Errors: TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                for process in self.processes:
                    if not process.alive:
                        return process
                await pause()

    def logs(self) -> str:
        """Everything the processes have written."""
        return "\n".join(
            process.log.read_text(errors="replace") for process in self.processes if process.log.exists()
        )


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Let this process's environment be `values` for a moment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _crash(step: str | None) -> dict[str, str]:
    return {"FOYER_CRASH_AT": step} if step else {}


async def pause() -> None:
    """Between two looks at another process, which cannot call us."""
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, ended.set)
    await ended.wait()
