"""What Matrix events mean, and what our messages look like there."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bots.matrix import inbound, render
from bots.matrix.client import RoomEvent
from bots.matrix.signing import Identity, canonical
from conversation.reply import Body, Choice, Link

ROOM = "!v12roomidswithoutadomain"


def event(kind: str, **content: object) -> RoomEvent:
    return RoomEvent("$e", "@amal:example.org", kind, content)


def text(body: str, **more: object) -> RoomEvent:
    return event("m.room.message", msgtype="m.text", body=body, **more)


def test_a_text_is_a_text_and_a_notice_is_nothing() -> None:
    found = inbound.to_inbound(ROOM, text(" hallo "))
    assert found is not None
    assert (found.channel, found.external_id, found.address, found.kind, found.text) == (
        "matrix",
        "$e",
        ROOM,
        "text",
        "hallo",
    )
    assert inbound.to_inbound(ROOM, event("m.room.message", msgtype="m.notice", body="hallo")) is None
    assert inbound.to_inbound(ROOM, event("m.reaction", **{"m.relates_to": {"key": "👍"}})) is None


def test_quotes_of_older_clients_are_not_the_answer() -> None:
    reply = text(
        "> <@foyer:x> Which city?\n> more\n\nManila",
        **{"m.relates_to": {"m.in_reply_to": {"event_id": "$q"}}},
    )
    found = inbound.to_inbound(ROOM, reply)
    assert found is not None
    assert found.text == "Manila"


def test_votes_of_both_prefixes_and_shapes() -> None:
    relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": "$poll"}}
    votes = [
        event(
            "org.matrix.msc3381.poll.response",
            **relation,
            **{"org.matrix.msc3381.poll.response": {"answers": ["yes"]}},
        ),
        event("m.poll.response", **relation, **{"m.poll.response": {"answers": ["yes"]}}),
        event("m.poll.response", **relation, **{"m.selections": ["yes"]}),
    ]
    for vote in votes:
        found = inbound.to_inbound(ROOM, vote)
        assert found is not None
        assert (found.kind, found.choice, found.pressed) == ("choice", "yes", ("$poll", -1))
    assert inbound.to_inbound(ROOM, event("m.poll.response", **relation, **{"m.selections": []})) is None


def test_corrections_and_threads_are_seen() -> None:
    changed = text(
        "* Makati",
        **{
            "m.new_content": {"msgtype": "m.text", "body": "Makati"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$old"},
        },
    )
    assert inbound.edit(changed) == inbound.Edit("$old", "Makati")
    assert inbound.to_inbound(ROOM, changed) is None
    assert (
        inbound.thread_root(text("x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}))
        == "$root"
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "msgtype",
                        "body",
                        "m.relates_to",
                        "m.new_content",
                        "info",
                        "answers",
                        "m.selections",
                        "rel_type",
                        "event_id",
                        "filename",
                    ]
                ),
                inner,
            )
        ),
    ),
    st.sampled_from(["m.room.message", "m.poll.response", "m.sticker", "m.room.encrypted"]),
)
def test_nothing_that_people_send_makes_us_stumble(content: object, kind: str) -> None:
    strange = RoomEvent("$e", "@x:y", kind, content if isinstance(content, dict) else {})
    inbound.to_inbound(ROOM, strange)
    inbound.edit(strange)
    inbound.thread_root(strange)


def test_choices_are_a_list_and_a_poll() -> None:
    body = Body(
        "Which one?",
        choices=(Choice("a", "First <b>"), Choice("b", "Second")),
        links=(Link("Page", "https://x/?a&b"),),
    )
    words, poll = render.pieces(body, status=False, choose="Your choice:")
    assert words.content["body"] == "Which one?\n\n1. First <b>\n2. Second\n\nPage: https://x/?a&b"
    assert "<ol><li>First &lt;b&gt;</li><li>Second</li></ol>" in words.content["formatted_body"]
    assert words.content["msgtype"] == "m.text"
    assert [one["id"] for one in poll.content[render.POLL_START]["answers"]] == ["a", "b"]


def test_one_choice_or_nine_are_no_poll() -> None:
    for count in (0, 1, 9):
        choices = tuple(Choice(str(number), f"Choice {number}") for number in range(count))
        assert len(render.pieces(Body("?", choices=choices), status=False, choose="?")) == 1


@given(st.text(alphabet="aä字😀 .\n", max_size=30_000))
def test_long_texts_are_cut_into_events_that_fit(words: str) -> None:
    pieces = render.pieces(Body(words), status=True, choose="?")
    assert all(len(json.dumps(piece.content, ensure_ascii=False).encode()) < 40_000 for piece in pieces)
    assert "".join("".join(piece.content["body"].split()) for piece in pieces) == "".join(words.split())
    assert len({piece.part for piece in pieces}) == len(pieces)


def test_the_same_seeds_are_the_same_identity() -> None:
    first = Identity.new("@foyer:example.org")
    again = Identity.from_seeds(first.user_id, first.seeds)
    assert again.upload() == first.upload()
    device = {
        "user_id": first.user_id,
        "device_id": "D",
        "keys": {},
        "unsigned": {"device_display_name": "x"},
    }
    signed = again.sign_device(device)
    assert first.has_signed(signed)
    assert "unsigned" not in signed
    assert not Identity.new(first.user_id).has_signed(signed)


def test_canonical_json_is_sorted_and_tight() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
