"""Take away the guard of a promise in a scratch copy and see whether its tests notice.

Patches are <slug>.patch or <slug>.<what>.patch; with --quick those named <slug>.long.<what>.patch, which only
a long test can notice, are left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.promises.run import Verdict, judge
from tests.promises.table import ROOT, Row

LINKED = (
    ".venv",
    ".tools",
    "node_modules",
    "web/node_modules",
    "nlu/rasa/.venv",
    "tests/support/matrix_citizen/node_modules",
)
BUILT = "web/dist"


def report(rows: Sequence[Row], *, quick: bool = False) -> int:
    """Print "slug bitten" for each row whose every bite is noticed; 0 if all are."""
    sound = True
    for row in rows:
        complaints = _complaints(row, quick=quick)
        sys.stdout.write(f"{row.slug} {'TOOTHLESS' if complaints else 'bitten'}\n")
        sys.stdout.writelines(f"    {complaint}\n" for complaint in complaints)
        sys.stdout.flush()
        sound = sound and not complaints
    return 0 if sound else 1


def _complaints(row: Row, *, quick: bool) -> list[str]:
    if not row.bites:
        return [f"there is no tests/bites/{row.slug}.patch"]
    unbitten = try_bite(row, None, quick=quick)
    if not unbitten.holds:
        return ["it does not hold in the copy even without a bite:", *unbitten.details]
    patches = [patch for patch in row.bites if not (quick and ".long." in patch.name)]
    return [why for patch in patches if (why := _unnoticed(row, patch, quick=quick))]


def _unnoticed(row: Row, patch: Path, *, quick: bool) -> str:
    """Why this bite shows nothing, empty if it does."""
    try:
        verdict = try_bite(row, patch, quick=quick)
    except subprocess.CalledProcessError as error:
        return f"{patch.name} cannot be applied: {(error.stderr or b'').decode().strip()}"
    if verdict.holds:
        return f"{patch.name}: the tests passed all the same"
    return f"{patch.name}: the tests broke instead of failing: {verdict.details[0]}" if verdict.broken else ""


def try_bite(row: Row, patch: Path | None, *, quick: bool) -> Verdict:
    """Judge one promise in a scratch copy with `patch` applied. Errors: CalledProcessError if it does not apply."""
    with tempfile.TemporaryDirectory(prefix="foyer-bite-") as home:
        copy = Path(home) / "foyer"
        _copy_tree(copy)
        if patch is not None:
            _git(copy, "apply", "-C1", "--whitespace=nowarn", str(patch))
        _build_pages(copy, bitten="web/" in _changed(patch))
        _git(copy, "init", "-q")
        # Not the links: who clones the copy gets the tree alone, as from anywhere else.
        _git(copy, "add", "-A", "--", ".", *(f":(exclude){name}" for name in LINKED))
        _git(copy, "-c", "user.name=bite", "-c", "user.email=bite@example.org", "commit", "-qm", "bitten")
        return judge([row], where=copy, quick=quick, until_first=patch is not None, quiet=True)[row.slug]


def _copy_tree(copy: Path) -> None:
    """What git knows or would add, and links to what is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for catalogue in ROOT.glob("content/locale/**/*.mo"):
        shutil.copy2(catalogue, copy / catalogue.relative_to(ROOT))
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


def _build_pages(copy: Path, *, bitten: bool) -> None:
    if bitten:
        subprocess.run(["npm", "run", "build"], cwd=copy / "web", check=True, capture_output=True)
    elif (ROOT / BUILT).exists():
        shutil.copytree(ROOT / BUILT, copy / BUILT)


def _changed(patch: Path | None) -> str:
    """The names of the files that a patch changes."""
    lines = patch.read_text(encoding="utf-8").splitlines() if patch else []
    return " ".join(line[6:] for line in lines if line.startswith("+++ b/web/"))


def _git(copy: Path, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=copy, check=True, capture_output=True, env=environment)
