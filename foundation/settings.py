"""All settings of an installation, read from the environment (prefix FOYER_) and an optional file `foyer.env`."""

import base64
import os
import re
import secrets
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundation.errors import OperatorError

ROOT = Path(__file__).resolve().parent.parent
_TELEGRAM_TOKEN = re.compile(r"\d{3,20}:[\w-]{10,100}", re.ASCII)
_TELEGRAM_SECRET = re.compile(r"[\w-]{16,256}", re.ASCII)
"""Bot API, setWebhook; shorter ones could be guessed."""


def _default_master_key_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "foyer" / "master.key"


class Settings(BaseSettings):
    """One installation. Every field is `FOYER_<NAME>` in the environment, except DATABASE_URL."""

    model_config = SettingsConfigDict(env_prefix="FOYER_", env_file="foyer.env", extra="ignore")

    city: str = "heidelberg"
    production: bool = False
    data_dir: Path = Path(".foyer")
    content_dir: Path = ROOT / "content"
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url")
    )

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = "http://localhost:8080"
    trusted_proxies: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    master_key: SecretStr | None = None
    master_key_file: Path = Field(default_factory=_default_master_key_file)

    nlu: Literal["rasa", "words"] = "rasa"
    nlu_patience: float = 2.0

    turn_urls: str = ""
    turn_secret: SecretStr | None = None

    telegram_token: SecretStr | None = None
    telegram_api: str = "https://api.telegram.org"
    telegram_secret: SecretStr | None = None

    stripe_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_api: str | None = None

    smtp_url: SecretStr | None = None
    mail_from: str = "buergeramt@heidelberg.example"

    matrix_homeserver: str | None = None
    matrix_user: str | None = None
    matrix_password: SecretStr | None = None
    matrix_token: SecretStr | None = None
    matrix_store: Path | None = None

    now: datetime | None = None
    crash_at: str | None = None

    @model_validator(mode="after")
    def _refuse_test_switches_in_production(self) -> Self:
        if self.production and (self.now or self.crash_at):
            raise ValueError("FOYER_NOW and FOYER_CRASH_AT are for tests; unset them in production")
        if self.production and urlsplit(self.public_url).scheme != "https":
            raise ValueError(
                "production needs an https FOYER_PUBLIC_URL: a phone's camera works on https only"
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("set FOYER_TLS_CERTIFICATE and FOYER_TLS_KEY together")
        return self

    @model_validator(mode="after")
    def _whole_matrix_account(self) -> Self:
        if self.matrix_homeserver and not (self.matrix_user and (self.matrix_password or self.matrix_token)):
            raise ValueError(
                "Matrix needs FOYER_MATRIX_USER and FOYER_MATRIX_PASSWORD (or FOYER_MATRIX_TOKEN), too"
            )
        return self

    @model_validator(mode="after")
    def _whole_stripe_account(self) -> Self:
        if bool(self.stripe_key) != bool(self.stripe_webhook_secret):
            raise ValueError("set FOYER_STRIPE_KEY and FOYER_STRIPE_WEBHOOK_SECRET together")
        if self.production and self.stripe_api:
            raise ValueError("FOYER_STRIPE_API is for tests; unset it in production")
        if self.production and self.stripe_key and "_test_" in self.stripe_key.get_secret_value():
            raise ValueError("FOYER_STRIPE_KEY is a test key; production needs a live one")
        return self

    @model_validator(mode="after")
    def _whole_turn_server(self) -> Self:
        if self.turn_urls and not self.turn_secret:
            raise ValueError("FOYER_TURN_URLS needs FOYER_TURN_SECRET, the static-auth-secret of your coturn")
        return self

    @model_validator(mode="after")
    def _usable_telegram_account(self) -> Self:
        if self.telegram_token and not _TELEGRAM_TOKEN.fullmatch(self.telegram_token.get_secret_value()):
            raise ValueError("FOYER_TELEGRAM_TOKEN must look like 123456789:AA… as @BotFather gives it")
        if self.telegram_secret and not _TELEGRAM_SECRET.fullmatch(self.telegram_secret.get_secret_value()):
            raise ValueError("FOYER_TELEGRAM_SECRET takes 16 to 256 letters, digits, _ and -")
        return self

    @property
    def telegram_by_webhook(self) -> bool:
        """With a secret and an https address Telegram calls us; else a process of ours asks it."""
        return self.telegram_secret is not None and self.secure_cookies

    @property
    def secure_cookies(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @cached_property
    def master_secret(self) -> bytes:
        """32 bytes: from FOYER_MASTER_KEY (base64), or from the key file, made on first use."""
        text = self.master_key.get_secret_value() if self.master_key else self._read_or_make_key_file()
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise OperatorError("The master key is not base64; restore it from your safe copy.") from error
        if len(raw) != 32:
            raise OperatorError(
                f"The master key has {len(raw)} bytes instead of 32; restore it from your safe copy."
            )
        return raw

    def _read_or_make_key_file(self) -> str:
        path = self.master_key_file.expanduser()
        if path.resolve().is_relative_to(self.data_dir.resolve()):
            raise OperatorError(
                f"{path} lies inside the data directory, so a copy of the data would open itself; move it."
            )
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                pass  # another process was faster; its key counts
            else:
                with os.fdopen(descriptor, "w") as file:
                    file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        return path.read_text().strip()
