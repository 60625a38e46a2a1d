"""The measures, on made-up results that a reader can count."""

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from foundation.errors import OperatorError
from nlu import measures
from nlu.evaluation import OUT, Labelled, Result
from nlu.measures import Scores
from nlu.report import Report
from nlu.understanding import Understanding


def result(
    meant: str,
    found: str | None,
    sure: float = 0.9,
    *,
    back: bool = False,
    language: str = "de",
    text: str = "?",
) -> Result:
    """`meant` and `found`: "intent", or "service/aspect" of a question about a service."""
    intent, service, aspect = _labels(meant)
    labelled = Labelled(text, language, intent or "", service, aspect)
    return Result(labelled, Understanding(text, None, *_labels(found), confidence=sure, fallback=back))


def _labels(told: str | None) -> tuple[str | None, str | None, str | None]:
    if told is None or "/" not in told:
        return told, None, None
    service, _, aspect = told.partition("/")
    return "service_info", service, aspect


RESULTS = [
    result("passport/fee", "passport/fee"),
    result("passport/fee", "passport/documents"),  # the aspect is wrong
    result("passport/fee", "identity_card/fee"),  # the service is wrong
    result("passport/form", "identity_card/form", 0.2, back=True),  # wrong, but asked back
    result("greet", "thanks"),  # confidently wrong
    result("greet", "greet"),
    result("greet", OUT, back=True),  # false doubt
    result(OUT, OUT, back=True),
    result(OUT, "greet", 0.1, back=True),  # the intent is wrong, yet it is noticed
    result(OUT, "passport/fee"),  # confidently wrong
]


def test_shares_are_counted_as_they_are_defined() -> None:
    assert Scores.of(RESULTS) == Scores(
        messages=10,
        intent=6 / 10,
        service=2 / 4,
        aspect=3 / 4,
        all_three=1 / 4,
        out_of_scope=2 / 3,
        false_fallback=2 / 7,
        confidently_wrong=3 / 10,
        confidently_wrong_at_all=4 / 10,
        costly_wrong=1 / 3,
        costly_wrong_at_all=2 / 3,
    )


def test_what_was_not_asked_has_no_share() -> None:
    found = Scores.of([result("greet", "greet")])
    assert (found.intent, found.service, found.out_of_scope, found.costly_wrong) == (1.0, None, None, None)


def test_a_mean_over_languages_weighs_each_alike() -> None:
    many = [result("greet", "greet", language="de")] * 9
    few = [result("greet", "thanks", language="pl")]
    assert measures.mean_intent(measures.by_language([*many, *few]).values()) == 0.5


def test_precision_and_recall_of_a_name() -> None:
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "a"), ("c", None)]
    a, b, c = measures.labels(pairs)
    assert (a.name, a.precision, a.recall, round(a.f1, 3)) == ("a", 2 / 3, 2 / 3, 0.667)
    assert (b.name, b.precision, b.recall, b.f1) == ("b", 0.0, 0.0, 0.0)
    assert (c.name, c.precision, c.recall) == ("c", None, 0.0)
    assert measures.confusions([*pairs, ("b", "a")])[0] == (("b", "a"), 2)


def test_calibration_compares_confidence_with_what_was_right() -> None:
    sure = [result("greet", "greet", 0.95)] * 3 + [result("greet", "thanks", 0.95)]
    unsure = [result("greet", "thanks", 0.05, back=True)] * 4
    low, high = measures.calibration([*sure, *unsure])
    assert (low.messages, low.right, high.messages, high.right) == (4, 0.0, 4, 0.75)
    assert measures.calibration_error([low, high]) == pytest.approx((0.05 + 0.20) / 2)


def test_a_confidence_of_one_has_a_place() -> None:
    assert [one.messages for one in measures.calibration([result("greet", "greet", 1.0)])] == [1]


def test_the_more_is_asked_back_the_more_is_noticed_and_doubted() -> None:
    curve = measures.thresholds(RESULTS)
    assert [one.threshold for one in curve] == [step / 20 for step in range(20)]
    assert (curve[0].out_of_scope, curve[0].false_fallback) == (1 / 3, 1 / 7)
    assert (curve[-1].out_of_scope, curve[-1].false_fallback) == (1.0, 1.0)
    assert [one.out_of_scope for one in curve] == sorted(one.out_of_scope for one in curve)
    assert measures.thresholds([result("greet", "greet")]) == []


def test_messages_are_read_from_a_folder(tmp_path: Path) -> None:
    told = {"text": "a", "lang": "en", "intent": "greet"}
    asked = {
        "text": "b",
        "intent": "service_info",
        "service": "x",
        "aspect": "fee",
        "context": {"service": "y"},
    }
    (tmp_path / "pl.jsonl").write_text("\n\n".join(map(json.dumps, (told, asked))), encoding="utf-8")
    assert Labelled.read(tmp_path) == [
        Labelled("a", "en", "greet", told=True),
        Labelled("b", "pl", "service_info", "x", "fee", "y", told=False),
    ]


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"text": "a"}'])
def test_other_files_are_refused_with_their_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "de.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError, match=re.escape(str(tmp_path))):
        Labelled.read(tmp_path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read"):
        Labelled.read(tmp_path / "de.jsonl")


# the report


def report() -> Report:
    other = result("greet", "thanks", 0.77, language="hi", text="<b>namaste</b> & more")
    return Report([*RESULTS, other], ["de"], [result("greet", "thanks"), result("greet", "greet")])


def test_the_text_names_every_language_and_the_strongest_confusions() -> None:
    text = report().text()
    assert re.search(r"^de +10 +60\.0% +50\.0%", text, re.MULTILINE)
    assert re.search(r"^hi +1 +0\.0% +-", text, re.MULTILINE)
    assert "mean intent over 1 languages without: 0.0%" in text
    assert re.search(r"2  greet → thanks", text)
    assert "de 50.0%" in text.partition("Rasa's default pipeline")[2]
    assert re.search(r"as it is +66\.7% +25\.0%", text)


def test_the_page_is_whole_and_asks_nothing_of_anybody() -> None:
    page = report().html()
    tree = etree.fromstring(page.encode(), etree.HTMLParser(recover=False, encoding="utf-8"))
    assert not tree.xpath("//script | //link | //img | //@src | //@href | //@style | //*[@onload]")
    assert "http" not in page
    assert "url(" not in page
    assert len(tree.xpath("//svg")) == 4
    assert not re.search(r"\bnan\b|None", page)


def test_the_page_lists_every_misread_message_by_language() -> None:
    tree = etree.HTML(report().html())
    rows = tree.xpath(
        "//h2[.='Misread messages']/following-sibling::details[summary[starts-with(., 'hi')]]//tr[td]"
    )
    assert [" ".join(row.itertext()).split() for row in rows] == [
        ["<b>namaste</b>", "&", "more", "greet", "thanks", "77.0%"]
    ]
    wrong = tree.xpath("//h2[.='Misread messages']/following-sibling::details[1]//tr[td]")
    assert len(wrong) == sum(not one.all_right for one in RESULTS)


def test_a_report_without_anything_to_compare_is_written_too() -> None:
    alone = Report([result("greet", "greet")])
    assert "Rasa" not in alone.text()
    assert alone.html()
