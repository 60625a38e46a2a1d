"""What is meant: the trained model if there is one, else the rules; and always the language."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from foundation.content_models import CityContent
from nlu.language import Languages
from nlu.rules import Rules
from nlu.understanding import Parser, Understanding

LONGEST = 2000
"""Letters that are read; what follows is kept but not interpreted."""


@dataclass(frozen=True)
class NluService:
    """`parser` is the trained model; without one, or while it is away, the rules answer."""

    rules: Rules
    languages: Languages
    parser: Parser | None = None

    @classmethod
    def from_content(cls, content: CityContent, parser: Parser | None = None) -> Self:
        return cls(Rules(content), Languages(content), parser)

    def warm(self) -> None:
        """Build the matchers now instead of with the first message."""
        self.rules.warm()
        self.languages.warm()

    async def understand(self, text: str, language: str, context: Mapping[str, str]) -> Understanding:
        """`language` is that of the conversation; `context` may hold the `service` spoken of."""
        readable = _latin_digits(text[:LONGEST])
        spoken, romanised = self.languages.read(readable, language)
        understanding = None
        if self.parser is not None and readable.strip():
            understanding = await self.parser.parse(readable, spoken or language, context)
        if understanding is None:
            literal = self.rules.understand(readable, spoken or language, context)
            understanding = replace(literal, by_words=True)
        return replace(understanding, text=text, language=spoken, romanised=romanised)


def _latin_digits(text: str) -> str:
    return re.sub(r"\d", lambda digit: str(unicodedata.digit(digit[0])), text)
