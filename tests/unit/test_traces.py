"""The search for traces finds what it is meant to find."""

import base64
import json
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Cluster
from tests.support.traces import Hunt, word


@pytest.mark.parametrize(
    "hide",
    [
        lambda text: text.encode(),
        lambda text: text.upper().encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode().hex().encode(),
        lambda text: base64.b64encode(b"x" + text.encode() + b"yz"),
        lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
        lambda text: base64.urlsafe_b64encode(b"xyz" + text.encode()),
        lambda text: json.dumps({"a": text}).encode(),
    ],
    ids=["plain", "upper", "utf-16", "hex", "base64+1", "base64+2", "base64+0", "json"],
)
@pytest.mark.parametrize("stem", ["Layla", "ليلى"])
def test_a_word_is_found_in_every_disguise(stem: str, hide: object) -> None:
    planted = word(stem)
    hunt = Hunt([planted])
    hunt.look("here", b"before " + hide(planted) + b" after")  # type: ignore[operator]  # one of the lambdas above
    hunt.look("there", b"before after")
    assert [find.where for find in hunt.finds] == ["here"]


def test_a_word_is_found_in_tables_dump_raw_files_and_binary_columns(
    cluster: Cluster, database_url: str, tmp_path: Path
) -> None:
    text, binary, filed = word("Tisch"), word("Stuhl"), word("Bank")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE planted (a text, b bytea)")
        connection.execute("INSERT INTO planted VALUES (%s, %s)", (text, binary.encode()))
    (tmp_path / "log").write_text(f"somebody said {filed}")
    hunt = Hunt([text, binary, filed])
    hunt.tables(database_url)
    hunt.dump(database_url)
    hunt.files(tmp_path)
    found = {(find.word, find.where) for find in hunt.finds}
    assert found == {
        (text, "table public.planted"), (binary, "table public.planted"), (text, "pg_dump"), (binary, "pg_dump"), (filed, "file log"),
    }  # fmt: skip
    raw = Hunt([text, binary])
    raw.cluster(cluster)
    assert {find.word for find in raw.finds if "/" in find.where} == {text, binary}
