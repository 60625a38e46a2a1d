"""docs/promises.md, written from the table and from what the tests say they show."""

import re
import sys
from pathlib import Path

from tests.promises.table import ROOT, Row, rows

PAGE = ROOT / "docs" / "promises.md"
MARK = re.compile(r"^\s*(?:@|pytestmark = .*?)pytest\.mark\.promise\(\s*([^)]*)\)", re.MULTILINE)
SLUG = re.compile(r"[\"']([a-z0-9.-]+)[\"']")

HEAD = """# What Foyer promises

Written by `python -m tests.promises docs` from tests/promises/promises.toml; do not edit.

Each promise is shown by the tests marked `@pytest.mark.promise("slug")`, and has a bite: a patch that takes
its guard away, after which those tests must fail.

    make promises [ONLY="slug …"]         run them: "slug ok|FAIL figure"
    make promises-bite [ONLY="slug …"]    bite them: "slug bitten|TOOTHLESS"

The tier says where a promise runs: `quick` in `make test` as well, `long` in `make promises` only.
"""


def write() -> int:
    """Write the page; 0."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 0


def page() -> str:
    """The page as it should be now."""
    return HEAD + "".join(_section(row) for row in rows())


def _section(row: Row) -> str:
    shown = ", ".join(f"[{name}](../{name})" for name in witnesses(row.slug)) or "nothing yet"
    bites = ", ".join(f"[{patch.name}](../tests/bites/{patch.name})" for patch in row.bites) or "none yet"
    return f"\n## {row.slug} ({row.tier})\n\n{row.sentence}\n\nShown by {shown}. Bite: {bites}.\n"


def witnesses(slug: str) -> list[str]:
    """The test files that speak for a promise."""
    files = sorted((ROOT / "tests").glob("*/**/test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if slug in _named_in(file)]


def _named_in(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    return {slug for mark in MARK.findall(text) for slug in SLUG.findall(mark)}
