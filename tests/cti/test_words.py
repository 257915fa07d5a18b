"""Words as JSON: read leniently with limits, written: RB §7.3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offhook.cti.words import MAX_BYTES, MAX_MEMBERS, Ask, Member, read, write


def test_a_conference() -> None:
    text = write(
        {
            "event": "CONFERENCE",
            "id": "7",
            "reasonCode": "CONSULT_CONFERENCE",
            "dialog": {
                "id": "d",
                "customerDialogId": "crm-42",
                "customerNumber": "5551234",
                "customerDestinationNumber": "800",
            },
            "additionalAttributes": {
                "conference": {"name": "room"},
                "members": [
                    {"ext": "1000", "held": True, "muted": False, "customer": False},
                    {"ext": 5551234, "customer": True},
                ],
            },
        }
    )
    word = read(text.encode())
    assert word is not None
    assert (word.event, word.id, word.reason, word.dialog_id) == ("CONFERENCE", "7", "CONSULT_CONFERENCE", "d")
    assert (word.customer_dialog_id, word.customer_number) == ("crm-42", "5551234")
    assert (word.customer_destination, word.conference) == ("800", "room")
    assert word.members == (Member(ext="1000", held=True), Member(ext="5551234", customer=True))
    assert "5551234" not in repr(word) and "5551234" not in repr(word.members[1])


def test_a_conversion() -> None:
    dialog = {"stream": "video", "streamStatus": "on", "timeStamp": "t"}
    word = read(json.dumps({"event": "mediaConversion", "status": "error", "dialog": dialog}).encode())
    assert word is not None
    assert (word.stream, word.stream_status, word.success, word.time) == ("video", "on", False, "t")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"CONFERENCE"',
        b"{}",
        b'{"event": null}',
        b'{"event": ["CONFERENCE"]}',
        b'{"event": ""}',
        b'{"event": "a\\u0000b"}',
        b'{"event": "\xff"}',
        b'{"event": "' + b"x" * 200 + b'"}',
        b"[" * 5000,
        b'{"event": "DONE", "x": "' + b"x" * MAX_BYTES + b'"}',
    ],
)
def test_what_is_no_word(body: bytes) -> None:
    assert read(body) is None


@pytest.mark.parametrize("odd", [None, True, 1.5, -1, 10**40, [], {}, "x" * 200, "a\nb", ""])
def test_what_has_the_wrong_form_is_not_there(odd: Any) -> None:
    word = read(
        json.dumps(
            {
                "event": "CONFERENCE",
                "id": odd,
                "reasonCode": odd,
                "dialog": {"id": odd, "customerDialogId": odd, "stream": odd, "streamStatus": odd},
                "additionalAttributes": {"conference": {"name": odd}, "members": [odd, {"ext": odd}, {"ext": "1"}]},
            }
        ).encode()
    )
    assert word is not None
    assert (word.id, word.reason, word.dialog_id, word.customer_dialog_id, word.conference) == (None,) * 5
    assert (word.stream, word.stream_status) == (None, None)
    assert word.members == (Member(ext="1"),)
    for whole in ({"event": "X", "dialog": odd}, {"event": "X", "additionalAttributes": odd}):
        assert read(json.dumps(whole).encode()) is not None
    assert read(json.dumps({"event": "X", "additionalAttributes": {"members": odd}}).encode()) is not None


def test_members_once_each_and_not_too_many() -> None:
    members = [{"ext": "1"}, {"ext": "1", "held": True}, *({"ext": str(n)} for n in range(100, 200))]
    word = read(json.dumps({"event": "CONFERENCE", "additionalAttributes": {"members": members}}).encode())
    assert word is not None
    assert len(word.members) == MAX_MEMBERS - 1
    assert word.members[0] == Member(ext="1")


def test_an_ask() -> None:
    ask = Ask("DROP_MEMBER", "7", {"member": "1001"})
    assert json.loads(ask.text()) == {"event": "DROP_MEMBER", "id": "7", "member": "1001"}
    assert "1001" not in repr(ask)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps({"event": text}).encode()))
def test_nothing_raises(body: bytes) -> None:
    word = read(body)
    assert word is None or word.event.isprintable()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.fixed_dictionaries({"event": st.just("CONFERENCE"), "dialog": _JSON, "additionalAttributes": _JSON}))
def test_no_json_raises(word: dict[str, Any]) -> None:
    found = read(json.dumps(word).encode())
    assert found is None or found.event == "CONFERENCE"
