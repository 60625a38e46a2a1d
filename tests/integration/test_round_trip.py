"""A city's edits: out as YAML, edited as people edit, in as rows, out again byte for byte."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from foundation.clock import FixedClock
from foundation.content_edits import BASE
from foundation.content_store import ContentEdit, newest, version
from foundation.errors import OperatorError
from foundation.live import Hub
from foundation.settings import ROOT, Settings
from foyer.content_cli import exported, imported
from foyer.seed import FIRST_LOGIN, seed
from foyer.supervisor import OPERATOR_NEEDED
from foyer.wiring import House, build, opened
from foyer.worker import Answering
from tests.promises.plugin import Promise
from tests.support.app import App, Process, pause

CONDUCT = "services/certificate_of_conduct.yaml"


class Cityhall:
    """A city with its own content folder, and the operator's commands."""

    def __init__(self, settings: Settings, house: House, folder: Path) -> None:
        self.settings, self.house, self.folder = settings, house, folder
        self.url = house.database.url
        self.said: list[str] = []
        self._count = 0

    async def export(self) -> Path:
        self._count += 1
        target = self.folder / f"export {self._count}"
        await exported(self.settings, self.url, target, self.said.append)
        return target

    async def take(self, source: Path, **options: object) -> list[str]:
        self.said.clear()
        await imported(self.settings, self.url, source, self.said.append, **options)  # type: ignore[arg-type]  # the options of the command
        return self.said


@pytest.fixture
async def hall(settings: Settings, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Cityhall]:
    """A city whose files are full of comments and odd spaces, one of them with the line ends of Windows."""
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content", content, ignore=shutil.ignore_patterns(".lock"))
    for number, path in enumerate(sorted(content.rglob("*.yaml"))):
        path.write_bytes(_remarked(path.read_text(encoding="utf-8"), windows=number % 3 == 0))
    own = settings.model_copy(update={"content_dir": content})
    house = build(own, str(settings.database_url), clock=clock)
    await seed(house)
    yield Cityhall(own, house, tmp_path)
    await house.database.close()


def _remarked(text: str, *, windows: bool) -> bytes:
    """A remark before each key at the margin, blanks and a remark behind each short fact."""
    text = re.sub(r"(?m)^(?=[a-z_]+:)", "# Bemerkung: gehört „hierher“\n", text)
    text = re.sub(r"(?m)^(  \w+: \{value: .*\})$", r"\1   # so beschlossen", text)
    return (text.replace("\n", "\r\n") if windows else text).encode()


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.yaml"))
        if BASE not in path.parts
    }


def _change(folder: Path, name: str, old: str, new: str) -> None:
    """What a person does in an editor."""
    text = (folder / name).read_bytes().decode()
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    (folder / name).write_bytes(text.replace(old, new).encode())


def _change_all(folder: Path) -> int:
    """A word more in every German text, a word list and an amount more in every place that has one."""
    count = 0
    for name in _files(folder):
        text = (folder / name).read_bytes().decode()
        text, texts = re.subn(r'(\bde: "(?:[^"\\]|\\.)*[^"\\ ])"', r'\1 – neu"', text)
        text, lists = re.subn(r"(\bde: \[[^\]\n]*)\]", r"\1, ganz neues Wort]", text)
        text, amounts = re.subn(r"(\{value: [1-9]\d*)0,", r"\g<1>5,", text)
        text, days = re.subn(r"valid_from: (\d{4})-01-01", r"valid_from: \1-01-02", text)
        (folder / name).write_bytes(text.encode())
        count += texts + lists + amounts + days
    return count


@pytest.mark.promise("content.round-trip")
async def test_what_was_edited_outside_comes_back_byte_for_byte(hall: Cityhall, promise: Promise) -> None:
    shipped = _files(hall.settings.content_dir / "cities" / "heidelberg")
    shipped["units.yaml"] = (hall.settings.content_dir / "units.yaml").read_bytes()
    folder = await hall.export()
    assert _files(folder) == shipped
    assert (await hall.take(folder))[-1] == "nothing to change"

    changed = _change_all(folder)
    edited = _files(folder)
    assert (await hall.take(folder, note="alles neu"))[-1] == f"{changed} changed; the content is version 1"
    assert _files(await hall.export()) == edited
    assert (await hall.take(folder))[-1] == "nothing to change"

    for name, old in shipped.items():  # and back: everything is as it came
        (folder / name).write_bytes(old)
    assert (await hall.take(folder, overwrite=True))[-1] == f"{changed} changed; the content is version 2"
    assert _files(await hall.export()) == shipped
    remarks = sum(text.count(b"#") for text in shipped.values())
    promise.figure(
        changed, f"values changed in {len(shipped)} files, {remarks} remarks and every other byte kept"
    )
    promise.figure(len(shipped), "files of an unedited city, byte-identical")


@pytest.mark.promise("content.round-trip")
async def test_a_running_house_says_the_new_words(hall: Cityhall) -> None:
    house = hall.house
    folder = await hall.export()
    _change(folder, CONDUCT, "fee: {value: 1300", "fee: {value: 1550")
    _change(folder, "city.yaml", 'phone: "+49 6221 000000"', 'phone: "+49 6221 111111"')
    said = await hall.take(folder, login=FIRST_LOGIN)
    assert f"{CONDUCT}#facts.fee.value: “1300” → “1550”" in said

    held = house.content.service("certificate_of_conduct")
    assert held.fee_minor == 1300
    assert await house.contents.refresh()
    assert not await house.contents.refresh()
    assert house.content.service("certificate_of_conduct").fee_minor == 1550
    assert "15.50" in house.content.service("certificate_of_conduct").aspects["fee"]["en"]
    assert house.content.city.office.phone == "+49 6221 111111"
    async with opened(hall.settings, hall.url) as fresh:
        assert fresh.content.service("certificate_of_conduct").fee_minor == 1550


@pytest.mark.promise("content.round-trip")
async def test_a_new_version_is_heard_of(hall: Cityhall) -> None:
    heard = asyncio.Event()

    async def changed() -> None:
        if hall.house.contents.version:
            heard.set()

    async with Hub(hall.house.database) as hub:
        following = asyncio.create_task(hall.house.contents.follow(hub, changed))
        folder = await hall.export()
        _change(folder, CONDUCT, "fee: {value: 1300", "fee: {value: 1550")
        await hall.take(folder)
        await asyncio.wait_for(heard.wait(), 30)
        following.cancel()
    assert hall.house.content.service("certificate_of_conduct").fee_minor == 1550


@pytest.mark.promise("content.round-trip")
async def test_a_served_page_says_it_without_a_restart(app: App, tmp_path: Path) -> None:
    """The commands as an operator types them, beside processes that go on."""
    folder = tmp_path / "aus dem Rathaus"
    assert await _command(app, "content", "export", str(folder)) == 0
    _change(folder, "city.yaml", 'phone: "+49 6221 000000"', 'phone: "+49 6221 111111"')
    assert "000000" in await _imprint(app)
    assert await _command(app, "content", "import", str(folder), "--note", "neue Nummer") == 0
    async with asyncio.timeout(30):
        while "111111" not in await _imprint(app):
            await pause()
    _change(folder, "city.yaml", 'iban: "DE14', 'iban: "DE15')
    assert await _command(app, "content", "import", str(folder)) == OPERATOR_NEEDED
    assert "the check digits of the IBAN do not fit; copy it again" in _said(app)


async def _command(app: App, *arguments: str) -> int:
    process = Process("command", arguments, app.environment(), app.directory / "command.log")
    process.start()
    return await process.ended(60)


def _said(app: App) -> str:
    return (app.directory / "command.log").read_text()


async def _imprint(app: App) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{app.url}/imprint")).text


async def test_a_new_synonym_is_understood_once_the_word_lists_are_new(hall: Cityhall) -> None:
    answering = await Answering.of(hall.house)
    folder = await hall.export()
    _change(folder, CONDUCT, "de: [Führungszeugnis, ", "de: [Führungszeugnis, Unbescholtenheitsbrief, ")
    await hall.take(folder)
    assert await hall.house.contents.refresh()
    said = "Ich brauche einen Unbescholtenheitsbrief"
    assert (await answering.turns.nlu.understand(said, "de", {})).service is None
    await answering.renew()
    assert (await answering.turns.nlu.understand(said, "de", {})).service == "certificate_of_conduct"


async def test_rows_are_added_and_never_changed(hall: Cityhall) -> None:
    folder = await hall.export()
    for fee in ("1550", "1660", "1300"):
        was = (folder / CONDUCT).read_text(encoding="utf-8")
        (folder / CONDUCT).write_bytes(re.sub(r"fee: \{value: \d+", f"fee: {{value: {fee}", was).encode())
        await hall.take(folder, overwrite=True, note=f"fee {fee}", login=FIRST_LOGIN)
    async with hall.house.database.city(await hall.house.city_id()) as session:
        rows = list(await session.scalars(select(ContentEdit).order_by(ContentEdit.version)))
        assert [(row.version, row.value, row.withdrawn, row.note) for row in rows] == [
            (1, 1550, False, "fee 1550"),
            (2, 1660, False, "fee 1660"),
            (3, None, True, "fee 1300"),
        ]
        assert all(row.author_id and row.shipped == 1300 for row in rows)
        assert await version(session) == 3
        assert [edit.withdrawn for edit in await newest(session)] == [True]


async def test_what_somebody_else_changed_meanwhile_is_named(hall: Cityhall) -> None:
    mine, theirs = await hall.export(), await hall.export()
    _change(theirs, CONDUCT, "fee: {value: 1300", "fee: {value: 1550")
    await hall.take(theirs)
    _change(mine, CONDUCT, "delivery: {value: 2", "delivery: {value: 3")
    await hall.take(mine)  # another value of the same file is no conflict, and brings nothing back
    async with hall.house.database.city(await hall.house.city_id()) as session:
        assert {edit.key.name: edit.value for edit in await newest(session)} == {
            f"{CONDUCT}#facts.fee.value": 1550,
            f"{CONDUCT}#facts.delivery.value": 3,
        }
    _change(mine, CONDUCT, "fee: {value: 1300", "fee: {value: 1770")
    with pytest.raises(OperatorError, match=r"facts.fee.value: “1300” is “1550” by now, and “1770” here"):
        await hall.take(mine)
    await hall.take(mine, overwrite=True)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (CONDUCT, "{fee}. Für ein Ehrenamt", "13 €. Für ein Ehrenamt", "aspects.fee: not the same facts"),
        (CONDUCT, "{fee}. Für ein Ehrenamt", "{price}. Für ein Ehrenamt", "no fact is called {price}"),
        (CONDUCT, "value: declared", "value: spoken", "facts.signature: is one of"),
        (CONDUCT, "kind: video", "kind: fax", "gate.results.0.kind"),
        (CONDUCT, "id: too_young", "id: young", "there is no such place in the shipped file"),
        (CONDUCT, "id: certificate_of_conduct", "id: conduct", "an id or a whole entry was changed"),
        (CONDUCT, "  - {document: identity_document}", "  - {document: [", "not valid YAML"),
        ("city.yaml", "- identity_card", "- passport_of_mars", "passport_of_mars has no file"),
        ("city.yaml", 'iban: "DE14', 'iban: "DE15', "check digits of the IBAN"),
    ],
)
async def test_what_does_not_fit_is_named_and_nothing_is_written(
    hall: Cityhall, name: str, old: str, new: str, says: str
) -> None:
    folder = await hall.export()
    _change(folder, name, old, new)
    with pytest.raises(OperatorError) as caught:
        await hall.take(folder)
    assert says in str(caught.value)
    assert name in str(caught.value)
    async with hall.house.database.city(await hall.house.city_id()) as session:
        assert await session.scalar(select(func.count()).select_from(ContentEdit)) == 0


async def test_a_dry_run_writes_nothing(hall: Cityhall) -> None:
    folder = await hall.export()
    _change(folder, CONDUCT, "fee: {value: 1300", "fee: {value: null")
    said = await hall.take(folder, dry_run=True)
    assert said == [
        f"{CONDUCT}#facts.fee.value: “1300” → “None”",
        "1 would change; nothing was written",
    ]
    async with hall.house.database.city(await hall.house.city_id()) as session:
        assert await version(session) == 0


async def test_a_release_that_changes_what_was_edited(hall: Cityhall) -> None:
    """The edit counts, and whoever exports is told; an edit whose place is gone does nothing."""
    folder = await hall.export()
    _change(folder, CONDUCT, "fee: {value: 1300", "fee: {value: 1550")
    _change(folder, CONDUCT, 'de: "nur für ein Ehrenamt"', 'de: "für ein Ehrenamt"')
    await hall.take(folder)
    root = hall.settings.content_dir / "cities" / "heidelberg"
    _change(root, CONDUCT, "fee: {value: 1300", "fee: {value: 1400")
    text = (root / CONDUCT).read_bytes().decode()
    (root / CONDUCT).write_bytes(
        re.sub(r"\r?\n  - document: volunteer_proof(\r?\n    .*)+", "", text).encode()
    )
    hall.said.clear()
    after = await hall.export()
    assert b"fee: {value: 1550" in (after / CONDUCT).read_bytes()
    assert any("facts.fee.value: the shipped value is another one" in one for one in hall.said)
    assert any("checklist.volunteer_proof.note [de]: edited once, but no longer" in one for one in hall.said)
    await hall.house.contents.refresh()
    assert hall.house.content.service("certificate_of_conduct").fee_minor == 1550
