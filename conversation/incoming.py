"""What people send along in a messenger, before it is written down."""

import logging
from dataclasses import replace

from conversation.ports import Inbound
from conversation.reply import Attachment
from foundation.errors import FoyerError
from foundation.files import cleaned, named

logger = logging.getLogger(__name__)

REFUSED = "too_large"


async def sifted(inbound: Inbound) -> Inbound:
    """The same with its files built anew; one that cannot be kept makes it a "too_large", and the answer says so.

    It takes a moment, so channels do it before they open a transaction.
    """
    kept = []
    for file in inbound.files:
        try:
            clean = await cleaned(file.data)
        except FoyerError as error:
            logger.info("a file of %s is not taken (%s)", inbound.channel, error.key)
            return replace(inbound, kind=REFUSED, files=())
        kept.append(Attachment(named(file.name, clean.media_type), clean.media_type, clean.data))
    return replace(inbound, files=tuple(kept))
