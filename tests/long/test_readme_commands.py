"""The README's commands, run as written in a clean clone."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.pictures import MADE_BY, PICTURES
from tests.promises.plugin import Promise
from tests.support.app import free_port
from tests.support.png import software
from tests.support.postgres import die_with_parent
from tests.support.readme import ROOT, commands

MINUTE = 60
SERVES_WITHIN = 10 * MINUTE
TESTS_WITHIN = 40 * MINUTE


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody gets who clones the repository; caches of downloads are shared."""
    target = tmp_path_factory.mktemp("readme") / "foyer"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(target)], check=True)
    return target


def _environment(**more: str) -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("FOYER_", "GIT_", "PYTHON"))
    }
    for name in ("VIRTUAL_ENV", "DATABASE_URL", "MAKEFLAGS", "MAKELEVEL"):
        kept.pop(name, None)
    return kept | more


@contextlib.contextmanager
def _running(command: str, clone: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process group of its own, ended as by Ctrl+C."""
    with open(clone.parent / "output", "wb") as output:
        child = subprocess.Popen(
            command.split(), cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)
        try:
            child.wait(MINUTE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise


def _seconds_until_served(child: subprocess.Popen[bytes], url: str, output: Path) -> float:
    started = time.monotonic()
    while time.monotonic() - started < SERVES_WITHIN:
        assert child.poll() is None, output.read_text(errors="replace")[-3000:]
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                return time.monotonic() - started
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.2)
    raise AssertionError(output.read_text(errors="replace")[-3000:])


@pytest.mark.long
@pytest.mark.promise("readme.true")
def test_the_first_command_leads_to_chat_and_desk(clone: Path, promise: Promise, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    environment = _environment(FOYER_PORT=str(port), FOYER_PUBLIC_URL=url, XDG_CONFIG_HOME=str(tmp_path))
    with _running(commands()[0], clone, environment) as child:
        seconds = _seconds_until_served(child, url, clone.parent / "output")
        for path in ("/", "/desk"):
            assert httpx.get(url + path, follow_redirects=True).status_code == 200
    promise.figure(round(seconds), "s from clone to chat, downloads cached")


@pytest.mark.long
@pytest.mark.promise("readme.true")
@pytest.mark.parametrize("command", [commands()[1], "make check", "make pictures"])
def test_the_other_commands_end_well(clone: Path, command: str, promise: Promise) -> None:
    assert command in commands()
    started = time.monotonic()
    done = subprocess.run(
        command.split(), cwd=clone, env=_environment(), capture_output=True, text=True, timeout=TESTS_WITHIN
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if command == "make pictures":
        made = {name: software((clone / "docs" / "pictures" / name).read_bytes()) for name in PICTURES}
        assert made == dict.fromkeys(PICTURES, MADE_BY)
    promise.figure(round(time.monotonic() - started), f"s for {command}")
