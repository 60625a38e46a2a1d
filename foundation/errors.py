"""Errors in business words: each carries an HTTP status and the key of its message."""

import traceback
from collections.abc import Mapping
from typing import Any, ClassVar


class FoyerError(Exception):
    """Something a person can be told. `key` names the sentence in the catalogue, `params` fill it."""

    status: ClassVar[int] = 400
    key: ClassVar[str] = "error.unexpected"

    def __init__(self, **params: Any) -> None:
        super().__init__(self.key, params)
        self.params: Mapping[str, Any] = params


class NotFound(FoyerError):
    status = 404
    key = "error.not_found"


class NotAllowed(FoyerError):
    status = 403
    key = "error.not_allowed"


class SignInNeeded(FoyerError):
    status = 401
    key = "error.sign_in_needed"


class Invalid(FoyerError):
    """The input cannot be used; `field` names which one."""

    status = 422
    key = "error.invalid"


class TooMany(FoyerError):
    status = 429
    key = "error.too_many"


class OperatorError(Exception):
    """The installation needs its operator. The text says what is wrong and what to do next (English, for the log)."""


def where(error: BaseException) -> str:
    """Type and place of an error for the log. Its message is left out: it may hold a person's words."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
