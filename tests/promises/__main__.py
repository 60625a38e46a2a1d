"""python -m tests.promises run|bite|docs [--only "slug …"] [--quick]"""

import argparse
import sys

from tests.promises import bite, docs, run
from tests.promises.table import chosen


def main() -> int:
    """Exit code 0 only if every promise asked for held (run) or bit (bite)."""
    parser = argparse.ArgumentParser(prog="python -m tests.promises", description=__doc__)
    parser.add_argument("what", choices=("run", "bite", "docs"))
    parser.add_argument("slugs", nargs="*", help="the promises meant; none for all")
    parser.add_argument("--only", default="", help="the same as one string, as make hands it over")
    parser.add_argument("--quick", action="store_true", help="leave out the tests marked long")
    asked = parser.parse_intermixed_args()
    rows = chosen(" ".join([*asked.slugs, asked.only]).replace(",", " ").split())
    if asked.what == "docs":
        return docs.write()
    return (
        run.report(rows, quick=asked.quick) if asked.what == "run" else bite.report(rows, quick=asked.quick)
    )


sys.exit(main())
