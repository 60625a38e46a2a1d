"""Going on elsewhere: the web offers a messenger, and the messenger asks before it takes the case over."""

from conversation.joining import NothingToJoin
from conversation.reply import Option, Page
from dialogue.context import MENU, Context, Heard
from dialogue.skills import talk
from dialogue.state import State
from foundation.i18n import Text

WEB, TELEGRAM = "web", "telegram"
PAGE = "/telegram"
CARRIED = ("service", "answers", "ready", "place", "appointment", "mail_asked")
"""What of the web talk's memory goes on."""


async def offer(context: Context, heard: Heard) -> None:
    """The page that leads on; its link is made when the person looks at it."""
    if not await talk.goes_on_in_telegram(context):
        return await talk.menu(context, heard)
    page = Page(Text("menu.telegram"), PAGE)
    context.say(Text("join.how"), options=(MENU,), pages=(page,))


async def ask(context: Context, heard: Heard) -> None:
    """Somebody has come by a link: ask, and change nothing."""
    token = heard.argument("join") or ""
    case = await context.house.joining.case(context.session, context.conversation, token)
    options = (Option(f"accept:{token}", Text("join.yes")), Option("menu", Text("join.no")))
    context.say(Text("join.ask", number=str(case.number)), options=options)


async def accept(context: Context, heard: Heard) -> None:
    """They have said yes."""
    token, session = heard.argument("accept") or "", context.session
    context.case = await context.house.joining.join(session, context.conversation, token)
    await _carry_on(context)
    context.say(Text("talk.menu"), options=await talk.main_options(context))


async def _carry_on(context: Context) -> None:
    """What was answered on the web need not be answered again."""
    conversations = context.house.conversations
    if context.case is None:
        raise NothingToJoin
    for thread in await conversations.threads_of(context.session, context.case):
        if thread.id == context.conversation.id or thread.state is None:
            continue
        place = f"conversation.state:{thread.id}"
        there = State.from_json(await conversations.vault.open(context.session, place, thread.state))
        for name in CARRIED:
            setattr(context.state, name, getattr(there, name))
        return
