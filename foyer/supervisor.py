"""`foyer run`: everything on one machine. Brings up the database, then keeps the children of the table alive."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foundation import postgres
from foundation.errors import OperatorError
from foundation.settings import Settings
from foyer.migrations import migrate

if TYPE_CHECKING:
    from foyer.wiring import House

Say = Callable[[str], None]

PARENT = "FOYER_SUPERVISOR"
OPERATOR_NEEDED = 78
"""Exit code (EX_CONFIG of sysexits.h) of a child that starting again would not help."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
STEADY_AFTER = 60.0
PATIENCE = 15.0


@dataclass(frozen=True)
class Child:
    """One process: its name in messages, and the arguments of `foyer`. The house works on without one not `needed`."""

    name: str
    arguments: Sequence[str]
    needed: bool = True


CHILDREN = (
    Child("pages", ("serve",)),
    Child("worker", ("worker",)),
)
TELEGRAM = Child("telegram", ("bot", "telegram"), needed=False)
MATRIX = Child("matrix", ("bot", "matrix"), needed=False)
UNDERSTANDING = Child("understanding", ("nlu", "serve"), needed=False)


def children(settings: Settings) -> Sequence[Child]:
    """What runs, by the settings."""
    more = {
        TELEGRAM: settings.telegram_token is not None and not settings.telegram_by_webhook,
        MATRIX: bool(settings.matrix_homeserver),
        UNDERSTANDING: settings.nlu == "rasa",
    }
    return (*CHILDREN, *(child for child, wanted in more.items() if wanted))


def engine(settings: Settings, say: Say) -> postgres.Embedded:
    """The installation's own PostgreSQL; long waits are told every five seconds."""
    told = 0.0

    def progress(message: str, seconds: float) -> None:
        nonlocal told
        now = time.monotonic()
        if seconds == 0 or now - told >= 5:
            told = now
            say(f"{message} …" if seconds < 1 else f"{message} … {seconds:.0f} s")

    return postgres.Embedded(settings.data_dir / "postgres", progress=progress)


def database_url(settings: Settings) -> str:
    """Where a running database is. Errors: OperatorError when the own one is not running."""
    return settings.database_url or engine(settings, lambda _: None).url()


@contextlib.contextmanager
def database(settings: Settings, say: Say, *, ours: bool = False) -> Iterator[str]:
    """The database for one command of the operator: attached to, or started for as long as it takes.

    With `ours` it is ended afterwards in any case, also when it has outlived an earlier Foyer.
    """
    if settings.database_url:
        postgres.check_version(settings.database_url)
        yield settings.database_url
        return
    own = engine(settings, say)
    running = own.running()
    try:
        yield own.start()
    finally:
        if ours or not running:
            own.stop()


def run(settings: Settings, say: Say) -> None:
    """Serve until SIGTERM or SIGINT. Errors: OperatorError."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    check_port(settings)
    with only_one(settings.data_dir), database(settings, say, ours=True) as url:
        say("the database is ready")
        migrate(url)
        asyncio.run(_prepare_and_watch(settings, url, say))
    say("stopped")


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """One supervisor for a data directory; the kernel gives the lock back however the process ends."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(data_dir / "run.lock", os.O_CREAT | os.O_RDWR, 0o600), "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(f"Foyer runs already with the data in {data_dir.resolve()}.") from None
        yield


def bind(settings: Settings) -> socket.socket:
    """The socket the pages are served on. Errors: OperatorError naming the setting."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise OperatorError(
            f"Port {settings.port} of {settings.host} cannot be used ({error.strerror}). "
            "Choose another one with FOYER_PORT (and FOYER_PUBLIC_URL), or end the program that has it."
        ) from None
    return listener


def check_port(settings: Settings) -> None:
    """Say so before anything is prepared when the port is taken."""
    bind(settings).close()


async def _prepare_and_watch(settings: Settings, url: str, say: Say) -> None:
    from foyer.wiring import opened  # heavy: only once the database is up

    async with opened(settings, url) as house:
        await seed(house, say)
    await watch(settings, children(settings), say)


async def seed(house: "House", say: Say) -> None:
    """Bring the database in line with the content; the first password is shown once and kept nowhere."""
    from foyer.seed import seed as fill

    first = await fill(house)
    say("the city's content is in the database")
    if first is not None:
        say(f"the first account, shown only now:   login {first.login}   password {first.password}")


async def watch(settings: Settings, children: Sequence[Child], say: Say) -> None:
    """Keep the children (and the own database) alive until a signal says to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [loop.create_task(_keep(child, stop, say)) for child in children]
    tasks.append(loop.create_task(_announce(settings, say)))
    if not settings.database_url:
        tasks.append(loop.create_task(_keep_engine(settings, say)))
    try:
        await _until_stopped_or_failed(stop, tasks)
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_stopped_or_failed(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    stopping = asyncio.create_task(stop.wait())
    waiting: set[asyncio.Task[None]] = set(tasks)
    while not stop.is_set():
        done, _ = await asyncio.wait([stopping, *waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in done & waiting:
            waiting.discard(task)
            task.result()


async def _keep(child: Child, stop: asyncio.Event, say: Say) -> None:
    """Start the child again whenever it ends, a little later each time; end it when we are cancelled."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "foyer.cli", *child.arguments),
            env={**os.environ, PARENT: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = await process.wait()
        finally:
            await _end(process)
        if code == OPERATOR_NEEDED and not child.needed:
            return say(f"{child.name} is off; what it needs is said above, the rest works without it")
        if code == OPERATOR_NEEDED:
            raise OperatorError(f"{child.name} cannot work like this; what it needs is said above.")
        pause = FIRST_PAUSE if time.monotonic() - began > STEADY_AFTER else min(pause * 2, LONGEST_PAUSE)
        say(f"{child.name} ended ({_how(code)}), starting it again in {pause:.1f} s")
        await asyncio.sleep(pause)


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _keep_engine(settings: Settings, say: Say) -> None:
    """The own database may be killed, too (out of memory, say). Its address stays the same."""
    own = engine(settings, say)
    while True:
        await asyncio.sleep(2)
        if not await asyncio.to_thread(own.running):
            say("the database does not answer, starting it again")
            await asyncio.to_thread(own.start)
            say("the database is ready")


async def _announce(settings: Settings, say: Say) -> None:
    """Say where the pages are as soon as they are there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, settings.port)
            writer.close()
            break
        await asyncio.sleep(0.1)
    say(f"ready: chat {settings.public_url}/   desk {settings.public_url}/desk   (end with Ctrl+C)")
