"""Which words count, and from whom: ISSUE 4's table of words; RB §7.3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offhook.sip.events import RequestAnswered

WORD = {
    "event": "CONFERENCE",
    "reasonCode": "BARGE_CONFERENCE",
    "additionalAttributes": {"members": [{"ext": "1000"}, {"ext": "1001"}, {"ext": "555", "customer": True}]},
}


def info(bench: Any, session: str, content_type: str, body: str) -> None:
    bench.pbx.ua.info(session, content_type, body, bench.network.now())
    bench.run()


@pytest.mark.parametrize(
    ("content_type", "heard"),
    [
        ("application/vnd.offhook+json", True),
        ("Application/Vnd.Offhook+JSON;charset=utf-8", True),
        ("application/json", False),
        ("text/plain", False),
        ("message/update_display", False),
    ],
)
def test_the_type_of_the_body(bench: Any, content_type: str, heard: bool) -> None:
    _, leg = bench.answers()
    info(bench, leg, content_type, json.dumps(WORD))
    assert bool(bench.desk.news()) is heard


def test_a_message_in_the_dialog_counts_too_and_outside_not(bench: Any) -> None:
    dialog, leg = bench.answers()
    bench.pbx.message({**WORD, "dialog": {"id": dialog}})
    bench.run()
    assert bench.desk.news() == []
    kind = "application/vnd.offhook+json"
    bench.pbx.ua.request("MESSAGE", None, bench.network.now(), session=leg, content_type=kind, body=json.dumps(WORD))
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState ACTIVE"]


def test_each_is_answered(bench: Any) -> None:
    """RB §8.7: the reference did not answer what it could not read, and broke."""
    _, leg = bench.answers()
    info(bench, leg, "application/vnd.offhook+json", "{")
    bench.pbx.message("rubbish")
    bench.run()
    answers = [event.status for event in bench.pbx.events if isinstance(event, RequestAnswered)]
    assert answers[-2:] == [200, 200]
    assert bench.desk.news() == []


def test_words_at_the_end_of_a_call(bench: Any) -> None:
    dialog, leg = bench.answers()
    bench.pbx.deaf_to = "BYE"
    bench.desk.send("releaseCall", dialogId=dialog)
    bench.run()
    bench.pbx.conference(leg, "1000", "1001", "555c", reason="BARGE_CONFERENCE")
    bench.run()
    assert "CONFERENCE" not in str(bench.desk.news())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_EXT = st.sampled_from(["1000", "1001", "1002", "555"]) | _JSON
_MEMBERS = st.lists(st.fixed_dictionaries({"ext": _EXT}), max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "event": st.sampled_from(
                    ["CONFERENCE", "DONE", "FAILED", "BARGE_FAILED", "CONFERENCE_MEMBER_HOLD", "mediaConversion"]
                )
            },
            optional={
                "id": _JSON,
                "reasonCode": st.sampled_from(["CONSULT_CONFERENCE", "MEMBER_LEFT"]) | _JSON,
                "dialog": _JSON | st.fixed_dictionaries({"id": _JSON, "customerDialogId": _JSON}),
                "additionalAttributes": st.fixed_dictionaries({"members": _MEMBERS}) | _JSON,
            },
        ),
        max_size=6,
    )
)
def test_whatever_is_said(make_bench: Any, words: list[dict[str, Any]]) -> None:
    """Nothing raises, the call is there still, and its own participant comes first."""
    bench = make_bench()
    bench.login()
    dialog, leg = bench.answers()
    for word in words:
        info(bench, leg, "application/vnd.offhook+json", json.dumps(word))
        bench.pbx.message(json.dumps(word))
        bench.run()
    assert [each.id for each in bench.desk.session.dialogs] == [dialog]
    for event in bench.desk.news():
        if "response" in event and event["response"].get("dialog"):
            assert event["response"]["dialog"]["participants"][0]["mediaAddress"] == "1000"
    bench.desk.done("releaseCall", dialogId=dialog)
