"""What people send is built anew: what hides in it stays outside, and who is refused learns why."""

import io
import struct
import zlib

import pikepdf
import pytest
from PIL import Image

from foundation.errors import FoyerError
from foundation.files import (
    JPEG,
    MOST_PAGES,
    PDF,
    PNG,
    Damaged,
    FileTooLarge,
    Locked,
    TooManyPages,
    TooManyPixels,
    WrongType,
    clean,
    taken_in,
)
from foundation.web import LARGEST_UPLOAD
from tests.support.files import pdf, picture

HIDDEN = (
    b"app.alert",
    b"cmd.exe",
    b"x.exe",
    b"Geheim",
    b"/OpenAction",
    b"/Launch",
    b"/JavaScript",
    b"/EmbeddedFile",
)


def hostile_pdf() -> bytes:
    """Everything a PDF can do to its reader, and an author's name."""
    Dictionary, Name, Array = pikepdf.Dictionary, pikepdf.Name, pikepdf.Array
    made = pikepdf.new()
    made.add_blank_page()
    script = Dictionary(S=Name.JavaScript, JS=pikepdf.String("app.alert(1)"))
    made.Root.OpenAction = script
    made.Root.AA = Dictionary(WC=script)
    made.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([pikepdf.String("a"), script])))
    made.attachments["x.exe"] = b"MZ"
    launch = Dictionary(
        Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=Dictionary(S=Name.Launch, F="cmd.exe")
    )
    made.pages[0].obj["/Annots"] = made.make_indirect(Array([launch]))
    made.pages[0].obj["/Resources"] = Dictionary(Properties=Dictionary(X=Dictionary(AA=script)))
    made.docinfo["/Author"] = "Geheim"
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def unpacked(data: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as read:
        read.save(
            out,
            qdf=True,
            compress_streams=False,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        )
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 30,000 points wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 90_001))


def test_a_pdf_keeps_its_pages_and_nothing_that_acts() -> None:
    before = unpacked(hostile_pdf())
    assert all(one in before for one in HIDDEN)
    made = clean(hostile_pdf())
    assert made.media_type == PDF
    assert [one for one in HIDDEN if one in unpacked(made.data)] == []
    with pikepdf.open(io.BytesIO(made.data)) as read:
        assert len(read.pages) == 1


def test_what_was_typed_into_a_form_stays_on_the_page() -> None:
    """Whoever fills in a form in a PDF reader must not hand in an empty one."""
    Dictionary, Name, Array = pikepdf.Dictionary, pikepdf.Name, pikepdf.Array
    made = pikepdf.new()
    made.add_blank_page()
    font = made.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
    field = made.make_indirect(
        Dictionary(
            Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=pikepdf.String("name"),
            V=pikepdf.String("Amal"), DA=pikepdf.String("/Helv 12 Tf 0 g"), Rect=Array([10, 10, 200, 40]), F=4,
        )
    )  # fmt: skip
    made.pages[0].obj["/Annots"] = Array([field])
    made.Root.AcroForm = Dictionary(
        Fields=Array([field]), DR=Dictionary(Font=Dictionary(Helv=font)), NeedAppearances=True
    )
    out = io.BytesIO()
    made.save(out)
    shown = unpacked(clean(out.getvalue()).data)
    assert b"Amal" in shown
    assert b"/AcroForm" not in shown


def test_a_picture_loses_what_hides_behind_it_and_in_its_notes() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Geheim"
    made = clean(picture("JPEG", exif=exif) + b"<script>alert(1)</script>")
    assert made.media_type == JPEG
    assert b"Geheim" not in made.data
    assert b"script" not in made.data
    assert clean(picture("PNG") + b"PK\x03\x04tail").media_type == PNG
    assert clean(picture("WEBP")).media_type == JPEG


def test_a_picture_lies_as_it_was_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    with Image.open(io.BytesIO(clean(picture("JPEG", exif=exif)).data)) as shown:
        assert shown.size == (20, 40)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<html><script>alert(1)</script>", WrongType),
        (b"MZ" + b"\0" * 100, WrongType),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', WrongType),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", WrongType),
        (b"", WrongType),
        (pdf()[: len(pdf()) // 3], Damaged),
        (picture("PNG")[:60], Damaged),
        (b"%PDF-1.7 nothing else", Damaged),
        (pdf(encryption=pikepdf.Encryption(owner="a", user="b")), Locked),
        (pdf(MOST_PAGES + 1), TooManyPages),
        (bomb(), TooManyPixels),
    ],
)
def test_whoever_is_refused_learns_why(data: bytes, why: type[FoyerError]) -> None:
    with pytest.raises(why):
        clean(data)


async def test_an_upload_is_cut_off_at_the_limit() -> None:
    taken = 0

    async def endless() -> object:
        nonlocal taken
        while True:
            taken += 1 << 20
            yield b"x" * (1 << 20)

    with pytest.raises(FileTooLarge):
        await taken_in(endless())  # type: ignore[arg-type]  # an async generator
    assert taken == LARGEST_UPLOAD + (1 << 20)
