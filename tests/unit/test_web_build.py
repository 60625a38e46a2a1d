"""What the browser is served: light, direction-neutral, and built from a lock that names no host."""

import json
import re

import pytest

from foundation.settings import ROOT
from foundation.web import DIST, Assets

WEB = ROOT / "web"
BUDGET_KB = 40
"""Scripts and styles of the chat page, packed: under a second on a slow phone line (400 kbit/s)."""


def packed_size(*entries: str) -> int:
    files = re.findall(r'(?:href|src)="/static/([^"]+)"', Assets().tags(*entries))
    return sum((DIST / f"{name}.br").stat().st_size for name in dict.fromkeys(files))


def test_the_lock_names_no_host() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_chat_page_is_light() -> None:
    assert packed_size("src/styles/base.css", "src/chat/main.ts") < BUDGET_KB * 1024


@pytest.mark.parametrize("sheet", sorted(DIST.glob("assets/*.css")), ids=lambda sheet: sheet.name)
def test_no_style_knows_left_from_right(sheet: object) -> None:
    text = (DIST / "assets" / str(getattr(sheet, "name", ""))).read_text()
    physical = re.findall(
        r"[;{]((?:margin|padding|border)-(?:left|right)[\w-]*|left|right|border-(?:top|bottom)-(?:left|right)-radius)\s*:",
        text,
    )
    assert not physical
    assert not re.findall(r"(?:text-align|float|clear):(?:left|right)", text)


def test_fonts_come_from_our_own_files_only() -> None:
    for sheet in DIST.glob("assets/*.css"):
        addresses = re.findall(r"url\(([^)]+)\)", sheet.read_text())
        assert all(a.strip("\"'").startswith(("/static/", "data:image/svg+xml")) for a in addresses)
