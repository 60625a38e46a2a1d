"""Files that people send: checked by what is in them, built anew, and kept sealed.

Nothing is kept as it came. Pictures are decoded and encoded again, PDFs are rebuilt from their pages alone:
what hides behind a picture or inside a PDF (scripts, attachments, actions, names of authors) stays outside.
Four types are taken; each is known by its first bytes and then proved by the decoder, so no library that
guesses hundreds of types is needed.
"""

import asyncio
import hashlib
import io
import uuid
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pikepdf
from PIL import Image, ImageOps
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from foundation.crypto import Vault
from foundation.db import Base, PersonalRow
from foundation.errors import FoyerError, NotFound
from foundation.web import LARGEST_UPLOAD

MOST_PIXELS = 50_000_000
MOST_PAGES = 200
DEEPEST = 60
AT_ONCE = asyncio.Semaphore(2)
"""Rebuilding takes a core and memory; more than this at a time would starve the talks."""

PDF, JPEG, PNG, WEBP = "application/pdf", "image/jpeg", "image/png", "image/webp"
LONGEST_NAME = 120
SUFFIXES = {PDF: ".pdf", JPEG: ".jpg", PNG: ".png"}


class FileTooLarge(FoyerError):
    status = 413
    key = "file.too_large"


class WrongType(FoyerError):
    """None of the types that are taken."""

    status = 415
    key = "file.wrong_type"


class Damaged(FoyerError):
    """It cannot be read to its end."""

    status = 422
    key = "file.damaged"


class Locked(FoyerError):
    """A PDF with a password."""

    status = 422
    key = "file.locked"


class TooManyPages(FoyerError):
    status = 422
    key = "file.too_many_pages"


class TooManyPixels(FoyerError):
    status = 422
    key = "file.too_many_pixels"


@dataclass(frozen=True)
class Clean:
    """A file as it is kept. `sha256` is the hex digest of `data`."""

    media_type: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def named(name: str, media_type: str) -> str:
    """A name that no file system or header stumbles on, with the ending of what it is now."""
    bare = "".join(one for one in name if one.isprintable() and one not in '/\\:*?"<>|').strip(" .")
    stem = bare.rpartition(".")[0] or bare or "file"
    return stem[:LONGEST_NAME] + SUFFIXES[media_type]


async def taken_in(parts: AsyncIterator[bytes]) -> bytes:
    """What is uploaded, up to the limit. Errors: FileTooLarge, as soon as it is known."""
    data = bytearray()
    async for part in parts:
        data += part
        if len(data) > LARGEST_UPLOAD:
            raise FileTooLarge(limit=LARGEST_UPLOAD >> 20)
    return bytes(data)


async def cleaned(data: bytes) -> Clean:
    """The file built anew. Errors: WrongType, Damaged, Locked, TooManyPages, TooManyPixels, FileTooLarge."""
    async with AT_ONCE:
        return await asyncio.to_thread(clean, data)


def clean(data: bytes) -> Clean:
    made = _builder(data)(data)
    if len(made.data) > LARGEST_UPLOAD:
        raise FileTooLarge(limit=LARGEST_UPLOAD >> 20)
    return made


def _builder(data: bytes) -> Callable[[bytes], Clean]:
    # Real PDFs may begin with some bytes of a mailer or scanner (ISO 32000-1, Annex H, 3.4.1).
    if b"%PDF-" in data[:1024]:
        return _pdf
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    ):
        return _picture
    raise WrongType


# --- pictures ---------------------------------------------------------------------------------------


def _picture(data: bytes) -> Clean:
    """Upright, without what the camera noted (place, device), in its own format; WebP becomes JPEG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as found:
                if found.width * found.height > MOST_PIXELS:
                    raise TooManyPixels(limit=MOST_PIXELS // 1_000_000)
                found.load()
                return _encoded(ImageOps.exif_transpose(found), keep_png=found.format == "PNG")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(limit=MOST_PIXELS // 1_000_000) from None
    except FoyerError:
        raise
    except Exception:  # Pillow's decoders raise whatever they stumble on
        raise Damaged from None


def _encoded(picture: Image.Image, *, keep_png: bool) -> Clean:
    # A new picture holds the points alone: no comment, profile or thumbnail of the old one.
    mode = "RGBA" if keep_png and picture.has_transparency_data else "RGB"
    bare = Image.new(mode, picture.size)
    bare.paste(picture.convert(mode))
    out = io.BytesIO()
    if keep_png:
        bare.save(out, "PNG")
        return Clean(PNG, out.getvalue())
    bare.save(out, "JPEG", quality=90)
    return Clean(JPEG, out.getvalue())


# --- PDF --------------------------------------------------------------------------------------------

KEPT_OF_A_PAGE = frozenset(
    ("/Type", "/Parent", "/MediaBox", "/CropBox", "/Rotate", "/Resources", "/Contents", "/UserUnit")
)
NEVER = frozenset(
    (
        "/A", "/AA", "/AF", "/AcroForm", "/Annots", "/Collection", "/EmbeddedFiles", "/JS", "/JavaScript",
        "/Metadata", "/Names", "/OpenAction", "/PieceInfo", "/RichMedia", "/XFA",
    )
)  # fmt: skip


def _pdf(data: bytes) -> Clean:
    """Pages alone, with what was filled in drawn onto them."""
    try:
        with pikepdf.open(io.BytesIO(data)) as source, pikepdf.new() as target:
            if len(source.pages) > MOST_PAGES:
                raise TooManyPages(limit=MOST_PAGES)
            if len(source.pages) == 0:
                raise Damaged
            _draw_forms(source)
            target.pages.extend(source.pages)
            for page in target.pages:
                for key in set(page.obj.keys()) - KEPT_OF_A_PAGE:
                    del page.obj[key]
            for one in target.objects:
                _scrub(one)
            target.remove_unreferenced_resources()
            out = io.BytesIO()
            target.save(out, deterministic_id=True)
            return Clean(PDF, out.getvalue())
    except pikepdf.PasswordError:
        raise Locked from None
    except FoyerError:
        raise
    except Exception:  # a broken PDF breaks in many ways
        raise Damaged from None


def _draw_forms(source: pikepdf.Pdf) -> None:
    """What was typed into a form stands in annotations, which are dropped: make it part of the page first."""
    if "/AcroForm" in source.Root:
        source.generate_appearance_streams()
        source.flatten_annotations("screen")


def _scrub(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise Damaged
    if isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
        for key in list(value.keys()):
            if key in NEVER:
                del value[key]
            elif not _apart(value[key]):
                _scrub(value[key], depth + 1)
    elif isinstance(value, pikepdf.Array):
        for one in value:
            if not _apart(one):
                _scrub(one, depth + 1)


def _apart(value: Any) -> bool:
    """An object of its own is visited by itself."""
    return isinstance(value, pikepdf.Object) and value.is_indirect


# --- keeping ----------------------------------------------------------------------------------------


class FileContent(PersonalRow, Base):
    """What is in a file, sealed at the place "file.content:<id>"."""

    __tablename__ = "file_content"

    file_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("file.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes]


class FileStore(Protocol):
    """Keeps what is in files, sealed with the key of the case. A file is gone with its row."""

    async def put(
        self,
        session: AsyncSession,
        file_id: uuid.UUID,
        data: bytes,
        *,
        city_id: uuid.UUID,
        key_id: uuid.UUID,
        delete_after: datetime,
    ) -> None: ...

    async def get(self, session: AsyncSession, file_id: uuid.UUID) -> bytes:
        """Errors: NotFound, Forgotten."""
        ...


@dataclass(frozen=True)
class DatabaseFiles:
    """In PostgreSQL itself: a file is there exactly when its row is, in the backup too, for every process."""

    vault: Vault

    async def put(
        self,
        session: AsyncSession,
        file_id: uuid.UUID,
        data: bytes,
        *,
        city_id: uuid.UUID,
        key_id: uuid.UUID,
        delete_after: datetime,
    ) -> None:
        sealed = await self.vault.seal_bytes(session, key_id, f"file.content:{file_id}", data)
        session.add(FileContent(file_id=file_id, city_id=city_id, content=sealed, delete_after=delete_after))
        await session.flush()

    async def get(self, session: AsyncSession, file_id: uuid.UUID) -> bytes:
        row = await session.get(FileContent, file_id)
        if row is None:
            raise NotFound
        return await self.vault.open_bytes(session, f"file.content:{file_id}", row.content)
