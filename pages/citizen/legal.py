"""Imprint, privacy notice and accessibility statement, as the city wrote them."""

from collections.abc import Collection
from pathlib import Path

from fastapi import APIRouter, Request, Response

from foundation.content_models import CityContent
from foundation.web import Pages

TEMPLATES = Path(__file__).parent / "templates"
LEGAL = ("imprint", "privacy", "accessibility")


def router(pages: Pages, content: CityContent, switched_on: Collection[str]) -> APIRouter:
    """GET /imprint, /privacy, /accessibility. `switched_on`: the channels and ways to pay of this installation."""
    routes = APIRouter(include_in_schema=False)

    def add(name: str) -> None:
        @routes.api_route(f"/{name}", methods=["GET", "HEAD"], name=f"legal_{name}")
        async def legal(request: Request) -> Response:
            page = content.page(name)
            return pages.page(request, "citizen/legal.html", content=page, sections=page.shown(switched_on))

    for name in LEGAL:
        add(name)
    return routes
