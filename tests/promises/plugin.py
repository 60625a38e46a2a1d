"""Collects what a run says about the promises: which tests spoke for which, how they ended, what they measured.

With `--promises-to FILE` the result is written as JSON for `python -m tests.promises`. A promise holds
only if at least one of its tests ran and every one of them passed; skipped, expected to fail, passed by
surprise, or not even collected all count against it.
"""

import json
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from tests.promises.table import known_slugs

OK, FAILED, BROKEN = "ok", "failed", "broken"


@dataclass
class Witness:
    """One test of a promise. `outcome`: ok, failed (it said no), broken (it could not say)."""

    test: str
    long: bool = False
    outcome: str = BROKEN
    detail: str = "did not run"
    figures: list[tuple[str, str]] = field(default_factory=list)


class Promise:
    """Handed to a test as the fixture `promise`."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def figure(self, value: object, unit: str) -> None:
        """Report what was measured, e.g. figure(50, "clients")."""
        text = f"{value:g}" if isinstance(value, float) else str(value)
        self._witness.figures.append((text, unit))


OWN: pytest.StashKey[Witness] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("promises")
    group.addoption("--promises-to", type=Path, help="write what was seen of each promise to this JSON file")
    group.addoption(
        "--promise", action="append", default=[], help="run only the tests of this promise (repeatable)"
    )
    group.addoption("--quick", action="store_true", help="leave out the tests marked long")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Collector(config), "promises-collector")


class Collector:
    """What one run saw."""

    def __init__(self, config: pytest.Config) -> None:
        self._target: Path | None = config.getoption("promises_to")
        self._wanted = set(config.getoption("promise"))
        self._quick: bool = config.getoption("quick")
        self._witnesses: dict[str, list[Witness]] = {}
        self._errors: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before others deselect: what is left out counts as not run
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        for item in items:
            self._note(item)
        kept = [item for item in items if self._asked_for(item)]
        config.hook.pytest_deselected(items=[item for item in items if not self._asked_for(item)])
        items[:] = sorted(kept, key=_is_long) if self._wanted else kept

    def _note(self, item: pytest.Item) -> None:
        slugs = _slugs(item)
        unknown = slugs - known_slugs()
        if unknown:
            raise pytest.UsageError(
                f"{item.nodeid}: no such promise: {', '.join(sorted(unknown))} (promises.toml)"
            )
        witness = item.stash[OWN] = Witness(item.nodeid, _is_long(item))
        for slug in slugs:
            self._witnesses.setdefault(slug, []).append(witness)

    def _asked_for(self, item: pytest.Item) -> bool:
        if self._wanted and not self._wanted & _slugs(item):
            return False
        return not (self._quick and _is_long(item))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._errors.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        witness = item.stash.get(OWN, None)
        if witness is not None:
            witness.outcome, witness.detail = _judge(report, call, witness)
        return report

    def pytest_sessionfinish(self) -> None:
        if self._target is not None:
            seen = {slug: [asdict(witness) for witness in some] for slug, some in self._witnesses.items()}
            text = json.dumps({"errors": self._errors, "promises": seen}, indent=1, ensure_ascii=False)
            self._target.write_text(text, encoding="utf-8")


def _slugs(item: pytest.Item) -> set[str]:
    return {str(slug) for mark in item.iter_markers("promise") for slug in mark.args}


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def _judge(report: pytest.TestReport, call: pytest.CallInfo[None], so_far: Witness) -> tuple[str, str]:
    """A test may break in set-up or tear-down; only its own call can pass or fail."""
    if hasattr(report, "wasxfail") or report.skipped:
        return BROKEN, "skipped or expected to fail"
    if report.when == "call":
        return (OK, "") if report.passed else (_kind(call), _line(call))
    if report.failed and so_far.outcome != FAILED:
        return BROKEN, f"{report.when}: {_line(call)}"
    return so_far.outcome, so_far.detail


def _kind(call: pytest.CallInfo[None]) -> str:
    """Whether the test said no, or the code under it could not even be loaded."""
    unloadable = (ImportError, SyntaxError, NameError, pytest.UsageError)
    return BROKEN if call.excinfo and isinstance(call.excinfo.value, unloadable) else FAILED


def _line(call: pytest.CallInfo[None]) -> str:
    return call.excinfo.exconly(tryshort=True).splitlines()[0][:300] if call.excinfo else ""


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Promise:
    """Reports the figure of the promise that this test shows: promise.figure(value, unit)."""
    return Promise(request.node.stash[OWN])
