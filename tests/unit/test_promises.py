"""The promise plugin, its judgement and its table."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.promises import docs
from tests.promises.run import _weigh
from tests.promises.table import ROOT, rows

pytest_plugins = ["pytester"]

PLAIN = ("-p", "tests.promises.plugin", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:anyio")
PASSING = '@pytest.mark.promise("live.no-gap")\ndef test_it(promise):\n    promise.figure(20, "writers")\n'


def _run(pytester: pytest.Pytester, body: str, *options: str) -> dict[str, Any]:
    pytester.makepyfile("import pytest\n" + body)
    pytester.makeini("[pytest]\nmarkers =\n    promise(slug): one\n    long: long\n")
    pytester.runpytest_inprocess(*PLAIN, "--promises-to=seen.json", *options)
    seen: dict[str, Any] = json.loads((pytester.path / "seen.json").read_text())
    return seen


def test_a_promise_holds_when_its_test_passes_and_tells_its_figure(pytester: pytest.Pytester) -> None:
    verdict = _weigh(_run(pytester, PASSING), "live.no-gap", quick=False)
    assert (verdict.holds, verdict.figures) == (True, "20 writers")


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ("def test_it():\n    pass\n", True),
        (PASSING + "    assert False\n", False),
        (PASSING + "    raise TimeoutError\n", False),
        (PASSING + "    import no_such_module\n", True),
        (PASSING + "    pytest.skip()\n", True),
        ("@pytest.mark.xfail\n" + PASSING + "    assert False\n", True),
        ("@pytest.mark.xfail\n" + PASSING, True),
        (PASSING.replace("(promise)", "(promise, no_such_fixture)"), True),
        (PASSING + '\n@pytest.mark.promise("live.no-gap")\ndef test_other():\n    assert False\n', False),
        (
            "@pytest.fixture\ndef tidy():\n    yield\n    assert False\n"
            + PASSING.replace("(promise)", "(promise, tidy)"),
            True,
        ),
    ],
    ids=[
        "no test",
        "assertion",
        "time-out",
        "import",
        "skip",
        "xfail",
        "xpass",
        "set-up",
        "second test",
        "tear-down",
    ],
)
def test_a_promise_fails_when(pytester: pytest.Pytester, body: str, broken: bool) -> None:
    verdict = _weigh(_run(pytester, body), "live.no-gap", quick=False)
    assert (verdict.holds, verdict.broken) == (False, broken)


def test_a_file_that_cannot_be_collected_counts_against_every_promise(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other="import no_such_module\n")
    verdict = _weigh(_run(pytester, PASSING, "--continue-on-collection-errors"), "live.no-gap", quick=False)
    assert not verdict.holds


def test_a_deselected_test_counts_against_its_promise(pytester: pytest.Pytester) -> None:
    body = PASSING + '\n@pytest.mark.promise("live.no-gap")\ndef test_other():\n    pass\n'
    assert not _weigh(_run(pytester, body, "-k", "other"), "live.no-gap", quick=False).holds


def test_quick_leaves_long_tests_out_of_run_and_judgement(pytester: pytest.Pytester) -> None:
    body = (
        PASSING
        + '\n@pytest.mark.long\n@pytest.mark.promise("live.no-gap")\ndef test_other():\n    assert False\n'
    )
    seen = _run(pytester, body, "--quick")
    assert _weigh(seen, "live.no-gap", quick=True).holds
    assert not _weigh(seen, "live.no-gap", quick=False).holds


def test_an_unknown_slug_stops_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile('import pytest\n@pytest.mark.promise("no.such")\ndef test_it():\n    pass\n')
    result = pytester.runpytest_inprocess(*PLAIN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no such promise: no.such*"])


def test_the_page_of_promises_is_up_to_date() -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run `python -m tests.promises docs`"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.slug)
def test_each_promise_has_a_test_and_a_bite(row: Any) -> None:
    assert docs.witnesses(row.slug), "no test is marked with it"
    assert row.bites, f"tests/bites/{row.slug}.patch is missing"
    assert all("+++ b/" in Path(patch).read_text(encoding="utf-8") for patch in row.bites)


@pytest.mark.parametrize(
    "bite", sorted((ROOT / "tests" / "bites").glob("*.patch")), ids=lambda bite: bite.name
)
def test_every_bite_still_finds_the_guard_that_it_takes_away(bite: Path) -> None:
    tried = subprocess.run(
        ["git", "apply", "--check", "-C1", str(bite)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, f"write {bite.name} anew: {tried.stderr}"
