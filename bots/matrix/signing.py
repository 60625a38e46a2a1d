"""Cross-signing (Matrix client-server API, "Cross-signing"): the account's own three Ed25519 keys.

matrix-nio has none, and clients that give message keys to signed devices only (MSC4153) would leave the
bot deaf. The seeds outlive every device: a new device is signed by them, and people see no new identity.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Json = dict[str, Any]
USAGES = ("master", "self_signing", "user_signing")


@dataclass(frozen=True)
class SigningKey:
    """One key; `seed` is its 32 secret bytes."""

    seed: bytes

    @classmethod
    def new(cls) -> Self:
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> str:
        """The public key in unpadded base64, which is also its id."""
        raw = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return unpadded(raw)

    def sign(self, value: Json, user_id: str) -> Json:
        """`value` with our signature added ("Signing JSON")."""
        bare = {key: part for key, part in value.items() if key not in ("signatures", "unsigned")}
        signature = unpadded(Ed25519PrivateKey.from_private_bytes(self.seed).sign(canonical(bare)))
        signatures = {user: dict(keys) for user, keys in value.get("signatures", {}).items()}
        signatures.setdefault(user_id, {})[f"ed25519:{self.public}"] = signature
        return {**bare, "signatures": signatures}


@dataclass(frozen=True)
class Identity:
    """The three keys of one user."""

    user_id: str
    master: SigningKey
    self_signing: SigningKey
    user_signing: SigningKey

    @classmethod
    def new(cls, user_id: str) -> Self:
        return cls(user_id, *(SigningKey.new() for _ in USAGES))

    @classmethod
    def from_seeds(cls, user_id: str, seeds: Mapping[str, str]) -> Self:
        return cls(user_id, *(SigningKey(base64.b64decode(seeds[usage])) for usage in USAGES))

    @property
    def seeds(self) -> dict[str, str]:
        keys = (self.master, self.self_signing, self.user_signing)
        return {usage: base64.b64encode(key.seed).decode() for usage, key in zip(USAGES, keys, strict=True)}

    def upload(self) -> Json:
        """The body of POST /keys/device_signing/upload."""
        return {
            "master_key": self._described("master", self.master),
            "self_signing_key": self.master.sign(
                self._described("self_signing", self.self_signing), self.user_id
            ),
            "user_signing_key": self.master.sign(
                self._described("user_signing", self.user_signing), self.user_id
            ),
        }

    def sign_device(self, device: Json) -> Json:
        """The device's keys as the server knows them, signed."""
        return self.self_signing.sign(device, self.user_id)

    def has_signed(self, device: Json) -> bool:
        return f"ed25519:{self.self_signing.public}" in device.get("signatures", {}).get(self.user_id, {})

    def _described(self, usage: str, key: SigningKey) -> Json:
        return {"user_id": self.user_id, "usage": [usage], "keys": {f"ed25519:{key.public}": key.public}}


def canonical(value: Json) -> bytes:
    """Canonical JSON: sorted, without spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
