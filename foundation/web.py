"""What every page shares: frame, language, assets, security headers, and errors a person can read."""

import gzip
import hashlib
import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from babel import Locale
from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation.errors import FoyerError, Invalid, NotAllowed, NotFound, OperatorError
from foundation.i18n import Catalogue, Text, direction
from foundation.settings import ROOT, Settings

access = logging.getLogger("foyer.access")
logger = logging.getLogger(__name__)

LANGUAGE_COOKIE = "foyer_language"
COOKIE_SECONDS = 400 * 24 * 3600
"""The longest life browsers grant a cookie (RFC 6265bis, 5.5)."""
DIST = ROOT / "web" / "dist"
IMMUTABLE = "public, max-age=31536000, immutable"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 1 << 20
LARGEST_UPLOAD = 20 << 20
FILE_PATH = re.compile(r"/files/[0-9a-f-]{36}$")

Names = Mapping[str, tuple[str, ...]]


class TooLarge(FoyerError):
    status = 413
    key = "error.too_large"


class WrongOrigin(FoyerError):
    """The request was sent by another site's page."""

    status = 403
    key = "error.wrong_origin"


# --- language ---------------------------------------------------------------------------------------


def accepted_language(header: str, enabled: Sequence[str]) -> str | None:
    """The enabled language an Accept-Language header (RFC 9110, 12.5.4) likes best."""
    wishes: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        tag, _, parameters = part.strip().partition(";")
        try:
            weight = float(parameters.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        wishes.append((-weight, tag.split("-")[0].lower()))
    return next(
        (tag for weight, tag in sorted(wishes, key=lambda w: w[0]) if weight < 0 and tag in enabled), None
    )


def local_path(target: str) -> str:
    """`target` if it is a path of this host, else "/"; without a language in the query, which would win again."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "lang"])
    return quote(parts.path, safe="/%:@~") + (f"?{query}" if query else "")


# --- assets -----------------------------------------------------------------------------------------


class Assets:
    """The built files of web/dist by the name of their source, read from Vite's manifest."""

    def __init__(self, dist: Path = DIST) -> None:
        self.dist = dist
        self._read_at = 0
        self._manifest: dict[str, dict[str, Any]] = {}

    def tags(self, *entries: str) -> Markup:
        """Link and script elements of the entries, e.g. "src/chat/main.ts", and of all they import."""
        styles, scripts, preloads = list[str](), list[str](), list[str]()
        for entry in entries:
            for chunk in self._with_imports(entry):
                styles += chunk.get("css", [])
                (scripts if chunk.get("src") == entry else preloads).append(chunk["file"])
        styles += [file for file in scripts if file.endswith(".css")]
        lines = [f'<link rel="stylesheet" href="/static/{file}">' for file in dict.fromkeys(styles)]
        lines += [f'<link rel="modulepreload" href="/static/{file}">' for file in dict.fromkeys(preloads)]
        lines += [
            f'<script type="module" src="/static/{file}"></script>'
            for file in scripts
            if file.endswith(".js")
        ]
        return Markup("\n".join(lines))  # noqa: S704 - names from our own build

    def _with_imports(self, entry: str) -> list[dict[str, Any]]:
        seen: dict[str, dict[str, Any]] = {}
        waiting = [entry]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen[name] = self.manifest[name]
                waiting += seen[name].get("imports", [])
        return list(seen.values())

    @property
    def manifest(self) -> dict[str, dict[str, Any]]:
        path = self.dist / "manifest.json"
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError as error:
            raise OperatorError(
                "The pages are not built: run `make web` (npm ci && npm run build in web/)."
            ) from error
        if changed != self._read_at:
            self._manifest, self._read_at = json.loads(path.read_text()), changed
        return self._manifest

    def file(self, name: str, accept_encoding: str) -> Response:
        """A built file, packed at build time where the browser takes it. Names below assets/ hold a hash, so those are kept for ever."""
        path = (self.dist / name).resolve()
        if not path.is_relative_to(self.dist.resolve()) or not path.is_file() or path.name == "manifest.json":
            raise NotFound
        keep = IMMUTABLE if name.startswith("assets/") else "public, max-age=86400"
        headers = {"Cache-Control": keep, "Vary": "Accept-Encoding"}
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            packed = path.with_name(path.name + suffix)
            if coding in accept_encoding and packed.is_file():
                plain = FileResponse(path)
                return FileResponse(
                    packed, media_type=plain.media_type, headers={**headers, "Content-Encoding": coding}
                )
        return FileResponse(path, headers=headers)


# --- pages ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pages:
    """Renders pages in the person's language.

    `templates` names each room's folder: {"chat": Path, …}; the frame is "base/page.html".
    `names` are the browser's texts by bundle: {"chat": ("chat.",), …} as key prefixes.
    `shared` gives what every page shows in a language: `office_name`, `city_name`, `sample` (bool).
    """

    settings: Settings
    catalogue: Catalogue
    languages: tuple[str, ...]
    templates: Mapping[str, Path]
    names: Names
    shared: Callable[[str], Mapping[str, Any]]
    assets: Assets

    @cached_property
    def environment(self) -> Environment:
        rooms = {"base": Path(__file__).parent / "templates", **self.templates}
        return Environment(
            loader=PrefixLoader({room: FileSystemLoader(path) for room, path in rooms.items()}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def language(self, connection: HTTPConnection) -> str:
        """The language of a request: named in the link, chosen before, wished by the browser, or the city's first."""
        for choice in (connection.query_params.get("lang"), connection.cookies.get(LANGUAGE_COOKIE)):
            if choice in self.languages:
                return choice
        wished = accepted_language(connection.headers.get("accept-language", ""), self.languages)
        return wished or self.languages[0]

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A whole page from `template` ("<room>/<file>"), with `t`, `lang`, `dir` and the frame's values."""
        language = self.language(request)
        html = self.environment.get_template(template).render(
            {**self._frame(request, language), **self.shared(language), **context}
        )
        response = HTMLResponse(html, status_code=status)
        if request.query_params.get("lang") == language:
            self.remember_language(response, language)
        return response

    def _frame(self, request: Request, language: str) -> dict[str, Any]:
        query = f"?{request.url.query}" if request.url.query else ""
        return {
            "t": partial(self._translate, language),
            "say": lambda sayable: self.catalogue.render(sayable, language),
            "lang": language,
            "dir": direction(language),
            "languages": [(code, _own_name(code), direction(code)) for code in self.languages],
            "assets": self.assets.tags,
            "messages": partial(self.messages_url, language=language),
            "here": request.url.path + query,
            "path": request.url.path,
        }

    def _translate(self, language: str, key: str, /, **params: Any) -> str:
        return self.catalogue.render(Text(key, **params), language)

    def remember_language(self, response: Response, language: str) -> None:
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=COOKIE_SECONDS, httponly=True, samesite="lax",
            secure=self.settings.secure_cookies,
        )  # fmt: skip

    def messages_url(self, bundle: str, *, language: str) -> str:
        """Where the browser finds the texts of a bundle; the name changes when a text does."""
        digest = hashlib.sha256(self._messages(bundle, language)).hexdigest()[:12]
        return f"/i18n/{bundle}.{language}.{digest}.json"

    def _messages(self, bundle: str, language: str) -> bytes:
        texts = self.catalogue.for_browser(language, self.names[bundle])
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def messages(self, name: str) -> Response:
        """The texts named by `messages_url`, packed."""
        bundle, _, rest = name.partition(".")
        language = rest.partition(".")[0]
        if bundle not in self.names or language not in self.languages:
            raise NotFound
        headers = {"Cache-Control": IMMUTABLE, "Content-Encoding": "gzip"}
        return Response(
            gzip.compress(self._messages(bundle, language)), media_type="application/json", headers=headers
        )

    def error(self, request: Request, error: FoyerError) -> Response:
        """JSON for a script, a page with a next step for a person, both in the person's language."""
        message = self._translate(self.language(request), error.key, **error.params)
        if "text/html" in request.headers.get("accept", ""):
            return self.page(request, "base/error.html", status=error.status, message=message, key=error.key)
        return JSONResponse({"error": error.key, "message": message}, status_code=error.status)


def _own_name(code: str) -> str:
    return Locale.parse(code).get_display_name(code) or code


def router(pages: Pages) -> APIRouter:
    """Built files, the browser's texts, and the choice of language."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name:path}", name="static")
    async def static(name: str, request: Request) -> Response:
        return pages.assets.file(name, request.headers.get("accept-encoding", ""))

    @routes.get("/i18n/{name}", name="messages")
    async def messages(name: str) -> Response:
        return pages.messages(name)

    @routes.post("/language", name="choose_language")
    async def choose_language(language: str = Form(), next: str = Form("/")) -> Response:
        if language not in pages.languages:
            raise Invalid(field="language")
        response = RedirectResponse(local_path(next), status_code=303)
        pages.remember_language(response, language)
        return response

    return routes


# --- guard ------------------------------------------------------------------------------------------


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class Guard:
    """Outermost layer of every request and socket: origin check, body limit, security headers, log, last resort.

    The origin check is that of Go's `net/http.CrossOriginProtection`: an unsafe request or a socket from a
    browser names its origin (Sec-Fetch-Site, else Origin); one that names neither comes from no browser,
    so no person's cookie was borrowed. With SameSite=Lax cookies this replaces form tokens.
    """

    def __init__(self, app: ASGIApp, *, pages: Pages, max_body: int = MAX_BODY) -> None:
        self.app = app
        self.pages = pages
        self.max_body = max_body
        self._headers = security_headers(pages.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_own_origin(scope):
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            _log_unexpected(error)
            raise ConnectionResetError from None

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, self._limited(receive, self._most(scope)), send_guarded)
        except FoyerError as error:
            await self._tell(scope, receive, send_guarded, error, started=bool(status))
        except Exception as error:
            # The message of an exception may hold a person's words; its type and place do not.
            logger.error(
                "unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
            )
            await self._tell(scope, receive, send_guarded, _Unexpected(), started=bool(status))
        finally:
            access.info("%s %s %s", scope["method"], route_template(scope), status)

    async def _tell(
        self, scope: Scope, receive: Receive, send: Send, error: FoyerError, *, started: bool
    ) -> None:
        if started:
            raise ConnectionResetError("the answer had begun when it failed")
        await self.pages.error(Request(scope), error)(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if scope["method"] not in SAFE_METHODS and not self._is_own_origin(scope):
            raise WrongOrigin
        length, most = Headers(scope=scope).get("content-length", "0"), self._most(scope)
        if not length.isdigit() or int(length) > most:
            raise TooLarge(limit=most // 1024)

    def _most(self, scope: Scope) -> int:
        """Bytes that a request may bring: more where a file is put, and only there."""
        return (
            LARGEST_UPLOAD if scope["method"] == "PUT" and FILE_PATH.search(scope["path"]) else self.max_body
        )

    def _is_own_origin(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and scope["type"] == "http":
            return site in ("same-origin", "none")
        if origin is None:
            return True
        allowed = {origin_of(self.pages.settings.public_url)}
        if not self.pages.settings.production:
            scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
            allowed.add(f"{scheme}://{headers.get('host', '')}".lower())
        return origin.lower() in allowed

    def _limited(self, receive: Receive, most: int) -> Receive:
        taken = 0

        async def receive_limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise TooLarge(limit=most // 1024)
            return message

        return receive_limited


def _log_unexpected(error: Exception) -> None:
    """The message of an exception may hold a person's words; its type and place do not."""
    logger.error("unexpected %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


class _Unexpected(FoyerError):
    status = 500
    key = "error.unexpected"


class _MethodNotAllowed(FoyerError):
    status = 405
    key = "error.not_found"


def route_template(scope: Scope) -> str:
    """The route's pattern ("/case/{token}"), never the path itself, which may hold a secret."""
    return str(getattr(scope.get("route"), "path", "(no route)"))


def security_headers(settings: Settings) -> dict[str, str]:
    """Headers of every response. Scripts, styles, fonts and sockets come from the own host or not at all."""
    public = urlsplit(settings.public_url)
    socket = f"{'wss' if public.scheme == 'https' else 'ws'}://{public.netloc}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": f"'self' {socket}",  # some browsers do not count sockets as 'self'
        "img-src": "'self' blob: data:",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
        # Not no-referrer: that makes browsers send "Origin: null" with our own forms (Fetch, 3.2).
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if public.scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def install(app: FastAPI, pages: Pages, *, max_body: int = MAX_BODY) -> None:
    """Put the guard around the app, mount what every page needs, and turn errors into words."""
    app.include_router(router(pages))

    async def tell(request: Request, error: Exception) -> Response:
        return pages.error(request, _in_business_words(error))

    for kind in (FoyerError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, tell)
    app.add_middleware(Guard, pages=pages, max_body=max_body)


def _in_business_words(error: Exception) -> FoyerError:
    if isinstance(error, FoyerError):
        return error
    if isinstance(error, RequestValidationError):
        return Invalid()
    assert isinstance(error, HTTPException)  # noqa: S101 - the three kinds installed above
    known: dict[int, type[FoyerError]] = {
        HTTPStatus.NOT_FOUND: NotFound,
        HTTPStatus.METHOD_NOT_ALLOWED: _MethodNotAllowed,
        HTTPStatus.FORBIDDEN: NotAllowed,
        HTTPStatus.CONTENT_TOO_LARGE if hasattr(HTTPStatus, "CONTENT_TOO_LARGE") else 413: TooLarge,
    }
    return known.get(error.status_code, Invalid)()
