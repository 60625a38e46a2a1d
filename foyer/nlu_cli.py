"""The commands `foyer nlu serve|train|parse|evaluate`."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foundation.errors import OperatorError
from foundation.settings import Settings

Say = Callable[[str], None]


def add(commands: Any, say: Say) -> None:
    """Hang the commands below `foyer`. `commands`: what argparse's add_subparsers gave."""
    nlu = commands.add_parser("nlu", help="Understanding: the trained model.")
    below = nlu.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], None], text: str) -> Any:
        made = below.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        return made

    command(
        "serve", lambda settings, _: _serve(settings, say), "Offer the trained model to this installation."
    )
    command("train", lambda settings, _: _train(settings, say), "Train a model if the data have changed.")
    parse = command(
        "parse", lambda settings, _: _parse(settings), "Say what messages on standard input mean."
    )
    parse.add_argument(
        "--jsonl", action="store_true", required=True, help="one JSON object a line, in and out"
    )
    test = command(
        "evaluate", lambda settings, chosen: _evaluate(settings, chosen), "Score labelled messages."
    )
    test.add_argument(
        "--messages",
        type=Path,
        help="a folder of <language>.jsonl or one such file, with text, intent, service, aspect, context "
        "(default: those of the source tree, tests/nlu/messages)",
    )
    test.add_argument("--html", type=Path, help="write a page with drawings and every misread message")
    test.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        help="Rasa's default pipeline beside it; training that takes more than ten minutes "
        "(default: if it was trained on these examples before)",
    )


def _serve(settings: Settings, say: Say) -> None:
    from nlu import commands

    asyncio.run(commands.until_stopped(lambda: commands.serve(settings, say)))


def _train(settings: Settings, say: Say) -> None:
    from nlu import commands

    say(f"the model is {asyncio.run(commands.train(settings, say))}")


def _parse(settings: Settings) -> None:
    from nlu import commands

    asyncio.run(commands.parse_jsonl(settings, sys.stdin.buffer, sys.stdout, _aside))


def _evaluate(settings: Settings, chosen: argparse.Namespace) -> None:
    from nlu import commands

    if chosen.html is not None and not chosen.html.absolute().parent.is_dir():
        raise OperatorError(f"There is no folder {chosen.html.parent} for the page.")
    report = asyncio.run(
        commands.evaluate(settings, chosen.messages, sys.stdout, _aside, compare=chosen.baseline)
    )
    if chosen.html is not None:
        chosen.html.write_text(report.html(), encoding="utf-8")
        _aside(f"wrote {chosen.html}")


def _aside(text: str) -> None:
    """Progress beside an output that a program reads."""
    sys.stderr.write(f"foyer: {text}\n")
    sys.stderr.flush()
