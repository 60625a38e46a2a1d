"""Run the tests of promises and say of each whether it holds."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.promises.table import ROOT, Row


@dataclass(frozen=True)
class Verdict:
    """Whether a promise holds, its figures, and, if it does not, whether a test said so or could not run."""

    holds: bool
    broken: bool
    figures: str
    details: tuple[str, ...]


def report(rows: Sequence[Row], *, quick: bool = False) -> int:
    """Print "slug ok|FAIL figures" for each row; 0 if all hold."""
    verdicts = judge(rows, where=ROOT, quick=quick)
    for slug, verdict in verdicts.items():
        _say(f"{slug} {'ok' if verdict.holds else 'FAIL'} {verdict.figures}".rstrip())
        for detail in verdict.details:
            _say(f"    {detail}")
    return 0 if all(verdict.holds for verdict in verdicts.values()) else 1


def judge(
    rows: Sequence[Row], *, where: Path, quick: bool, until_first: bool = False, quiet: bool = False
) -> dict[str, Verdict]:
    """Run pytest in the tree `where` for these promises and weigh what it saw."""
    with tempfile.TemporaryDirectory(prefix="foyer-promises-") as home:
        result = Path(home) / "result.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests",
            "-q",
            "--promises-to",
            str(result),
            "-p",
            "no:cacheprovider",
        ]
        command += [f"--promise={row.slug}" for row in rows] + (["--quick"] if quick else [])
        command += ["-x"] if until_first else []
        subprocess.run(
            command,
            cwd=where,
            env={**os.environ, "PYTHONPATH": str(where)},
            capture_output=quiet,
            check=False,
        )
        seen = (
            json.loads(result.read_text())
            if result.exists()
            else {"errors": ["pytest did not finish"], "promises": {}}
        )
    return {row.slug: _weigh(seen, row.slug, quick=quick) for row in rows}


def _weigh(seen: dict[str, Any], slug: str, *, quick: bool) -> Verdict:
    witnesses = seen["promises"].get(slug, [])
    if quick:
        witnesses = [witness for witness in witnesses if not witness["long"]]
    bad = [witness for witness in witnesses if witness["outcome"] != "ok"]
    details = [f"{witness['test']}: {witness['detail']}" for witness in bad]
    details += [f"not collected: {name}" for name in seen["errors"]]
    if not witnesses:
        details.append("no test speaks for it")
    figures = [f"{value} {unit}" for witness in witnesses for value, unit in witness["figures"]]
    failed = any(witness["outcome"] == "failed" for witness in bad)
    return Verdict(not details, bool(details) and not failed, ", ".join(figures), tuple(details))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
