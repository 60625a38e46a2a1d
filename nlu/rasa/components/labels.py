"""A second and third word on a message: what its examples say in their metadata (aspect, service)."""

from typing import Any, Dict, List, Optional, Text

import joblib
import numpy as np
import scipy.sparse
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from sklearn.linear_model import LogisticRegression

from components.examples import label

NONE = "none"
"""The label of examples that say nothing: "and what does it cost?" names no service."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class LabelClassifier(GraphComponent):
    """Ranks the values of one metadata field, and puts `<label>_ranking` into the answer.

    Learns from the examples of `intents` (of all intents where that is empty).
    """

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {"label": "aspect", "intents": [], "ranking_length": 8, "max_iter": 300, "C": 1.0}

    def __init__(
        self,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        model: Optional[LogisticRegression] = None,
    ) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._model = model

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "LabelClassifier":
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "LabelClassifier":
        with model_storage.read_from(resource) as folder:
            return cls(config, model_storage, resource, joblib.load(folder / "model.joblib"))

    def train(self, training_data: TrainingData) -> Resource:
        examples = [message for message in training_data.training_examples if self._teaches(message)]
        values = [label(message, self._config["label"]) or NONE for message in examples]
        if len(set(values)) > 1:
            model = LogisticRegression(
                max_iter=self._config["max_iter"], C=self._config["C"], class_weight="balanced"
            )
            self._model = model.fit(features(examples), values)
        with self._model_storage.write_to(self._resource) as folder:
            joblib.dump(self._model, folder / "model.joblib")
        return self._resource

    def _teaches(self, message: Message) -> bool:
        intents = self._config["intents"]
        return bool(message.get(TEXT)) and (not intents or message.get(INTENT) in intents)

    def process(self, messages: List[Message]) -> List[Message]:
        written = [message for message in messages if message.get(TEXT)]
        if self._model is None or not written:
            return messages
        for message, shares in zip(written, self._model.predict_proba(features(written))):
            order = np.argsort(-shares)[: self._config["ranking_length"]]
            ranking = [
                {"name": str(self._model.classes_[number]), "confidence": float(shares[number])} for number in order
            ]
            message.set(f"{self._config['label']}_ranking", ranking, add_to_output=True)
        return messages


def features(messages: List[Message]) -> scipy.sparse.csr_matrix:
    """The sentence features of all featurizers side by side, shape (n, dimensions)."""
    return scipy.sparse.vstack([_row(message) for message in messages]).tocsr()


def _row(message: Message) -> scipy.sparse.csr_matrix:
    _, sparse = message.get_sparse_features(TEXT)
    _, dense = message.get_dense_features(TEXT)
    parts = [scipy.sparse.csr_matrix(found.features) for found in (sparse, dense) if found]
    return scipy.sparse.hstack(parts).tocsr()
