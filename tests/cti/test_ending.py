"""How calls end: contract §2 row 5, §3 (RONA), §4 (callEndReason); RB §4.6, §8.9 to §8.11."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.sip.events import End


def cause(text: str | None) -> tuple[tuple[str, str], ...]:
    return () if text is None else (("Reason", f'Q.850;cause=16;text="{text}"'),)


def last(bench: Any, dialog: str) -> tuple[str, Any, int]:
    shown = bench.desk.dialog(dialog)
    assert shown["endCallReason"] == shown["callEndReason"]
    return shown["state"], shown["callEndReason"], shown["isCallEnded"]


@pytest.mark.parametrize("text", ["NORMAL_CLEARING", "Grüße", None])
@pytest.mark.parametrize("outbound", [True, False])
def test_the_other_side_hangs_up(bench: Any, outbound: bool, text: str | None) -> None:
    """The Reason's text verbatim, for either direction."""
    dialog, session = bench.talk() if outbound else bench.answers()
    bench.pbx.ua.hangup(session, bench.network.now(), headers=cause(text))
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert last(bench, dialog) == ("DROPPED", text, 1)
    assert bench.pbx.ended(session).end is End.BYE  # RB §8.6: always answered
    assert bench.desk.media == set()


@pytest.mark.parametrize("outbound", [True, False])
def test_the_agent_hangs_up(bench: Any, outbound: bool) -> None:
    dialog, session = bench.talk() if outbound else bench.answers()
    result = bench.desk.done("releaseCall", dialogId=dialog)
    assert result["dialogId"] == dialog
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert last(bench, dialog) == ("DROPPED", None, 1)
    own = bench.desk.dialog(dialog)["participants"][0]
    assert (own["state"], own["actions"]["action"], own["mute"]) == ("DROPPED", [], False)
    assert bench.pbx.ended(session).by_remote


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NO_ANSWER", "NO_ANSWER"),
        ("ORIGINATOR_CANCEL", "ORIGINATOR_CANCEL"),
        ("LOSE_RACE", "LOSE_RACE"),
        (None, "Canceled"),
    ],
)
def test_the_caller_gives_up(bench: Any, text: str | None, reason: str) -> None:
    """RONA and friends."""
    dialog, session = bench.rings()
    bench.pbx.ua.hangup(session, bench.network.now(), headers=cause(text))
    bench.run()
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState DROPPED"]
    assert last(bench, dialog) == ("DROPPED", reason, 1)


@pytest.mark.parametrize(("action", "status"), [("releaseCall", 480), ("rejectCall", 603)])
def test_the_agent_refuses(bench: Any, action: str, status: int) -> None:
    """RB §8.9: `Rejected` was never delivered."""
    dialog, session = bench.rings()
    bench.desk.done(action, dialogId=dialog)
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState DROPPED"]
    assert last(bench, dialog) == ("DROPPED", "Rejected", 1)
    assert bench.pbx.ended(session).status == status


def test_only_a_ringing_call_is_rejected(bench: Any) -> None:
    dialog, _ = bench.answers()
    error = bench.desk.failed("rejectCall", dialogId=dialog)
    assert (error["type"], error["description"]) == ("invalidState", "invalid action rejectCall")
    assert bench.desk.session.dialogs[0].state == "ACTIVE"


def test_released_while_the_answer_is_made(bench: Any) -> None:
    dialog, session = bench.rings()
    bench.desk.deaf_engine = True
    answered = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run()
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.result(answered)["error"]["code"] == "call-ended"
    assert last(bench, dialog) == ("DROPPED", "Rejected", 1)
    assert bench.pbx.ended(session).status == 480


def test_released_before_the_ack(bench: Any) -> None:
    """BYE must wait for the ACK; the agent must not."""
    bench.network.conditions = type(bench.network.conditions)(delay=0.2)
    session = bench.pbx.call()
    bench.run(1)
    dialog = bench.desk.dialog()["id"]
    answered = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(0.3)
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.result(answered)["error"]["code"] == "call-ended"
    assert last(bench, dialog) == ("DROPPED", None, 1)
    bench.run(2)
    assert bench.pbx.ended(session).end is End.BYE
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState DROPPED"]


def test_releasing_twice(bench: Any) -> None:
    """Both are done by the one DROPPED."""
    invite = bench.dial()
    bench.desk.news()
    bench.pbx.deaf_to = "CANCEL"
    dialog = bench.desk.dialog()["id"]
    first, second = bench.desk.ask("releaseCall", dialogId=dialog), bench.desk.ask("releaseCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.results(first) == []
    bench.pbx.ua.reject(invite.session, 487, bench.network.now())
    bench.run()
    assert bench.desk.result(first)["status"] == bench.desk.result(second)["status"] == "done"
    assert bench.desk.heard() == ["dialogState DROPPED"]
    error = bench.desk.failed("releaseCall", dialogId=dialog)
    assert (error["type"], error["code"]) == ("invalidState", "unknown-dialog")


def test_the_answer_crosses_the_cancel(bench: Any) -> None:
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    bench.desk.send("makeCall", calledNumber="1", Destination_Number="1", callType="audio")
    bench.run(1)
    invite = bench.pbx.invites[-1]
    bench.pbx.take(invite)
    released = bench.desk.ask("releaseCall", dialogId=bench.desk.dialog()["id"])
    bench.run(2)
    assert bench.desk.result(released)["status"] == "done"
    assert bench.desk.heard() == ["outboundDialing INITIATING", "dialogState DROPPED"]
    assert bench.pbx.ended(invite.session) is not None


def test_a_release_ends_in_time(make_bench: Any) -> None:
    """Whatever the other side does: it is told that the call is over."""
    bench = make_bench(command_timeout=5.0)
    bench.login()
    bench.dial()
    bench.desk.news()
    bench.pbx.deaf_to = "CANCEL"
    asked = bench.desk.ask("releaseCall", dialogId=bench.desk.dialog()["id"])
    bench.run(6)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert bench.desk.heard() == ["Error timeout", "dialogState DROPPED"]
    bench.run(60)
    assert bench.desk.news() == []


def test_one_call_s_end_leaves_the_others_alone(bench: Any) -> None:
    """RB §8.11: the reference hung up another call too."""
    one, _ = bench.answers(user="111")
    two, second = bench.answers(user="222")
    three, _ = bench.talk("333")
    bench.pbx.ua.hangup(second, bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert {dialog.id: dialog.state for dialog in bench.desk.session.dialogs} == {one: "HELD", three: "ACTIVE"}
    assert two


def test_released_during_an_outage(bench: Any) -> None:
    """At once; the BYE goes out when there is a flow again."""
    dialog, session = bench.talk()
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    bench.pbx.ua.session(session)
    bench.run(10)
    assert bench.desk.news() == []


def test_a_reason_that_cannot_be_read(bench: Any) -> None:
    dialog, session = bench.answers()
    bench.pbx.ua.hangup(session, bench.network.now(), headers=(("Reason", ";;;"),))
    bench.run()
    assert last(bench, dialog) == ("DROPPED", None, 1)


def test_the_first_reason_with_a_text_counts(bench: Any) -> None:
    dialog, session = bench.answers()
    headers = (("Reason", "SIP;cause=200"), ("Reason", 'Q.850;cause=16;text="SECOND"'))
    bench.pbx.ua.hangup(session, bench.network.now(), headers=headers)
    bench.run()
    assert last(bench, dialog) == ("DROPPED", "SECOND", 1)


@pytest.mark.parametrize("text", ["ATTENDED_TRANSFER", "direct-transfered", "CONSULT_CONFERENCE"])
def test_what_the_other_side_says_of_its_going(bench: Any, text: str) -> None:
    """FreeSWITCH hands on what the far end writes: without a transfer of ours, the call does not go on elsewhere."""
    dialog, session = bench.answers()
    bench.pbx.bye(session, f'Q.850;cause=16;text="{text}"')
    bench.run()
    assert last(bench, dialog) == ("DROPPED", None, 1)


@pytest.mark.parametrize("text", ["CONFERENCE", "CONSULT_CONFERENCE"])
def test_what_the_consulted_says_of_a_conference(bench: Any, text: str) -> None:
    """Nobody asked for one: the consult is over, and the customer waits."""
    customer, _, consult, leg = bench.pair()
    bench.pbx.bye(leg, f'SIP;cause=200;text="{text}"')
    bench.run()
    assert last(bench, consult)[2] == 1
    assert {each.id: each.state for each in bench.desk.session.dialogs} == {customer: "HELD"}


def test_handed_over_after_the_time_of_the_transfer(bench: Any) -> None:
    """RB §8.10: the server lets go of us for a transfer of which we heard no more: it goes on."""
    dialog, session = bench.answers()
    bench.desk.send("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run(50)
    bench.pbx.bye(session, 'Q.850;cause=16;text="ATTENDED_TRANSFER"')
    bench.run()
    assert last(bench, dialog) == ("DROPPED", "ATTENDED_TRANSFER", 0)
