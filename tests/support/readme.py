"""The README's commands, as written."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Every line of the README's shell blocks, in order, without its comment."""
    lines = "".join(_BLOCK.findall(text())).splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]
