"""A citizen's words lie nowhere in plain, on the way through the whole house."""

import time

import pytest

from tests.promises.plugin import Promise
from tests.support.app import App
from tests.support.citizen import Citizen, visiting_citizen
from tests.support.clerk import sitting_clerk
from tests.support.postgres import Cluster
from tests.support.smtp import Mailbox
from tests.support.traces import Hunt, word

# A city whose name is not in the name of its time zone, which is no secret.
CITY = "Toamasina"
CLOCK_STEP = 5  # seconds by which a file's time may lag
VIDEO = {"moved_in": "yes", "where_to": "same_city"}


async def _book(citizen: Citizen, words: dict[str, str]) -> None:
    await citizen.offered("book")
    await citizen.say(f"Ich heiße {words['name']} und möchte {words['question']} fragen")
    await citizen.answered()
    await citizen.press("book:address_change")
    for question, answer in VIDEO.items():
        await citizen.choose(f"gate:address_change:{question}:{answer}")
    await citizen.choose("ready:")
    await citizen.offered("zone:here")
    await citizen.say(words["place"])
    await citizen.answered()
    await citizen.say(CITY)
    await citizen.choose("slot:")
    await citizen.offered("mail:skip")
    await citizen.say(words["mail"])
    await citizen.choose("confirm:yes")
    await citizen.offered("here")


async def _open_links(citizen: Citizen) -> set[str]:
    """The addresses of the case's own page, each fetched once, so that it could come into a log."""
    links = {link["url"] for message in citizen.messages for link in message["links"] if "/a/" in link["url"]}
    for link in links:
        (await citizen.http.get(link)).raise_for_status()
    return links


@pytest.mark.promise("privacy.at-rest")
async def test_a_citizens_words_lie_nowhere_in_plain(
    app: App, smtp: Mailbox, cluster: Cluster, promise: Promise
) -> None:
    since = time.time() - CLOCK_STEP
    stems = ("name", "question", "place", "mail", "waiting", "reply", "note")
    words = {stem: word(stem) for stem in stems}
    words["mail"] = f"{words['mail']}@example.org"
    login, password = await app.clerk()
    async with visiting_citizen(app.url, "de") as citizen, sitting_clerk(app.url, login, password) as clerk:
        await _book(citizen, words)
        links = await _open_links(citizen)
        await citizen.press("person")
        await citizen.offered("leave")
        await citizen.say(words["waiting"])
        (waiter,) = await clerk.waiting()
        case_id = await clerk.admit(waiter["id"])
        await clerk.say(case_id, words["reply"])
        await citizen.until(lambda message: words["reply"] in message["text"], "the clerk's reply")
        shown = str(await clerk.case(case_id))
        await clerk.close(case_id, note=words["note"])
        await citizen.until(lambda message: words["note"] in message["text"], "the summary")
    assert all(words[stem] in shown for stem in ("name", "question", "place", "waiting", "reply"))
    assert await smtp.wait_for(1)

    tokens = {
        one.value for one in (*citizen.http.cookies.jar, *clerk.http.cookies.jar) if len(one.value or "") > 20
    }
    tokens |= {link.rpartition("/")[2] for link in links}
    assert len(tokens) == 3, "visitor, clerk and case have one each"
    hunt = Hunt([*words.values(), CITY, password, *filter(None, tokens)])
    _search(hunt, app, cluster, since)
    for mail in smtp.mails:
        assert mail.recipients == (words["mail"],)
    assert hunt.finds == []
    promise.figure(
        f"{hunt.bytes / 1e6:.0f} MB in {hunt.places}",
        f"places searched for {len(hunt.wanted)} words and tokens",
    )


def _search(hunt: Hunt, app: App, cluster: Cluster, since: float) -> None:
    hunt.tables(app.database_url)
    hunt.dump(app.database_url)
    hunt.cluster(cluster, since=since)
    hunt.files(app.directory)


@pytest.mark.promise("privacy.at-rest")
async def test_mail_carries_no_words_of_the_case(app: App, smtp: Mailbox) -> None:
    """Mail travels through other hands: it says that there is news, and where (rule of neutral text)."""
    words = {stem: word(stem) for stem in ("name", "question", "place", "mail")}
    words["mail"] = f"{words['mail']}@example.org"
    async with visiting_citizen(app.url, "de") as citizen:
        await _book(citizen, words)
        await smtp.wait_for(1)
    hunt = Hunt([words["name"], words["question"], words["place"], CITY])
    for mail in smtp.mails:
        hunt.look("mail", mail.raw)
    assert hunt.finds == []


@pytest.mark.promise("privacy.at-rest")
async def test_the_search_has_eyes(app: App, cluster: Cluster) -> None:
    """What is no secret is found where it lies, so finding nothing means something."""
    since = time.time() - CLOCK_STEP
    async with visiting_citizen(app.url, "de") as citizen:
        await citizen.offered("book")
        await citizen.press("book:address_change")
        await citizen.offered("gate:")
    hunt = Hunt(["conversation:"])
    _search(hunt, app, cluster, since)
    found = {find.where for find in hunt.finds}
    assert {"table public.live_row", "table public.stream", "pg_dump"} <= found
    assert any(where.startswith("file base/") for where in found)
