"""Words typed with the keyboard set to another alphabet: "цфы лщыеуе вфы" is "was kostet das" in German hands."""

from itertools import product

_CYRILLIC = "йцукенгшщзхъфывапролджэячсмитьбю"
_LATIN = {
    "de": "qwertzuiopü+asdfghjklöäyxcvbnm,.",
    "en": "qwertyuiop[]asdfghjkl;'zxcvbnm,.",
}
_UKRAINIAN = str.maketrans("ыэъ", "ієї")
_CYRILLIC_LANGUAGES = ("ru", "uk")


def retyped(text: str) -> tuple[tuple[str, str], ...]:
    """What the same keys say with another alphabet switched on: (language, text), empty where it has no such letters."""
    plain = text.casefold()
    if any(letter in _CYRILLIC or letter in "іїє" for letter in plain):
        return tuple((code, _to_latin(plain, code)) for code in _LATIN)
    if any("a" <= letter <= "z" for letter in plain):
        return tuple(
            (code, _to_cyrillic(plain, code, layout)) for code, layout in product(_CYRILLIC_LANGUAGES, _LATIN)
        )
    return ()


def _to_latin(text: str, code: str) -> str:
    keys = dict(zip(_CYRILLIC, _LATIN[code], strict=True))
    return "".join(keys.get(letter, letter) for letter in text.translate(str.maketrans("іїє", "ыъэ")))


def _to_cyrillic(text: str, code: str, layout: str) -> str:
    keys = dict(zip(_LATIN[layout], _CYRILLIC, strict=True))
    typed = "".join(keys.get(letter, letter) for letter in text)
    return typed.translate(_UKRAINIAN) if code == "uk" else typed
