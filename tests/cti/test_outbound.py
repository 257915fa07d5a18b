"""Calls that the agent makes: contract §2 rows 2 and 3, §4; RB §3.3."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import ApplyAnswer, CreateOffer
from offhook.sip.fields import Reason

CALL = {"calledNumber": "5559999", "Destination_Number": "800", "callType": "audio"}


def reason(text: str) -> tuple[tuple[str, str], ...]:
    return (("Reason", str(Reason("Q.850", 16, text))),)


def test_a_call(bench: Any) -> None:
    asked = bench.desk.ask("makeCall", **CALL)
    bench.run()
    invite = bench.pbx.invites[-1]
    headers = invite.request.headers
    assert headers.get("X-Destination-Number") == "800"
    assert headers.get("X-Media-Type") == "audio"
    assert headers.get("X-Calltype") == "OUT"
    assert str(invite.request.target) == "sip:5559999@pbx"
    assert bench.desk.heard() == ["outboundDialing INITIATING"]
    result = bench.desk.result(asked)
    dialog = bench.desk.dialog()
    assert (result["status"], result["dialogId"]) == ("done", dialog["id"])
    bench.pbx.ua.ring(invite.session, bench.network.now())
    bench.run(1)
    bench.pbx.ua.ring(invite.session, bench.network.now(), status=183)
    bench.run(1)
    assert bench.desk.heard() == ["outboundDialing INITIATED"]
    bench.pbx.take(invite)
    bench.run()
    (event,) = bench.desk.news()
    shown = event["response"]["dialog"]
    assert (event["event"], shown["state"], shown["id"]) == ("dialogState", "ACTIVE", dialog["id"])
    assert (shown["isCallAlreadyActive"], shown["isCallEnded"], shown["callOriginator"]) == (False, 0, "webrtc")
    assert shown["participants"][0]["startTime"] > dialog["participants"][0]["startTime"]
    assert shown["callVariables"] == {"CallVariable": [{"name": "callVariable0", "value": ""}]}


def test_a_manual_call(bench: Any) -> None:
    bench.desk.send("makeOBCall", **CALL)
    bench.run()
    assert bench.pbx.invites[-1].request.headers.get("X-Calltype") == "OUT"
    assert (bench.desk.dialog()["callOriginator"], bench.desk.dialog()["channelType"]) == ("normal", "VOICE")


def test_initiating_is_told_once_also_when_challenged(bench: Any) -> None:
    """RB §8.3: the reference told it again after the challenge."""
    bench.pbx.challenge_invites = True
    bench.dial()
    assert bench.desk.heard() == ["outboundDialing INITIATING"]


def test_initiated_just_before_active_where_nothing_rang(bench: Any) -> None:
    bench.pbx.take(bench.dial())
    bench.run()
    assert bench.desk.heard() == ["outboundDialing INITIATING", "outboundDialing INITIATED", "dialogState ACTIVE"]


def test_early_media(bench: Any) -> None:
    invite = bench.dial()
    body = bench.pbx.answer_to(invite.session, invite.offer or "")
    bench.pbx.ua.ring(invite.session, bench.network.now(), status=183, body=body)
    bench.run()
    assert sum(isinstance(request, ApplyAnswer) for request in bench.desk.requests) == 1
    bench.pbx.ua.accept(invite.session, body, bench.network.now())
    bench.run()
    assert bench.desk.heard()[-1] == "dialogState ACTIVE"
    assert sum(isinstance(request, ApplyAnswer) for request in bench.desk.requests) == 1


def test_the_call_id_stays_inside(bench: Any) -> None:
    """With a Call-ID alone a call can be taken over (contract §3)."""
    invite = bench.dial()
    assert bench.desk.dialog()["id"] != invite.request.call_id


@pytest.mark.parametrize(
    ("status", "headers", "description", "code"),
    [
        (486, (), "Busy Here", "486"),
        (480, reason("USER_NOT_REGISTERED"), "Temporarily Unavailable", "USER_NOT_REGISTERED"),
        (404, (), "Not Found", "404"),
        (603, reason("CALL_REJECTED"), "Decline", "CALL_REJECTED"),
        (302, (), "Moved Temporarily", "302"),
    ],
)
def test_refused(bench: Any, status: int, headers: Any, description: str, code: str) -> None:
    invite = bench.dial()
    bench.pbx.ua.reject(invite.session, status, bench.network.now(), headers=headers)
    bench.run()
    told = bench.desk.news()
    assert [event["event"] for event in told] == ["outboundDialing", "dialogState", "Error"]
    dropped = told[1]["response"]["dialog"]
    assert (dropped["state"], dropped["isCallEnded"]) == ("DROPPED", 1)
    assert dropped["callEndReason"] == (headers[0][1].split('"')[1] if headers else None)
    error = told[2]["response"]
    assert (error["type"], error["description"], error["code"]) == ("generalError", description, code)
    assert error["dialogId"] == dropped["id"]
    assert "dialog" not in error
    assert bench.desk.media == set()


def test_no_answer_at_all(bench: Any) -> None:
    """The flow is found dead; the call is told first, then (three seconds later) the outage."""
    bench.network.cut(bench.pbx_host)
    asked = bench.desk.ask("makeCall", **CALL)
    bench.run(40)
    assert bench.desk.heard() == [
        "outboundDialing INITIATING",
        "dialogState DROPPED",
        "Error 503",
        "Error out-of-service",
        "xmppEvent OUT_OF_SERVICE",
    ]
    error = bench.desk.result(asked)["error"]
    assert (error["type"], error["code"], error["dialogId"]) == ("generalError", "503", bench.desk.dialog()["id"])
    assert bench.desk.media == set()


def test_released_while_it_rings(bench: Any) -> None:
    invite = bench.dial()
    bench.pbx.ua.ring(invite.session, bench.network.now())
    bench.run()
    bench.desk.news()
    bench.desk.done("releaseCall", dialogId=bench.desk.dialog()["id"])
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] is None
    ended = bench.pbx.ended(invite.session)
    assert ended is not None and ended.end.value == "cancel"


def test_released_before_the_offer_is_made(bench: Any) -> None:
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("makeCall", **CALL)
    bench.run()
    request = next(request for request in bench.desk.requests if isinstance(request, CreateOffer))
    dialog = next(iter(bench.desk.session._work.calls))
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(asked)["error"]["code"] == "released"
    assert bench.desk.media == set()
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(request)  # the offer comes too late
    bench.run()
    assert bench.pbx.invites == []
    assert bench.desk.news() == []


def test_released_before_any_provisional_response(bench: Any) -> None:
    """CANCEL must wait for one; the call ends all the same."""
    bench.pbx_host.cut = True
    asked = bench.desk.ask("makeCall", **CALL)
    bench.run()
    dialog = bench.desk.dialog()["id"]
    released = bench.desk.ask("releaseCall", dialogId=dialog)
    bench.run(0.5)
    bench.network.heal(bench.pbx_host)
    bench.run(5)
    assert bench.desk.result(released)["status"] == "done"
    assert bench.desk.results(asked)
    assert bench.desk.heard() == ["outboundDialing INITIATING", "dialogState DROPPED"]


@pytest.mark.parametrize(
    "number", ["1001@evil.example", "1001;user=phone", "10 01", "1001\r\nX-A: b", "<1001>", "1001?X=y", "*441001"]
)
def test_impossible_numbers(bench: Any, number: str) -> None:
    error = bench.desk.failed("makeCall", **{**CALL, "calledNumber": number})
    assert (error["type"], error["description"]) == ("generalError", f"Invalid target Uri:{number}")
    assert bench.pbx.invites == []
    assert bench.desk.media == set()


@pytest.mark.parametrize("name", ["Destination_Number", "callType"])
def test_no_header_can_be_injected(bench: Any, name: str) -> None:
    assert bench.desk.failed("makeCall", **{**CALL, name: "a\r\nX-Evil: 1"})["code"] == "invalid-parameter"
    assert bench.pbx.invites == []


def test_too_many_calls(make_bench: Any) -> None:
    bench = make_bench(max_calls=1)
    bench.login()
    bench.dial()
    assert bench.desk.failed("makeCall", **CALL)["code"] == "too-many-calls"


def test_the_engine_cannot_offer(bench: Any) -> None:
    bench.desk.fail_next[CreateOffer] = "device"
    error = bench.desk.failed("makeCall", **CALL)
    assert error["code"] == "media-device"
    assert bench.desk.heard() == ["Error media-device"]
    assert bench.desk.events[-1]["response"]["detail"] == "because device"
    assert bench.desk.session.dialogs == ()
    assert bench.pbx.invites == []


def test_the_engine_does_not_answer(bench: Any) -> None:
    bench.desk.deaf_engine = True
    assert bench.desk.failed("makeCall", 10.0, **CALL)["code"] == "media-timeout"
    assert bench.desk.heard() == ["Error media-timeout"]


def test_the_engine_cannot_take_the_answer(bench: Any) -> None:
    invite = bench.dial()
    bench.desk.fail_next[ApplyAnswer] = "bad-sdp"
    bench.pbx.take(invite)
    bench.run()
    assert bench.desk.heard()[-2:] == ["Error media-bad-sdp", "dialogState DROPPED"]
    assert bench.pbx.ended(invite.session) is not None


def test_the_server_hangs_up(bench: Any) -> None:
    """RB §8.9: the reference lost the reason of outbound calls."""
    dialog, session = bench.talk()
    bench.pbx.ua.hangup(session, bench.network.now(), headers=reason("NORMAL_CLEARING"))
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert (bench.desk.dialog()["callEndReason"], bench.desk.dialog()["id"]) == ("NORMAL_CLEARING", dialog)


def test_the_flow_breaks_while_the_offer_is_made(bench: Any) -> None:
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("makeCall", **CALL)
    bench.run()
    request = next(request for request in bench.desk.requests if isinstance(request, CreateOffer))
    bench.network.reset(bench.desk.host)
    bench.run(0.001)
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(request)
    bench.run(1)
    assert bench.desk.result(asked)["error"]["code"] == "not-sent"
    assert bench.desk.heard() == ["Error not-sent"]
    assert bench.desk.media == set()


def test_the_server_takes_longer_than_the_command_may(make_bench: Any) -> None:
    """It did not even say 100: the call is given up."""
    bench = make_bench(command_timeout=5.0)
    bench.login()
    bench.pbx.deaf_to = "INVITE"
    assert bench.desk.failed("makeCall", within=6, **CALL)["code"] == "timeout"
    assert bench.desk.heard() == ["outboundDialing INITIATING", "Error timeout"]
    bench.run(60)
    assert bench.desk.heard() == ["dialogState DROPPED"]
