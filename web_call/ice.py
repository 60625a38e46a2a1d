"""ICE servers with credentials that expire (coturn's `use-auth-secret`; draft-uberti-behave-turn-rest-00)."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from foundation.clock import Clock, SystemClock
from foundation.errors import OperatorError

LIVES = timedelta(hours=1)


@dataclass(frozen=True)
class Turn:
    """The city's TURN servers; without `urls` browsers try only direct ways.

    The clock is the machine's own, not the office's: coturn reads the expiry by its own.
    """

    urls: Sequence[str] = ()
    secret: str = ""
    clock: Clock = field(default_factory=SystemClock)

    def __bool__(self) -> bool:
        return bool(self.urls)

    def configuration(self, owner: uuid.UUID, role: str) -> Mapping[str, Any]:
        """What a browser needs: `iceServers`, and `seconds` until it should ask again.

        One username per call and person: coturn's quota counts per username.
        """
        seconds = int(LIVES.total_seconds())
        if not self.urls:
            return {"iceServers": [], "seconds": seconds}
        name = f"{int(self.clock.now().timestamp()) + seconds}:{uuid.uuid5(owner, role)}"
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        server = {
            "urls": list(self.urls),
            "username": name,
            "credential": base64.b64encode(digest).decode(),
        }
        return {"iceServers": [server], "seconds": seconds}


COTURN = """\
# coturn for Foyer: save as /etc/turnserver.conf and restart coturn.
# Open 3478/udp, 3478/tcp, 443/tcp and 49160-49960/udp to the world.
listening-port=3478
tls-listening-port=443
min-port=49160
max-port=49960
fingerprint
use-auth-secret
static-auth-secret={secret}
realm={realm}
user-quota=12
stale-nonce=600
# The certificate of {realm}; without it, only UDP and TCP work.
cert=/etc/letsencrypt/live/{realm}/fullchain.pem
pkey=/etc/letsencrypt/live/{realm}/privkey.pem
no-cli
no-multicast-peers
# Nobody may reach the city's inner network through the relay.
denied-peer-ip=0.0.0.0-0.255.255.255
denied-peer-ip=10.0.0.0-10.255.255.255
denied-peer-ip=100.64.0.0-100.127.255.255
denied-peer-ip=127.0.0.0-127.255.255.255
denied-peer-ip=169.254.0.0-169.254.255.255
denied-peer-ip=172.16.0.0-172.31.255.255
denied-peer-ip=192.168.0.0-192.168.255.255
denied-peer-ip=::1
denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
no-rfc5780
"""


def coturn_configuration(urls: Sequence[str], secret: str, public_url: str) -> str:
    """A configuration for coturn that fits these settings. Errors: OperatorError without a secret."""
    if not secret:
        raise OperatorError(
            "Set FOYER_TURN_SECRET to a long random text first (for example: openssl rand -hex 32), "
            "and FOYER_TURN_URLS to the addresses of your TURN server."
        )
    host = turn_host(urls[0]) if urls else urlsplit(public_url).hostname or "turn.example.org"
    return COTURN.format(secret=secret, realm=host)


def turn_host(url: str) -> str:
    """The host of "turn:host:port?transport=udp" (RFC 7065)."""
    return (
        url.partition(":")[2].partition("?")[0].rpartition(":")[0] or url.partition(":")[2].partition("?")[0]
    )
