"""The commands `foyer nlu serve|train|parse|evaluate`."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        "files", nargs="+", type=Path, help="JSON lines with text, lang, intent, service, aspect"
    )
    test.add_argument("--compare", action="store_true", help="train Rasa's default pipeline, too (minutes)")


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

    asyncio.run(commands.evaluate(settings, chosen.files, sys.stdout, _aside, compare=chosen.compare))


def _aside(text: str) -> None:
    """Progress beside an output that a program reads."""
    sys.stderr.write(f"foyer: {text}\n")
    sys.stderr.flush()
