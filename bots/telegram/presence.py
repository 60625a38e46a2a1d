"""What Telegram shows of us: commands and description, in each language of the city."""

from collections.abc import Sequence

from telegram import Bot, BotCommand

from bots.telegram.translate import COMMANDS
from foundation.i18n import Catalogue, Text


async def introduce(bot: Bot, catalogue: Catalogue, languages: Sequence[str]) -> None:
    """Set both; the first language is for everybody whose own is not among them. Errors: TelegramError."""
    for language in (None, *languages):
        words = language or languages[0]
        commands = [
            BotCommand(command, catalogue.render(Text(f"telegram.command_{command}"), words))
            for command in COMMANDS
        ]
        await bot.set_my_commands(commands, language_code=language)
        description = catalogue.render(Text("telegram.description"), words)
        await bot.set_my_description(description, language_code=language)
