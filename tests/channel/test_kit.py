"""What every channel must do, shown on each by the same tests."""

from collections.abc import AsyncIterator

import pytest

from booking.calendar import NAME as CALENDAR_FILE
from conversation.reply import Attachment, Option, Page, Reply
from foundation.clock import FixedClock
from foundation.i18n import Text, Verbatim
from tests.doubles.telegram.server import Telegram
from tests.integration.test_nothing_personal import paper
from tests.kit.bench import BENCHES, Bench, World, on_the_bench, those
from tests.promises.plugin import Promise
from tests.support.smtp import Mailbox
from tests.support.talk import Office
from tests.unit.test_slots_calendar import FILES, NOW, appointment, invitation

pytestmark = pytest.mark.promise("channel.kit")
LONG = "\n\n".join(f"Absatz {number}: " + "Wörter und Wörter. " * 40 for number in range(30))


@pytest.fixture
def world(
    talk_office: Office,
    clock: FixedClock,
    telegram: Telegram,
    smtp: Mailbox,
    request: pytest.FixtureRequest,
) -> World:
    return World(talk_office, clock, telegram, smtp, lambda: request.getfixturevalue("synapse"))


@pytest.fixture
async def bench(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Bench]:
    async with on_the_bench(request.param, world) as made:
        yield made


def on(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", names, indirect=True)


def squeezed(text: str) -> str:
    return "".join(text.split())


@on(*those(hears=True))
async def test_text_in_and_out(bench: Bench) -> None:
    await bench.say("What are your opening hours? <b>&amp;</b> \u202b😀")
    await bench.work()
    await bench.later()
    assert (await bench.heard())[-1] == "What are your opening hours? <b>&amp;</b> \u202b😀"
    assert (await bench.seen())[-1].text


@on(*those(hears=True))
async def test_choices_are_pressed_or_typed_as_number_or_label(bench: Bench) -> None:
    """All three lead to the same answer, again and again."""
    answers = []
    for way in ("pressed", "number", "label"):
        await bench.say("/menu" if bench.channel == "telegram" else "menu")
        await bench.work()
        await bench.later()
        labels = [one for one in await bench.seen() if one.choices][-1].choices
        number = labels.index(bench.office.house.catalogue("menu.services", "en")) + 1
        if way == "pressed":
            await bench.press(number)
        else:
            await bench.say(str(number) if way == "number" else labels[number - 1].upper())
        await bench.work()
        await bench.later()
        answers.append((await bench.seen())[-1].choices)
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) > 3


@on(*those(hears=True, takes_files=True))
async def test_a_file_is_taken_and_confirmed(bench: Bench) -> None:
    await bench.send_file("contract.pdf", "application/pdf", paper())
    await bench.work()
    await bench.later()
    assert (await bench.seen())[-1].text == bench.office.house.catalogue("talk.file_kept", "en")


@on(*BENCHES)
async def test_a_calendar_file_reaches_everybody_and_a_paper_only_private_channels(bench: Bench) -> None:
    calendar = FILES.attachment(appointment(NOW), invitation("en"), now=NOW)
    secret = Attachment("passport.pdf", "application/pdf", b"%PDF")
    await bench.tell(Reply((Verbatim("Yours"),), attachments=(calendar, secret)))
    await bench.work()
    await bench.later()
    files = [name for one in await bench.seen() for name in one.files]
    assert CALENDAR_FILE in files
    assert ("passport.pdf" in files) is bench.private


@on(*those(hears=True))
async def test_messages_come_in_order(bench: Bench) -> None:
    words = [f"Number {number}" for number in range(12)]
    for one in words:
        await bench.tell(Reply((Verbatim(one),)))
    await bench.work()
    await bench.later()
    assert [one.text for one in await bench.seen() if one.text in words] == words


@on(*those(hears=True))
async def test_an_update_that_comes_twice_counts_once(bench: Bench) -> None:
    await bench.say("What are your opening hours?")
    await bench.work()
    await bench.later()
    before = len(await bench.seen())
    await bench.again()
    await bench.work()
    await bench.later()
    assert (await bench.heard()).count("What are your opening hours?") == 1
    assert len(await bench.seen()) == before


@on(*BENCHES)
async def test_a_restart_neither_loses_nor_repeats(bench: Bench) -> None:
    await bench.tell(Reply((Verbatim("Before"),), title=Verbatim("Before")))
    await bench.work()
    await bench.later()
    await bench.tell(Reply((Verbatim("After"),), title=Verbatim("After")))
    await bench.restart()
    await bench.work()
    await bench.later()
    texts = "\n".join(one.text for one in await bench.seen())
    assert texts.count("Before") == texts.count("After") == 1
    assert set(await bench.states()) == {"sent"}


@on(*those(can_be_blocked=True))
async def test_whoever_blocks_us_hears_nothing(bench: Bench) -> None:
    await bench.block()
    await bench.work()
    before = len(await bench.seen())
    await bench.tell(Reply((Verbatim("Anybody there?"),)))
    await bench.work()
    await bench.later()
    assert len(await bench.seen()) == before
    assert (await bench.states())[-1] == "failed"


@on(*those(can_be_hurried=True))
async def test_a_vendor_who_says_later_is_obeyed(bench: Bench) -> None:
    before = len(await bench.seen())
    await bench.hurry()
    await bench.tell(Reply((Verbatim("Patience"),), title=Verbatim("Patience")))
    await bench.work()
    assert len(await bench.seen()) == before
    assert (await bench.states())[-1] == "waiting"
    await bench.later()
    assert "Patience" in (await bench.seen())[-1].text
    assert (await bench.states())[-1] == "sent"


@on(*those(hears=True))
async def test_a_long_text_arrives_whole_and_its_choices_last(bench: Bench) -> None:
    before = len(await bench.seen())
    await bench.tell(Reply((Verbatim(LONG),), (Option("menu", Text("menu.main")),)))
    await bench.work()
    await bench.later()
    fresh = (await bench.seen())[before:]
    assert squeezed("".join(one.text for one in fresh)) == squeezed(LONG)
    assert [bool(one.choices) for one in fresh] == [False] * (len(fresh) - 1) + [True]


@on(*BENCHES)
async def test_a_clerks_words_are_read_where_nobody_else_reads(bench: Bench, promise: Promise) -> None:
    words = "Your registration is done, Amal."
    await bench.tell(Reply((Verbatim(words),), pages=(Page(Text("link.open"), "/"),)), author="clerk")
    await bench.work()
    await bench.later()
    assert (words in (await bench.seen())[-1].text) is bench.private
    promise.figure(len(BENCHES), "channels")


@on("matrix")
async def test_where_one_account_speaks_for_all_a_clerks_words_say_whose_they_are(bench: Bench) -> None:
    """The chat page shows the name beside the words; Telegram and mail are not given the words."""
    await bench.tell(Reply((Verbatim("Good morning"),)), author="clerk", name="Frau Weber")
    await bench.tell(Reply((Verbatim("Anything else?"),)))
    await bench.work()
    await bench.later()
    clerk, bot = [one.text for one in await bench.seen()][-2:]
    assert "Frau Weber" in clerk
    assert "Good morning" in clerk
    assert bot == "Anything else?"
