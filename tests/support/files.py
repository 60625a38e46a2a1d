"""Small files as people send them."""

import io

import pikepdf
from PIL import Image


def picture(kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(out, kind, **more)
    return out.getvalue()


def pdf(pages: int = 1, **more: object) -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as made:
        for _ in range(pages):
            made.add_blank_page()
        made.save(out, **more)  # type: ignore[arg-type]  # options by name
    return out.getvalue()
