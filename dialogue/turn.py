"""One turn: understand without a lock, then lock, decide, write and commit at once."""

import logging
import uuid
from copy import deepcopy
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from conversation.models import Address, Conversation, Inbox
from conversation.queues import Claim
from conversation.service import stream_of
from dialogue import routing, unfinished
from dialogue.choices import chosen, explained
from dialogue.context import Context, Heard, House
from dialogue.reading import Reader, Reading, corrects
from dialogue.skills import handoff, talk
from dialogue.state import State
from foundation import live, places
from foundation.db import Database
from foundation.errors import FoyerError, where
from foundation.faults import reached
from foundation.i18n import Text
from nlu.service import NluService
from nlu.understanding import Understanding

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
_A_FEW_WORDS, _LATIN = 3, "\u024f"


@dataclass(frozen=True)
class Letter:
    """An inbox row, opened, with what is needed to understand it."""

    kind: str
    text: str
    choice: str | None
    language: str
    state: State


@dataclass(frozen=True)
class Turns:
    """Takes inbox rows one by one and answers them."""

    database: Database
    house: House
    nlu: NluService

    def warm(self) -> None:
        """Read word lists and the atlas now instead of with the first message."""
        self.nlu.warm()
        places.warm()

    async def take(self, claim: Claim) -> None:
        """Answer one claimed row. A row that fails again and again ends with an apology, so that it blocks nobody."""
        try:
            await self._take(claim)
        except Exception as error:
            logger.error("turn: update %s failed with %s", claim.row_id, where(error))
            await self._failed(claim)

    async def _take(self, claim: Claim) -> None:
        async with self.database.city(claim.city_id) as session:
            letter = await self._open(session, claim)
            await live.whisper(session, stream_of(claim.conversation_id), {"kind": "typing", "author": "bot"})
        reading = await self._read(letter)
        reached("turn.understood")
        async with self.database.city(claim.city_id) as session:
            await self._decide(session, claim, letter, reading)
            reached("turn.decided")
        reached("turn.committed")

    async def _read(self, letter: Letter) -> Reading:
        reader = Reader(self.nlu, self.house.content)
        choice = letter.choice or chosen(letter.text, letter.state)
        if choice is None:
            return await reader.read(letter.text, letter.language, letter.state)
        said = (Understanding(letter.text),)  # what was chosen says it all
        kind, _, language = choice.partition(":")
        if kind != "language" or not language or not letter.state.held:
            return Reading(said)
        held = await reader.read(letter.state.held, language, letter.state)
        return Reading((*said, *held.meant))

    async def _open(self, session: AsyncSession, claim: Claim) -> Letter:
        row = await session.get_one(Inbox, claim.row_id)
        value = await self.house.conversations.vault.open(session, f"inbox.body:{row.id}", row.body)
        conversation = await session.get_one(Conversation, claim.conversation_id)
        address = await session.get_one(Address, conversation.address_id)
        state = await self._recall(session, conversation)
        return Letter(value["kind"], value["text"], value["choice"], address.language, state)

    async def _decide(self, session: AsyncSession, claim: Claim, letter: Letter, reading: Reading) -> None:
        conversations = self.house.conversations
        conversation, case = await conversations.lock(session, claim.conversation_id)
        row = await session.get_one(Inbox, claim.row_id)
        row.handled_at = conversations.clock.now()
        if (case or conversation).holder_id is not None and letter.kind not in talk.UNREADABLE:
            return  # a clerk speaks; the message is in the thread already
        if case and case.state == "closed":
            await conversations.leave_case(session, conversation)
            case = None
        address = await conversations.address_of(session, conversation)
        state = await self._recall(session, conversation)
        context = Context(self.house, session, conversation, case, address, state)
        await self._answer(context, letter, reading)
        await self._remember(session, conversation, state)
        author = "system" if letter.kind in talk.UNREADABLE else "bot"
        for number, reply in enumerate(context.replies):
            key = f"turn:{claim.row_id}:{number}"
            await conversations.say(session, conversation, reply, key=key, author=author)

    async def _answer(self, context: Context, letter: Letter, reading: Reading) -> None:
        heard, *more = self._heard(context, letter, reading)
        if letter.kind in talk.UNREADABLE:
            return talk.unreadable(context, letter.kind)
        if not context.state.greeted:
            context.state.greeted = True
            talk.notice(context)
            if letter.kind == "start" and letter.choice is None:
                return await talk.menu(context, heard)
        elif letter.kind == "start" and letter.choice is None:
            return await talk.menu(context, heard)
        if heard.choice is None and await handoff.noted_while_waiting(context, heard):
            return None
        context.state.held = None
        if heard.choice is None and talk.needs_language(context, reading.meant):
            return await talk.ask_language(context, heard)
        await self._run_skills(context, [heard, *more])

    async def _run_skills(self, context: Context, questions: list[Heard]) -> None:
        """Answer all questions of a message. After an aside what was under way goes on."""
        under_way, said = unfinished.of(context.state), len(context.replies)
        ran = [await self._run_skill(context, one) for one in questions]
        if len(ran) > 1:
            answered = {f"aspect:{one.meant.service}:{one.meant.aspect}" for one in questions}
            talk.choices_once(context, answered)
        if all(skill in routing.ASIDES for skill in ran):
            asked_back = any(skill in routing.ASKING_BACK for skill in ran)
            await unfinished.go_on(context, under_way, said, asked_back=asked_back)

    async def _run_skill(self, context: Context, heard: Heard) -> routing.Skill | None:
        """The skill that answered. One that ends in an error for the person leaves nothing behind but the message
        that says so.
        """
        before, said = deepcopy(vars(context.state)), len(context.replies)
        skill = routing.choose(heard, context)
        try:
            async with context.session.begin_nested():
                await skill(context, heard)
                if skill not in routing.MISSES:
                    context.state.misses = 0
            return skill
        except FoyerError as error:
            vars(context.state).update(before)
            del context.replies[said:]
            for row in filter(None, (context.conversation, context.address, context.case)):
                if row in context.session:
                    await context.session.refresh(row)
            context.case = await self.house.conversations.case_of(context.session, context.conversation)
            context.say(Text(error.key, **error.params), options=talk.ways_on(context))
            return None

    def _typed(self, context: Context, letter: Letter) -> str | None:
        """The choice that was made in words, be it with an explanation behind it."""
        whole = chosen(letter.text, context.state)
        if whole or corrects(context.content, letter.text, context.language):
            return whole
        return explained(letter.text, context.state)

    def _heard(self, context: Context, letter: Letter, reading: Reading) -> list[Heard]:
        typed = self._typed(context, letter) if letter.choice is None else None
        free = context.state.expects in (None, "question")  # a city or a mail address shows no language
        if letter.choice is None and reading.language and typed is None and free and _tells(letter, reading):
            talk.follow_language(context, reading.language)
        if choice := letter.choice or typed:
            first, *held = reading.meant
            return [Heard(letter.text, choice, first), *(Heard(one.text, None, one) for one in held)]
        return [Heard(letter.text, None, meant, reading.retyped) for meant in reading.meant]

    async def _recall(self, session: AsyncSession, conversation: Conversation) -> State:
        if conversation.state is None:
            return State()
        place = f"conversation.state:{conversation.id}"
        return State.from_json(await self.house.conversations.vault.open(session, place, conversation.state))

    async def _remember(self, session: AsyncSession, conversation: Conversation, state: State) -> None:
        conversation.state = await self.house.conversations.vault.seal(
            session, conversation.key_id, f"conversation.state:{conversation.id}", state.to_json()
        )

    async def _failed(self, claim: Claim) -> None:
        async with self.database.city(claim.city_id) as session:
            row = await session.get_one(Inbox, claim.row_id)
            row.attempts += 1
            if row.attempts >= MOST_ATTEMPTS:
                row.handled_at = self.house.conversations.clock.now()
                await self._apologise(session, claim.conversation_id, claim.row_id)

    async def _apologise(self, session: AsyncSession, conversation_id: uuid.UUID, row_id: uuid.UUID) -> None:
        conversation = await self.house.conversations.conversation(session, conversation_id)
        reply = talk.apology()
        await self.house.conversations.say(session, conversation, reply, key=f"turn:{row_id}:sorry")


def _tells(letter: Letter, reading: Reading) -> bool:
    """Whether a message shows its language: a few Latin letters that nobody understands are of none."""
    understood = not all(one.fallback for one in reading.meant)
    return understood or len(letter.text.split()) > _A_FEW_WORDS or any(one > _LATIN for one in letter.text)
