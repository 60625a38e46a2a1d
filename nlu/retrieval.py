"""Which service is spoken of: the one whose names, synonyms and examples lie nearest to the message.

Needs no training: an imported service is found as soon as its texts have vectors.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foundation.content_models import CityContent
from nlu.rasa_client import Ranked, RasaClient, Vector
from nlu.training import Example, generated

NEAREST = 5
"""So many of a service's texts vote; a service with fewer votes with all it has."""


@dataclass(frozen=True)
class ServiceText:
    """A name, synonym or example of a service, in its language."""

    service: str
    text: str
    language: str


@dataclass(frozen=True)
class ServiceIndex:
    """Vectors of all texts of all services, shape (n, 384), each of length 1 and centred by its language."""

    services: tuple[str, ...]
    vectors: NDArray[np.float32]
    key: str = ""

    @classmethod
    async def build(cls, texts: Sequence[ServiceText], client: RasaClient, key: str) -> Self | None:
        """`key` names what it was built from (see `key_of`). None while Rasa is away."""
        found = await client.vectors([(one.text, one.language) for one in texts])
        if not found:
            return None
        return cls(tuple(one.service for one in texts), np.stack(found), key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Errors: OSError, ValueError, KeyError."""
        with np.load(path, allow_pickle=False) as file:
            vectors = file["vectors"].astype(np.float32)
            return cls(tuple(str(one) for one in file["services"]), vectors, str(file["key"]))

    def save(self, path: Path) -> None:
        fresh = path.with_suffix(".fresh.npz")
        vectors = self.vectors.astype(np.float16)
        np.savez(fresh, services=np.array(self.services), vectors=vectors, key=np.array(self.key))
        fresh.replace(path)

    def near(self, message: Vector) -> tuple[Ranked, ...]:
        """All services, nearest first, each with its similarity (cosine, -1 … 1)."""
        # Not `@`: its threads wait for one another by spinning, which takes longer than the sum itself.
        cosines = np.einsum("ij,j->i", self.vectors, message)
        best = (Ranked(name, _vote(cosines[rows])) for name, rows in self._rows.items())
        return tuple(sorted(best, key=lambda one: -one.confidence))

    @cached_property
    def _rows(self) -> Mapping[str, NDArray[np.intp]]:
        names = np.array(self.services)
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def service_texts(content: CityContent, examples: Sequence[Example]) -> tuple[ServiceText, ...]:
    """Names and synonyms from content, and what people wrote about these services."""
    found = (
        ServiceText(one.service, one.text, one.language)
        for one in (*generated(content), *examples)
        if one.service is not None and one.service in content.services
    )
    return tuple(dict.fromkeys((*found, *_imported(content))))


def _imported(content: CityContent) -> Iterator[ServiceText]:
    """Services that no model learned, by the names that their source gives them, and by questions with glosses of these:

    beside a name alone, another service's example in the form of a question would lie nearer to a question.
    A bare name draws no vague message.
    """
    for one in content.services.values():
        if one.imported is not None and not one.imported.bare:
            listed = (*one.synonyms.items(), *one.imported.asked.items())
            words = ((code, word) for code, many in listed for word in many)
            for code, word in (*one.names.items(), *words):
                yield ServiceText(one.id, word, code)


def key_of(texts: Sequence[ServiceText], model: str) -> str:
    """Names the index of these texts under this model: another model centres them differently."""
    raw = repr((model, [(one.service, one.text, one.language) for one in texts]))
    return hashlib.sha256(raw.encode()).hexdigest()[:16]


def _vote(cosines: Vector) -> float:
    """The mean of the nearest few, and the very nearest once more: an exact name must not drown."""
    first = np.sort(cosines)[::-1][:NEAREST]
    return float((first.mean() + first[0]) / 2)
