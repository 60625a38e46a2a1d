"""Splicing into YAML: what was asked for changes, no other byte does."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.yamledit import WIDTH, Path, UnsafeEdit, edited, read

ODD = """\
# Heading, before anything
id:   passport      # odd spacing
names :
    de: 'Reisepass'   # single quotes
    en: Passport
# between two keys
fee: {value: 1300,  unit: EUR, valid_from: 2013-08-01}  # cents
steps:
- id: one
  label: { de: "Eins" , en: "One" }
-   id: two
    label: {de: "Zwei", en: "Two"}   # a note
text:
  de: |
    Zeile eins
    # keine Bemerkung

    Zeile zwei

  en: >-
    folded
    text
words:
  de: [ja,  klar , "nein"]
  en:
    - "yes"
    - sure   # really
empty:
"""


@pytest.mark.parametrize(
    ("at", "value", "old", "new"),
    [
        (("id",), "visa", "passport   ", "visa   "),
        (("names", "de"), "Pass", "'Reisepass'", "'Pass'"),
        (("names", "de"), "l'été", "'Reisepass'", "'l''été'"),
        (("names", "en"), "no", "en: Passport", 'en: "no"'),
        (("names", "fr"), "Passeport", "Passport\n", 'Passport\n    fr: "Passeport"\n'),
        (("fee", "value"), 1550, "1300", "1550"),
        (("fee", "value"), None, "1300", "null"),
        (("fee", "value"), True, "1300", "true"),
        (("fee", "valid_from"), date(2027, 1, 1), "2013-08-01", "2027-01-01"),
        (("fee", "source"), "§ 1", "2013-08-01}", '2013-08-01, source: "§ 1"}'),
        (("steps", 0, "label", "fr"), "Un", '"One" }', '"One", fr: "Un" }'),
        (("steps", 1, "label", "de"), 'Z"w\n', '"Zwei"', '"Z\\"w\\n"'),
        (
            ("text", "de"),
            "Neu\nund neu\n",
            "Zeile eins\n    # keine Bemerkung\n\n    Zeile zwei",
            "Neu\n    und neu",
        ),
        (("text", "fr"), "Un", "    text\n", '    text\n  fr: "Un"\n'),
        (("words", "de"), ["ja", "klar", "nein", "nö"], '"nein"]', '"nein", nö]'),
        (("words", "de"), ["klar", "nein"], "ja,  klar", "klar"),
        (("words", "de"), ["ja", "nein"], ",  klar ,", " ,"),
        (("words", "en"), ["yes", "sure", "ok"], "really\n", 'really\n    - "ok"\n'),
        (("words", "en"), ["yes"], "    - sure   # really\n", ""),
        (("words", "en"), ["aye", "yes", "sure"], '- "yes"', '- "aye"\n    - "yes"'),
        (("words", "fr"), ["oui"], "really\n", 'really\n  fr:\n    - "oui"\n'),
        (("empty",), "full", "empty:", "empty: full"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_the_value_changes(at: Path, value: object, old: str, new: str, ends: str, mark: str) -> None:
    before, old, new = (one.replace("\n", ends) for one in (ODD, old, new))
    assert before.count(old) == 1
    assert edited(mark + before, {at: value}) == mark + before.replace(old, new)


def test_what_is_there_already_changes_nothing() -> None:
    same: dict[Path, object] = {
        ("names", "de"): "Reisepass",
        ("words", "en"): ["yes", "sure"],
        ("text", "de"): "Zeile eins\n# keine Bemerkung\n\nZeile zwei\n",
        ("fee", "value"): 1300,
    }
    assert edited(ODD, same) == ODD


def test_a_long_line_becomes_one_line_an_entry() -> None:
    long = "x" * WIDTH
    text = (
        "a:\n  b:\n    - id: one\n      label: {de: \"Eins\", 'en': One}  # note\n    - {de: eins, en: one}\n"
    )
    after = edited(text, {("a", "b", 0, "label", "fr"): long, ("a", "b", 1, "fr"): long})
    assert after == (
        "a:\n  b:\n    - id: one\n      label:  # note\n"
        f'        de: "Eins"\n        \'en\': One\n        fr: "{long}"\n'
        f'    - de: eins\n      en: one\n      fr: "{long}"\n'
    )


def test_braces_inside_braces_and_over_lines_stay() -> None:
    long = "x" * WIDTH
    inside = 'a: {b: {de: "Eins"}}\n'
    assert edited(inside, {("a", "b", "fr"): long}) == f'a: {{b: {{de: "Eins", fr: "{long}"}}}}\n'
    tall = 'a: {\n  de: "Eins",  # first\n  en: "One"  # last\n}\n'
    assert edited(tall, {("a", "fr"): "Un"}) == (
        'a: {\n  de: "Eins",  # first\n  en: "One",\n  fr: "Un"  # last\n}\n'
    )


def test_several_changes_at_once() -> None:
    after = edited(
        ODD,
        {("names", "fr"): "Passeport", ("names", "de"): "Pass", ("names", "es"): "Pasaporte", ("id",): "p"},
    )
    assert read(after)["names"] == {"de": "Pass", "en": "Passport", "fr": "Passeport", "es": "Pasaporte"}
    assert after.splitlines()[1:6] == [
        "id:   p      # odd spacing",
        "names :",
        "    de: 'Pass'   # single quotes",
        "    en: Passport",
        '    fr: "Passeport"',
    ]


def test_a_file_without_a_last_line_end() -> None:
    assert edited("a:\n  de: x", {("a", "fr"): "y"}) == 'a:\n  de: x\n  fr: "y"'


def test_anchors_stay_where_they_are() -> None:
    text = "a: &one {de: x}\nb: *one\nc: &two 'y'\n"
    assert edited(text, {("c",): "z"}) == "a: &one {de: x}\nb: *one\nc: &two 'z'\n"
    assert edited(text, {("b",): "z"}) == "a: &one {de: x}\nb: z\nc: &two 'y'\n"
    assert edited(text, {("a", "en"): "z"}) == "a: &one {de: x, en: \"z\"}\nb: *one\nc: &two 'y'\n"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("a: &one x\nb: *one\n", ("a",)),
        ("a: &one {de: x}\nb: *one\n", ("b", "en")),
        ("a: &one {de: x}\nb:\n  <<: *one\n  en: y\n", ("a", "de")),
    ],
)
def test_what_would_change_more_is_refused(text: str, at: Path) -> None:
    with pytest.raises(UnsafeEdit):
        edited(text, {at: "new"})


@pytest.mark.parametrize("at", [("nowhere", "de"), ("steps", 7, "id"), ("id", "de"), ("steps", 2)])
def test_a_place_that_is_not_there(at: Path) -> None:
    with pytest.raises(KeyError):
        edited(ODD, {at: "x"})


# -- any document, any value -------------------------------------------------------------------------

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_WORD = st.sampled_from(
    ["ja", "no", "~", "12", "a b", "é: x", "- x", "# y", "هي", "[z", "it's", "x:", "2026-01-02", ""]
)
_VALUE = st.one_of(
    _TEXT, _WORD, st.lists(_WORD, min_size=1, max_size=4), st.integers(), st.booleans(), st.none()
)
_GAP = st.sampled_from(["", "  # note", "   ", "\t# é"])
_BLANK = st.sampled_from(["", "\n", "# between\n", "\n\n# and again\n"])


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[Path]]:
    """A document with its leaves: mappings and lists, in blocks and braces, with comments and odd spaces."""
    lines: list[str] = ["# top\n"]
    leaves: list[Path] = []
    for number in range(draw(st.integers(1, 4))):
        at = f"k{number}"
        _block(draw, lines, leaves, (at,), f"{at}:", "", 0)
    text = "".join(lines)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return (text.replace("\n", "\r\n") if draw(st.booleans()) else text), leaves


def _leaf(draw: st.DrawFn) -> str:
    text = draw(_WORD | _TEXT)
    return draw(
        st.sampled_from([_escaped(text), "'it''s'", "plain text", "12", "[a, 'b',  \"c\"]", "!!str word"])
    )


def _block(
    draw: st.DrawFn, lines: list[str], leaves: list[Path], at: Path, head: str, indent: str, depth: int
) -> None:
    shape = draw(
        st.sampled_from(["leaf", "literal", "braces", "map", "list"] if depth < 2 else ["leaf", "braces"])
    )
    gap, deeper = draw(_GAP), indent + draw(st.sampled_from(["  ", "   "]))
    if shape == "leaf":
        lines.append(f"{indent}{head} {_leaf(draw)}{gap}\n")
        leaves.append(at)
    elif shape == "literal":
        sign = draw(st.sampled_from(["|", "|-", "|+", ">", ">-"]))
        lines.append(f"{indent}{head} {sign}\n{deeper}one\n\n{deeper}two # no comment\n")
        leaves.append(at)
    elif shape == "braces":
        pairs = ",  ".join(f"{name}: {_leaf(draw)}" for name in ("de", "en"))
        lines.append(f"{indent}{head} {{ {pairs} }}{gap}\n")
        leaves += [(*at, "de"), (*at, "en"), (*at, "fr")]
    elif shape == "map":
        lines.append(f"{indent}{head}{gap}\n")
        for name in ("de", "en"):
            _block(draw, lines, leaves, (*at, name), f"{name}:", deeper, depth + 1)
        leaves.append((*at, "fr"))
    else:
        lines.append(f"{indent}{head}{gap}\n")
        for number in range(draw(st.integers(1, 3))):
            lines.append(f"{deeper}- {_leaf(draw)}{draw(_GAP)}\n")
            leaves.append((*at, number))
    lines.append(draw(_BLANK))


@given(documents(), _VALUE, st.data())
def test_any_splice_says_what_was_asked_and_keeps_the_rest(
    document: tuple[str, list[Path]], value: Any, data: st.DataObject
) -> None:
    text, leaves = document
    at = data.draw(st.sampled_from(leaves))
    after = edited(text, {at: value})  # compares what it says with what was wanted
    start, end = _common(text, after)
    touched = text[start : len(text) - end]
    assert touched.count("\n") <= 6  # one literal with its blank lines is the most that one value spans
    if at[-1] == "fr" and "{" not in touched:
        assert not touched.strip()
    if text.count("\r\n") == text.count("\n"):
        assert after.count("\r\n") == after.count("\n")
    assert _comments(text) == _comments(after)


@given(documents(), st.data())
def test_there_and_back_again(document: tuple[str, list[Path]], data: st.DataObject) -> None:
    """Text for text, written the way this tool writes: the old bytes are back."""
    text, leaves = document
    at = data.draw(st.sampled_from([one for one in leaves if one[-1] != "fr"]))
    canonical = edited(text, {at: "eins"})
    assert edited(edited(canonical, {at: "zwei"}), {at: "eins"}) == canonical


def _comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line in ("# top", "# between", "# and again")]


def _common(one: str, other: str) -> tuple[int, int]:
    start = next(
        (i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    most = min(len(one), len(other)) - start
    end = next((i for i in range(most) if one[-1 - i] != other[-1 - i]), most)
    return start, end
