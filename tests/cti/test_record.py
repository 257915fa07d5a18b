"""Calls as values, and an agent that goes on in another process."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from offhook.clock import Timers
from offhook.cti.agent import AgentSession
from offhook.sip.events import End
from offhook.testing.clock import SeededIds


def move(bench: Any, name: str = "second") -> Any:
    """The process dies; another one takes over from its snapshot."""
    session, network = bench.desk.session, bench.network
    snapshot = json.loads(json.dumps(session.snapshot(network.now())))
    network.remove(bench.desk.host)
    network.run(0.1)
    timers = Timers()
    restored = AgentSession.restore(
        snapshot,
        bench.desk.settings,
        "1234",
        timers=timers,
        ids=SeededIds(99),
        now=network.now(),
        ready=bench.desk.ready,
    )
    bench.desk.take_over(restored, timers, name)
    return snapshot


def test_a_snapshot_is_json_without_secrets(bench: Any) -> None:
    dialog, _ = bench.talk()
    snapshot = bench.desk.session.snapshot(bench.network.now())
    text = json.dumps(snapshot)
    assert "1234" not in text.replace("1234567", "")
    assert [call["dialog"]["id"] for call in snapshot["calls"]] == [dialog]
    assert snapshot["stream"]["seq"] == len(bench.desk.events)
    assert len(text) < 6000


def test_restored_calls_are_shown_and_ended(bench: Any) -> None:
    dialog, session = bench.answers()
    bench.desk.done("holdCall", dialogId=dialog)
    before, seq = bench.desk.dialog(), len(bench.desk.events)
    snapshot = move(bench)
    bench.run(1)
    assert bench.desk.news() == []  # the outage was short
    assert msgspec.to_builtins(bench.desk.session.dialogs[0])["id"] == before["id"]
    assert bench.desk.session.dialogs[0].state == "HELD"
    assert bench.desk.session.media_of(dialog) is None
    bench.desk.done("releaseCall", dialogId=dialog)
    (event,) = bench.desk.news()
    assert (event["seq"], event["stream"]) == (seq + 1, snapshot["stream"]["name"])
    assert event["response"]["dialog"]["state"] == "DROPPED"
    assert bench.pbx.ended(session).end is End.BYE
    bench.desk.done("logout")
    bench.nothing_left()


def test_a_restored_call_that_is_gone(bench: Any) -> None:
    """OPTIONS tells: 481."""
    dialog, session = bench.talk()
    bench.pbx.deaf_to = "BYE"
    move(bench)
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run(10)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["id"] == dialog


def test_what_was_not_up_is_gone_and_that_is_told(bench: Any) -> None:
    up, _ = bench.talk()
    ringing, _ = bench.rings()
    bench.dial()
    move(bench)
    bench.run(1)
    told = bench.desk.news()
    assert [event["response"]["dialog"]["state"] for event in told] == ["DROPPED", "DROPPED"]
    assert [dialog.id for dialog in bench.desk.session.dialogs] == [up]
    assert ringing in {event["response"]["dialog"]["id"] for event in told}


def test_what_a_restored_call_cannot_do_yet(bench: Any) -> None:
    dialog, _ = bench.talk()
    move(bench)
    bench.run(1)
    for action in ("holdCall", "getStats"):
        assert bench.desk.failed(action, dialogId=dialog)["type"] == "invalidState"
    two, _ = bench.rings()
    bench.desk.done("answerCall", dialogId=two)


def test_an_outage_after_the_move_is_told(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.network.cut(bench.pbx_host)
    move(bench)
    bench.run(9)
    assert bench.desk.heard() == ["Error out-of-service", "xmppEvent OUT_OF_SERVICE"]
    bench.network.heal(bench.pbx_host)
    bench.run(60)
    assert bench.desk.heard() == ["xmppEvent IN_SERVICE", "dialogState ACTIVE"]
    assert bench.desk.dialog()["id"] == dialog


def test_resume_after_the_move(bench: Any) -> None:
    """What came before the move is no longer held: a snapshot says where the agent stands."""
    dialog, _ = bench.talk()
    stream, seq = bench.desk.events[-1]["stream"], bench.desk.events[-1]["seq"]
    move(bench)
    bench.run(1)
    resume = {"extension": "1000", "password": "1234", "stream": stream}
    bench.desk.done("resume", **resume, seq=seq)
    assert [told["event"] for _, told in bench.desk.replies] == ["commandResult"]
    bench.desk.replies.clear()
    bench.desk.done("resume", **resume, seq=seq - 1)
    told = bench.desk.replies[0][1]
    assert told["event"] == "snapshot"
    assert told["response"]["dialogs"][0]["id"] == dialog
    assert (told["response"]["seq"], told["response"]["registration"]) == (seq, "IN_SERVICE")


def test_an_agent_that_was_not_there_stays_away(make_bench: Any) -> None:
    bench = make_bench()
    move(bench)
    bench.run(1)
    assert bench.desk.host.flows == {} and bench.desk.news() == []


def test_a_broken_snapshot(bench: Any) -> None:
    snapshot = bench.desk.session.snapshot(bench.network.now())
    snapshot["calls"] = [{"dialog": 7}]
    with pytest.raises(msgspec.ValidationError):
        AgentSession.restore(
            snapshot, bench.desk.settings, "1234", timers=Timers(), ids=SeededIds(1), now=bench.network.now()
        )
