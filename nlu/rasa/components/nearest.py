"""How near the nearest example is: a message unlike all examples is probably out of scope."""

from collections import defaultdict
from typing import Any, Dict, List, Optional, Text

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class NearestExamples(GraphComponent):
    """Puts `nearest` into the answer: the cosine of the nearest example and the votes of the nearest few."""

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {"neighbours": 8, "out_of_scope": "out_of_scope"}

    def __init__(
        self,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        vectors: Optional[np.ndarray] = None,
        intents: Optional[List[str]] = None,
    ) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._vectors = vectors
        self._intents = intents or []

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "NearestExamples":
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "NearestExamples":
        with model_storage.read_from(resource) as folder:
            with np.load(folder / "examples.npz") as file:
                return cls(config, model_storage, resource, file["vectors"], [str(one) for one in file["intents"]])

    def train(self, training_data: TrainingData) -> Resource:
        examples = [one for one in training_data.training_examples if one.get(TEXT) and one.get(INTENT)]
        vectors = np.stack([_unit(one) for one in examples]).astype(np.float32)
        intents = [one.get(INTENT) for one in examples]
        with self._model_storage.write_to(self._resource) as folder:
            np.savez(folder / "examples.npz", vectors=vectors, intents=np.array(intents))
        return self._resource

    def process(self, messages: List[Message]) -> List[Message]:
        if self._vectors is None:
            return messages
        for message in messages:
            if message.get(TEXT):
                message.set("nearest", self._look(_unit(message)), add_to_output=True)
        return messages

    def _look(self, vector: np.ndarray) -> Dict[Text, Any]:
        cosines = self._vectors @ vector
        order = np.argsort(-cosines)[: self._config["neighbours"]]
        votes: Dict[str, float] = defaultdict(float)
        for number in order:
            votes[self._intents[number]] += max(float(cosines[number]), 0.0)
        known = [cosines[number] for number in order if self._intents[number] != self._config["out_of_scope"]]
        total = sum(votes.values()) or 1.0
        ranking = sorted(votes.items(), key=lambda one: -one[1])
        return {
            "similarity": float(known[0]) if known else 0.0,
            "ranking": [{"name": name, "confidence": vote / total} for name, vote in ranking],
        }


def _unit(message: Message) -> np.ndarray:
    _, dense = message.get_dense_features(TEXT)
    vector = dense.features[0]
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), dtype=np.float32)
