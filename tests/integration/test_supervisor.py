"""`foyer run` as an operator sees it: real processes, the own database, a free port."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from foundation.postgres import Embedded
from tests.support.app import ROOT, free_port
from tests.support.postgres import die_with_parent

WITHIN = 60.0


@dataclass
class Installation:
    """One `foyer run`: its process, its log, its data."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FOYER_")}
        environment |= {
            "FOYER_DATA_DIR": str(self.home / "data"),
            "FOYER_MASTER_KEY_FILE": str(self.home / "master.key"),
            "FOYER_PORT": str(self.port),
            "FOYER_PUBLIC_URL": self.url,
            "FOYER_NLU": "words",
            "PYTHONPATH": str(ROOT),
        }
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "foyer.cli", *arguments],
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )

    def run(self) -> None:
        self.process = self.command("run")
        self.until(self.serves)

    def until(self, condition: object) -> None:
        assert callable(condition)
        end = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < end, self.log.read_text()
            assert self.process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
                raise AssertionError(f"foyer run ended:\n{self.log.read_text()}")

    def serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def children(self) -> dict[str, int]:
        """The pids of the living children, by the last word of their command line."""
        assert self.process is not None
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                status = (process / "status").read_text()
                if f"PPid:\t{self.process.pid}\n" in status and "State:\tZ" not in status:
                    words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                    found[words[-1].decode()] = int(process.name)
        return found


@pytest.fixture
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="foyer-run-", dir="/tmp") as home:
        made = Installation(Path(home), free_port())
        try:
            yield made
        finally:
            if made.process is not None:
                made.process.kill()
                made.process.wait()
            Embedded(made.home / "data" / "postgres").stop()


def gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_life_of_foyer_run(installation: Installation) -> None:
    """Start, a killed child, a killed supervisor, the next start, the end: one after the other, as in life."""
    installation.run()
    first = installation.children()
    assert {"serve", "worker"} <= set(first)

    os.kill(first["serve"], signal.SIGKILL)
    installation.until(lambda: installation.children().get("serve", first["serve"]) != first["serve"])
    installation.until(installation.serves)
    assert "pages ended (signal 9), starting it again" in installation.log.read_text()
    assert installation.children()["worker"] == first["worker"]

    orphans = installation.children()
    assert installation.process is not None
    installation.process.kill()
    installation.process.wait()
    began = time.monotonic()
    installation.run()
    assert time.monotonic() - began < WITHIN
    assert all(gone(orphans[name]) for name in ("serve", "worker"))

    last = installation.children()
    installation.process.terminate()
    assert installation.process.wait(WITHIN) == 0
    assert all(gone(last[name]) for name in ("serve", "worker"))
    assert not Embedded(installation.home / "data" / "postgres").running()
    log = installation.log.read_text()
    assert len(re.findall(r"login admin   password", log)) == 1
    assert "Traceback" not in log


def test_the_database_is_killed_and_comes_back_at_the_same_address(installation: Installation) -> None:
    installation.run()
    pid = (installation.home / "data/postgres/cluster/postmaster.pid").read_text().split("\n", 1)[0]
    os.kill(int(pid), signal.SIGKILL)
    installation.until(lambda: "the database does not answer" in installation.log.read_text())
    installation.until(installation.serves)


def test_a_second_one_on_the_same_data_is_refused(installation: Installation) -> None:
    installation.run()
    taken, installation.port = installation.port, free_port()
    assert installation.command("run").wait(WITHIN) == 78
    assert "Foyer runs already with the data in" in installation.log.read_text()
    installation.port = taken
    assert installation.serves()


def test_a_port_that_is_taken_is_named_with_its_setting(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        installation.port = other.getsockname()[1]
        assert installation.command("run").wait(WITHIN) == 78
    log = installation.log.read_text()
    assert f"Port {installation.port} of 127.0.0.1 cannot be used" in log
    assert "FOYER_PORT" in log
    assert "Traceback" not in log


def test_other_commands_say_that_nothing_runs(installation: Installation) -> None:
    # not 78: a child that meets the moment in which the database is away must be started again
    assert installation.command("serve").wait(WITHIN) == 75
    assert "Foyer's database is not running. Start it with: foyer run" in installation.log.read_text()


def test_an_unusable_setting_is_named(installation: Installation) -> None:
    (installation.home / "foyer.env").write_text("FOYER_PRODUCTION=yes\nFOYER_NOW=soon\n")
    assert installation.command("serve").wait(WITHIN) == 78
    log = installation.log.read_text()
    assert "FOYER_NOW: " in log
    assert "Traceback" not in log


def test_accounts_are_made_and_listed(installation: Installation) -> None:
    def add(login: str, name: str, *roles: str) -> int:
        given = [word for role in roles for word in ("--role", role)]
        return installation.command("staff", "add", login, "--name", name, *given).wait(WITHIN)

    installation.run()
    assert add("Weber", "Frau Weber") == 0
    assert add("kaya", " Herr Kaya ", "content", "clerk", "content") == 0
    assert (add("WEBER", "Noch eine"), add("yilmaz", " "), add(" ", "Frau Yilmaz")) == (78, 78, 78)
    assert add("yilmaz", "Frau Yilmaz", "clerk", "boss") == 78
    assert installation.command("staff", "list").wait(WITHIN) == 0
    log = installation.log.read_text()
    assert (
        "admin   Admin   admin, clerk\nkaya   Herr Kaya   content, clerk\nweber   Frau Weber   clerk\n" in log
    )
    assert "foyer staff reset-password WEBER" in log
    assert 'foyer staff add LOGIN --name "Name"' in log
    assert "There is no role 'boss'. Give --role one of: clerk, content, admin" in log
    assert "Traceback" not in log
    ((login, password),) = re.findall(r"login (weber)   password (\S+)", log)
    account = {"login": login, "password": password}
    assert (
        httpx.post(f"{installation.url}/desk/sign-in", data=account).headers["location"] == "/desk/password"
    )


def test_the_operators_commands_start_the_database_for_themselves(installation: Installation) -> None:
    assert installation.command("seed").wait(WITHIN) == 78  # not migrated yet
    assert installation.command("db", "migrate").wait(WITHIN) == 0
    assert installation.command("seed").wait(WITHIN) == 0
    assert installation.command("staff", "reset-password", "admin").wait(WITHIN) == 0
    assert installation.command("staff", "reset-password", "nobody").wait(WITHIN) == 78
    saved = installation.home / "backup"
    assert installation.command("backup", str(saved)).wait(WITHIN) == 0
    (dump,) = saved.glob("*.dump")
    keyring = str(saved / "keyring.sealed")
    assert installation.command("restore", str(dump), "--keyring", keyring).wait(WITHIN) == 78
    assert installation.command("restore", str(dump), "--keyring", keyring, "--replace").wait(WITHIN) == 0
    assert not Embedded(installation.home / "data" / "postgres").running()
    assert "There is no account with the login 'nobody'" in installation.log.read_text()
    assert "Traceback" not in installation.log.read_text()
