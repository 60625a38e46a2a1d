"""Check digits of bank accounts and payment references (ISO 13616, ISO 11649), and amounts as banks write them."""

import re

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_REFERENCE = re.compile(r"RF\d{2}[A-Z0-9]{1,21}")


def is_iban(text: str) -> bool:
    """Whether an account number is well formed and its check digits fit (ISO 13616); blanks are ignored."""
    plain = compact(text)
    return bool(_IBAN.fullmatch(plain)) and _remainder(plain[4:] + plain[:4]) == 1


def creditor_reference(body: str) -> str:
    """`body` (1 to 21 of A-Z, 0-9) with two check digits before it: "RF18539007547034" (ISO 11649).

    Errors: ValueError.
    """
    made = f"RF{98 - _remainder(body + 'RF00'):02}{body}"
    if not _REFERENCE.fullmatch(made):
        raise ValueError(f"{body!r} cannot be a payment reference")
    return made


def is_creditor_reference(text: str) -> bool:
    """Whether a reference is well formed and its check digits fit; blanks and case are ignored."""
    plain = compact(text)
    return bool(_REFERENCE.fullmatch(plain)) and _remainder(plain[4:] + plain[:4]) == 1


def compact(text: str) -> str:
    return "".join(text.split()).upper()


def grouped(text: str) -> str:
    """In groups of four, as people read account numbers and references."""
    plain = compact(text)
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def decimal_amount(minor: int) -> str:
    """Minor units as a bank file writes them: 1300 → "13.00". For currencies with two decimals."""
    return f"{minor // 100}.{minor % 100:02}"


def _remainder(text: str) -> int:
    """ISO 7064, MOD 97-10: letters count as 10 to 35."""
    return int("".join(str(int(character, 36)) for character in text)) % 97
