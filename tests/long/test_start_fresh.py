"""A clean clone, nothing cached, two commands: as root and as somebody else."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.plugin import Promise
from tests.support.app import free_port

ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USERS = ("somebody", "root") if os.getuid() == 0 else ("somebody",)
FIRST_START = 20 * 60
SECOND_START = 10.0
TESTS = 60 * 60

pytestmark = [pytest.mark.long, pytest.mark.promise("start.fresh")]


@dataclass(frozen=True)
class Clone:
    """A clone with a home of its own beside it, and who works in it (None for ourselves)."""

    home: Path
    user: pwd.struct_passwd | None

    @property
    def tree(self) -> Path:
        return self.home / "foyer"

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of ours: empty home, empty caches, the machine's own programs."""
        return {"HOME": str(self.home), "PATH": PATH, "LANG": "C.UTF-8", **more}

    def start(self, arguments: Sequence[str], log: Path, **more: str) -> subprocess.Popen[bytes]:
        who: dict[str, Any] = {}
        if self.user is not None:
            who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with open(log, "wb") as file:
            return subprocess.Popen(
                arguments,
                cwd=self.tree,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                **who,
            )


@pytest.fixture(scope="module", params=USERS)
def clone(request: pytest.FixtureRequest) -> Iterator[Clone]:
    """A clean clone of the last commit for a user made for this test, then for root."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foyer-fresh-", dir="/tmp")))
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(home / "foyer")], check=True)
        user = None
        if request.param == "somebody" and os.getuid() == 0:
            user = stack.enter_context(somebody(home))
        yield Clone(home, user)


@contextlib.contextmanager
def somebody(home: Path) -> Iterator[pwd.struct_passwd]:
    """A normal user of this machine, who owns `home`; gone afterwards."""
    name = f"fresh{secrets.token_hex(4)}"
    subprocess.run(["useradd", "--no-create-home", "--home-dir", str(home), name], check=True)
    try:
        subprocess.run(["chown", "-R", f"{name}:", str(home)], check=True)
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


@contextlib.contextmanager
def make_run(clone: Clone, log: Path) -> Iterator[tuple[str, float]]:
    """`make run` until it serves: its address and the seconds that took. Ended with Ctrl+C afterwards."""
    port = free_port()
    url = f"http://localhost:{port}"
    began = time.monotonic()
    process = clone.start(["make", "run"], log, FOYER_PORT=str(port), FOYER_PUBLIC_URL=url)
    try:
        wait_until_served(process, url, log)
        yield url, time.monotonic() - began
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def wait_until_served(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + FIRST_START
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/", timeout=10, follow_redirects=True).status_code == 200:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            raise AssertionError(f"make run ended:\n{log.read_text()}")
    raise AssertionError(f"not served after {FIRST_START} s:\n{log.read_text()}")


def test_make_run_leads_to_chat_and_desk(clone: Clone, tmp_path: Path, promise: Promise) -> None:
    log = tmp_path / "first.log"
    with make_run(clone, log) as (url, seconds):
        for page in ("/", "/desk"):
            answer = httpx.get(url + page, timeout=30, follow_redirects=True)
            assert answer.status_code == 200, page
            assert "<html" in answer.text, page
    promise.figure(round(seconds), "s for the first start")
    told = log.read_text()
    for step in (
        "fetching the Python packages",
        "building the pages",
        "creating the database",
        "ready: chat",
    ):
        assert step in told
    assert re.search(r"login admin   password \S{12,}", told)


def test_the_second_start_is_quick(clone: Clone, tmp_path: Path, promise: Promise) -> None:
    log = tmp_path / "second.log"
    with make_run(clone, log) as (_, seconds):
        assert seconds < SECOND_START, log.read_text()
    promise.figure(round(seconds, 1), "s for the second start")
    assert "password" not in log.read_text()


def test_a_missing_debian_package_is_named(clone: Clone, tmp_path: Path) -> None:
    """Who is not root is told the line to run; root would have it installed. The package list is a stand-in."""
    programs = clone.home / "programs"
    programs.mkdir(mode=0o755)
    for name, text in {"dpkg-query": "exit 1", "apt-get": f'echo "$*" >>{clone.home}/installed'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    if clone.user is not None:
        subprocess.run(["chown", "-R", f"{clone.user.pw_name}:", str(programs)], check=True)
    log = tmp_path / "missing.log"
    prepared = clone.start([".ci/prepare", "test"], log, PATH=f"{programs}:{PATH}")
    prepared.wait(FIRST_START)
    if clone.user is None and os.getuid() == 0:
        assert prepared.returncode == 0, log.read_text()
        assert "install -y --no-install-recommends chromium" in (clone.home / "installed").read_text()
    else:
        assert prepared.returncode != 0
        assert "Run: sudo apt-get install -y --no-install-recommends chromium" in log.read_text()
    shutil.rmtree(programs)


def test_make_test_passes(clone: Clone, tmp_path: Path, promise: Promise) -> None:
    log = tmp_path / "test.log"
    began = time.monotonic()
    process = clone.start(["make", "test"], log)
    process.wait(TESTS)
    assert process.returncode == 0, log.read_text()[-5000:]
    promise.figure(round((time.monotonic() - began) / 60), "min for make test")
