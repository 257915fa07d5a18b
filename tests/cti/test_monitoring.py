"""Listening, whispering, joining in: contract §2 rows 20, 21, §7; RB §3.3, §3.13."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import CreateOffer, Direction, SetMuted
from offhook.sip.events import OfferReceived, SessionEnded


@pytest.fixture
def bench(make_bench: Any) -> Any:
    """A supervisor that is logged in."""
    made = make_bench(supervisors=frozenset({"1000"}))
    made.login()
    return made


ASKED = {"calledNumber": "1001", "Destination_Number": "1001", "callType": "audio", "service_Identifier": "svc"}


def muted(bench: Any) -> list[bool]:
    return [request.muted for request in bench.desk.requests if isinstance(request, SetMuted)]


def offers(bench: Any) -> list[str]:
    """The direction of each re-INVITE."""
    found = [event.offer or "" for event in bench.pbx.events if isinstance(event, OfferReceived)]
    return [d.value for offer in found for d in Direction if f"a={d.value}\r\n" in offer]


def audits(bench: Any) -> list[tuple[str, str]]:
    return [(audit.action, audit.outcome) for audit in bench.desk.audits]


def listen(bench: Any) -> tuple[str, str]:
    """A monitoring call that is up: dialog id, and the server's session."""
    bench.desk.send("silentMonitor", **ASKED)
    bench.run()
    invite = bench.pbx.invites[-1]
    bench.pbx.take(invite)
    bench.run()
    bench.desk.news()
    return str(bench.desk.dialog()["id"]), invite.session


def whisper(bench: Any, dialog: str, session: str) -> None:
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run()
    bench.pbx.say(session, "DONE", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run()
    assert bench.desk.result(asked)["status"] == "done"


def join(bench: Any, session: str, **dialog: Any) -> None:
    """The server takes the supervisor in."""
    asked = bench.pbx.word("BARGE", session)[1]["id"]
    bench.pbx.conference(session, "1000", "1001", "5551234c", reason="BARGE_CONFERENCE", id=asked, **dialog)
    bench.run()


# silentMonitor


def test_silent_monitor(bench: Any) -> None:
    asked = bench.desk.ask("silentMonitor", **ASKED)
    bench.run()
    invite = bench.pbx.invites[-1]
    headers = invite.request.headers
    assert invite.request.target.user == "*441001"
    assert headers.get("X-Destination-Number") == "*441001"
    assert (headers.get("X-Calltype"), headers.get("X-Media-Type")) == ("MONITORING", "audio")
    assert "a=recvonly" in (invite.offer or "")
    bench.pbx.ua.ring(invite.session, bench.network.now())
    bench.run()
    bench.pbx.take(invite)
    bench.run()
    assert bench.desk.heard() == ["outboundDialing INITIATING", "outboundDialing INITIATED", "dialogState ACTIVE"]
    shown = bench.desk.dialog()
    assert (shown["callType"], shown["serviceIdentifier"]) == ("MONITORING", "svc")
    assert (shown["dialedNumber"], shown["customerNumber"], shown["dnis"]) == ("1001",) * 3
    assert (shown["callOriginator"], shown["participants"][0]["mute"]) == ("normal", True)
    assert bench.desk.result(asked)["status"] == "done"
    assert muted(bench) and all(muted(bench))
    (audit,) = bench.desk.audits
    assert (audit.action, audit.extension, audit.target, audit.outcome) == ("silentMonitor", "1000", "1001", "done")
    assert audit.dialog_id == shown["id"]
    assert "1001" not in repr(audit)


def test_without_the_role(make_bench: Any) -> None:
    """Nothing on the wire; the attempt is on record."""
    bench = make_bench(supervisors=frozenset({"1001"}))
    bench.login()
    error = bench.desk.failed("silentMonitor", **ASKED)
    assert (error["type"], error["code"]) == ("generalError", "not-allowed")
    assert bench.desk.heard() == ["Error not-allowed"]
    assert bench.pbx.invites == [] and bench.desk.requests == []
    assert audits(bench) == [("silentMonitor", "not-allowed")]
    assert bench.desk.audits[0].dialog_id is None


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"calledNumber": "1001@evil"}, "invalid-number"),
        ({"calledNumber": "10 01"}, "invalid-number"),
        ({"calledNumber": "%2a441001"}, "invalid-number"),
        ({"calledNumber": "*441001"}, "monitoring-number"),
        ({"calledNumber": "1" * 63}, "invalid-number"),
        ({"Destination_Number": "1\r\nX-Evil: 1"}, "invalid-parameter"),
        ({"Destination_Number": "*441001"}, "monitoring-number"),
        ({"callType": "audio\nX: y"}, "invalid-parameter"),
        ({"service_Identifier": "a\x00"}, "invalid-parameter"),
    ],
)
def test_what_is_not_dialled(bench: Any, wrong: dict[str, str], code: str) -> None:
    assert bench.desk.failed("silentMonitor", **{**ASKED, **wrong})["code"] == code
    assert bench.pbx.invites == []
    assert audits(bench) == [("silentMonitor", code)]


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 480, "headers": [("Reason", 'Q.850;cause=16;text="ON_HOLD"')]},
        {"status": 480, "phrase": "ON_HOLD"},
    ],
)
def test_the_call_is_on_hold(bench: Any, refusal: dict[str, Any]) -> None:
    bench.desk.send("silentMonitor", **ASKED)
    bench.run()
    bench.pbx.ua.reject(bench.pbx.invites[-1].session, refusal.pop("status"), bench.network.now(), **refusal)
    bench.run()
    assert bench.desk.heard() == ["outboundDialing INITIATING", "dialogState DROPPED", "Error ON_HOLD"]
    told = bench.desk.events[-1]["response"]
    assert (told["type"], told["description"]) == (
        "generalError",
        "Call Monitoring Failed due to call is ON HOLD",
    )
    assert audits(bench) == [("silentMonitor", "ON_HOLD")]


def test_refused_otherwise(bench: Any) -> None:
    bench.desk.send("silentMonitor", **ASKED)
    bench.run()
    bench.pbx.ua.reject(bench.pbx.invites[-1].session, 403, bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["outboundDialing INITIATING", "dialogState DROPPED", "Error 403"]
    assert bench.desk.events[-1]["response"]["description"] == "Forbidden"
    assert audits(bench) == [("silentMonitor", "403")]


def test_given_up(bench: Any) -> None:
    bench.desk.send("silentMonitor", **ASKED)
    bench.run()
    dialog = bench.desk.dialog()["id"]
    bench.desk.send("releaseCall", dialogId=dialog)
    bench.run(1)
    assert audits(bench) == [("silentMonitor", "released")]


def test_too_many_calls(make_bench: Any) -> None:
    bench = make_bench(supervisors=frozenset({"1000"}), max_calls=1)
    bench.login()
    bench.talk()
    assert bench.desk.failed("silentMonitor", **ASKED)["code"] == "too-many-calls"
    assert audits(bench) == [("silentMonitor", "too-many-calls")]


def test_nothing_opens_the_microphone(bench: Any) -> None:
    """Hold is inactive, retrieve recvonly (RB §3.6); unmute is no action of who only listens, nor are digits."""
    dialog, session = listen(bench)
    for action in ("mute_call", "holdCall", "retrieveCall"):
        bench.desk.done(action, dialogId=dialog)
    assert bench.desk.heard() == ["dialogState ACTIVE", "dialogState HELD", "dialogState ACTIVE"]
    assert offers(bench) == ["inactive", "recvonly"]
    for action, more in (("unmute_call", {}), ("SendDtmf", {"message": "3"})):
        error = bench.desk.failed(action, dialogId=dialog, **more)
        assert (error["type"], error["description"]) == ("invalidState", f"invalid action {action}")
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run()
    assert all(muted(bench))
    assert bench.pbx.digits == []
    assert bench.desk.dialog()["participants"][0]["mute"] is True


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("SST", {"numberToTransfer": "1002"}),
        ("makeConsult", {"numberToConsult": "1002"}),
        ("conference_consult", {}),
        ("convertCall", {"streamType": "video", "streamStatus": "on"}),
        ("dropParticipant", {"participant": "1001"}),
    ],
)
def test_what_a_monitoring_call_is_not_for(bench: Any, action: str, more: dict[str, str]) -> None:
    dialog, _ = listen(bench)
    bench.desk.failed(action, dialogId=dialog, **more)
    assert bench.pbx.words == [] and offers(bench) == []


# whisper


def test_whisper_and_back(bench: Any) -> None:
    dialog, session = listen(bench)
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run()
    assert offers(bench) == ["sendrecv"]
    where, word = bench.pbx.word("WHISPER")
    assert (where, word["on"]) == (session, True)
    assert all(muted(bench)) and bench.desk.results(asked) == []
    bench.pbx.say(session, "DONE", id=word["id"])
    bench.run()
    assert muted(bench)[-1] is False
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert bench.desk.dialog()["participants"][0]["mute"] is False
    for action, silent in (("mute_call", True), ("unmute_call", False)):
        bench.desk.done(action, dialogId=dialog)
        assert muted(bench)[-1] is silent
    bench.desk.news()

    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run()
    assert muted(bench)[-1] is True  # before the server says anything
    assert bench.pbx.word("WHISPER")[1]["on"] is False
    bench.pbx.say(session, "DONE", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run()
    assert offers(bench) == ["sendrecv", "recvonly"]
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.dialog()["participants"][0]["mute"] is True
    assert audits(bench) == [("silentMonitor", "done"), ("whisper", "done"), ("whisper-off", "done")]


@pytest.mark.parametrize("how", ["FAILED", "info", "reinvite", "engine", "silence"])
def test_a_whisper_that_fails_leaves_it_listening(bench: Any, how: str) -> None:
    dialog, session = listen(bench)
    if how == "info":
        bench.pbx.info_status = 415
    elif how == "reinvite":
        bench.pbx.offers = "488"
    elif how == "engine":
        bench.desk.fail_next[CreateOffer] = "internal"
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run()
    if how == "FAILED":
        bench.pbx.say(session, "FAILED", id=bench.pbx.word("WHISPER")[1]["id"], reasonCode="NOT_ALLOWED")
    bench.run(41 if how == "silence" else 0)
    code = bench.desk.result(asked)["error"]["code"]
    assert (
        code
        == {
            "FAILED": "whisper-refused",
            "info": "not-understood",
            "reinvite": "change-refused",
            "engine": "media-internal",
            "silence": "timeout",
        }[how]
    )
    assert all(muted(bench))
    assert offers(bench)[1:] == ([] if how in ("reinvite", "engine") else ["recvonly"])
    assert bench.desk.heard() == [f"Error {code}"]
    assert audits(bench)[-1] == ("whisper", code)
    bench.pbx.info_status, bench.pbx.offers = 200, "answer"
    whisper(bench, dialog, session)
    assert muted(bench)[-1] is False


def test_back_to_listening_whatever_the_server_says(bench: Any) -> None:
    dialog, session = listen(bench)
    whisper(bench, dialog, session)
    bench.pbx.offers = "488"
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run()
    bench.pbx.say(session, "FAILED", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == "change-refused"
    assert muted(bench)[-1] is True
    assert bench.desk.failed("unmute_call", dialogId=dialog)["code"] == "wrong-state"


def test_commands_wait_for_the_whisper(bench: Any) -> None:
    dialog, session = listen(bench)
    first, second = bench.desk.ask("whisper", dialogId=dialog), bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    assert bench.desk.results(second) == []
    bench.pbx.say(session, "DONE", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run()
    assert [bench.desk.result(each)["status"] for each in (first, second)] == ["done", "done"]
    assert offers(bench) == ["sendrecv", "sendonly"]
    assert muted(bench)[-1] is True
    for action in ("whisper", "bargeIn"):
        assert bench.desk.failed(action, dialogId=dialog)["code"] == "wrong-state"
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert (offers(bench)[-1], muted(bench)[-1]) == ("sendrecv", False)


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_on_a_call_that_is_the_agents_own(bench: Any, action: str) -> None:
    dialog, _ = bench.talk()
    told = {"whisper": "whisper", "bargeIn": "initiate_BargeIn"}[action]
    error = bench.desk.failed(action, dialogId=dialog)
    assert (error["type"], error["description"]) == ("invalidState", f"invalid action {told}")
    assert bench.desk.failed(action, dialogId="unknown")["description"] == f"invalid action {told}"
    assert audits(bench) == [(action, "wrong-state"), (action, "unknown-dialog")]
    assert bench.desk.audits[0].target == ""
    assert bench.pbx.words == []


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_the_role_is_asked_for_each_time(make_bench: Any, action: str) -> None:
    bench = make_bench()
    bench.login()
    dialog, _ = bench.talk()
    assert bench.desk.failed(action, dialogId=dialog)["code"] == "not-allowed"
    assert audits(bench) == [(action, "not-allowed")]


# bargeIn


def test_barge_in(bench: Any) -> None:
    dialog, session = listen(bench)
    asked = bench.desk.ask("bargeIn", dialogId=dialog)
    bench.run()
    assert offers(bench) == ["sendrecv"] and all(muted(bench))
    assert bench.pbx.word("BARGE")[0] == session
    join(bench, session, customerDialogId="crm-42", customerNumber="5551234", customerDestinationNumber="800")
    result = bench.desk.result(asked)
    assert (result["status"], result["dialogId"], result["result"]) == ("done", dialog, {"dialogId": "crm-42"})
    first, second = bench.desk.news()
    gone, new = first["response"]["dialog"], second["response"]["dialog"]
    assert (first["event"], gone["id"], gone["state"], gone["callType"]) == (
        "dialogState",
        dialog,
        "DROPPED",
        "MONITORING",
    )
    assert (gone["callEndReason"], gone["isCallEnded"]) == ("BARGE_CONFERENCE", 0)
    assert (second["event"], new["id"], new["state"], new["callType"]) == (
        "dialogState",
        "crm-42",
        "ACTIVE",
        "CONFERENCE",
    )
    assert (new["customerNumber"], new["fromAddress"], new["serviceIdentifier"]) == ("5551234", "5551234", "800")
    assert (new["isCallAlreadyActive"], new["isCallEnded"], new["callEndReason"]) == (True, 0, None)
    assert [(each["mediaAddress"], each["state"], each["mute"]) for each in new["participants"]] == [
        ("1000", "ACTIVE", False),
        ("1001", "ACTIVE", False),
        ("5551234", "ACTIVE", False),
    ]
    assert muted(bench)[-1] is False
    assert audits(bench)[-2:] == [("bargeIn", "done"), ("silentMonitor-end", "done")]
    bench.desk.done("mute_call", dialogId="crm-42")
    bench.desk.done("unmute_call", dialogId="crm-42")
    bench.desk.done("holdCall", dialogId="crm-42")
    bench.desk.done("releaseCall", dialogId="crm-42")
    assert bench.pbx.ended(session) is not None


@pytest.mark.parametrize(
    ("reason", "text", "code"),
    [
        ("LIMIT_REACHED", "LIMIT REACHED of 4 unique members", "conference-limit"),
        ("ON_HOLD", "call is ON HOLD", "call-on-hold"),
        ("CUSTOMER_LEFT", "CUSTOMER LEFT", "customer-left"),
        ("NOT_ALLOWED", "ERROR : Unknown EVENT ", "not-allowed"),
        ("OTHER", "ERROR : Unknown EVENT ", "barge-refused"),
        (None, "ERROR : Unknown EVENT ", "barge-refused"),
    ],
)
def test_a_barge_that_fails(bench: Any, reason: str | None, text: str, code: str) -> None:
    dialog, session = listen(bench)
    asked = bench.desk.ask("bargeIn", dialogId=dialog)
    bench.run()
    bench.pbx.say(session, "BARGE_FAILED", id=bench.pbx.word("BARGE")[1]["id"], reasonCode=reason)
    bench.run()
    error = bench.desk.result(asked)["error"]
    assert (error["type"], error["code"]) == ("generalError", code)
    assert error["description"] == f"Bargein Failed due to {text}"
    assert bench.desk.heard() == [f"Error {code}"]
    assert all(muted(bench)) and offers(bench) == ["sendrecv", "recvonly"]
    assert bench.desk.session.dialogs[0].callType == "MONITORING"


def test_a_barge_while_whispering(bench: Any) -> None:
    dialog, session = listen(bench)
    whisper(bench, dialog, session)
    for joined in (False, True):
        asked = bench.desk.ask("bargeIn", dialogId=dialog)
        bench.run()
        if joined:
            join(bench, session)
        else:
            bench.pbx.say(session, "BARGE_FAILED", id=bench.pbx.word("BARGE")[1]["id"], reasonCode="ON_HOLD")
            bench.run()
            assert muted(bench)[-1] is False  # whispering as before
        assert bench.desk.result(asked)["status"] == ("done" if joined else "failed")
    assert offers(bench) == ["sendrecv"]
    assert bench.desk.dialog()["callType"] == "CONFERENCE"


def test_a_barge_that_comes_about_too_late(bench: Any) -> None:
    """What the server says is true all the same."""
    dialog, session = listen(bench)
    asked = bench.desk.ask("bargeIn", dialogId=dialog)
    bench.run(41)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert offers(bench) == ["sendrecv", "recvonly"] and all(muted(bench))
    bench.desk.news()
    join(bench, session)
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState ACTIVE"]
    assert offers(bench)[-1] == "sendrecv" and muted(bench)[-1] is False
    assert bench.desk.dialog()["id"] == dialog  # the server told no other


def test_a_conference_that_nobody_asked_for(bench: Any) -> None:
    """A word without our id is no outcome of ours; but a member is a member."""
    dialog, session = listen(bench)
    asked = bench.desk.ask("bargeIn", dialogId=dialog)
    bench.run()
    bench.pbx.say(session, "BARGE_FAILED", id="other", reasonCode="ON_HOLD")
    bench.pbx.say(session, "DONE", id="other")
    bench.run()
    assert bench.desk.results(asked) == [] and bench.desk.news() == []


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_the_call_ends_meanwhile(bench: Any, action: str) -> None:
    dialog, session = listen(bench)
    asked = bench.desk.ask(action, dialogId=dialog)
    bench.run()
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert audits(bench)[-2:] == [(action, "call-ended"), ("silentMonitor-end", "done")]
    bench.desk.done("logout", within=1)
    bench.nothing_left()


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_logout_meanwhile(bench: Any, action: str) -> None:
    dialog, session = listen(bench)
    asked = bench.desk.ask(action, dialogId=dialog)
    bench.run()
    bench.desk.done("logout", within=1)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert isinstance(bench.pbx.ended(session), SessionEnded)
    bench.nothing_left()


def test_an_outage_meanwhile(bench: Any) -> None:
    """It waits for the end of the outage; an outage between its steps fails it, and leaves it listening."""
    dialog, session = listen(bench)
    bench.network.reset(bench.desk.host)
    failed = bench.desk.ask("whisper", dialogId=dialog)
    bench.run(0.01)
    assert bench.desk.result(failed)["error"]["code"] == "change-refused"
    assert all(muted(bench))
    asked = bench.desk.ask("whisper", dialogId=dialog)
    bench.run(5)
    assert bench.pbx.word("WHISPER")[0] == bench.pbx.at(session)
    bench.pbx.say(session, "DONE", id=bench.pbx.word("WHISPER")[1]["id"])
    bench.run(1)
    assert bench.desk.result(asked)["status"] == "done"


def test_in_another_process(bench: Any) -> None:
    """It is taken over there, and goes on listening; nobody gets a voice by it."""
    dialog, session = listen(bench)
    bench.restart()
    assert all(muted(bench))
    assert {each.direction for each in bench.desk.requests if isinstance(each, CreateOffer)} == {Direction.RECVONLY}
    assert bench.pbx.words == [] and bench.pbx.digits == []
    bench.pbx.conference(session, "1000", "1001", "5551234c", reason="BARGE_CONFERENCE")
    bench.run()
    assert bench.desk.heard()[-2:] == ["dialogState DROPPED", "dialogState ACTIVE"]
    bench.desk.done("releaseCall", dialogId=dialog)


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_a_process_that_dies_meanwhile(bench: Any, action: str) -> None:
    dialog, session = listen(bench)
    bench.desk.ask(action, dialogId=dialog)
    bench.run()
    bench.restart()
    for event in ("DONE", "BARGE_FAILED"):
        bench.pbx.say(session, event, id=bench.pbx.words[-1][1]["id"], reasonCode="ON_HOLD")
    bench.run(60)
    assert bench.desk.news() == []
    bench.desk.done("logout", within=1)
    bench.nothing_left()


# What the audit is told


def test_the_end_of_listening_and_whispering(bench: Any) -> None:
    dialog, session = listen(bench)
    whisper(bench, dialog, session)
    bench.desk.done("releaseCall", dialogId=dialog)
    ends = [("whisper-off", "done"), ("silentMonitor-end", "done")]
    assert audits(bench) == [("silentMonitor", "done"), ("whisper", "done"), *ends]
    assert {audit.target for audit in bench.desk.audits} == {"1001"}


def test_two_numbers(bench: Any) -> None:
    """A server may go by the header: both are told."""
    bench.desk.send("silentMonitor", **{**ASKED, "Destination_Number": "1002"})
    bench.run()
    bench.pbx.take(bench.pbx.invites[-1])
    bench.run()
    assert [(audit.target, audit.destination) for audit in bench.desk.audits] == [("1001", "1002")]


@pytest.mark.parametrize(
    ("action", "parameter"),
    [
        ("makeCall", {"calledNumber": "*441001", "Destination_Number": "8", "callType": "audio"}),
        ("makeCall", {"calledNumber": "8", "Destination_Number": "*441001", "callType": "audio"}),
        ("makeOBCall", {"calledNumber": "*4-41001", "Destination_Number": "8", "callType": "audio"}),
        ("SST", {"numberToTransfer": "*01001"}),
        ("SST_Queue", {"numberToTransfer": "**1", "queue": "q", "queueType": "t"}),
        ("makeConsult", {"numberToConsult": "*8"}),
    ],
)
def test_a_number_that_monitors_in_another_command(bench: Any, action: str, parameter: dict[str, str]) -> None:
    dialog, _ = bench.answers()
    named = {"dialogId": dialog} if action.startswith("SST") else {}
    assert bench.desk.failed(action, **named, **parameter)["code"] == "monitoring-number"
    assert audits(bench) == [(action, "monitoring-number")]
    assert bench.desk.audits[0].target.startswith("*")


@pytest.mark.parametrize("action", ["whisper", "bargeIn"])
def test_into_a_call_of_somebody_else(bench: Any, action: str) -> None:
    assert bench.desk.failed(action, dialogId="theirs")["code"] == "unknown-dialog"
    assert audits(bench) == [(action, "unknown-dialog")] and bench.desk.audits[0].dialog_id == "theirs"
