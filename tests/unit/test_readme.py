"""The README is true: its commands exist, its map is the house, its pictures come from the running program."""

import re
import subprocess
import tomllib

import pytest

from tests.pictures import MADE_BY, PICTURES
from tests.promises.plugin import Promise
from tests.support.png import size, software
from tests.support.readme import ROOT, commands, text

ROOMS = re.compile(r"`([a-z_]+/(?:[a-z_]+/)?)`")
PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:)([^)#]+)\)")


@pytest.mark.promise("readme.true")
def test_the_first_commands_are_the_two() -> None:
    assert commands()[:2] == ["make run", "make test"]


@pytest.mark.promise("readme.true")
@pytest.mark.parametrize("command", commands())
def test_each_command_can_be_run(command: str) -> None:
    """make knows the target and every recipe it needs, without running it."""
    result = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.promise("readme.true")
def test_the_map_names_every_room_and_no_other(promise: Promise) -> None:
    named = {room.rstrip("/") for room in ROOMS.findall(text())}
    assert [room for room in named if not (ROOT / room).is_dir()] == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert {*packages, "web", "content", "tests", "docs"} <= named
    assert {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("bots/*/__init__.py")} <= named
    assert {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("pages/*/__init__.py")} <= named
    promise.figure(len(named), "rooms on the map")


@pytest.mark.promise("readme.true")
def test_the_pictures_are_those_the_script_takes(promise: Promise) -> None:
    shown = PICTURE.findall(text())
    assert sorted(path for _, path in shown) == sorted(f"docs/pictures/{name}" for name in PICTURES)
    for alternative, path in shown:
        picture = (ROOT / path).read_bytes()
        assert software(picture) == MADE_BY, f"{path} was not taken by `make pictures`"
        assert min(size(picture)) >= 300, path
        assert len(picture) < 400_000, path
        assert len(alternative) > 20, path
    promise.figure(len(shown), "pictures")


@pytest.mark.promise("readme.true")
def test_each_link_leads_somewhere() -> None:
    assert [path for path in LINK.findall(text()) if not (ROOT / path).exists()] == []


@pytest.mark.promise("readme.true")
def test_the_licence_is_that_of_the_package() -> None:
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert f"\n{licence} " in text().partition("## Licence")[2]
