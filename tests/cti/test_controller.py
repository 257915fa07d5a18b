"""Who gets what: queries, unknown dialogs, news of the engine, several calls."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import AnswerCreated, GetStats, MediaConnected, MediaLost, OfferCreated
from offhook.sip.events import (
    DisplayUpdated,
    End,
    Established,
    InviteSent,
    Progress,
    Renegotiated,
    RenegotiationFailed,
    RequestAnswered,
    ServerReached,
    SessionEnded,
    SipEvent,
)
from offhook.sip.message import Response


@pytest.mark.parametrize(
    ("action", "named", "more"),
    [
        ("answerCall", "answerCall", {}),
        ("releaseCall", "releaseCall", {}),
        ("rejectCall", "rejectCall", {}),
        ("holdCall", "holdCall", {}),
        ("retrieveCall", "unholdCall", {}),
        ("mute_call", "mute_call", {}),
        ("unmute_call", "unmute_call", {}),
        ("SendDtmf", "SendDtmf", {"message": "1"}),
        ("getDialog", "getDialog", {}),
        ("getStats", "getStats", {}),
    ],
)
def test_an_unknown_dialog(bench: Any, action: str, named: str, more: dict[str, str]) -> None:
    error = bench.desk.failed(action, dialogId="nobody", **more)
    assert error == {
        "type": "invalidState",
        "code": "unknown-dialog",
        "description": f"invalid action {named}",
        "dialogId": "nobody",
    }
    assert bench.desk.heard() == ["Error unknown-dialog"]
    assert bench.desk.events[-1]["response"]["dialogId"] == "nobody"


def test_get_dialog_answers_the_asker_alone(bench: Any) -> None:
    dialog, _ = bench.talk()
    bench.desk.replies.clear()
    result = bench.desk.done("getDialog", dialogId=dialog)
    (origin, told), _ = bench.desk.replies
    assert (origin, told["event"], told["response"]["dialog"]) == ("desk", "dialogState", bench.desk.dialog(dialog))
    assert "seq" not in told
    assert result["result"]["dialog"] == told["response"]["dialog"]
    assert bench.desk.news() == []


def test_get_stats(bench: Any) -> None:
    dialog, _ = bench.talk()
    result = bench.desk.done("getStats", dialogId=dialog)
    (event,) = bench.desk.news()
    audio = {
        "codec": "opus", "packetsSent": None, "packetsReceived": None, "packetsLost": None, "jitterMs": None,
        "roundTripMs": None, "mos": None, "levelInDb": None, "levelOutDb": None,
    }  # fmt: skip
    assert event["event"] == "callStats"
    assert event["response"] == {"loginId": "1000", "dialogId": dialog, "audio": audio}
    assert result["result"] == {"dialogId": dialog, "audio": audio}


def test_get_stats_fails(bench: Any) -> None:
    ringing, _ = bench.rings()
    assert bench.desk.failed("getStats", dialogId=ringing)["description"] == "invalid action getStats"
    dialog, _ = bench.talk()
    bench.desk.fail_next[GetStats] = "closed"
    assert bench.desk.failed("getStats", dialogId=dialog)["code"] == "media-closed"


def test_audio_is_lost(bench: Any) -> None:
    """Told with the dialog; the call goes on."""
    dialog, _ = bench.talk()
    media = bench.desk.session.media_of(dialog)
    bench.desk.engine.tell(MediaLost(media, "no packets for 30 s"))
    bench.desk.engine.tell(MediaLost("unknown", "x"))
    bench.desk.engine.tell(MediaConnected(media))
    bench.run()
    assert bench.desk.heard() == ["Error media-lost"]
    told = bench.desk.events[-1]["response"]
    assert (told["dialogId"], told["detail"]) == (dialog, "no packets for 30 s")
    assert bench.desk.session.media_of("nobody") is None


def test_late_outcomes_are_dropped(bench: Any) -> None:
    bench.talk()
    bench.desk.engine.tell(OfferCreated("nobody", "m", "v=0"))
    bench.desk.engine.tell(AnswerCreated("nobody", "m", "v=0"))
    bench.run()
    assert bench.desk.news() == []


def test_several_calls_keep_their_data_apart(bench: Any) -> None:
    """RB §8.1, §5: the reference's second call overwrote the first."""
    one, first = bench.answers(user="111", name="One", headers=(("X-Queue", "q1"),))
    two, _ = bench.rings(user="222", headers=(("X-Queue", "q2"), ("X-Calltype", "CONSULT"), ("X-CustomerNumber", "9")))
    three, _ = bench.talk("333")
    bench.desk.news()
    for dialog, action in ((one, "mute_call"), (three, "holdCall"), (one, "holdCall"), (one, "unmute_call")):
        bench.desk.done(action, dialogId=dialog)
    bench.pbx.ua.hangup(first, bench.network.now())
    bench.run()
    expected = {
        one: ("111", "q1", "dialogState"),
        two: ("222", "q2", "ConsultCall"),
        three: ("1000", None, "dialogState"),
    }
    told = bench.desk.news()
    assert len(told) == 5
    for event in told:
        dialog = event["response"]["dialog"]
        assert (dialog["fromAddress"], dialog["queueName"], event["event"]) == expected[dialog["id"]]
    assert bench.desk.dialog(one)["state"] == "DROPPED"
    assert {dialog.id: dialog.state for dialog in bench.desk.session.dialogs} == {two: "ALERTING", three: "HELD"}


def test_strays_change_nothing(bench: Any) -> None:
    """Events that do not fit the state of a call, and those of sessions that are over."""
    dialog, _ = bench.talk()
    session = bench.desk.session
    call = session._work.calls[dialog]
    strays: list[SipEvent] = [
        InviteSent(call.session),
        Established(call.session, None),
        Established(call.session, Response(200, "OK")),
        Progress(call.session, 180, Response(180, "Ringing")),
        Renegotiated(call.session),
        RequestAnswered("nobody", call.session, 200, "OK", None),
        RequestAnswered("nobody", None, 200, "OK", None),
        DisplayUpdated(call.session, "Eve", "5551234", False),
        ServerReached("ws://pbx"),
        Renegotiated("nobody"),
        SessionEnded("nobody", End.BYE, True),
    ]
    for stray in strays:
        session._sip(stray, bench.network.now())
        bench.run()
        assert bench.desk.news() == [], stray
    assert [shown.state for shown in session.dialogs] == ["ACTIVE"]


def test_a_restored_call_refuses_new_offers(bench: Any) -> None:
    """There is no audio of it here."""
    dialog, session = bench.talk()
    bench.desk.session._work.calls[dialog].restored = True
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run()
    failed = next(event for event in bench.pbx.events if isinstance(event, RenegotiationFailed))
    assert failed.status == 488


def test_statistics_take_longer_than_the_command_may(make_bench: Any) -> None:
    bench = make_bench(command_timeout=5.0)
    bench.login()
    dialog, _ = bench.talk()
    bench.desk.deaf_engine = True
    assert bench.desk.failed("getStats", within=6, dialogId=dialog)["code"] == "timeout"
    bench.run(10)
    assert bench.desk.heard() == ["Error timeout"]
