"""The embedded PostgreSQL under everything that can go wrong with it, on the real binaries."""

import contextlib
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from foundation import postgres
from foundation.errors import OperatorError
from foundation.postgres import Embedded
from tests.promises.plugin import Promise

ROOT = Path(__file__).resolve().parents[2]
A_MINUTE = 60.0
STRANGER = "nobody"


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory as an installation's; nobody else may enter it, like a home directory."""
    with tempfile.TemporaryDirectory(prefix="foyer-engine-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def engine(directory: Path) -> Iterator[Embedded]:
    """A running server with one row in it."""
    with running(directory / "postgres") as own:
        yield own


@contextlib.contextmanager
def running(path: Path) -> Iterator[Embedded]:
    own = Embedded(path)
    try:
        url = own.start()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (what text)")
            connection.execute("INSERT INTO kept VALUES ('a row')")
        yield own
    finally:
        Embedded(path).stop()


def kept(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT what FROM kept").fetchall()


def servers(cluster: Path) -> list[int]:
    """The PostgreSQL processes that work in `cluster`, found without asking the code under test."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            working = (process / "cwd").samefile(cluster) and (process / "comm").read_text() == "postgres\n"
            if working:
                found.append(int(process.name))
    return found


def kill_everything(own: Embedded) -> None:
    """kill -9 of the server and all its backends at once."""
    for pid in servers(own.cluster):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of our business."""
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.promise("engine.embedded")
def test_the_program_is_killed_and_the_next_start_finds_the_server(engine: Embedded) -> None:
    """The server outlives a program that dies; another object, as in another process, attaches to it."""
    before = (engine.cluster / "postmaster.pid").read_text()
    assert kept(Embedded(engine.directory).start()) == [("a row",)]
    assert (engine.cluster / "postmaster.pid").read_text() == before


@pytest.mark.promise("engine.embedded")
def test_everything_is_killed_and_nothing_is_lost(engine: Embedded) -> None:
    for _ in range(3):
        kill_everything(engine)
        assert kept(engine.start()) == [("a row",)]


@pytest.mark.promise("engine.embedded")
@pytest.mark.parametrize("disguised", [False, True], ids=["root's process", "process of the database's user"])
def test_a_stale_pid_file_names_a_foreign_process(
    engine: Embedded, bystander: subprocess.Popen[bytes], disguised: bool
) -> None:
    """PostgreSQL itself would refuse to start: the named process lives, in the second case under its own user."""
    kill_everything(engine)
    foreign = of_the_databases_user(engine) if disguised else bystander
    pid_file = engine.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(foreign.pid), *lines[1:]]) + "\n")
    try:
        assert kept(engine.start()) == [("a row",)]
        engine.stop()
        assert foreign.poll() is None
        assert bystander.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def of_the_databases_user(own: Embedded) -> subprocess.Popen[bytes]:
    owner = own._owner()
    if os.getuid() == 0:
        return subprocess.Popen(["/bin/sleep", "600"], user=owner.pw_uid, group=owner.pw_gid, extra_groups=[])
    return subprocess.Popen(["/bin/sleep", "600"])


@pytest.mark.promise("engine.embedded")
def test_a_stop_harms_nobody_named_in_a_stale_pid_file(
    engine: Embedded, bystander: subprocess.Popen[bytes]
) -> None:
    kill_everything(engine)
    (engine.cluster / "postmaster.pid").write_text(f"{bystander.pid}\n")
    engine.stop()
    assert bystander.poll() is None


@pytest.mark.promise("engine.embedded")
def test_a_path_of_150_characters(directory: Path, promise: Promise) -> None:
    path = directory / ("x" * (150 - len(str(directory)) - 1))
    assert len(str(path)) == 150
    with running(path) as own:
        assert kept(own.url()) == [("a row",)]
    promise.figure(len(str(path)), "characters of path")


@pytest.mark.promise("engine.embedded")
def test_a_recovery_of_a_minute_is_waited_for(engine: Embedded, directory: Path, promise: Promise) -> None:
    """The recovery asks for an archived file and gets no answer before the minute is over."""
    kill_everything(engine)
    gate = directory.with_name(directory.name + ".gate")
    with open(engine.cluster / "postgresql.auto.conf", "a") as settings:
        settings.write(f"restore_command = 'while [ ! -e {gate} ]; do /bin/sleep 0.2; done; false'\n")
    owner = engine.cluster.stat()
    signal_file = engine.cluster / "recovery.signal"
    signal_file.touch()
    os.chown(signal_file, owner.st_uid, owner.st_gid)
    told: list[tuple[str, float]] = []

    def progress(message: str, seconds: float) -> None:
        told.append((message, seconds))
        if seconds > A_MINUTE:
            gate.touch()

    try:
        assert kept(Embedded(engine.directory, progress=progress).start()) == [("a row",)]
    finally:
        gate.unlink(missing_ok=True)
    waited = max(seconds for _, seconds in told)
    assert waited > A_MINUTE
    assert len(told) > A_MINUTE / 2
    promise.figure(round(waited), "s of recovery waited for")


@pytest.mark.promise("engine.embedded")
def test_no_mode_outside_is_changed(tmp_path: Path) -> None:
    """Every parent directory and everything beside stays as it was, through a crash and a stop."""
    home = tmp_path / "closed" / "home"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    (home / "letter").touch(mode=0o640)
    watched = [*home.parents, home, home / "letter", ROOT, Path(sys.executable)]
    before = [modes(path) for path in watched]
    with running(home / "data" / "postgres") as own:
        kill_everything(own)
        own.start()
        assert [modes(path) for path in watched] == before
    assert [modes(path) for path in watched] == before


def modes(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mode, found.st_uid, found.st_gid


def attempt(url: str, become: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    psql = str(postgres.Binaries.ready().program("psql"))
    return subprocess.run(
        [psql, url, "-c", "SELECT 1"], preexec_fn=become, cwd="/", capture_output=True, text=True
    )


def become_stranger() -> None:
    user = pwd.getpwnam(STRANGER)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


@pytest.mark.promise("engine.embedded")
def test_what_guards_the_socket(engine: Embedded) -> None:
    """Only the database's user may enter the directory, only the socket is listened on, and peer is asked."""
    directory = engine._socket_directory()
    assert directory is not None
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with psycopg.connect(engine.url("postgres", role="postgres")) as connection:
        rules = connection.execute("SELECT type, auth_method FROM pg_hba_file_rules").fetchall()
        assert rules == [("local", "peer")]
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.promise("engine.embedded")
def test_another_local_user_cannot_connect(engine: Embedded) -> None:
    """Without a second user to become, the server is asked for a role that is not ours."""
    assert attempt(engine.url()).returncode == 0
    if os.getuid() != 0:
        assert attempt(engine.url(role="nobody")).returncode != 0
        return
    refused = attempt(engine.url(), become_stranger)
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr
    # The second lock: should the directory ever stand open, peer still refuses.
    directory = engine._socket_directory()
    assert directory is not None
    url = engine.url()
    directory.chmod(0o755)
    (directory / postgres.SOCKET_NAME).chmod(0o777)
    refused = attempt(url, become_stranger)
    directory.chmod(0o700)
    assert refused.returncode != 0
    assert "Peer authentication failed" in refused.stderr


def test_a_socket_directory_that_is_not_ours_alone_is_not_believed(engine: Embedded) -> None:
    directory = engine._socket_directory()
    assert directory is not None
    directory.chmod(0o755)
    with pytest.raises(OperatorError, match="not running"):
        engine.url()
    directory.chmod(0o700)
    assert engine.running()


def test_a_socket_swept_away_is_made_anew(engine: Embedded) -> None:
    directory = engine._socket_directory()
    assert directory is not None
    for left in directory.iterdir():
        left.unlink()
    directory.rmdir()
    assert kept(engine.start()) == [("a row",)]


def test_the_address_survives_a_killed_server(engine: Embedded) -> None:
    url = engine.url()
    kill_everything(engine)
    assert engine.start() == url


def test_the_program_is_no_superuser(engine: Embedded) -> None:
    with psycopg.connect(engine.url()) as connection:
        assert connection.execute("SHOW is_superuser").fetchone() == ("off",)


def test_another_major_version_is_refused_with_instructions(engine: Embedded) -> None:
    engine.stop()
    (engine.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(OperatorError, match=r"PostgreSQL 17.*foyer backup"):
        engine.start()
    (engine.cluster / "PG_VERSION").write_text("18\n")


def test_an_unfinished_creation_is_begun_again(directory: Path) -> None:
    (directory / "postgres" / "cluster.new").mkdir(parents=True)
    (directory / "postgres" / "cluster.new" / "PG_VERSION").write_text("18\n")
    with running(directory / "postgres") as own:
        assert own.running()


def test_the_log_repeats_nobodys_words(engine: Embedded) -> None:
    with psycopg.connect(engine.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE said (words text UNIQUE)")
        for _ in range(2):
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO said VALUES (%s)", ["Ayşe wohnt jetzt hier"])
    log = engine.log.read_text()
    assert "said_words_key" in log
    assert "Ayşe" not in log


def test_an_old_server_is_refused(engine: Embedded) -> None:
    postgres.check_version(engine.url())
    with pytest.raises(OperatorError, match="needs PostgreSQL 19 or newer; DATABASE_URL leads to version 18"):
        postgres.check_version(engine.url(), oldest=19)


def test_an_unreachable_server_is_said_plainly() -> None:
    with pytest.raises(OperatorError, match="cannot be reached"):
        postgres.check_version("postgresql://foyer@127.0.0.1:1/foyer")
