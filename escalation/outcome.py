"""How a case ends: the outcome, the next steps, and the summary made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from conversation.reply import OFFICE_LANGUAGE
from foundation.errors import Invalid
from foundation.i18n import RTL_LANGUAGES, Catalogue, Filled, Moment, Sayable, Text, Verbatim

OUTCOMES: Mapping[str, tuple[str, ...]] = {
    "done": ("confirmation_by_post", "keep_documents", "nothing"),
    "advised": ("book_appointment", "nothing"),
    "documents_missing": ("bring_documents", "book_appointment"),
    "in_person_needed": ("visit_office", "book_appointment"),
    "not_reached": ("book_appointment", "write_again"),
    "referred": ("ask_other_authority",),
}
"""Outcome code → the next steps that are proposed first."""

NEXT_STEPS = (
    "confirmation_by_post",
    "keep_documents",
    "bring_documents",
    "book_appointment",
    "visit_office",
    "ask_other_authority",
    "write_again",
    "nothing",
)

LONGEST_NOTE = 2000
RIGHT_TO_LEFT_MARK = "\u200f"


@dataclass(frozen=True)
class NextStep:
    """Something the person or the office does next; `by` is the last day for it."""

    code: str
    by: date | None = None


@dataclass(frozen=True)
class Closing:
    """What a clerk decides when a case ends. `note` is the clerk's own words to the person."""

    outcome: str
    next_steps: tuple[NextStep, ...] = ()
    note: str = ""

    def check(self) -> None:
        """Errors: Invalid, naming the field."""
        if self.outcome not in OUTCOMES:
            raise Invalid(field="outcome")
        if any(step.code not in NEXT_STEPS for step in self.next_steps):
            raise Invalid(field="next_steps")
        if len(self.note) > LONGEST_NOTE:
            raise Invalid(field="note")


def summary_parts(
    closing: Closing, *, number: int, service: Sayable, clerk: str, cancelled: Sequence[Moment] = ()
) -> tuple[Sayable, ...]:
    """The paragraphs of the summary, in no language yet. `cancelled`: appointments that end with the case."""
    parts: list[Sayable] = [
        Text("summary.title", number=str(number)),
        Text("summary.service", service=service),
        Text("summary.outcome", outcome=Text(f"outcome.{closing.outcome}")),
    ]
    if closing.next_steps:
        parts.append(Text("summary.next_steps", steps=_lines([_step(step) for step in closing.next_steps])))
    parts += [Text("summary.appointment_cancelled", when=when) for when in cancelled]
    if closing.note.strip():
        parts.append(Text("summary.note", note=Verbatim(closing.note.strip())))
    return (*parts, Text("summary.end", clerk=clerk))


def _step(step: NextStep) -> Sayable:
    sentence = Text(f"next_step.{step.code}")
    return Text("summary.step_by", step=sentence, by=step.by) if step.by else sentence


def _lines(sayables: Sequence[Sayable]) -> Sayable:
    """A list with one bullet a line, the same in every language."""
    template = "\n".join(f"• {{line_{index}}}" for index in range(len(sayables)))
    # A bullet has no direction of its own; the mark puts it on the side where the line begins.
    leftward = {code: template.replace("•", f"{RIGHT_TO_LEFT_MARK}•") for code in RTL_LANGUAGES}
    params = {f"line_{index}": sayable for index, sayable in enumerate(sayables)}
    return Filled({"": template, **leftward}, params)


def side_by_side(parts: Sequence[Sayable], catalogue: Catalogue, language: str) -> dict[str, Any]:
    """The summary in the person's language and in German, paragraph by paragraph."""
    return {
        "language": language,
        "text": [catalogue.render(part, language) for part in parts],
        "german": [catalogue.render(part, OFFICE_LANGUAGE) for part in parts],
    }
