"""The table of promises, promises.toml: slug, sentence, tier."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BITES = ROOT / "tests" / "bites"


@dataclass(frozen=True)
class Row:
    """One promise. `tier`: quick (also in `make test`) or long."""

    slug: str
    sentence: str
    tier: str

    @property
    def bites(self) -> list[Path]:
        """The patches that take its guards away: <slug>.patch and <slug>.<what>.patch."""
        return sorted({*BITES.glob(f"{self.slug}.patch"), *BITES.glob(f"{self.slug}.*.patch")})


@functools.cache
def rows() -> tuple[Row, ...]:
    """All promises in the order of the table."""
    table = tomllib.loads((HERE / "promises.toml").read_text(encoding="utf-8"))
    return tuple(Row(slug, **fields) for slug, fields in table.items())


def known_slugs() -> set[str]:
    return {row.slug for row in rows()}


def chosen(slugs: list[str]) -> tuple[Row, ...]:
    """The rows of these slugs, all when none is named. Errors: SystemExit for an unknown one."""
    unknown = set(slugs) - known_slugs()
    if unknown:
        raise SystemExit(
            f"no such promise: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known_slugs()))}"
        )
    return tuple(row for row in rows() if not slugs or row.slug in slugs)
