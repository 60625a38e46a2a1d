"""The import contract, types and style hold, and the checks notice when they do not."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.promises.plugin import Promise

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = CONFIG["tool"]["importlinter"]["root_packages"]


def _run(where: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{TOOLS}:/usr/bin:/bin", "PYTHONPATH": str(where)}
    return subprocess.run(
        [TOOLS / tool, *arguments], cwd=where, env=environment, capture_output=True, text=True
    )


def _copy(target: Path) -> Path:
    """The packages as they are, to plant something in."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__", "rasa")
        )
    shutil.copy2(ROOT / "pyproject.toml", target)
    return target


@pytest.mark.promise("code.checked")
def test_the_import_contract_holds(promise: Promise) -> None:
    result = _run(ROOT, "lint-imports", "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr
    kept = result.stdout.rpartition("Contracts: ")[2].split(",")[0]
    promise.figure(kept.split()[0], "import contracts kept")


@pytest.mark.promise("code.checked")
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("foundation/planted.py", "from conversation import models"),
        ("conversation/planted.py", "import booking.models"),
        ("booking/planted.py", "import escalation"),
        ("dialogue/planted.py", "import pages.desk"),
        ("dialogue/skills/planted.py", "import foyer"),
        ("bots/web/planted.py", "import pages.citizen"),
        ("booking/planted.py", "import spacy"),
    ],
)
def test_a_planted_import_breaks_the_contract(tmp_path: Path, file: str, line: str) -> None:
    copy = _copy(tmp_path)
    (copy / file).write_text(f"{line}\n")
    result = _run(copy, "lint-imports", "--no-cache")
    assert result.returncode == 1
    assert "BROKEN" in result.stdout


@pytest.mark.promise("code.checked")
def test_ruff_finds_nothing() -> None:
    result = _run(ROOT, "ruff", "check", "--no-cache", ".")
    assert result.returncode == 0, result.stdout


@pytest.mark.long
@pytest.mark.promise("code.checked")
def test_mypy_strict_finds_nothing(promise: Promise) -> None:
    assert CONFIG["tool"]["mypy"]["strict"] is True
    result = _run(ROOT, "mypy", *PACKAGES, "tests")
    assert result.returncode == 0, result.stdout
    promise.figure(result.stdout.rpartition(" in ")[2].strip(), "checked by mypy strict")


@pytest.mark.promise("code.checked")
def test_no_check_is_switched_off_without_a_reason() -> None:
    """A `# noqa` or `# type: ignore` names its code and, beside it, why."""
    bare = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in _sources()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if _switched_off_bare(line)
    ]
    assert bare == []


def _sources() -> list[Path]:
    """Every Python file that is or would be in the repository, but this one."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard", "*.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and file != Path(__file__)]


def _switched_off_bare(line: str) -> bool:
    for marker in ("# noqa", "# type: ignore"):
        _, found, rest = line.partition(marker)
        if found and not any(mark in rest for mark in (" - ", "  # ", " #")):
            return True
    return False
