"""Imprint, privacy notice and accessibility statement, as the city wrote them."""

from collections.abc import Collection
from pathlib import Path

from fastapi import APIRouter, Request, Response

from foundation.content_models import CityContent
from foundation.i18n import direction
from foundation.web import Pages

TEMPLATES = Path(__file__).parent / "templates"
LEGAL = ("imprint", "privacy", "accessibility")
SOURCE = "de"
"""The language of the text that prevails."""


def router(pages: Pages, content: CityContent, switched_on: Collection[str]) -> APIRouter:
    """GET /imprint, /privacy, /accessibility; with `?text=de` their German text, whatever the page's language.

    `switched_on`: the channels and ways to pay of this installation.
    """
    routes = APIRouter(include_in_schema=False)

    def add(name: str) -> None:
        @routes.api_route(f"/{name}", methods=["GET", "HEAD"], name=f"legal_{name}")
        async def legal(request: Request) -> Response:
            page, own = content.page(name), pages.language(request)
            language = SOURCE if request.query_params.get("text") == SOURCE else own
            return pages.page(
                request,
                "citizen/legal.html",
                content=page,
                sections=page.shown(switched_on),
                language=language,
                way=direction(language),
                checked=page.is_checked(language, switched_on),
                source=SOURCE if language != SOURCE and page.is_checked(SOURCE, switched_on) else None,
            )

    for name in LEGAL:
        add(name)
    return routes
