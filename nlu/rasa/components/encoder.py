"""The sentence featurizer: a multilingual encoder, centred by language.

All sentences of one language lie in one corner of the encoder's space. Taking away the mean of the language
leaves what is meant, so that an example of one language serves all others.
"""

import base64
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Text

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import FEATURIZER_CLASS_ALIAS
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from components.vectors import DIMENSIONS, encoder, remembered

ENOUGH = 100
"""Sentences from which a language has a mean of its own; below, it leans on the mean of all languages."""
_EVERY = "*"


class Means:
    """The mean sentence of each language; `*` is the mean of these means."""

    def __init__(self, vectors: Dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    @classmethod
    def over(cls, sentences: Dict[str, List[str]]) -> "Means":
        found = {language: remembered(texts) for language, texts in sentences.items() if texts}
        if not found:
            return cls({_EVERY: np.zeros(DIMENSIONS, dtype=np.float32)})
        every = np.mean([vectors.mean(axis=0) for vectors in found.values()], axis=0)
        means = {language: _leaning(vectors, every) for language, vectors in found.items()}
        return cls({**means, _EVERY: every})

    def centred(self, vectors: np.ndarray, languages: Sequence[Optional[str]]) -> np.ndarray:
        """Vectors without their language's mean, length 1. Shape (n, 384)."""
        every = self.vectors[_EVERY]
        moved = vectors - np.stack([self.vectors.get(code or _EVERY, every) for code in languages])
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.maximum(lengths, 1e-6), dtype=np.float32)


def _leaning(vectors: np.ndarray, every: np.ndarray) -> np.ndarray:
    share = min(1.0, len(vectors) / ENOUGH)
    return np.asarray(share * vectors.mean(axis=0) + (1 - share) * every)


def packed(vector: np.ndarray) -> str:
    """A vector as base64 of little-endian half floats: a third of what JSON numbers take."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class SentenceEncoder(DenseFeaturizer, GraphComponent):
    """Adds the centred vector of a message, `scale` long, and puts it into the answer as `vector` (length 1).

    `corpus` names a JSON file {language: [sentence, …]} of unlabelled sentences that help to find the means.
    """

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {**DenseFeaturizer.get_default_config(), "scale": 10.0, "corpus": None}

    def __init__(
        self,
        config: Dict[Text, Any],
        name: Text,
        model_storage: ModelStorage,
        resource: Resource,
        means: Optional[Means] = None,
    ) -> None:
        super().__init__(name, config)
        self._model_storage = model_storage
        self._resource = resource
        self.means = means or Means.over({})

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "SentenceEncoder":
        return cls(config, execution_context.node_name, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "SentenceEncoder":
        with model_storage.read_from(resource) as folder:
            with np.load(folder / "means.npz") as file:
                means = Means({language: file[language] for language in file.files})
        return cls(config, execution_context.node_name, model_storage, resource, means)

    @classmethod
    def validate_config(cls, config: Dict[Text, Any]) -> None:
        """Nothing to check beyond the types."""

    def train(self, training_data: TrainingData) -> Resource:
        """Find the means from the examples and the corpus."""
        sentences = self._corpus()
        for message in training_data.training_examples:
            if message.get(TEXT) and message.get("language"):
                sentences.setdefault(message.get("language"), []).append(message.get(TEXT))
        self.means = Means.over(sentences)
        with self._model_storage.write_to(self._resource) as folder:
            np.savez(folder / "means.npz", **self.means.vectors)
        return self._resource

    def _corpus(self) -> Dict[str, List[str]]:
        path = self._config.get("corpus")
        return json.loads(Path(path).read_text(encoding="utf-8")) if path else {}

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        messages = [message for message in training_data.training_examples if message.get(TEXT)]
        self._set(messages, remembered([message.get(TEXT) for message in messages]))
        return training_data

    def process(self, messages: List[Message]) -> List[Message]:
        written = [message for message in messages if message.get(TEXT)]
        if written:
            self._set(written, encoder().many([message.get(TEXT) for message in written]))
        return messages

    def _set(self, messages: List[Message], vectors: np.ndarray) -> None:
        if not messages:
            return
        centred = self.means.centred(vectors, [message.get("language") for message in messages])
        for message, vector in zip(messages, centred):
            scaled = (self._config["scale"] * vector)[None, :]
            alias = self._config[FEATURIZER_CLASS_ALIAS] or self._identifier
            message.add_features(Features(scaled, FEATURE_TYPE_SENTENCE, TEXT, alias))
            message.set("vector", packed(vector), add_to_output=True)
