"""A throwaway PostgreSQL cluster for a test run: the embedded binaries, a private socket, no durability.

Not `foundation.postgres.Embedded`: that one keeps its promises to disks and to other users, which costs time.
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from foundation.postgres import Binaries

FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=64MB",
    "max_wal_size=512MB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "file_copy_method=clone",
)
PR_SET_PDEATHSIG = 1


def die_with_parent(sign: int = signal.SIGKILL) -> Callable[[], None]:
    """A preexec_fn: the child gets `sign` when the test process dies, however it dies."""
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(sign))


@dataclass(frozen=True)
class Cluster:
    """A running server. `url(name)` addresses one of its databases, `data` holds its raw files."""

    data: Path
    socket_dir: Path
    password: str

    def url(self, database: str) -> str:
        return f"postgresql://foyer:{self.password}@/{database}?host={self.socket_dir}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A plain connection in autocommit."""
        return psycopg.connect(self.url(database), autocommit=True)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make, start and, at the end, stop and remove a cluster; as root it runs under a system user."""
    home = Path(tempfile.mkdtemp(prefix="foyer-pg-", dir="/tmp"))  # a socket path may have 107 bytes
    cluster = Cluster(home / "data", home, secrets.token_hex(16))
    user = _system_user()
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)
    binaries = Binaries.ready()
    try:
        _initialise(cluster, binaries, user)
        with _server(cluster, binaries, user):
            yield cluster
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _system_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _initialise(cluster: Cluster, binaries: Binaries, user: pwd.struct_passwd | None) -> None:
    password_file = cluster.socket_dir / "password"
    password_file.write_text(cluster.password)
    if user:
        os.chown(password_file, user.pw_uid, user.pw_gid)
    subprocess.run(
        [
            binaries.program("initdb"),
            "-D",
            cluster.data,
            "-U",
            "foyer",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--auth-local=scram-sha-256",
            "--auth-host=reject",
            f"--pwfile={password_file}",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        **_as(user),
    )
    password_file.unlink()


@contextlib.contextmanager
def _server(cluster: Cluster, binaries: Binaries, user: pwd.struct_passwd | None) -> Iterator[None]:
    options = [part for option in FAST for part in ("-c", option)]
    with open(cluster.socket_dir / "log", "wb") as log:
        server = subprocess.Popen(
            [binaries.program("postgres"), "-D", cluster.data, "-k", cluster.socket_dir, *options],
            stdout=log,
            stderr=log,
            cwd="/",
            preexec_fn=die_with_parent(signal.SIGQUIT),
            **_as(user),
        )
    try:
        _wait_until_ready(cluster, server)
        yield
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(30)


def _wait_until_ready(cluster: Cluster, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            cluster.connect().close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.02)
    raise RuntimeError((cluster.socket_dir / "log").read_text())


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
