"""The layer around every page: whose request it is, what a browser may load, and in which language it speaks."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from foundation.errors import NotFound
from foundation.i18n import Catalogue
from foundation.settings import ROOT, Settings
from foundation.web import Assets, Pages, accepted_language, install, local_path

BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    dist = tmp_path_factory.mktemp("dist")
    (dist / "assets").mkdir()
    (dist / "assets" / "base-1.css").write_text("p{}")
    (dist / "assets" / "base-1.css.br").write_bytes(b"packed")
    (dist / "manifest.json").write_text(
        '{"src/styles/base.css": {"file": "assets/base-1.css", "src": "src/styles/base.css"},'
        '"_part.js": {"file": "assets/part-2.js", "css": ["assets/part-3.css"]},'
        '"src/chat/main.ts": {"file": "assets/main-4.js", "src": "src/chat/main.ts", "imports": ["_part.js"]}}'
    )
    return Pages(
        settings=Settings(_env_file=None, public_url="http://foyer.test:8080"),
        catalogue=Catalogue.load(ROOT / "content"),
        languages=("de", "en", "tr", "ar"),
        templates={},
        names={"page": ("page.",)},
        shared=lambda language: {"office_name": "Bürgeramt", "city_name": "Heidelberg", "sample": True},
        assets=Assets(dist),
    )


def application(pages: Pages) -> FastAPI:
    app = FastAPI()

    @app.get("/case/{token}")
    async def case(token: str) -> PlainTextResponse:
        return PlainTextResponse(token)

    @app.post("/act")
    async def act(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @app.get("/gone")
    async def gone() -> None:
        raise NotFound

    @app.get("/broken")
    async def broken(name: str = "") -> None:
        raise RuntimeError(name)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    install(app, pages, max_body=1000)
    return app


@pytest.fixture(scope="module")
def client(pages: Pages) -> Iterator[TestClient]:
    with TestClient(application(pages), base_url="http://foyer.test:8080") as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://foyer.test:8080"}, 403),
        ({"Origin": "http://foyer.test:8080"}, 200),
        ({"Origin": "http://foyer.test"}, 403),
        ({"Origin": "http://foyer.test:8080.evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_an_unsafe_request_must_come_from_our_own_page(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/act", headers=headers).status_code == status


def test_reading_is_allowed_from_anywhere(client: TestClient) -> None:
    assert client.get("/case/4711", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://foyer.test:8080"])
def test_a_socket_of_another_site_is_refused(client: TestClient, origin: str) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers={"Origin": origin}):
        pass


def test_a_socket_of_our_own_page_opens(client: TestClient) -> None:
    with client.websocket_connect("/live", headers={"Origin": "http://foyer.test:8080"}) as socket:
        assert socket.receive_text() == "hello"


def test_in_production_only_the_public_address_counts(pages: Pages) -> None:
    settings = Settings(_env_file=None, production=True, public_url="https://buergeramt.example")
    with TestClient(application(replace(pages, settings=settings)), base_url="https://inside:8080") as client:
        assert client.post("/act", headers={"Origin": "https://inside:8080"}).status_code == 403
        assert client.post("/act", headers={"Origin": "https://buergeramt.example"}).status_code == 200
        assert "max-age" in client.get("/case/1").headers["Strict-Transport-Security"]


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for path in ("/case/1", "/gone", "/broken", "/nowhere", "/static/assets/base-1.css"):
        headers = client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert (
            policy["script-src"]
            == policy["style-src"]
            == policy["font-src"]
            == policy["form-action"]
            == "'self'"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Permissions-Policy"].startswith("camera=(self), microphone=(self)")


def test_a_body_over_the_limit_is_refused_whether_or_not_it_names_its_length(client: TestClient) -> None:
    assert client.post("/act", content=b"x" * 1000).text == "1000"
    named = client.post("/act", content=b"x" * 1001)
    assert named.status_code == 413
    assert client.post("/act", content=(b"x" * 400 for _ in range(3))).status_code == 413


def test_errors_speak_to_scripts_in_json_and_to_people_in_a_page_with_a_next_step(client: TestClient) -> None:
    answer = client.get("/gone", headers={"Accept": "application/json", "Accept-Language": "en"})
    assert answer.status_code == 404
    assert answer.json()["error"] == "error.not_found"
    assert "start page" in answer.json()["message"]
    page = client.get("/nowhere?lang=ar", headers=BROWSER)
    assert page.status_code == 404
    assert '<html lang="ar" dir="rtl">' in page.text
    assert 'href="/"' in page.text


def test_the_unexpected_names_no_words_of_a_person(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/broken?name=Yılmaz", headers=BROWSER).status_code == 500
    assert "unexpected RuntimeError" in caplog.text
    assert "Yılmaz" not in caplog.text


def test_the_access_log_knows_routes_not_addresses(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="foyer.access"):
        client.get("/case/secret-token?lang=de")
    assert "GET /case/{token} 200" in caplog.text
    assert "secret-token" not in "".join(r.getMessage() for r in caplog.records if r.name == "foyer.access")


def test_language_is_the_links_then_the_choice_then_the_browsers_then_the_citys(client: TestClient) -> None:
    def shown(path: str, header: str) -> str:
        page: str = client.get(path, headers={**BROWSER, "Accept-Language": header}).text
        return page.split('lang="', 1)[1][:2]

    client.cookies.clear()
    assert shown("/nowhere", "xx") == "de"
    assert shown("/nowhere", "fr;q=0.9, tr-TR;q=0.8, en;q=0.1") == "tr"
    chosen = client.post(
        "/language", data={"language": "en", "next": "/case/1?lang=ar&x=1"}, follow_redirects=False
    )
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/case/1?x=1")
    assert shown("/nowhere", "tr") == "en"
    assert shown("/nowhere?lang=ar", "tr") == "ar"
    assert shown("/nowhere", "tr") == "ar"
    client.cookies.clear()
    assert client.post("/language", data={"language": "xx"}).status_code == 422


def test_accept_language_survives_nonsense() -> None:
    assert accepted_language("de;q=nonsense, en;q=0", ("de", "en")) is None
    assert accepted_language("*, ar-SY", ("de", "ar")) == "ar"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", ""]
)
def test_the_way_back_stays_in_the_house(target: str) -> None:
    assert local_path(target) == "/"


def test_assets_bring_what_they_import(pages: Pages) -> None:
    tags = pages.assets.tags("src/chat/main.ts")
    assert '<link rel="stylesheet" href="/static/assets/part-3.css">' in tags
    assert '<link rel="modulepreload" href="/static/assets/part-2.js">' in tags
    assert '<script type="module" src="/static/assets/main-4.js"></script>' in tags


def test_built_files_come_packed_and_are_kept(client: TestClient) -> None:
    packed = client.get("/static/assets/base-1.css", headers={"Accept-Encoding": "br"})
    assert packed.headers["Content-Encoding"] == "br"
    assert packed.headers["Content-Type"].startswith("text/css")
    assert "immutable" in packed.headers["Cache-Control"]
    assert client.get("/static/manifest.json").status_code == 404
    assert client.get("/static/%2e%2e/secret").status_code == 404


def test_the_browsers_texts_have_a_name_that_changes_with_them(client: TestClient, pages: Pages) -> None:
    address = pages.messages_url("page", language="ar")
    texts = client.get(address).json()
    assert texts["plural"][:3] == ["zero", "one", "two"]
    assert all(key.startswith("page.") for key in texts["messages"])
    assert client.get("/i18n/desk.de.0.json").status_code == 404


def test_templates_escape(pages: Pages) -> None:
    rendered = pages.environment.from_string("{{ name }}").render(name="<script>")
    assert rendered == "&lt;script&gt;"


def test_no_template_or_page_source_breaks_the_policy() -> None:
    """An inline style, handler or script would be refused by the browser: none may be written."""
    sources = [p for room in ("foundation", "bots", "pages", "web/src") for p in _markup(ROOT / room)]
    inline = re.compile(r"""\s(style|on\w+)=["']|<script>|javascript:""")
    for path in sources:
        assert not inline.search(path.read_text()), path


def _markup(folder: Path) -> list[Path]:
    return [p for kind in ("*.html", "*.svelte") for p in folder.rglob(kind)]
