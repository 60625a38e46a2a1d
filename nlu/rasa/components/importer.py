"""Reads the examples that the house hands over, as JSON: Rasa's own reading of 29,000 in YAML takes five minutes."""

import json
from functools import lru_cache
from pathlib import Path
from typing import List, Optional, Text, Union

from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

EXAMPLES = "examples.json"


class ExampleImporter(RasaFileImporter):
    """Config as Rasa reads it; examples from `examples.json` in the data folder.

    That file is a list of {"text", "intent", "metadata": {"language", "service"?, "aspect"?}}.
    """

    def __init__(
        self,
        config_file: Optional[Text] = None,
        domain_path: Optional[Text] = None,
        training_data_paths: Union[List[Text], Text, None] = None,
    ) -> None:
        super().__init__(config_file, domain_path)
        folders = [training_data_paths] if isinstance(training_data_paths, str) else training_data_paths or []
        self._files = [Path(folder) / EXAMPLES for folder in folders]

    def get_nlu_data(self, language: Optional[Text] = "en") -> TrainingData:
        return TrainingData([message for path in self._files for message in _messages(path)])


@lru_cache(maxsize=1)
def _messages(path: Path) -> List[Message]:
    """Read once, though Rasa asks several times."""
    return [
        Message.build(text=one["text"], intent=one["intent"], example_metadata=one["metadata"])
        for one in json.loads(path.read_text(encoding="utf-8"))
    ]
