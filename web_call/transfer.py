"""How a file travels over HTTP, the same for both sides.."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Header, Response

from web_call.files import CaseFile

FileName = Annotated[str, Header(alias="X-File-Name", max_length=1000)]
"""The name, percent-encoded: a header holds Latin letters only."""


def file_json(one: CaseFile, url: str) -> dict[str, Any]:
    """A file as a page is shown it."""
    return {
        "id": str(one.id),
        "name": one.name,
        "media_type": one.media_type,
        "size": one.size,
        "sha256": one.sha256,
        "url": url,
    }


def download(one: CaseFile, data: bytes) -> Response:
    """To be saved, never shown by the browser as a page of ours."""
    disposition = f"attachment; filename*=UTF-8''{quote(one.name)}"
    return Response(data, media_type=one.media_type, headers={"Content-Disposition": disposition})
