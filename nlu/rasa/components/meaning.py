"""What a message means: its intent, and beside it the service and the aspect, all three by the same small networks.

The three tasks share one hidden layer: what tells one service from another helps to tell what is asked about it.
Several networks with different beginnings answer together, since their mean knows better when it does not know.
"""

import unicodedata
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Text, Tuple

import joblib
import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from components.examples import label

NONE = "none"
"""The label of examples that say nothing: "and what does it cost?" names no service."""

TASKS = (INTENT, "service", "aspect")
_STRENGTH = {"vector": 20.0, "letters": 10.0}
"""How long the two halves of what the networks see are made, so that neither drowns the other."""

Layer = Tuple[np.ndarray, np.ndarray]


class Letters:
    """Runs of two to four letters, weighed by rarity and folded to `parts` numbers: reads names that are misspelt."""

    def __init__(self, parts: int, most: int) -> None:
        self._weights = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(2, 4),
            min_df=2,
            max_features=most,
            sublinear_tf=True,
            preprocessor=folded,
            dtype=np.float32,
        )
        self._parts = parts
        self._fold: Optional[np.ndarray] = None

    def learn(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (n, parts or fewer)."""
        weighed = self._weights.fit_transform(texts)
        folding = TruncatedSVD(min(self._parts, weighed.shape[1] - 1), n_iter=3, random_state=0)
        parts = folding.fit_transform(weighed)
        self._fold = np.ascontiguousarray(folding.components_.T, dtype=np.float32)
        return np.asarray(parts, dtype=np.float32)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (n, parts); only after `learn`."""
        return np.asarray(self._weights.transform(texts) @ self._fold)


@dataclass(frozen=True)
class Network:
    """One hidden layer of rectified units, and one layer above it for each task."""

    hidden: Layer
    heads: Dict[str, Layer]

    def shares(self, seen: np.ndarray) -> Dict[str, np.ndarray]:
        """How probable each name of each task is, shape (n, names)."""
        inner = np.maximum(seen @ self.hidden[0] + self.hidden[1], 0.0)
        return {task: _softmax(inner @ weights + bias) for task, (weights, bias) in self.heads.items()}


@dataclass(frozen=True)
class Meaning:
    """Everything that was learned. `names` are those of each task that the examples teach, in the networks' order."""

    names: Dict[str, List[str]]
    letters: Letters
    networks: List[Network]

    def rankings(self, messages: Sequence[Message], most: int) -> List[Dict[str, List[Dict[Text, Any]]]]:
        seen = seen_by_networks(messages, self.letters.of([message.get(TEXT) for message in messages]))
        every = [network.shares(seen) for network in self.networks]
        means = {task: np.mean([shares[task] for shares in every], axis=0) for task in self.names}
        return [
            {
                task: _ranking(names, means[task][number], most if task == INTENT else len(names))
                for task, names in self.names.items()
            }
            for number in range(len(messages))
        ]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class MeaningClassifier(GraphComponent):
    """Sets the intent, and puts `intent_ranking`, `service_ranking` and `aspect_ranking` into the answer.

    Service and aspect are learned from the metadata of examples whose intent is named in `services` and `aspects`.
    """

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {
            "services": ["service_info", "book_appointment", "start_form"],
            "aspects": ["service_info"],
            "ranking_length": 8,
            "networks": 3,
            "hidden": 768,
            "epochs": 20,
            "letters": 400,
            "most_letters": 60000,
        }

    def __init__(
        self,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        meaning: Optional[Meaning] = None,
    ) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._meaning = meaning

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "MeaningClassifier":
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> "MeaningClassifier":
        with model_storage.read_from(resource) as folder:
            return cls(config, model_storage, resource, joblib.load(folder / "meaning.joblib"))

    def train(self, training_data: TrainingData) -> Resource:
        examples = [one for one in training_data.training_examples if one.get(TEXT) and one.get(INTENT)]
        letters = Letters(self._config["letters"], self._config["most_letters"])
        seen = seen_by_networks(examples, letters.learn([one.get(TEXT) for one in examples]))
        said = {task: [self._said(one, task) for one in examples] for task in TASKS}
        names = {task: sorted({name for name in said[task] if name}) for task in TASKS if any(said[task])}
        networks = [
            _learned(seen, said, names, self._config, beginning) for beginning in range(self._config["networks"])
        ]
        self._meaning = Meaning(names, letters, networks)
        with self._model_storage.write_to(self._resource) as folder:
            joblib.dump(self._meaning, folder / "meaning.joblib")
        return self._resource

    def _said(self, example: Message, task: str) -> Optional[str]:
        """What an example says on a task; None where it teaches nothing on it."""
        intent = str(example.get(INTENT))
        if task == INTENT:
            return intent
        teaching = self._config["services" if task == "service" else "aspects"]
        return (label(example, task) or NONE) if intent in teaching else None

    def process(self, messages: List[Message]) -> List[Message]:
        written = [message for message in messages if message.get(TEXT)]
        if self._meaning is None or not written:
            return messages
        for message, rankings in zip(written, self._meaning.rankings(written, self._config["ranking_length"])):
            message.set(INTENT, rankings[INTENT][0], add_to_output=True)
            message.set(INTENT_RANKING_KEY, rankings[INTENT], add_to_output=True)
            for task in rankings.keys() - {INTENT}:
                message.set(f"{task}_ranking", rankings[task], add_to_output=True)
        return messages


def folded(text: str) -> str:
    """One kind of letters, no capitals."""
    return unicodedata.normalize("NFKC", text).casefold()


def seen_by_networks(messages: Sequence[Message], letters: np.ndarray) -> np.ndarray:
    """The sentence vectors beside the folded letters, shape (n, 384 + parts)."""
    vectors = np.stack([message.get_dense_features(TEXT)[1].features[0] for message in messages])
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return np.hstack([_STRENGTH["vector"] * vectors / lengths, _STRENGTH["letters"] * letters]).astype(np.float32)


def _learned(
    seen: np.ndarray,
    said: Dict[str, List[Optional[str]]],
    names: Dict[str, List[str]],
    config: Dict[Text, Any],
    beginning: int,
) -> Network:
    """Train one network; `beginning` is the seed of its first weights and of the order of examples."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(beginning)
    entrance = tf.keras.Input((seen.shape[1],))
    hidden = layers.Dense(config["hidden"], activation="relu", name="hidden")
    inner = layers.Dropout(0.3)(hidden(layers.Dropout(0.1)(entrance)))
    heads = {task: layers.Dense(len(names[task]), name=task) for task in names}
    model = tf.keras.Model(entrance, {task: head(inner) for task, head in heads.items()})
    loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05)
    steps = config["epochs"] * -(-len(seen) // _TOGETHER)
    model.compile(tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(4e-3, steps)), loss)
    targets = {task: _one_hot(said[task], names[task]) for task in heads}
    weights = {task: _weights(said[task], even=task == INTENT) for task in heads}
    model.fit(seen, targets, sample_weight=weights, batch_size=_TOGETHER, epochs=config["epochs"], verbose=0)
    return Network(_weights_of(hidden), {task: _weights_of(head) for task, head in heads.items()})


_TOGETHER = 512


def _weights_of(layer: Any) -> Layer:
    kernel, bias = layer.get_weights()
    return kernel, bias


def _one_hot(said: Sequence[Optional[str]], names: List[str]) -> np.ndarray:
    found = np.zeros((len(said), len(names)), dtype=np.float32)
    for number, name in enumerate(said):
        if name is not None:
            found[number, names.index(name)] = 1.0
    return found


def _weights(said: Sequence[Optional[str]], *, even: bool) -> np.ndarray:
    """How much each example counts: nothing where it says nothing; rare names a little more, if `even`."""
    counts = {name: said.count(name) for name in set(said)}
    raw = np.array([0.0 if name is None else counts[name] ** -0.3 if even else 1.0 for name in said])
    return np.asarray(raw / raw[raw > 0].mean(), dtype=np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _ranking(names: List[str], shares: np.ndarray, most: int) -> List[Dict[Text, Any]]:
    best = np.argsort(-shares)[:most]
    return [{"name": names[number], "confidence": float(shares[number])} for number in best]
