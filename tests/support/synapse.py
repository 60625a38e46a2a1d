"""A real Matrix homeserver on loopback: Synapse in a virtualenv of its own (setup_matrix.sh)."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.app import ROOT, free_port
from tests.support.postgres import die_with_parent

PYTHON = ROOT / ".tools" / "synapse" / "bin" / "python"
READY_WITHIN = 60.0
"""Seconds; a loaded machine needs half of it."""
SECRET = "for-tests-only"
OFTEN = {"per_second": 100_000, "burst_count": 100_000}
LOG = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "synapse.log"}},
    "root": {"level": "WARNING", "handlers": ["file"]},
    "disable_existing_loggers": False,
}

Json = dict[str, Any]


@dataclass
class Synapse:
    """A homeserver with its data in `directory`. It may be stopped and started again."""

    directory: Path
    port: int = field(default_factory=free_port)
    child: subprocess.Popen[bytes] | None = None
    _admin: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers. Errors: AssertionError with its output."""
        assert PYTHON.exists(), (
            "the Matrix homeserver for tests is missing; run tests/support/setup_matrix.sh"
        )
        self._write_files()
        with open(self.directory / "output.txt", "ab") as output:
            self.child = subprocess.Popen(
                [PYTHON, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"],
                cwd=self.directory,
                env={
                    key: value
                    for key, value in os.environ.items()
                    if not key.startswith(("PYTHON", "FOYER_"))
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(),
            )
        self._wait()

    def _wait(self) -> None:
        child, end = self.child, time.monotonic() + READY_WITHIN
        assert child is not None
        while time.monotonic() < end:
            assert child.poll() is None, (
                f"Synapse ended:\n{(self.directory / 'output.txt').read_text()[-3000:]}"
            )
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"{self.url}/health", timeout=2).read()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
        raise AssertionError(f"Synapse did not answer within {READY_WITHIN:.0f} s")

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def register(self, user: str, password: str = "secret", *, admin: bool = False) -> str:
        """A new account; its Matrix id."""
        path = "/_synapse/admin/v1/register"
        nonce = self.request("GET", path)["nonce"]
        words = "\0".join([nonce, user, password, "admin" if admin else "notadmin"])
        mac = hmac.new(SECRET.encode(), words.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
        user_id: str = self.request("POST", path, body)["user_id"]
        return user_id

    def somebody(self) -> str:
        """A new account with a name of its own; its Matrix id."""
        return self.register(f"u{secrets.token_hex(6)}")

    def login(self, user: str, password: str = "secret") -> str:
        """An access token."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        }
        token: str = self.request("POST", "/_matrix/client/v3/login", body)["access_token"]
        return token

    def limit(self, user: str) -> None:
        """Refuse whatever this account sends from now on: too often."""
        self._limits("POST", user, {"messages_per_second": 1, "burst_count": 0})

    def unlimit(self, user: str) -> None:
        self._limits("DELETE", user, None)

    def _limits(self, method: str, user: str, body: Json | None) -> None:
        if self._admin is None:
            self._admin = self.login(self.register("steward", admin=True))
        path = f"/_synapse/admin/v1/users/{quote(user)}/override_ratelimit"
        self.request(method, path, body, self._admin)

    def request(self, method: str, path: str, body: Json | None = None, token: str | None = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            value: Json = json.load(answer)
        return value

    def _write_files(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "homeserver.yaml").write_text(json.dumps(self._settings()))
        (self.directory / "log.yaml").write_text(json.dumps(LOG))
        key = self.directory / "signing.key"
        if not key.exists():
            key.write_text(f"ed25519 a_test {base64.b64encode(os.urandom(32)).decode().rstrip('=')}\n")

    def _settings(self) -> Json:
        listener = {"port": self.port, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"]}
        return {
            "server_name": "localhost",
            "public_baseurl": f"{self.url}/",
            "pid_file": "synapse.pid",
            "signing_key_path": "signing.key",
            "media_store_path": "media",
            "log_config": "log.yaml",
            "listeners": [{**listener, "resources": [{"names": ["client"], "compress": False}]}],
            "database": {"name": "sqlite3", "args": {"database": "homeserver.db"}},
            "registration_shared_secret": SECRET,
            "macaroon_secret_key": "m" * 32,
            "form_secret": "f" * 32,
            "report_stats": False,
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_domain_whitelist": [],
            "presence": {"enabled": False},
            "user_directory": {"enabled": False},
            "url_preview_enabled": False,
            "bcrypt_rounds": 4,
            "default_room_version": "12",
            "rc_message": OFTEN,
            "rc_registration": OFTEN,
            "rc_login": {"address": OFTEN, "account": OFTEN, "failed_attempts": OFTEN},
            "rc_joins": {"local": OFTEN, "remote": OFTEN},
            "rc_joins_per_room": OFTEN,
            "rc_invites": {"per_room": OFTEN, "per_user": OFTEN, "per_issuer": OFTEN},
            "rc_room_creation": OFTEN,
            "rc_key_requests": OFTEN,
        }


@contextlib.contextmanager
def running_synapse(directory: Path) -> Iterator[Synapse]:
    """A homeserver that ends with the block, or with this process."""
    synapse = Synapse(directory)
    try:
        synapse.start()
        yield synapse
    finally:
        synapse.stop()
