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


_WORD = st.fixed_dictionaries(
    {
        "event": st.sampled_from(
            [
                "CONFERENCE",
                "DONE",
                "FAILED",
                "BARGE_FAILED",
                "CONSULT_CONFERENCE_FAILED",
                "CONSULT_TRANSFER",
                "CONSULT_TRANSFER_FAILED",
                "CONFERENCE_MEMBER_HOLD",
                "CONFERENCE_MEMBER_UNMUTE",
                "MONITORING_FAILED",
                "agentDetails",
                "mediaConversion",
            ]
        )
    },
    optional={
        "id": st.just("ours") | _JSON,
        "reasonCode": st.sampled_from(["CONSULT_CONFERENCE", "MEMBER_LEFT", "ON_HOLD"]) | _JSON,
        "dialog": st.fixed_dictionaries(
            {"id": st.sampled_from(["crm-42", "crm-43"]) | _JSON, "customerDialogId": st.just("crm-43") | _JSON}
        )
        | _JSON,
        "additionalAttributes": st.fixed_dictionaries({"members": _MEMBERS}) | _JSON,
    },
)


@pytest.mark.parametrize("dialect", ["freeswitch", "efcx"])
@pytest.mark.parametrize("kind", ["OUT", "CONSULT"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(_WORD, max_size=6), asks=st.sampled_from(["updateCallVariableData", "makeConsult"]))
def test_whatever_is_said(make_bench: Any, dialect: str, kind: str, words: list[dict[str, Any]], asks: str) -> None:
    """Nothing raises, no event shows another call, each command has one outcome, and the agent can leave."""
    bench = make_bench(dialect=dialect)
    bench.login()
    dialog, leg = bench.answers(headers=(("X-Call-Id", "crm-42"), ("X-Calltype", kind)))
    more = {"callVariables": {"a": "b"}} if asks == "updateCallVariableData" else {"numberToConsult": "1001"}
    asked = bench.desk.ask(asks, dialogId=dialog, **more)
    bench.run()
    ours = bench.pbx.words[-1][1]["id"] if bench.pbx.words else "ours"
    for word in words:
        word = {**word, "id": ours} if word.get("id") == "ours" else word
        if leg in bench.pbx.ua.sessions():
            info(bench, leg, "application/vnd.offhook+json", json.dumps(word))
        bench.pbx.message(json.dumps(word))
        bench.run()
    for event in bench.desk.news():
        if "response" in event and event["response"].get("dialog"):
            shown = event["response"]["dialog"]
            assert shown["participants"][0]["mediaAddress"] == "1000"
    bench.desk.done("logout", within=8)
    assert len(bench.desk.results(asked)) == 1
    bench.nothing_left()
