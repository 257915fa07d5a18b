"""The vendor's media server: digits for commands, MESSAGEs that name the dialog id. RB §3, §7.3."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.cti.efcx import Efcx
from offhook.cti.words import Ask
from offhook.sip.headers import Headers
from offhook.sip.message import Request

MEMBERS = ("1000", "5551234", "1001")


@pytest.fixture
def bench(make_bench: Any) -> Any:
    made = make_bench(dialect="efcx", supervisors=frozenset({"1000"}))
    made.login()
    return made


def signals(bench: Any) -> list[str]:
    return [body.split("\r\n")[0].removeprefix("Signal=") for body in bench.pbx.digits]


def message(event: str, id: str, /, *members: str, **more: Any) -> dict[str, Any]:
    listed = [{"ext": ext} for ext in members]
    about = {"id": id, **more.pop("dialog", {})}
    return {"event": event, "dialog": about, "additionalAttributes": {"members": listed}, **more}


def states(dialog: Any) -> list[tuple[str, str, bool]]:
    return [(each["mediaAddress"], each["state"], each["mute"]) for each in dialog["participants"]]


def tell(bench: Any, *args: Any, **more: Any) -> None:
    bench.pbx.message(message(*args, **more), user=None)
    bench.run()


def test_digits() -> None:
    dialect = Efcx()
    for event, digits in (("TRANSFER", "*A"), ("BARGE", "*B"), ("CONFERENCE", "*C"), ("VARIABLES", "")):
        infos = dialect.express(Ask(event, "1"))
        assert [kind for kind, _ in infos] == ["application/dtmf-relay"] * len(digits)
        assert [body for _, body in infos] == [f"Signal={digit}\r\nDuration=1000\r\n" for digit in digits]
        assert dialect.answers(Ask(event, "1")) is bool(digits)


@pytest.mark.parametrize(("headers", "call_id"), [([("X-Call-Id", "crm-42")], "crm-42"), ([], "sip-7")])
def test_the_dialog_id(headers: list[tuple[str, str]], call_id: str) -> None:
    named = [("From", "<sip:5@pbx>;tag=1"), ("Call-ID", "sip-7"), *headers]
    request = Request("INVITE", "sip:1000@pbx", Headers(named))
    assert Efcx().read(request).call_id == call_id


def test_a_call_of_ours_is_known_by_its_call_id(bench: Any) -> None:
    asked = bench.desk.ask("makeCall", calledNumber="5551234", Destination_Number="800", callType="audio")
    bench.run()
    invite = bench.pbx.invites[-1]
    assert bench.desk.dialog()["id"] == invite.request.call_id == bench.desk.result(asked)["dialogId"]
    bench.pbx.take(invite)
    bench.run()
    bench.desk.done("holdCall", dialogId=invite.request.call_id)
    bench.desk.done("releaseCall", dialogId=invite.request.call_id)


class Pair:
    def __init__(self, bench: Any) -> None:
        self.dialog, self.leg = bench.answers(headers=(("X-Call-Id", "crm-42"),))
        bench.desk.send("makeConsult", numberToConsult="1001", dialogId=self.dialog)
        bench.run()
        invite = bench.pbx.invites[-1]
        bench.pbx.take(invite)
        bench.run()
        self.consult, self.consult_leg = invite.request.call_id, invite.session
        bench.desk.news()


@pytest.mark.parametrize("named", ["customer", "consult"])
def test_conference_consult(bench: Any, named: str) -> None:
    """The digits go where the desk said; the MESSAGE is about the customer's call."""
    pair = Pair(bench)
    asked = bench.desk.ask("conference_consult", dialogId=pair.dialog if named == "customer" else pair.consult)
    bench.run()
    assert signals(bench) == ["*", "C"] and bench.pbx.words == []
    sessions = [event.session for event in bench.pbx.events if getattr(event, "key", None) and event.session]
    assert sessions[-2:] == [pair.leg if named == "customer" else pair.consult_leg] * 2
    tell(
        bench,
        "CONFERENCE",
        "crm-42",
        *MEMBERS,
        reasonCode="CONSULT_CONFERENCE",
        dialog={"customerDialogId": "crm-42"},
    )
    bench.run(1)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["ConsultCall DROPPED", "dialogState ACTIVE", "dialogState ACTIVE"]
    shown = bench.desk.dialog()
    assert (shown["id"], shown["callType"]) == ("crm-42", "CONFERENCE")
    assert states(shown) == [(ext, "ACTIVE", False) for ext in MEMBERS]


def test_a_conference_that_fails(bench: Any) -> None:
    pair = Pair(bench)
    asked = bench.desk.ask("conference_consult", dialogId=pair.dialog)
    bench.run()
    tell(bench, "BARGE_FAILED", pair.dialog, reasonCode="ON_HOLD")
    tell(bench, "DONE", pair.dialog)
    assert bench.desk.results(asked) == []
    tell(bench, "CONSULT_CONFERENCE_FAILED", pair.dialog, reasonCode="LIMIT_REACHED")
    description = "Consult Conference Failed due to LIMIT REACHED of 4 unique members"
    assert bench.desk.result(asked)["error"]["description"] == description
    tell(bench, "CONSULT_CONFERENCE_FAILED", pair.dialog, reasonCode="LIMIT_REACHED")
    assert bench.desk.heard() == ["Error conference-limit"]


def test_a_digit_that_is_refused(bench: Any) -> None:
    pair = Pair(bench)
    bench.pbx.info_status = 404
    assert bench.desk.failed("conference_consult", dialogId=pair.dialog)["code"] == "not-understood"
    assert signals(bench) == ["*"]


def conference(bench: Any) -> str:
    dialog, _ = bench.answers(headers=(("X-Call-Id", "crm-42"),))
    tell(bench, "CONFERENCE", dialog, *MEMBERS, reasonCode="BARGE_CONFERENCE")
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState ACTIVE"]
    return str(dialog)


def test_members_tell_each_other(bench: Any) -> None:
    dialog = conference(bench)
    for action, event in (
        ("holdCall", "HOLD"),
        ("mute_call", "MUTE"),
        ("retrieveCall", "UNHOLD"),
        ("unmute_call", "UNMUTE"),
    ):
        before = len(bench.pbx.messages())
        bench.desk.done(action, dialogId=dialog)
        sent = bench.pbx.messages()[before:]
        assert [to for to, _ in sent] == ["5551234", "1001"]
        assert sent[0][1] == {
            "event": f"CONFERENCE_MEMBER_{event}",
            "reasonCode": "",
            "callType": "",
            "dialog": {"id": "crm-42", "message": None, "call1": None, "call2": None},
            "additionalAttributes": {"conference": {"name": ""}, "members": [{"ext": "1000"}]},
        }


def changes(bench: Any, event: str, dialog: str, who: str, *named: str) -> None:
    """A member says that it changed; whom else it names does not count."""
    bench.pbx.message(message(f"CONFERENCE_MEMBER_{event}", dialog, who, *named), user=who)
    bench.run()


def test_what_other_members_tell(bench: Any) -> None:
    dialog = conference(bench)
    for event, expected in (
        ("HOLD", ("1001", "HELD", False)),
        ("MUTE", ("1001", "HELD", True)),
        ("UNHOLD", ("1001", "ACTIVE", True)),
        ("UNMUTE", ("1001", "ACTIVE", False)),
    ):
        changes(bench, event, dialog, "1001", "1002")
        assert bench.desk.heard() == ["dialogState ACTIVE"]
        assert states(bench.desk.dialog())[2] == expected
    changes(bench, "HOLD", dialog, "1099")
    changes(bench, "HOLD", "unknown", "1001")
    assert bench.desk.news() == []


def test_how_a_member_is_outlives_the_next_list(bench: Any) -> None:
    dialog = conference(bench)
    changes(bench, "MUTE", dialog, "1001")
    tell(bench, "CONFERENCE", dialog, *MEMBERS, "1003", reasonCode="MEMBER_ADDED")
    assert states(bench.desk.dialog())[2:] == [("1001", "ACTIVE", True), ("1003", "ACTIVE", False)]


def test_the_customer_leaves(bench: Any) -> None:
    """There the agents' clients end what is left (RB §7.3): that call, and no other."""
    dialog = conference(bench)
    other, _ = bench.talk("5550000")
    tell(bench, "CONFERENCE", dialog, "1000", "1001", reasonCode="MEMBER_LEFT")
    bench.run(1)
    assert bench.desk.heard() == ["dialogState ACTIVE", "dialogState ACTIVE", "dialogState DROPPED"]
    assert [each.id for each in bench.desk.session.dialogs] == [other]


def test_messages_of_no_call(bench: Any) -> None:
    bench.answers()
    for body in ("", "{}", {"event": "CONFERENCE"}, message("CONFERENCE", "x", *MEMBERS), message("DONE", "x")):
        bench.pbx.message(body)
    bench.run()
    assert bench.desk.news() == []


# Monitoring


def listen(bench: Any) -> tuple[str, Any]:
    given = {"calledNumber": "1001", "Destination_Number": "1001", "callType": "audio", "service_Identifier": "s"}
    bench.desk.send("silentMonitor", **given)
    bench.run()
    return str(bench.desk.dialog()["id"]), bench.pbx.invites[-1]


@pytest.mark.parametrize("message_first", [True, False])
def test_the_call_is_on_hold(bench: Any, message_first: bool) -> None:
    dialog, invite = listen(bench)
    if message_first:
        tell(bench, "MONITORING_FAILED", dialog, reasonCode="ON_HOLD")
    bench.pbx.ua.reject(invite.session, 480, bench.network.now())
    bench.run()
    if not message_first:
        for _ in range(2):
            tell(bench, "MONITORING_FAILED", dialog, reasonCode="ON_HOLD")
    heard = bench.desk.heard()
    assert heard[:2] == ["outboundDialing INITIATING", "dialogState DROPPED"]
    assert bench.desk.events[-1]["response"]["description"] == "Call Monitoring Failed due to call is ON HOLD"
    assert len(heard) == (3 if message_first else 4)


def test_answered_and_then_refused(bench: Any) -> None:
    dialog, invite = listen(bench)
    bench.pbx.take(invite)
    bench.run()
    tell(bench, "MONITORING_FAILED", dialog, reasonCode="ON_HOLD")
    bench.pbx.ua.hangup(invite.session, bench.network.now())
    bench.run()
    assert bench.desk.heard()[-2:] == ["dialogState DROPPED", "Error ON_HOLD"]


def test_barge_in(bench: Any) -> None:
    dialog, invite = listen(bench)
    bench.pbx.take(invite)
    bench.run()
    assert bench.desk.failed("whisper", dialogId=dialog)["code"] == "not-in-dialect"
    asked = bench.desk.ask("bargeIn", dialogId=dialog)
    bench.run()
    assert signals(bench) == ["*", "B"]
    bench.desk.news()
    tell(bench, "CONFERENCE", dialog, *MEMBERS, reasonCode="BARGE_CONFERENCE", dialog={"customerDialogId": "crm-42"})
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState ACTIVE"]
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.dialog()["id"] == "crm-42"


# consultTransfer


@pytest.mark.parametrize("held", [True, False])
def test_consult_transfer(bench: Any, held: bool) -> None:
    """Digits on the consult, which is retrieved before; the BYEs say that it came about."""
    pair = Pair(bench)
    if held:
        bench.desk.done("holdCall", dialogId=pair.consult)
        bench.desk.news()
    asked = bench.desk.ask("consultTransfer")
    bench.run(1)
    assert signals(bench) == ["*", "A"] and bench.pbx.refers == []
    assert bench.desk.heard() == (["ConsultCall ACTIVE"] if held else [])
    assert bench.desk.results(asked) == []
    for leg in (pair.consult_leg, pair.leg):
        bench.pbx.bye(leg, 'Q.850;cause=16;text="ATTENDED_TRANSFER"')
    bench.run()
    events = bench.desk.news()
    assert [event["event"] for event in events] == ["ConsultCall", "dialogState"]
    for event in events:
        dialog = event["response"]["dialog"]
        assert (dialog["state"], dialog["callEndReason"], dialog["isCallEnded"]) == ("DROPPED", "ATTENDED_TRANSFER", 0)
    result = bench.desk.result(asked)
    assert result["status"] == "done" and "result" not in result


@pytest.mark.parametrize("how", ["message", "info", "silence"])
def test_a_consult_transfer_that_fails(bench: Any, how: str) -> None:
    pair = Pair(bench)
    bench.pbx.info_status = 500 if how == "info" else 200
    asked = bench.desk.ask("consultTransfer")
    bench.run(1)
    if how == "message":
        tell(bench, "CONSULT_TRANSFER_FAILED", pair.consult, reasonCode="LIMIT_REACHED")
    bench.run(41)
    error = bench.desk.result(asked)["error"]
    code = {"message": "conference-limit", "info": "not-understood", "silence": "timeout"}[how]
    assert error["code"] == code
    if how == "message":
        assert error["description"] == "Consult Tranfer Failed due to LIMIT REACHED of 4 unique members"
    assert bench.desk.heard() == [f"Error {code}"]
    assert {each.id: each.state for each in bench.desk.session.dialogs} == {pair.dialog: "HELD", pair.consult: "ACTIVE"}
    bench.desk.done("logout", within=1)
    bench.nothing_left()


def test_the_consulted_agent_takes_over(bench: Any) -> None:
    headers = (("X-Calltype", "CONSULT"), ("X-CustomerNumber", "5551234"))
    dialog, _ = bench.answers(user="1002", headers=headers)
    about = {"customerDialogId": "crm-42", "customerDestinationNumber": "800"}
    tell(bench, "CONSULT_TRANSFER", dialog, dialog=about)
    assert bench.desk.heard() == ["ConsultCall DROPPED", "dialogState ACTIVE"]
    shown = bench.desk.dialog()
    assert (shown["id"], shown["callType"], shown["customerNumber"]) == ("crm-42", "CONSULT_TRANSFER", "5551234")
    assert shown["serviceIdentifier"] == "800"


def test_the_server_may_go_on_with_the_first_id(bench: Any) -> None:
    dialog, _ = bench.answers(user="1002", headers=(("X-Calltype", "CONSULT"),))
    about = {"customerDialogId": "crm-42"}
    tell(bench, "CONFERENCE", dialog, "1000", "1002", "5551234", reasonCode="CONSULT_CONFERENCE", dialog=about)
    assert bench.desk.dialog()["id"] == "crm-42"
    bench.desk.news()
    for id in (dialog, "crm-42"):
        changes(bench, "HOLD", id, "1002")
        changes(bench, "UNHOLD", id, "1002")
    assert bench.desk.heard() == ["dialogState ACTIVE"] * 4


# Video


def conversion(id: str, at: str = "t1") -> dict[str, Any]:
    about = {"id": id, "stream": "video", "streamStatus": "on", "timeStamp": at}
    return {"event": "mediaConversion", "status": "success", "dialog": about}


def test_video_is_told_by_dialog_id(bench: Any) -> None:
    dialog, _ = bench.talk("5900")
    bench.pbx.message(conversion(dialog), user="1001")
    bench.pbx.message(conversion(dialog), user=None)
    bench.pbx.message(conversion("other"), user="1001")
    bench.run()
    assert bench.desk.news() == []
    bench.pbx.message(conversion(dialog), user="5900")
    bench.pbx.message(conversion(dialog), user="5900")  # FreeSWITCH with mod_sms delivers it twice
    bench.run()
    assert [event["dialog"]["id"] for event in bench.desk.news()] == [dialog]


def test_video_of_who_knows_the_call_by_another_id(bench: Any) -> None:
    """A caller's id of the call is its own; its number tells which call it means, while there is one with it."""
    dialog, _ = bench.talk("5900")
    bench.pbx.message(conversion("the caller's own"), user="5900")
    bench.run()
    assert [event["dialog"]["id"] for event in bench.desk.news()] == [dialog]
    bench.talk("5900")
    bench.desk.news()
    bench.pbx.message(conversion("the caller's own", "t2"), user="5900")
    bench.run()
    assert bench.desk.news() == []


def test_a_web_client_is_told_who_answers(bench: Any) -> None:
    for headers, expected in (((("X-Media-Type", "audio"),), 1), ((), 0)):
        before = len(bench.pbx.messages())
        dialog, _ = bench.answers(headers=headers)
        bench.run()
        sent = bench.pbx.messages()[before:]
        body = {"event": "agentDetails", "dialog": {"id": dialog, "agentExt": "1000", "callType": "OUT"}}
        assert sent == [("5551234", body)] * expected
        bench.desk.done("releaseCall", dialogId=dialog)


def test_and_so_are_we(bench: Any) -> None:
    dialog, _ = bench.talk("5900")
    for sender, ext in (("1008", "1007"), ("1007", "1007"), ("1006", "1006")):
        about = message("agentDetails", dialog, dialog={"agentExt": ext, "callType": "OUT"})
        bench.pbx.message(about, user=sender)
        bench.run()
    bench.desk.done("convertCall", dialogId=dialog, streamType="video", streamStatus="off")
    assert [to for to, _ in bench.pbx.messages()] == ["1007"]


# Who may say what


@pytest.mark.parametrize("sender", ["1012", "5551234", "1001"])
@pytest.mark.parametrize(
    "event", ["CONFERENCE", "CONSULT_TRANSFER", "CONSULT_CONFERENCE_FAILED", "BARGE_FAILED", "CONFERENCE_MEMBER_MUTE"]
)
def test_words_of_the_server_from_others(bench: Any, sender: str, event: str) -> None:
    """Dialog ids are known to callers, members and colleagues: who says it counts."""
    pair = Pair(bench)
    asked = bench.desk.ask("conference_consult", dialogId=pair.dialog)
    bench.run()
    for dialog in (pair.dialog, pair.consult):
        bench.pbx.message(
            message(event, dialog, "1000", "1001", "5551234", reasonCode="CONSULT_CONFERENCE"), user=sender
        )
    bench.run()
    assert bench.desk.news() == [] and bench.desk.results(asked) == []


def test_a_server_of_another_domain(bench: Any) -> None:
    dialog, _ = bench.answers(headers=(("X-Call-Id", "crm-42"),))
    told = message("CONFERENCE", dialog, *MEMBERS, reasonCode="BARGE_CONFERENCE")
    bench.pbx.message(told, user=None, host="elsewhere")
    bench.run()
    assert bench.desk.news() == []


@pytest.mark.parametrize("number", ["api+hupall", "api%2Breload", "api%20x", "*441000"])
def test_a_number_from_outside_is_checked_before_it_is_a_target(bench: Any, number: str) -> None:
    """FreeSWITCH runs what a MESSAGE to `api+..` asks for."""
    headers = (("X-Call-Id", "crm-42"), ("X-Media-Type", "audio"))
    dialog, _ = bench.answers(user=number, headers=headers)
    bench.desk.done("convertCall", dialogId=dialog, streamType="video", streamStatus="off")
    tell(bench, "CONFERENCE", dialog, "1000", number.replace("%2B", "+"), "1001", reasonCode="BARGE_CONFERENCE")
    bench.desk.done("mute_call", dialogId=dialog)
    assert [to for to, _ in bench.pbx.messages()] == ["1001"]


# What it cannot


def test_what_there_is_no_way_for(bench: Any) -> None:
    dialog = conference(bench)
    error = bench.desk.failed("dropParticipant", dialogId=dialog, participant="1001")
    assert error["code"] == "not-in-dialect"
    bench.desk.done("updateCallVariableData", dialogId=dialog, callVariables={"a": "b"})
    assert signals(bench) == []


def test_words_in_a_dialog_are_not_spoken_here(bench: Any) -> None:
    _, leg = bench.answers()
    bench.pbx.conference(leg, *MEMBERS, reason="BARGE_CONFERENCE")
    bench.run()
    assert bench.desk.news() == []


def test_the_customer_leaves_before_the_digits(bench: Any) -> None:
    """While the consult is being retrieved for a consultTransfer."""
    pair = Pair(bench)
    bench.desk.done("holdCall", dialogId=pair.consult)
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("consultTransfer")
    bench.run(0.1)
    bench.pbx.bye(pair.leg)
    bench.run(1)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert bench.desk.session.dialogs == () and signals(bench) == []


def test_the_consult_is_over_and_that_is_not_told_yet(bench: Any) -> None:
    """481 to the digits of one command ends the consult; the next command begins before that is told."""
    pair = Pair(bench)
    bench.pbx.info_status = 481
    asked = [bench.desk.ask("conference_consult", dialogId=pair.consult) for _ in range(2)]
    bench.run(1)
    assert [bench.desk.result(each)["error"]["code"] for each in asked] == ["not-understood", "no-consult"]
    assert [each.id for each in bench.desk.session.dialogs] == [pair.dialog]
