"""Calls as values, and an agent that goes on in another process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from offhook.clock import Timers
from offhook.cti.agent import AgentSession
from offhook.cti.events import Dtmf, DtmfResponse
from offhook.cti.records import decode_event, decode_record, encode_event, encode_record
from offhook.cti.stream import EventStream, Held
from offhook.sip.events import End
from offhook.testing.clock import SeededIds


def move(
    bench: Any,
    name: str = "second",
    *,
    password: str | None = "1234",
    snapshot: Any = None,
    tail: Sequence[Held] = (),
) -> Any:
    """The process dies; another one takes over from its snapshot."""
    session, network = bench.desk.session, bench.network
    snapshot = snapshot or json.loads(json.dumps(session.snapshot(network.now())))
    network.remove(bench.desk.host)
    network.run(0.1)
    timers = Timers()
    restored = AgentSession.restore(
        snapshot,
        bench.desk.settings,
        password,
        timers=timers,
        ids=SeededIds(99),
        now=network.now(),
        ready=bench.desk.ready,
        tail=tail,
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
    assert bench.desk.session.media_of(dialog) in bench.desk.media
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


def test_a_restored_call_does_what_it_did(bench: Any) -> None:
    dialog, _ = bench.talk()
    move(bench)
    bench.run(1)
    bench.desk.done("getStats", dialogId=dialog)
    bench.desk.done("mute_call", dialogId=dialog)
    two, _ = bench.rings()
    bench.desk.done("answerCall", dialogId=two)
    assert bench.desk.dialog(dialog)["state"] == "HELD"


def test_before_the_server_is_there_a_restored_call_has_no_audio(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.network.cut(bench.pbx_host)
    move(bench)
    bench.run(1)
    assert bench.desk.session.media_of(dialog) is None
    assert bench.desk.failed("getStats", dialogId=dialog)["type"] == "invalidState"


def test_hashes_do_in_place_of_the_password(bench: Any) -> None:
    """Registered, taken over and joined without it."""
    dialog, _ = bench.talk()
    bench.pbx.challenge_invites = True
    move(bench, password=None)
    bench.run(1)
    assert len(bench.pbx.registers) == 2 and len(bench.pbx.takeovers) == 1
    assert bench.desk.session.check_password("1234") and not bench.desk.session.check_password("1235")


def test_a_call_that_was_accepted_is_up(bench: Any) -> None:
    """The 200 was out, no ACK had come: it is taken over, and told as answered."""
    dialog, _ = bench.rings()
    bench.pbx.deaf_to = "SIP/2.0 200"
    bench.desk.ask("answerCall", dialogId=dialog)
    bench.run()
    snapshot = json.loads(json.dumps(bench.desk.session.snapshot(bench.network.now())))
    assert snapshot["calls"][0]["up"] is True
    bench.pbx.deaf_to = ""
    bench.run(1)
    move(bench, snapshot=snapshot)
    bench.run(1)
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    bench.desk.done("holdCall", dialogId=dialog)


# The journal's side


def test_what_changes_is_kept_before_it_is_true(make_bench: Any) -> None:
    bench = make_bench(journal=True)
    order: list[str] = []
    outputs = bench.desk.session.outputs

    def watched() -> list[Any]:
        items = outputs()
        order.extend(type(item).__name__ for item in items)
        order.append("|")
        return list(items)

    bench.desk.session.outputs = watched
    bench.login()
    dialog, session = bench.answers()
    accepted = next(each for each in bench.desk.kept if each.record.calls and each.record.calls[0].up)
    assert accepted.record.user_agent["sessions"]
    batches = " ".join(order).split("|")
    for batch in batches:
        assert "Persist" not in batch.split()[1:], batch
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.desk.kept[-1].record.calls[0].held is True
    before = len(bench.desk.kept)
    bench.desk.done("getState")
    assert len(bench.desk.kept) == before
    assert decode_record(encode_record(bench.desk.kept[-1].record)) == bench.desk.kept[-1].record
    bench.desk.done("logout")
    assert bench.desk.kept[-1].record is None


def test_nothing_is_kept_of_who_was_never_there(make_bench: Any) -> None:
    bench = make_bench(journal=True)
    bench.pbx.register_status = 403
    bench.desk.failed("login", extension="1000", password="1234")
    assert [each.record for each in bench.desk.kept] == [None]


def test_another_owner(bench: Any) -> None:
    dialog, _ = bench.talk()
    first = bench.desk.session
    snapshot = move(bench)
    assert (snapshot["epoch"], bench.desk.session.epoch) == (0, 1)
    first.supersede()
    (finished,) = first.outputs()
    assert finished.reason == "superseded"
    assert first.over and first.dialogs == ()


def test_the_tail_of_the_events(bench: Any) -> None:
    dialog, _ = bench.talk()
    events = [decode_event(json.dumps(event)) for event in bench.desk.events]
    wall = bench.network.now().wall
    tail = [Held(wall - 1, event) for event in events]
    stream = events[-1].stream
    move(bench, tail=tail)
    bench.run(1)
    resume = {"extension": "1000", "password": "1234", "stream": stream}
    bench.desk.done("resume", **resume, seq=1)
    seqs = [told["seq"] for _, told in bench.desk.replies if "seq" in told]
    assert seqs == list(range(2, len(events) + 1))


@pytest.mark.parametrize(("missing", "oldest"), [(2, 3), (None, 1)])
def test_a_gap_in_the_tail(bench: Any, missing: int | None, oldest: int) -> None:
    bench.talk()
    events = [decode_event(json.dumps(event)) for event in bench.desk.events]
    tail = [Held(0.0, event) for event in events if event.seq != missing]
    stream = EventStream(str(events[-1].stream), seq=len(events), keep_seconds=1e12)
    stream.refill(tail, bench.network.now())
    assert stream.since(stream.name, oldest - 1) is not None
    assert oldest == 1 or stream.since(stream.name, oldest - 2) is None
    later = EventStream(stream.name, seq=len(events) + 1)
    later.refill(tail, bench.network.now())
    assert later.since(stream.name, len(events)) is None
    earlier = EventStream(stream.name, seq=1)
    earlier.refill(tail, bench.network.now())
    assert earlier.seq == len(events)


def test_digits_are_masked() -> None:
    event = Dtmf(response=DtmfResponse(loginId="1000", type=1, description="5", dialogId="d"), seq=1, stream="s")
    assert b'"5"' not in encode_event(event)


def test_what_is_no_record() -> None:
    for data in (b"{}", b"7", b"nonsense"):
        with pytest.raises(ValueError):
            decode_record(data)


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
