"""Train a model: `python train.py CONFIG DATA MODEL`. Steps are told as JSON lines."""

import json
import logging
import sys
import threading
from pathlib import Path

import child

_STARTS = "Starting to train component '"


class _Steps(logging.Handler):
    """Turns Rasa's own log lines into steps."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(_STARTS):
            child.tell(step=text[len(_STARTS) :].split("'", 1)[0])


def main(config: str, data: str, model: str) -> None:
    child.begin()
    child.tell(step="start")
    threading.Thread(target=_encode_meanwhile, args=(Path(config), Path(data)), daemon=True).start()
    from rasa.model_training import train_nlu  # takes about ten seconds

    hooks = logging.getLogger("rasa.engine.training.hooks")
    hooks.setLevel(logging.INFO)
    hooks.addHandler(_Steps())
    target = Path(model)
    made = train_nlu(config=config, nlu_data=data, output=str(target.parent), fixed_model_name=target.name)
    if made is None:
        child.tell(error="Rasa made no model of these examples.")
        sys.exit(1)
    child.tell(model=made)


def _encode_meanwhile(config: Path, data: Path) -> None:
    """Rasa needs half a minute to be imported and to read the examples, on one core: the other may encode them."""
    if "components.encoder" not in config.read_text(encoding="utf-8"):
        return
    from components.vectors import expect

    expect([one["text"] for one in json.loads((data / "examples.json").read_text(encoding="utf-8"))])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main(*sys.argv[1:])
