"""Just enough of PNG (ISO/IEC 15948) to sign a picture: chunks of length, type, data and CRC."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = 8 + 25


def signed(picture: bytes, software: str) -> bytes:
    """The picture with a tEXt chunk "Software", put behind its header."""
    body = b"tEXt" + b"Software\x00" + software.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:HEADER_END] + chunk + picture[HEADER_END:]


def software(picture: bytes) -> str | None:
    """What `signed` wrote."""
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        if kind == b"tEXt" and data.startswith(b"Software\x00"):
            return data.partition(b"\x00")[2].decode("latin-1")
        at += 12 + length
    return None


def size(picture: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    assert picture[:8] == SIGNATURE
    width, height = struct.unpack(">II", picture[16:24])
    return width, height
