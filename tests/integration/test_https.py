"""The office's own certificate: a phone's camera works on https only."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.app import App, pause
from tests.support.moments import MONDAY


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


async def test_the_office_serves_with_its_own_certificate(database_url: str, tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path)
    app = App(tmp_path / "app", database_url, MONDAY)
    app.settings = {
        "FOYER_TLS_CERTIFICATE": str(certificate),
        "FOYER_TLS_KEY": str(key),
        "FOYER_PUBLIC_URL": f"https://localhost:{app.port}",
    }
    app.serve.environment = app.environment()
    await app.seed()
    app.serve.start()
    trust = ssl.create_default_context(cafile=str(certificate))
    base = f"https://localhost:{app.port}"
    try:
        async with httpx.AsyncClient(base_url=base, verify=trust) as client, asyncio.timeout(60):
            while True:
                try:
                    page = await client.get("/")
                    break
                except httpx.TransportError:
                    assert app.serve.alive, app.logs()
                    await pause()
            started = await client.post("/chat/start", json={"language": "ar"}, headers={"Origin": base})
    finally:
        app.kill()
    assert page.headers["strict-transport-security"]
    assert "Secure" in started.headers["set-cookie"]
    assert "wss://localhost" in page.headers["content-security-policy"]
