"""How far a payment is."""

from conversation.reply import Page
from dialogue.context import Context, Heard
from dialogue.skills.talk import ways_on
from foundation.i18n import Money, Text


async def status(context: Context, heard: Heard) -> None:
    """The person's latest fee, with the way to its page; it may be of a case that is closed."""
    fees = await context.house.fees.of_person(context.session, context.address.person_id)
    if not fees:
        context.say(Text("fee.status_none"), options=ways_on(context))
        return
    latest = fees[0]
    page = Page(Text("fee.see"), await context.house.fees.path(context.session, latest))
    amount = Money(latest.amount, latest.currency)
    context.say(Text(f"fee.status_{latest.state}", amount=amount), pages=(page,), options=ways_on(context))
