"""Looks for words where they must not be: in every column, file, dump and log, in every usual disguise."""

import base64
import codecs
import json
import os
import secrets
import subprocess
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from foundation.postgres import Binaries
from tests.support.postgres import Cluster

_LETTERS = "bcdfghjklmnpqrstvwxz"


def word(stem: str) -> str:
    """A word that is nowhere else: a stem and ten random consonants."""
    return stem + "".join(secrets.choice(_LETTERS) for _ in range(10))


def disguises(text: str) -> set[bytes]:
    """The bytes by which a text could lie somewhere without being sealed."""
    spellings = {text, text.lower(), text.upper(), json.dumps(text)[1:-1], urllib.parse.quote(text)}
    plain = {
        spelling.encode(encoding)
        for spelling in spellings
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
    }
    return plain | {form for raw in plain for form in (*_hex(raw), *_base64(raw))}


def _hex(raw: bytes) -> tuple[bytes, bytes]:
    return codecs.encode(raw, "hex"), codecs.encode(raw, "hex").upper()


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of a base64 text that does not depend on its neighbours, for each of the three alignments."""
    for lead in range(3):
        encoded = base64.b64encode(b"\0" * lead + raw)
        first = -(-lead * 4 // 3)
        yield encoded[first : len(encoded) - 4]
        yield encoded[first : len(encoded) - 4].translate(bytes.maketrans(b"+/", b"-_"))


@dataclass(frozen=True)
class Find:
    """`where` a word was found."""

    word: str
    where: str


class Hunt:
    """Looks for some words; counts what it has looked through."""

    def __init__(self, words: Iterable[str]) -> None:
        self.wanted = {one: disguises(one) for one in words}
        self.finds: list[Find] = []
        self.bytes = 0
        self.places = 0

    def look(self, where: str, content: bytes) -> None:
        self.bytes += len(content)
        self.places += 1
        for one, forms in self.wanted.items():
            if any(form in content for form in forms):
                self.finds.append(Find(one, where))

    def tables(self, url: str) -> None:
        """Every column of every table of every schema, row by row as text."""
        with psycopg.connect(url, autocommit=True) as connection:
            names = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('information_schema')"
            ).fetchall()
            for schema, table in names:
                query = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))
                with connection.cursor() as cursor, cursor.copy(query) as rows:
                    self.look(f"table {schema}.{table}", b"".join(bytes(part) for part in rows))

    def dump(self, url: str) -> None:
        """What pg_dump writes."""
        done = subprocess.run(
            [Binaries.shipped().program("pg_dump"), "--dbname", url], capture_output=True, check=True
        )
        self.look("pg_dump", done.stdout)

    def files(self, directory: Path, *, since: float = 0) -> None:
        """Every file below a directory that was written since then (seconds since 1970), raw."""
        for folder, _, names in os.walk(directory):
            for name in names:
                path = Path(folder) / name
                if path.is_file() and path.stat().st_mtime >= since:
                    self.look(f"file {path.relative_to(directory)}", path.read_bytes())

    def cluster(self, cluster: Cluster, *, since: float = 0) -> None:
        """The raw files of the data directory, with everything in memory written out first, and the server's log.

        A file that was not written since the words were first said cannot hold them.
        """
        with cluster.connect() as connection:
            connection.execute("CHECKPOINT")
        self.files(cluster.data, since=since)
        self.look("log of the database server", (cluster.socket_dir / "log").read_bytes())
