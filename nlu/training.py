"""What the model learns from, when it is trained anew, and the training itself.

Examples written by people lie in `content/cities/<slug>/nlu/training/<language>/*.yml` (Rasa's own format).
Names, synonyms and triggers are taken from content when a model is trained, so they are written once.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from foundation.content_models import CityContent
from foundation.yamlfile import YamlFile

KEPT_MODELS = 3
ENOUGH = 500
"""Examples that show how a language is written. Below, the office's own sentences help; above, they would only blur
it, and every changed sentence would ask for a new training."""
OTHER_LANGUAGES = ("fr", "es", "it", "pl", "ro", "uk", "ru", "zh", "nl", "pt", "fa", "hi", "vi", "sr")
"""Languages that are told apart although the city does not speak them: they are not centred as if they were German."""


@dataclass(frozen=True)
class Example:
    """What somebody wrote and what they meant. `service` and `aspect` are ids, None where nothing was named."""

    text: str
    language: str
    intent: str
    service: str | None = None
    aspect: str | None = None


@dataclass(frozen=True)
class TrainingData:
    """Everything a model is made of; equal data have equal `digest`s, and need no training."""

    examples: tuple[Example, ...]
    corpus: Mapping[str, tuple[str, ...]]
    config: str
    digest: str

    @classmethod
    def collect(cls, content: CityContent, content_dir: Path, config: str, code: str = "") -> Self:
        """Read the examples of a city and generate those that content gives. Errors: OperatorError.

        `config` is the pipeline as Rasa's YAML; `code` names the state of its own components.
        """
        written = tuple(_written(content_dir / "cities" / content.city.slug / "nlu" / "training"))
        examples = (*written, *dict.fromkeys(_standing_in(generated(content), written)))
        written_in = Counter(one.language for one in examples)
        corpus = {
            code: tuple(dict.fromkeys(_sentences(content, code))) if written_in[code] < ENOUGH else ()
            for code in content.city.languages
        }
        raw = json.dumps(
            [[vars(one) for one in examples], corpus, config, code], sort_keys=True, ensure_ascii=False
        )
        return cls(examples, corpus, config, hashlib.sha256(raw.encode()).hexdigest()[:16])

    def within(self, languages: Collection[str]) -> Self:
        """The examples of these languages alone."""
        examples = tuple(one for one in self.examples if one.language in languages)
        corpus = {code: texts for code, texts in self.corpus.items() if code in languages}
        named = f"{self.digest} {sorted(languages)}"
        return replace(
            self, examples=examples, corpus=corpus, digest=hashlib.sha256(named.encode()).hexdigest()[:16]
        )

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages that the model tells apart, those with examples first."""
        own = dict.fromkeys((*(one.language for one in self.examples), *self.corpus))
        return (*own, *(code for code in OTHER_LANGUAGES if code not in own))

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write a Rasa project into `folder`: (config file, data folder)."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "data").mkdir(parents=True)
        corpus = folder / "corpus.json"
        corpus.write_text(json.dumps(self.corpus, ensure_ascii=False), encoding="utf-8")
        config = folder / "config.yml"
        config.write_text(self._config(corpus), encoding="utf-8")
        (folder / "data" / "examples.json").write_text(self._as_json(), encoding="utf-8")
        return config, folder / "data"

    def _config(self, corpus: Path) -> str:
        value: dict[str, Any] = yaml.safe_load(self.config)
        value["importers"] = [{"name": "components.importer.ExampleImporter"}]
        for part in value["pipeline"]:
            if "languages" in part:
                part["languages"] = list(self.languages)
            if "corpus" in part:
                part["corpus"] = str(corpus.resolve())
        return yaml.safe_dump(value, sort_keys=False)

    def _as_json(self) -> str:
        """What `components.importer` reads."""
        value = []
        for one in self.examples:
            labels = {"language": one.language, "service": one.service, "aspect": one.aspect}
            metadata = {name: label for name, label in labels.items() if label}
            value.append({"text": one.text, "intent": one.intent, "metadata": metadata})
        return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Models:
    """Trained models, one file for each state of the data. The newest that fits, or else the newest, is served."""

    folder: Path

    def path(self, digest: str) -> Path:
        return self.folder / f"{digest}.tar.gz"

    def newest(self) -> Path | None:
        found = sorted(self.folder.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
        return found[-1] if found else None

    def forget_old(self, serving: Path) -> None:
        found = sorted(self.folder.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[KEPT_MODELS:]:
            if path != serving:
                path.unlink(missing_ok=True)


def _written(folder: Path) -> Iterator[Example]:
    for path in sorted(folder.glob("*/*.yml")):
        file = YamlFile(path)
        blocks = file.value.get("nlu")
        if not isinstance(blocks, list):
            raise file.error(("nlu",), "needs a list of `- intent: …` blocks")
        for index, block in enumerate(blocks):
            if "intent" not in block or not isinstance(block.get("examples"), str | list):
                raise file.error(("nlu", index), "needs `intent` and `examples`")
            yield from _block(block, path.parent.name)


def _block(block: Mapping[str, Any], language: str) -> Iterator[Example]:
    raw = block["examples"]
    common: Mapping[str, str] = block.get("metadata") or {}
    if isinstance(raw, str):
        raw = [{"text": line.strip().removeprefix("- ")} for line in raw.splitlines() if line.strip()]
    for one in raw:
        said = {**common, **(one.get("metadata") or {})}
        text = str(one["text"]).strip().removeprefix("- ")
        yield Example(text, language, block["intent"], said.get("service"), said.get("aspect"))


def _standing_in(given: Iterable[Example], written: Sequence[Example]) -> Iterator[Example]:
    """Those of the `given` examples on which nobody has written any in their language.

    Names alone teach a model little where whole sentences are there: beside them they made it worse.
    """
    told = {(one.language, one.intent, one.service, one.aspect) for one in written}
    about = {(one.language, one.service) for one in written}
    for one in given:
        named = (one.language, one.service) in about if one.service else False
        if not named and (one.language, one.intent, one.service, one.aspect) not in told:
            yield one


def generated(content: CityContent) -> Iterator[Example]:
    """Examples that content itself gives, in each language of the city."""
    for code in content.city.languages:
        for service in content.services.values():
            if service.imported is not None:
                continue  # found by retrieval: an import needs no training
            for name in (service.term, *_names(service.names[code]), *service.synonyms.get(code, ())):
                yield Example(name, code, "service_info", service.id, "overview")
        for topic in content.faq.values():
            for trigger in topic.triggers.get(code, ()):
                yield Example(trigger, code, topic.intent)
        for intent, by_language in content.triggers.intents.items():
            for trigger in by_language.get(code, ()):
                yield Example(trigger, code, intent)
        for aspect, by_language in content.triggers.aspects.items():
            for trigger in by_language.get(code, ()):
                yield Example(trigger, code, "service_info", None, aspect)


def _names(name: str) -> Sequence[str]:
    return (name, name.partition("(")[0].strip()) if "(" in name else (name,)


def _sentences(content: CityContent, code: str) -> Iterator[str]:
    """Unlabelled sentences of one language, from which the mean of the language is found."""
    for service in content.services.values():
        if service.imported is not None:
            continue
        for text in service.aspects.values():
            yield from _lines(text.get(code, ""))
        for question in service.gate.questions:
            yield from _lines(question.ask.get(code, ""))
    for topic in content.faq.values():
        yield from _lines(topic.text.get(code, ""))


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if len(line.split()) > 2)
