"""Text as it is compared, not shown: without case, accents, marks, and without the variants of a letter."""

import unicodedata

_LETTERS = str.maketrans(
    {
        "ı": "i",
        "İ": "i",
        "ـ": "",
        "ى": "ي",
        "ة": "ه",
        "ک": "ك",
        "ی": "ي",
        "ø": "o",
        "Ø": "o",
        "ł": "l",
        "Ł": "l",
    }
)


def fold(text: str) -> str:
    """ "İSTANBUL" and "istanbul" become one, so do "الإسكندرية" and "الاسكندريه"; other characters stay."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS).casefold())
    return "".join(one for one in plain if not unicodedata.combining(one)).translate(_LETTERS)
