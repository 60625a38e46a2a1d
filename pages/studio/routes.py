"""The page "Texts" for content staff: what the city says in each language, who checked it, and how it is changed."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from foundation.clock import Clock
from foundation.content_edits import Key
from foundation.content_models import SOURCE, Check, CityContent
from foundation.content_texts import LONGEST, CityText, CityTexts, TextChanged, TextRefused
from foundation.db import Database
from foundation.errors import FoyerError, NotFound, SignInNeeded
from foundation.i18n import Moment, Sayable, Text, direction
from foundation.web import Pages, local_path
from pages.studio.texts import GROUPS, Wish, about, checked, name_of, portion, summaries
from people.models import Staff
from people.service import CONTENT_ROLES, COOKIE, PasswordChangeNeeded, People, require_role

TEMPLATES = Path(__file__).parent / "templates"
"""The folder to be given to Pages as the room "studio"."""
HOME = "/studio/texts"
LONGEST_WAY = 3000
"""Letters of the address of a list: a search of 200 letters is nine times as long there in Chinese."""

Act = Literal["save", "check", "restore"]
_DONE = {"save": "content.changed", "check": "content.checked", "restore": "content.restored"}


@dataclass(frozen=True)
class Studio:
    """What the page of texts needs. `city_id` is the city served by this installation."""

    database: Database
    pages: Pages
    people: People
    content: CityContent
    texts: CityTexts
    clock: Clock
    city_id: uuid.UUID

    async def staff(self, session: AsyncSession, request: Request) -> Staff:
        """Who looks after the texts here. Errors: SignInNeeded, PasswordChangeNeeded, NotAllowed."""
        staff = await self.people.staff_of(session, request.cookies.get(COOKIE))
        if staff.must_change_password:
            raise PasswordChangeNeeded
        require_role(staff, *CONTENT_ROLES)
        return staff

    def language(self, request: Request, wished: str) -> str:
        """The language beside the German one: as asked for, else that of the page, else the city's next one."""
        codes = self.content.city.languages
        shown = self.pages.language(request)
        others = [code for code in codes if code != SOURCE]
        return (
            wished if wished in codes else next((code for code in (shown, *others) if code in others), SOURCE)
        )

    def say(self, request: Request, sayable: Sayable) -> str:
        return self.pages.catalogue.render(sayable, self.pages.language(request))

    def check(self, staff: Staff) -> Check:
        """That the signed-in person has read a text today, by the office's calendar."""
        zone = ZoneInfo(self.content.city.office.zone)
        return Check(staff.name, self.clock.now().astimezone(zone).date())

    def frame(self, staff: Staff, language: str) -> dict[str, Any]:
        """What both pages show."""
        return {
            "staff": staff,
            "language": language,
            "source": SOURCE,
            "way": direction,
            "about": about,
            "anchor": anchor,
            "entry": lambda file: name_of(self.content, file),
            "moment": lambda row: Moment(row.at, self.content.city.office.zone),
        }


@dataclass(frozen=True)
class Change:
    """What a person sent: `seen` is the mark of what they had before them, `back` the list they came from.

    `text` is None where nothing was typed.
    """

    key: str
    language: str
    do: Act
    text: str | None
    seen: str
    version: int
    back: str


def sent(
    key: Annotated[str, Form(max_length=400)],
    do: Annotated[Act, Form()],
    language: Annotated[str, Form(alias="in", max_length=10)],
    text: Annotated[str, Form()] = "",
    stands: Annotated[bool, Form()] = False,
    seen: Annotated[str, Form(max_length=40)] = "",
    version: Annotated[int, Form(ge=0)] = 0,
    back: Annotated[str, Form(max_length=LONGEST_WAY)] = "",
) -> Change:
    """`stands`: it is about the text as it stands, nothing was typed."""
    typed = None if stands or do == "restore" else text
    return Change(key, language, do, typed, seen, version, back)


def router(studio: Studio) -> APIRouter:
    """GET /studio/texts (entries, or a list of texts), GET and POST /studio/texts/one (a text in a language)."""
    routes = APIRouter(prefix="/studio", include_in_schema=False)

    @routes.get("/texts", name="studio_texts")
    async def texts(
        request: Request,
        language: Annotated[str, Query(alias="in", max_length=10)] = "",
        file: Annotated[str, Query(max_length=200)] = "",
        open: Annotated[str, Query(max_length=1)] = "",
        q: Annotated[str, Query(max_length=200)] = "",
        page: Annotated[int, Query(ge=1)] = 1,
        saved: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        wish = Wish(studio.language(request, language), file, bool(open), q.strip(), page)
        try:
            return await _list(studio, request, wish, saved)
        except (SignInNeeded, PasswordChangeNeeded) as error:
            return _to_the_door(error)

    @routes.get("/texts/one", name="studio_text")
    async def one(
        request: Request,
        key: Annotated[str, Query(max_length=400)],
        language: Annotated[str, Query(alias="in", max_length=10)] = "",
        back: Annotated[str, Query(max_length=LONGEST_WAY)] = "",
        saved: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        asked = Change(key, studio.language(request, language), "save", None, "", saved, back)
        try:
            return await _one(studio, request, asked)
        except (SignInNeeded, PasswordChangeNeeded) as error:
            return _to_the_door(error)

    @routes.post("/texts/one", name="studio_changes_text")
    async def change(request: Request, change: Annotated[Change, Depends(sent)]) -> Response:
        if change.language not in studio.content.city.languages:
            raise NotFound
        try:
            return await _change(studio, request, change)
        except (SignInNeeded, PasswordChangeNeeded) as error:
            return studio.pages.page(
                request,
                "studio/signed_out.html",
                status=error.status,
                change=change,
                way=direction,
                door=_door(error),
            )
        except (TextRefused, TextChanged) as error:
            return await _one(studio, request, change, error)

    return routes


def _to_the_door(error: FoyerError) -> Response:
    """Where one signs in, or sets the own password."""
    return RedirectResponse(f"/desk/{_door(error)}", status_code=303)


def _door(error: FoyerError) -> Literal["sign-in", "password"]:
    return "sign-in" if isinstance(error, SignInNeeded) else "password"


async def _list(studio: Studio, request: Request, wish: Wish, saved: int) -> Response:
    async with studio.database.city(studio.city_id) as session:
        staff = await studio.staff(session, request)
        texts = await studio.texts.all(session)
    entries = summaries(texts, studio.content, lambda sayable: studio.say(request, sayable))
    return studio.pages.page(
        request,
        "studio/texts.html",
        wish=wish,
        groups=[(group, [one for one in entries if one.group == group]) for group in GROUPS],
        total=len(texts),
        checked=checked(texts, studio.content.city.languages),
        part=portion(wish.of(texts), wish.page),
        saved=saved,
        **studio.frame(staff, wish.language),
    )


async def _one(studio: Studio, request: Request, asked: Change, error: FoyerError | None = None) -> Response:
    async with studio.database.city(studio.city_id) as session:
        staff = await studio.staff(session, request)
        text = await studio.texts.one(session, asked.key)
        versions = await studio.texts.versions(session, text, asked.language)
        names = await _names(session, (one.row.author_id for one in versions if one.row))
    return studio.pages.page(
        request,
        "studio/text.html",
        status=error.status if error else 200,
        text=text,
        versions=versions,
        names=names,
        typed=_typed(asked, text, error),
        problems=_problems(error),
        refused=isinstance(error, TextRefused),
        # What was changed meanwhile has not been shown yet: the next try must still notice it.
        seen=asked.seen if isinstance(error, TextRefused) else text.mark(asked.language),
        saved=asked.version if error is None else 0,
        longest=LONGEST,
        back=local_path(asked.back) if asked.back else Wish(asked.language, text.file).path(),
        **studio.frame(staff, asked.language),
    )


def _typed(asked: Change, text: CityText, error: FoyerError | None) -> str:
    """What stands in the field: after an error what the person typed, else what the city says."""
    if error is not None and asked.text is not None:
        return asked.text
    return text.said[asked.language].text if asked.language in text.said else ""


def _problems(error: FoyerError | None) -> tuple[Text, ...]:
    if isinstance(error, TextRefused):
        return error.problems
    return (Text(error.key),) if error else ()


async def _names(session: AsyncSession, ids: Iterable[uuid.UUID | None]) -> Mapping[uuid.UUID, str]:
    wanted = {one for one in ids if one is not None}
    return {
        staff.id: staff.name for staff in await session.scalars(select(Staff).where(Staff.id.in_(wanted)))
    }


async def _change(studio: Studio, request: Request, change: Change) -> Response:
    """Errors: SignInNeeded, PasswordChangeNeeded, NotAllowed, NotFound, TextRefused, TextChanged."""
    async with studio.database.city(studio.city_id) as session:
        staff = await studio.staff(session, request)
        number = await _written(studio, session, staff, change)
        if number is not None:
            detail = f"{number} {change.key} {change.language}"
            await studio.people.audit(session, staff, _DONE[change.do], detail=detail)
    if change.text is None and change.do == "check":  # in the list: on with the next one
        return RedirectResponse(_in_list(change.back, number), status_code=303)
    query = {"key": change.key, "in": change.language, "back": change.back, "saved": number or ""}
    shown = urlencode({name: value for name, value in query.items() if value})
    return RedirectResponse(f"{HOME}/one?{shown}", status_code=303)


async def _written(studio: Studio, session: AsyncSession, staff: Staff, change: Change) -> int | None:
    key = Key(change.key, change.language)
    if change.do == "restore":
        return await studio.texts.restore(session, key, change.version, seen=change.seen, author_id=staff.id)
    check = studio.check(staff) if change.do == "check" else None
    return await studio.texts.write(
        session, key, change.text, seen=change.seen, author_id=staff.id, check=check
    )


def _in_list(back: str, saved: int | None) -> str:
    """The list with its place, which `local_path` would drop, and what was saved."""
    path, _, place = back.partition("#")
    path = local_path(path)
    if saved is not None:
        path += f"{'&' if '?' in path else '?'}saved={saved}"
    return path + (f"#{place}" if place.isalnum() else "")


def anchor(text: CityText) -> str:
    """The place of a text in a list."""
    return "t" + hashlib.sha256(text.key.encode()).hexdigest()[:10]
