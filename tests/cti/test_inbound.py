"""Calls to the agent: contract §2 row 4, §3; RB §3.4, §5."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.media.engine import ApplyAnswer, CreateAnswer, CreateOffer, Direction, EngineFailed
from offhook.sip.events import End


def test_a_call_is_announced_and_answered(bench: Any) -> None:
    headers = (("X-Call-Id", "crm-42"), ("X-Queue", "support"), ("X-Queuetype", "NAME"), ("X-Call-Variable1", "one"))
    dialog, session = bench.rings(name="Eve", headers=headers)
    assert bench.desk.heard() == ["newInboundCall ALERTING"]
    shown = bench.desk.dialog()
    assert (shown["id"], shown["queueName"], shown["queueType"], shown["callType"]) == (
        "crm-42", "support", "NAME", "OTHER_IN",
    )  # fmt: skip
    assert shown["callVariables"]["CallVariable"] == [{"name": "callVariable1", "value": "one"}]
    bench.run(3)
    asked = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run()
    assert bench.desk.result(asked)["status"] == "done"
    (event,) = bench.desk.news()
    active = event["response"]["dialog"]
    assert (event["event"], active["state"], active["isCallEnded"]) == ("dialogState", "ACTIVE", 0)
    assert active["participants"][0]["actions"]["action"] == ["TRANSFER_SST", "HOLD", "SEND_DTMF", "DROP"]
    assert active["participants"][0]["startTime"] > shown["participants"][0]["startTime"]
    assert active["callVariables"] == shown["callVariables"]
    assert bench.pbx.ua.session(session).state == "established"


def test_active_is_told_at_the_ack(bench: Any) -> None:
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    bench.pbx.call()
    bench.run(1)
    asked = bench.desk.ask("answerCall", dialogId=bench.desk.dialog()["id"])
    bench.run(0.19)
    assert bench.desk.heard() == ["newInboundCall ALERTING"] and bench.desk.results(asked) == []
    bench.run(0.02)
    assert bench.desk.heard() == ["dialogState ACTIVE"] and bench.desk.result(asked)["status"] == "done"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [(None, "audio"), ("video", "video"), ("onlyviewscreenshare", "onlyviewscreenshare"), ("x", "audio")],
)
def test_the_media_type_is_that_of_the_answer(bench: Any, wanted: str | None, told: str) -> None:
    dialog, _ = bench.rings(headers=(("X-Media-Type", "video"),))
    assert bench.desk.dialog()["mediaType"] == "video"
    bench.desk.done("answerCall", dialogId=dialog, **({} if wanted is None else {"answerCalltype": wanted}))
    assert bench.desk.dialog()["mediaType"] == told


@pytest.mark.parametrize(
    ("call_type", "name", "later", "kind"),
    [
        (None, "newInboundCall", "dialogState", "OTHER_IN"),
        ("OUT", "newInboundCall", "dialogState", "OTHER_IN"),
        ("ACD", "newInboundCall", "dialogState", "OTHER_IN"),
        ("CONSULT", "ConsultCall", "ConsultCall", "CONSULT"),
        ("PROGRESSIVE", "campaignCall", "campaignCall", "OUTBOUND"),
        ("MONITORING", "MONITORING", "dialogState", "MONITORING"),
    ],
)
def test_kinds(bench: Any, call_type: str | None, name: str, later: str, kind: str) -> None:
    headers = () if call_type is None else (("X-CallType", call_type),)
    dialog, session = bench.rings(headers=headers)
    bench.desk.done("answerCall", dialogId=dialog)
    bench.desk.done("holdCall", dialogId=dialog)
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run()
    assert bench.desk.heard() == [f"{name} ALERTING", f"{later} ACTIVE", f"{later} HELD", f"{later} DROPPED"]
    assert bench.desk.dialog()["callType"] == kind


def test_a_from_without_a_display_name(bench: Any) -> None:
    """RB §8.17: the reference lost such calls."""
    dialog, _ = bench.rings(user="anonymous", name=None)
    assert bench.desk.dialog()["fromAddress"] == "anonymous"
    bench.desk.done("answerCall", dialogId=dialog)


def test_two_live_dialogs_never_share_an_id(bench: Any) -> None:
    one, _ = bench.rings(headers=(("X-Call-Id", "crm"),))
    two, _ = bench.rings(headers=(("X-Call-Id", "crm"),))
    assert one == "crm" != two


def test_call_waiting(bench: Any) -> None:
    """RB §5, §8.1: the reference overwrote the first call, or left both active."""
    one, first = bench.answers(user="111")
    two, second = bench.rings(user="222")
    assert bench.desk.heard() == ["newInboundCall ALERTING"]
    bench.desk.done("answerCall", dialogId=two)
    told = [event["response"]["dialog"] for event in bench.desk.news()]
    assert [(d["id"], d["state"], d["fromAddress"]) for d in told] == [(one, "HELD", "111"), (two, "ACTIVE", "222")]
    bench.pbx.ua.hangup(second, bench.network.now())
    bench.run()
    bench.desk.done("retrieveCall", dialogId=one)
    told = [event["response"]["dialog"] for event in bench.desk.news()]
    assert [(d["id"], d["state"], d["fromAddress"]) for d in told] == [(two, "DROPPED", "222"), (one, "ACTIVE", "111")]
    assert bench.pbx.ua.session(first).state == "established"


def test_the_second_is_not_answered_where_the_first_cannot_be_held(bench: Any) -> None:
    one, _ = bench.answers(user="111")
    two, second = bench.rings(user="222")
    bench.desk.news()
    bench.pbx.offers = "488"
    error = bench.desk.failed("answerCall", dialogId=two)
    assert error["code"] == "hold-refused"
    assert bench.desk.heard() == ["Error hold-refused"]
    assert bench.desk.events[-1]["response"]["dialogId"] == one
    assert {d.id: d.state for d in bench.desk.session.dialogs} == {one: "ACTIVE", two: "ALERTING"}
    bench.pbx.offers = "answer"
    bench.desk.done("answerCall", dialogId=two)
    assert bench.pbx.ua.session(second).state == "established"


def test_the_first_ends_while_it_is_being_held(bench: Any) -> None:
    one, first = bench.answers(user="111")
    two, _ = bench.rings(user="222")
    bench.desk.news()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("answerCall", dialogId=two)
    bench.run()
    bench.desk.deaf_engine = False
    bench.pbx.ua.hangup(first, bench.network.now())
    bench.run()
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState DROPPED", "dialogState ACTIVE"]
    assert one != two


def test_the_second_gives_up_while_the_first_is_being_held(bench: Any) -> None:
    one, first = bench.answers(user="111")
    two, second = bench.rings(user="222")
    bench.pbx.offers = "keep"
    bench.desk.news()
    asked = bench.desk.ask("answerCall", dialogId=two)
    bench.run()
    bench.pbx.ua.hangup(second, bench.network.now())
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert bench.desk.heard() == ["dialogState DROPPED"]
    offer = next(e for e in reversed(bench.pbx.events) if type(e).__name__ == "OfferReceived")
    bench.pbx.ua.answer(first, bench.pbx.answer_to(first, offer.offer), bench.network.now())
    bench.run()
    assert bench.desk.dialog(one)["state"] == "HELD"


def test_busy_by_configuration(make_bench: Any) -> None:
    bench = make_bench(call_waiting="busy")
    bench.login()
    bench.answers()
    second = bench.pbx.call(user="222")
    bench.run()
    assert bench.pbx.ended(second).status == 486
    assert bench.desk.news() == []


def test_so_many_calls_and_no_more(make_bench: Any) -> None:
    bench = make_bench(max_calls=2)
    bench.login()
    bench.rings()
    bench.rings()
    assert bench.pbx.ended(third := bench.pbx.call()) is None
    bench.run()
    assert bench.pbx.ended(third).status == 486


def test_not_available(bench: Any) -> None:
    """Nobody is at the desk: a queue moves on."""
    bench.desk.session.set_available(False)
    session = bench.pbx.call()
    bench.run()
    assert bench.pbx.ended(session).status == 480
    assert bench.desk.news() == []
    assert not bench.desk.session.available


def test_answering_twice_is_one_answer(bench: Any) -> None:
    bench.network.conditions = type(bench.network.conditions)(delay=0.1)
    bench.pbx.call()
    bench.run(1)
    dialog = bench.desk.dialog()["id"]
    first, second = bench.desk.ask("answerCall", dialogId=dialog), bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.result(first)["status"] == bench.desk.result(second)["status"] == "done"
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState ACTIVE"]
    error = bench.desk.failed("answerCall", dialogId=dialog)
    assert (error["type"], error["description"], error["dialogId"]) == (
        "invalidState",
        "invalid action answerCall",
        dialog,
    )


def test_the_caller_gives_up_while_the_answer_is_made(bench: Any) -> None:
    dialog, session = bench.rings()
    bench.desk.deaf_engine = True
    bench.desk.news()
    asked, again = bench.desk.ask("answerCall", dialogId=dialog), bench.desk.ask("answerCall", dialogId=dialog)
    bench.run()
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(asked)["error"]["code"] == bench.desk.result(again)["error"]["code"] == "call-ended"
    assert bench.desk.media == set()


@pytest.mark.parametrize(("code", "status"), [("no-common-codec", 488), ("bad-sdp", 488), ("internal", 500)])
def test_the_engine_cannot_answer(bench: Any, code: str, status: int) -> None:
    dialog, session = bench.rings()
    bench.desk.news()
    bench.desk.fail_next[CreateAnswer] = code
    assert bench.desk.failed("answerCall", dialogId=dialog)["code"] == f"media-{code}"
    assert bench.desk.heard() == [f"Error media-{code}", "dialogState DROPPED"]
    assert bench.pbx.ended(session).status == status


@pytest.mark.parametrize("code", ["device", "closed", "timeout"])
@pytest.mark.parametrize("offerless", [False, True])
def test_an_agent_without_a_microphone_lets_it_ring_and_can_try_again(bench: Any, code: str, offerless: bool) -> None:
    """Nothing was sent, and the caller need not know."""
    dialog, session = bench.rings(offerless=offerless)
    bench.desk.news()
    bench.desk.fail_next[CreateOffer if offerless else CreateAnswer] = code
    asked = [bench.desk.ask("answerCall", dialogId=dialog) for _ in range(2)]
    bench.run()
    assert [bench.desk.result(one)["error"]["code"] for one in asked] == [f"media-{code}"] * 2
    assert bench.desk.heard() == [f"Error media-{code}"]
    assert bench.desk.events[-1]["response"]["dialogId"] == dialog
    assert bench.desk.session.dialogs[0].state == "ALERTING"
    assert bench.pbx.ua.session(session).state == "proceeding"
    bench.pbx.offers = "answer"
    bench.desk.done("answerCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState ACTIVE"]
    assert len(bench.desk.media) == 1


def test_what_rings_on_after_its_time_is_ended_later(make_bench: Any) -> None:
    """The time to ring ended while it was being answered: it rings as long as a new call, not for ever."""
    bench = make_bench(ring_timeout=20.0)
    bench.login()
    dialog, session = bench.rings()
    bench.run(19)
    bench.desk.deaf_engine = True
    bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(2)
    request = next(request for request in bench.desk.requests if isinstance(request, CreateAnswer))
    bench.desk.session.receive(EngineFailed(request.id, request.media, "device", ""), bench.network.now())
    bench.run(19)
    assert bench.desk.session.dialogs[0].state == "ALERTING"
    bench.run(2)
    assert bench.pbx.ended(session).status == 480


def test_an_invite_without_an_offer(bench: Any) -> None:
    dialog, session = bench.rings(offerless=True)
    assert bench.desk.dialog()["mediaType"] is None
    bench.pbx.offers = "answer"
    bench.desk.done("answerCall", dialogId=dialog)
    assert any(isinstance(request, CreateOffer) for request in bench.desk.requests)
    assert any(isinstance(request, ApplyAnswer) for request in bench.desk.requests)
    assert bench.desk.heard()[-1] == "dialogState ACTIVE"
    assert bench.pbx.ua.session(session).state == "established"


def test_nobody_answers(make_bench: Any) -> None:
    bench = make_bench(ring_timeout=20.0)
    bench.login()
    _, session = bench.rings()
    bench.run(21)
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState DROPPED"]
    assert (bench.desk.dialog()["callEndReason"], bench.desk.dialog()["isCallEnded"]) == ("Canceled", 1)
    assert bench.pbx.ended(session).status == 480


def test_no_ack(bench: Any) -> None:
    """The call cannot be used: it ends, and was answered all the same."""
    dialog, session = bench.rings()
    bench.desk.news()
    bench.pbx.deaf_to = "SIP/2.0 200"
    asked = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(33)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] is None
    assert session


def test_auto_answer_only_where_it_is_trusted(make_bench: Any, bench: Any) -> None:
    """Anyone can send the header."""
    headers = (("X-Calltype", "PROGRESSIVE"), ("Call-Info", "<sip:pbx>;answer-after=0"))
    bench.rings(headers=headers)
    bench.run(10)
    assert bench.desk.heard() == ["campaignCall ALERTING"]
    trusting = make_bench(trust_auto_answer=True, auto_answer_after=3.0)
    trusting.login()
    trusting.rings(headers=headers)
    trusting.run(2.9)
    assert trusting.desk.heard() == ["campaignCall ALERTING"]
    trusting.run(0.2)
    assert trusting.desk.heard() == ["campaignCall ACTIVE"]


def test_no_auto_answer_while_another_call_is_up(make_bench: Any) -> None:
    """RB §8.16, contract §3."""
    bench = make_bench(trust_auto_answer=True)
    bench.login()
    one, _ = bench.answers(user="111")
    bench.rings(headers=(("Call-Info", "<sip:pbx>;answer-after=1"),))
    bench.run(10)
    assert bench.desk.heard() == ["newInboundCall ALERTING"]
    assert bench.desk.dialog(one)["state"] == "ACTIVE"


def test_auto_answer_by_call_info(make_bench: Any) -> None:
    bench = make_bench(trust_auto_answer=True)
    bench.login()
    _, session = bench.rings(headers=(("Call-Info", "<sip:pbx>;answer-after=0"),))
    bench.run(0.1)
    assert bench.desk.heard() == ["newInboundCall ALERTING", "dialogState ACTIVE"]
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run()
    assert bench.pbx.ended(session).end is End.BYE


def test_a_call_before_the_login_is_done(make_bench: Any) -> None:
    """RB §8.17: an INVITE before the registration was an exception."""
    bench = make_bench()
    bench.pbx.register_status = 503
    bench.desk.send("login", extension="1000", password="1234")
    bench.run(1)
    bench.pbx.contact = "sip:1000@pbx"
    session = bench.pbx.call()
    bench.run()
    assert bench.pbx.ended(session).status == 480


def test_a_one_way_offer_is_answered(bench: Any) -> None:
    session = bench.pbx.ua.invite(
        bench.pbx.contact,
        bench.pbx.offer("one-way", Direction.SENDONLY),
        bench.network.now(),
        session="one-way",
        flow=bench.pbx.flow,
        from_=bench.pbx._self(),
        contact=bench.pbx._self(),
    )
    bench.run()
    bench.desk.done("answerCall", dialogId=bench.desk.dialog()["id"])
    assert bench.pbx.ua.session(session).state == "established"


def test_what_waits_behind_an_answer_that_fails(bench: Any) -> None:
    """The call rings on, so none of it can be done; where the call ends by it, its end tells enough."""
    bench.answers(user="111")
    two, _ = bench.rings(user="222")
    bench.desk.news()
    bench.pbx.offers = "488"
    more: dict[str, dict[str, str]] = {"answerCall": {}, "holdCall": {}, "mute_call": {}, "SendDtmf": {"message": "1"}}
    asked = [bench.desk.ask(action, dialogId=two, **parameter) for action, parameter in more.items()]
    bench.run()
    codes = [bench.desk.result(one)["error"]["code"] for one in asked]
    assert codes == ["hold-refused", "wrong-state", "wrong-state", "wrong-state"]
    bench.pbx.offers = "answer"
    bench.desk.news()
    bench.desk.fail_next[CreateAnswer] = "device"
    asked = [bench.desk.ask(action, dialogId=two, **parameter) for action, parameter in more.items()]
    bench.run()
    codes = [bench.desk.result(one)["error"]["code"] for one in asked]
    assert codes == ["media-device", "wrong-state", "wrong-state", "wrong-state"]
    assert bench.desk.heard() == ["dialogState HELD", "Error media-device"] + ["Error wrong-state"] * 3
    bench.desk.fail_next[CreateAnswer] = "internal"
    asked = [bench.desk.ask(action, dialogId=two, **parameter) for action, parameter in more.items()]
    bench.run()
    codes = [bench.desk.result(one)["error"]["code"] for one in asked]
    assert codes == ["media-internal", "call-ended", "call-ended", "call-ended"]
    assert bench.desk.heard() == ["Error media-internal", "dialogState DROPPED"]


def test_the_engine_takes_longer_than_the_command_may(make_bench: Any) -> None:
    """The call rings on, and can be answered again; late answers are not taken."""
    bench = make_bench(command_timeout=5.0, media_timeout=100.0)
    bench.login()
    dialog, session = bench.rings()
    bench.desk.deaf_engine = True
    bench.desk.news()
    first, second = bench.desk.ask("answerCall", dialogId=dialog), bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(6)
    assert bench.desk.result(first)["error"]["code"] == "timeout"
    assert bench.desk.result(second)["error"]["code"] == "timeout"
    late = next(request for request in bench.desk.requests if isinstance(request, CreateAnswer))
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(late)
    bench.run()
    assert bench.pbx.ua.session(session).state == "proceeding"
    bench.desk.done("answerCall", dialogId=dialog)
    assert bench.desk.heard()[-1] == "dialogState ACTIVE"
    assert len(bench.desk.media) == 1


def test_the_ack_takes_longer_than_the_command_may(make_bench: Any) -> None:
    bench = make_bench(command_timeout=5.0)
    bench.login()
    dialog, _ = bench.rings()
    bench.desk.news()
    bench.pbx.deaf_to = "SIP/2.0 200"
    asked = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(6)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    bench.pbx.deaf_to = ""
    bench.run(5)
    assert bench.desk.heard() == ["Error timeout", "dialogState ACTIVE"]


def test_two_calls_are_held_before_a_third_is_answered(bench: Any) -> None:
    one, _ = bench.talk("111")
    two, _ = bench.talk("222")
    three, _ = bench.rings(user="333")
    bench.desk.news()
    bench.desk.done("answerCall", dialogId=three)
    assert {dialog.id: dialog.state for dialog in bench.desk.session.dialogs} == {
        one: "HELD",
        two: "HELD",
        three: "ACTIVE",
    }
    assert bench.desk.heard() == ["dialogState HELD", "dialogState HELD", "dialogState ACTIVE"]


def test_ringing_ends_while_it_is_being_answered(make_bench: Any) -> None:
    """The agent was in time."""
    bench = make_bench(ring_timeout=2.0)
    bench.login()
    dialog, _ = bench.rings()
    bench.run(1)
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("answerCall", dialogId=dialog)
    bench.run(2)
    bench.desk.deaf_engine = False
    bench.desk.engine.perform(bench.desk.requests[-1])
    bench.run()
    assert bench.desk.result(asked)["status"] == "done"
