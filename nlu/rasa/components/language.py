"""In which language a message is written: by script where the script tells, else by py3langid.

The guess steers the centring of the sentence vector. In which language the citizen is answered is decided
by the house, which also knows the language of the thread so far.
"""

import unicodedata
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Text, Tuple

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from components.examples import label

SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur", "ps", "ug"),
    "CYRILLIC": ("uk", "ru", "bg", "sr", "mk", "be", "kk"),
    "CJK": ("zh", "ja"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "GREEK": ("el",),
    "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "THAI": ("th",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
    "ETHIOPIC": ("am",),
    "BENGALI": ("bn",),
    "TAMIL": ("ta",),
}
_NOT_LATIN = {language for languages in SCRIPTS.values() for language in languages}


class Guesser:
    """Guesses one of `languages`."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = tuple(languages)
        self._identifier = LanguageIdentifier.from_pickled_model(MODEL_FILE)
        self._identifier.set_languages(list(self._languages))
        self._order = [str(code) for code in self._identifier.nb_classes]

    def guess(self, text: str) -> Tuple[Optional[str], float]:
        """The language and how sure, 0 … 1; (None, 0) where there are no letters."""
        candidates = self._candidates(text)
        if len(candidates) < 2:
            return (candidates[0], 1.0) if candidates else (None, 0.0)
        scores = self._identifier.nb_classprobs(self._identifier.instance2fv(text))
        picked = np.array([scores[self._order.index(code)] for code in candidates], dtype=float)
        shares = np.exp(picked - picked.max())
        best = int(picked.argmax())
        return candidates[best], float(shares[best] / shares.sum())

    def _candidates(self, text: str) -> Tuple[str, ...]:
        scripts = Counter(_script(letter) for letter in text if letter.isalpha())
        if not scripts:
            return ()
        if scripts["HIRAGANA"] + scripts["KATAKANA"] and "ja" in self._languages:
            return ("ja",)
        script = scripts.most_common(1)[0][0]
        # A German term among Arabic words is longer than they are and says nothing about the language.
        for other, count in scripts.items():
            if other != "LATIN" and 3 * count > scripts["LATIN"]:
                script = other
        if script in SCRIPTS:
            return tuple(code for code in self._languages if code in SCRIPTS[script])
        return tuple(code for code in self._languages if code not in _NOT_LATIN)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "LATIN").split(" ", 1)[0]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class LanguageGuess(GraphComponent):
    """Sets `language` and `language_confidence` of a message, and puts both into the answer.

    What `metadata: {language: …}` of an example or a message says is believed.
    """

    @staticmethod
    def get_default_config() -> Dict[Text, Any]:
        return {"languages": ["de", "en"]}

    def __init__(self, config: Dict[Text, Any]) -> None:
        self._guesser = Guesser(config["languages"])

    @classmethod
    def create(
        cls,
        config: Dict[Text, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> "LanguageGuess":
        return cls(config)

    def process(self, messages: List[Message]) -> List[Message]:
        for message in messages:
            if message.get(TEXT) and message.get("language") is None:
                known = label(message, "language")
                language, sure = (known, 1.0) if known else self._guesser.guess(message.get(TEXT))
                message.set("language", language, add_to_output=True)
                message.set("language_confidence", round(sure, 3), add_to_output=True)
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process(training_data.training_examples)
        return training_data
