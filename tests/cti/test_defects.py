"""The 26 defects of the reference library (reference-behaviour.md §8), one test each, named after it: ours has none.

What docs/reference/defects.md shows is made of these docstrings. 18, 22, 24 and 25 are as contract §4 and §5 decide.
"""

from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import CreateAnswer, CreateOffer
from offhook.sip.events import End, RequestAnswered

CONSULT = (("X-Calltype", "CONSULT"), ("X-CustomerNumber", "5551234"), ("X-Destination-Number", "800"))
PROGRESSIVE = (("X-Calltype", "PROGRESSIVE"),)


def sent(bench: Any, begins: str, who: str = "agent") -> list[bytes]:
    """The messages of one side that begin so."""
    return [each.data for each in bench.network.messages if each.who == who and each.data.startswith(begins.encode())]


def answers(bench: Any, status: int, method: str) -> int:
    """How often the agent answered a request of that method so."""
    given = sent(bench, f"SIP/2.0 {status} ")
    return sum(f" {method}\r\n".encode() in each.partition(b"CSeq:")[2] for each in given)


def last(bench: Any, dialog: str) -> tuple[str, str | None, int]:
    record = bench.desk.dialog(dialog)
    return record["state"], record["callEndReason"], record["isCallEnded"]


def test_defect_01_second_call_corrupts_the_first(bench: Any) -> None:
    """Each dialog has its own record: no event of one shows another's data."""
    told = {}
    for number in ("111", "222"):
        dialog, session = bench.answers(user=number, headers=(("X-Queue", f"q{number}"),))
        told[number] = (dialog, session)
    bench.desk.done("retrieveCall", dialogId=told["111"][0])
    bench.desk.done("mute_call", dialogId=told["111"][0])
    for _, session in told.values():
        bench.pbx.bye(session)
        bench.run()
    seen = [each["response"]["dialog"] for each in bench.desk.events if each["response"].get("dialog")]
    for number, (dialog, _) in told.items():
        own = [each for each in seen if each["id"] == dialog]
        assert len(own) >= 3
        assert {(each["ani"], each["customerNumber"], each["queueName"]) for each in own} == {
            (number, number, f"q{number}")
        }


@pytest.mark.parametrize("headers", [CONSULT, PROGRESSIVE])
def test_defect_02_event_named_after_another_call(bench: Any, headers: Any) -> None:
    """An outbound call after a consult or campaign call is told by outboundDialing and dialogState."""
    _, session = bench.answers(headers=headers)
    bench.pbx.bye(session)
    bench.run()
    bench.desk.news()
    bench.pbx.take(bench.dial())
    bench.run()
    assert bench.desk.heard() == ["outboundDialing INITIATING", "outboundDialing INITIATED", "dialogState ACTIVE"]


def test_defect_03_initiating_twice_on_an_auth_challenge(bench: Any) -> None:
    """INITIATING once, though the INVITE leaves twice."""
    bench.pbx.challenge_invites = True
    bench.dial()
    assert len(sent(bench, "INVITE")) == 2
    assert bench.desk.heard() == ["outboundDialing INITIATING"]


def test_defect_04_hold_told_before_it_is_answered(bench: Any) -> None:
    """HELD comes with the 2xx; refused, the call is as it was, and the next hold works."""
    dialog, _ = bench.talk()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.news() == []
    offered = bench.pbx.events[-1]
    bench.pbx.ua.refuse(offered.session, 488, bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["Error hold-refused"]
    assert bench.desk.result(asked)["status"] == "failed"
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    bench.pbx.offers = "answer"
    bench.desk.done("holdCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState HELD"]


def test_defect_05_refused_transfer_unnoticed(bench: Any) -> None:
    """A refused REFER is an Error; the end of the call later is no transfer."""
    dialog, session = bench.talk()
    bench.pbx.refer_status = 403
    assert bench.desk.failed("SST", dialogId=dialog, numberToTransfer="1002", within=1)["code"] == "transfer-refused"
    assert bench.desk.heard() == ["Error transfer-refused"]
    bench.pbx.bye(session)
    bench.run()
    assert last(bench, dialog) == ("DROPPED", "NORMAL_CLEARING", 1)


@pytest.mark.parametrize("kind", ["answered", "made", "consulted", "transferred"])
def test_defect_06_bye_never_answered(bench: Any, kind: str) -> None:
    """Each BYE gets its 200."""
    if kind == "made":
        dialog, session = bench.talk()
    else:
        dialog, session = bench.answers(headers=CONSULT if kind == "consulted" else ())
    if kind == "transferred":
        bench.desk.ask("SST", dialogId=dialog, numberToTransfer="1002")
        bench.run(1)
    bench.pbx.bye(session)
    bench.run()
    assert answers(bench, 200, "BYE") == 1
    assert bench.desk.dialog(dialog)["state"] == "DROPPED"


def converts(bench: Any, leg: str, dialog: dict[str, str]) -> None:
    """The other side turned something on or off: told by the server, or in dialect efcx by the other side."""
    if bench.desk.settings.dialect == "efcx":
        bench.pbx.message({"event": "mediaConversion", "status": "success", "dialog": dialog})
    else:
        bench.pbx.say(leg, "mediaConversion", dialog=dialog)


@pytest.mark.parametrize("body", ["{", "[]", "7", '{"event": 1}', '{"event": "CONFERENCE", "dialog": 7}', "\0"])
@pytest.mark.parametrize("dialect", ["freeswitch", "efcx"])
def test_defect_07_message_or_notify_never_answered(make_bench: Any, dialect: str, body: str) -> None:
    """Both are answered, whatever is in them, and the next one is understood."""
    bench = make_bench(dialect=dialect)
    bench.login()
    dialog, leg = bench.answers(user="5551234", joined=False)
    bench.pbx.message(body)
    server: Any = {"flow": bench.pbx.flow, "from_": bench.pbx._self(), "contact": bench.pbx._self()}
    bench.pbx.ua.request("NOTIFY", bench.pbx.contact, bench.network.now(), body=body, **server)
    bench.run()
    assert [e.status for e in bench.pbx.events if isinstance(e, RequestAnswered)] == [200, 200]
    assert bench.desk.news() == []
    word = {"id": dialog, "eventRequest": "remote", "stream": "video", "streamStatus": "on", "timeStamp": "t"}
    converts(bench, leg, word)
    bench.run()
    assert bench.desk.heard() == ["mediaConversion success remote on"]


@pytest.mark.parametrize(("status", "kind"), [(200, 1), (500, 0)])
def test_defect_08_dtmf_success_on_send(bench: Any, status: int, kind: int) -> None:
    """Success with the 2xx, type 0 without."""
    dialog, _ = bench.talk()
    bench.pbx.info_status = status
    bench.desk.send("SendDtmf", dialogId=dialog, message="1")
    bench.network.drain()
    assert bench.desk.news() == []
    bench.run()
    (told,) = bench.desk.news()
    assert (told["event"], told["response"]["type"]) == ("DTMF", kind)


@pytest.mark.parametrize("kind", ["made", "campaign", "rejected", "refused"])
def test_defect_09_call_end_reason_lost(bench: Any, kind: str) -> None:
    """callEndReason of each sort of call is its own, and lands on no other call."""
    other, _ = bench.answers(user="777")
    if kind == "refused":
        invite = bench.dial()
        dialog = str(bench.desk.dialog()["id"])
        bench.pbx.ua.reject(invite.session, 486, bench.network.now(), headers=[("Reason", 'Q.850;cause=17;text="OWN"')])
    elif kind == "rejected":
        dialog, _ = bench.rings()
        bench.desk.done("rejectCall", dialogId=dialog)
    else:
        dialog, session = bench.talk() if kind == "made" else bench.answers(headers=PROGRESSIVE)
        bench.pbx.bye(session, 'Q.850;cause=16;text="OWN"')
    bench.run()
    assert bench.desk.dialog(dialog)["callEndReason"] == ("Rejected" if kind == "rejected" else "OWN")
    assert bench.desk.dialog(other)["callEndReason"] is None


def test_defect_10_is_call_ended_in_what_goes_on(bench: Any) -> None:
    """0 for a call that is handed over, and in each ACTIVE."""
    _, session = bench.answers(user="1001", headers=CONSULT)
    bench.pbx.display(session, "5551234", attended=True)
    bench.run()
    dropped, active = [each["response"]["dialog"] for each in bench.desk.news()]
    assert (dropped["state"], dropped["callEndReason"], dropped["isCallEnded"]) == ("DROPPED", "ATTENDED_TRANSFER", 0)
    assert (active["state"], active["isCallEnded"]) == ("ACTIVE", 0)


def test_defect_11_end_of_a_call_ends_another(bench: Any) -> None:
    """Of three calls, one ends and one fails for its audio; the third stays."""
    first, session = bench.answers(user="111")
    second, _ = bench.answers(user="222")
    third, _ = bench.rings(user="333")
    bench.desk.fail_next = {CreateAnswer: "internal"}
    bench.pbx.bye(session)
    bench.run()
    bench.desk.ask("answerCall", dialogId=third)
    bench.run(1)
    states = {each.id: each.state for each in bench.desk.session.dialogs}
    assert states == {second: "HELD"} and first not in states
    assert len(sent(bench, "BYE")) == 0


@pytest.mark.parametrize(("reason", "state"), [("PRE_EMPTED", "ACTIVE"), ("NORMAL_CLEARING", "HELD")])
def test_defect_12_consult_left_ringing_customer_left_on_hold(make_bench: Any, reason: str, state: str) -> None:
    """The customer leaves: the consult is cancelled. The consult ends as PRE_EMPTED: the customer is retrieved."""
    bench = make_bench(dialect="efcx")
    bench.login()
    customer, session, consult, leg = bench.pair()
    bench.pbx.bye(leg, f'Q.850;cause=16;text="{reason}"')
    bench.run(1)
    assert {each.id: each.state for each in bench.desk.session.dialogs} == {customer: state}
    invite = bench.consults()
    bench.pbx.bye(session)
    bench.run(1)
    ended = bench.pbx.ended(invite.session)
    assert ended is not None and ended.end is End.CANCEL
    assert bench.desk.session.dialogs == ()
    assert bench.desk.dialog(consult)["state"] == "DROPPED"


@pytest.mark.parametrize("ringing", [False, True])
@pytest.mark.parametrize(
    ("action", "parameter", "says"),
    [
        ("makeConsult", {"numberToConsult": "1002"}, "makeConsult"),
        ("makeConsultQueue", {"numberToTransfer": "5900", "queue": "q", "queueType": "NAME"}, "makeConsultQueue"),
        ("consultTransfer", {}, "consultTransfer"),
        ("conference_consult", {"dialogId": "?"}, "initiate_consult_Conference"),
        ("holdCall", {"dialogId": "?"}, "holdCall"),
        ("retrieveCall", {"dialogId": "?"}, "unholdCall"),
        ("mute_call", {"dialogId": "?"}, "mute_call"),
        ("unmute_call", {"dialogId": "?"}, "unmute_call"),
        ("SST", {"dialogId": "?", "numberToTransfer": "1002"}, "SST"),
        ("SendDtmf", {"dialogId": "?", "message": "1"}, "SendDtmf"),
    ],
)
def test_defect_13_commands_without_a_call(bench: Any, action: str, parameter: Any, says: str, ringing: bool) -> None:
    """invalidState, "invalid action ...", with no call and with one that only rings."""
    dialog = bench.rings()[0] if ringing else "nowhere"
    bench.desk.news()
    given = {name: dialog if value == "?" else value for name, value in parameter.items()}
    error = bench.desk.failed(action, **given)
    assert (error["type"], error["description"]) == ("invalidState", f"invalid action {says}")
    (told,) = bench.desk.news()
    assert told["event"] == "Error" and told["response"]["type"] == "invalidState"


def test_defect_14_silent_cool_down(bench: Any) -> None:
    """Commands on one call in the same instant are done one after the other, each with its outcome."""
    dialog, _ = bench.talk()
    actions = ("holdCall", "holdCall", "retrieveCall", "mute_call", "holdCall", "retrieveCall")
    asked = [bench.desk.ask(action, dialogId=dialog) for action in actions]
    bench.run()
    assert [bench.desk.result(each)["status"] for each in asked] == ["done"] * 6
    states = ["HELD", "HELD", "ACTIVE", "ACTIVE", "HELD", "ACTIVE"]
    assert bench.desk.heard() == [f"dialogState {state}" for state in states]


def test_defect_15_validation_names_are_internal(bench: Any) -> None:
    """The names that are missing are those of the JSON, all of them, behind the reference's sentence."""
    sentence = "Error: The following parameter(s) are undefined or null or empty: "
    error = bench.desk.failed("convertCall")
    assert error["description"] == sentence + "dialogId, streamType, streamStatus"
    error = bench.desk.failed("SST_Queue", dialogId="x", queue="")
    assert error["description"] == sentence + "numberToTransfer, queue, queueType"


def test_defect_16_auto_answer_does_not_work(make_bench: Any) -> None:
    """PROGRESSIVE is answered by itself where configuration trusts it, and only there.

    Click-to-call takes no origin but those that are configured: tests/gateway/test_app.py, `test_origins`.
    """
    for trusts in (True, False):
        bench = make_bench(trust_auto_answer=trusts, auto_answer_after=3.0)
        bench.login()
        bench.rings(headers=PROGRESSIVE)
        bench.run(4)
        assert bench.desk.heard() == ["campaignCall ALERTING"] + ["campaignCall ACTIVE"] * trusts


def test_defect_17_lost_calls(make_bench: Any) -> None:
    """No display name, no 100 Trying, an INVITE before the first REGISTER was answered: nothing is lost."""
    bench = make_bench()
    bench.pbx.register_status = 503
    bench.desk.send("login", extension="1000", password="1234")
    bench.run(0.1)
    bench.pbx.contact = "sip:1000@early.invalid;transport=ws"
    early = bench.pbx.call(name=None)
    bench.run()
    assert bench.pbx.ended(early).status == 480  # not logged in yet: the caller is told so, and nothing breaks
    bench.pbx.register_status = 200
    bench.run(60)
    assert "agentInfo LOGIN" in bench.desk.heard()
    dialog, _ = bench.answers(name=None)
    assert bench.desk.dialog(dialog)["ani"] == "5551234"
    bench.pbx.take(bench.dial())  # 200 at once
    bench.run()
    assert bench.desk.dialog()["state"] == "ACTIVE"


def test_defect_18_failed_login_without_agent(make_bench: Any) -> None:
    """agentInfo LOGOUT first, then subscriptionFailed, both with the extension, the Error with a description."""
    bench = make_bench("wrong")
    bench.desk.send("login", extension="1000", password="wrong")
    bench.run(1)
    first, second = bench.desk.news()
    assert (first["event"], first["response"]["state"], first["response"]["loginId"]) == ("agentInfo", "LOGOUT", "1000")
    told = second["response"]
    assert (second["event"], told["type"], told["loginId"]) == ("Error", "subscriptionFailed", "1000")
    assert told["description"] == "Invalid Credentials. Please provide valid credentials."


def test_defect_19_re_login_leaks_and_logout_leaves(bench: Any) -> None:
    """A second login joins: one registration, one connection. Logout ends the calls and closes the connection."""
    flows, registers = dict(bench.desk.host.flows), list(bench.pbx.registers)
    bench.desk.done("login", extension="1000", password="1234")
    assert (bench.desk.host.flows, bench.pbx.registers) == (flows, registers)
    _, session = bench.answers()
    bench.desk.done("logout", within=1)
    assert bench.pbx.ended(session).end is End.BYE
    assert bench.pbx.registers[-1] == "0"
    bench.nothing_left()


def test_defect_20_reconnect_gives_up(bench: Any) -> None:
    """It is told that the server is out of reach, and it is tried again until it is there, an hour later too."""
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(3600)
    told = bench.desk.heard()
    assert told == ["Error out-of-service", "xmppEvent OUT_OF_SERVICE"]
    assert bench.desk.events[-2]["response"]["type"] == "networkIssue"
    bench.network.heal(bench.pbx_host)
    bench.run(40)
    assert bench.desk.heard()[0] == "xmppEvent IN_SERVICE"


def test_defect_21_inbound_active_keeps_answer(bench: Any) -> None:
    """After the answer: other actions, the time of the answer, and the variables of the call."""
    dialog, _ = bench.rings(headers=(("X-Call-Variable0", "gold"),))
    ringing = bench.desk.dialog(dialog)["participants"][0]
    bench.run(5)
    bench.desk.done("answerCall", dialogId=dialog)
    active = bench.desk.dialog(dialog)
    own = active["participants"][0]
    assert own["actions"]["action"] == ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]
    assert own["startTime"] > ringing["startTime"]
    assert active["callVariables"]["CallVariable"] == [{"name": "callVariable0", "value": "gold"}]


def test_defect_22_refer_is_followed(bench: Any) -> None:
    """A REFER of the server is answered 603 (contract §4), and nobody is called."""
    _, session = bench.answers()
    bench.pbx.ua.refer(session, "sip:0900@pbx", bench.network.now())
    bench.run(5)
    assert answers(bench, 603, "REFER") == 1
    assert sent(bench, "INVITE") == [] and bench.desk.news() == []


def test_defect_23_remote_stream_opens_the_camera(make_bench: Any) -> None:
    """That the other side turned video on is told; nothing is offered or opened for it."""
    bench = make_bench(dialect="efcx")
    bench.login()
    dialog, leg = bench.answers(user="5551234")
    asked = len(bench.desk.requests)
    word = {"id": dialog, "eventRequest": "remote", "stream": "video", "streamStatus": "on", "timeStamp": "t"}
    converts(bench, leg, word)
    bench.run(5)
    assert bench.desk.heard() == ["mediaConversion success remote on"]
    assert bench.desk.requests[asked:] == [] and sent(bench, "INVITE") == []
    assert not any(isinstance(each, CreateOffer) for each in bench.desk.requests)


def test_defect_24_error_without_a_dialog_id(bench: Any) -> None:
    """An Error names its call by dialogId, and never has a dialog, which desks would end."""
    dialog, _ = bench.talk()
    bench.pbx.offers = "488"
    bench.desk.ask("holdCall", dialogId=dialog)
    bench.run()
    (told,) = bench.desk.news()
    assert told["response"]["dialogId"] == dialog and "dialog" not in told["response"]


def test_defect_25_media_conversion_without_a_response(make_bench: Any) -> None:
    """It has no `response`, as the contract has it (§4): `dialog` is beside the name."""
    bench = make_bench(dialect="efcx")
    bench.login()
    dialog, leg = bench.answers(user="5551234")
    word = {"id": dialog, "eventRequest": "remote", "stream": "screenshare", "streamStatus": "off", "timeStamp": "t"}
    converts(bench, leg, word)
    bench.run()
    (told,) = bench.desk.news()
    assert "response" not in told
    assert (told["loginId"], told["status"], told["dialog"]["id"]) == ("1000", "success", dialog)


def test_defect_26_dialog_id_vanishes(bench: Any) -> None:
    """Whoever takes a customer over without customerDialogId keeps the id that the consult had."""
    dialog, session = bench.answers(user="1001", headers=CONSULT)
    bench.pbx.display(session, "5551234", attended=True)
    bench.run()
    assert [each["response"]["dialog"]["id"] for each in bench.desk.news()] == [dialog, dialog]
