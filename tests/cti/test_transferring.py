"""SST, SST_Queue and consultTransfer: contract §2 rows 11, 12, 15; RB §3.8, §3.9, §3.11, §8.5; traces 05*, 06*, 30*."""

from __future__ import annotations

from typing import Any

import pytest

from offhook.cti.transferring import let_go, refused_by_target
from offhook.sip.events import End, OfferReceived, SessionEnded
from offhook.sip.fields import Reason
from offhook.sip.timers import Timing

UNCONFIRMED = {"code": "transfer.unconfirmed"}


def transfers(bench: Any, dialog: str, number: str = "1002") -> str:
    """An SST whose REFER is at the server."""
    asked: str = bench.desk.ask("SST", dialogId=dialog, numberToTransfer=number)
    bench.run()
    assert bench.pbx.refers
    return asked


def refer_to(bench: Any) -> str:
    value: str = bench.pbx.refers[-1].request.headers.get("Refer-To")
    return value


# Blind transfers


def test_confirmed(bench: Any) -> None:
    """Trace 30: the report comes when the target answers, and who transferred ends its own part."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    request = bench.pbx.refers[0].request
    assert (refer_to(bench), request.headers.get("Referred-By")) == ("<sip:1002@pbx>", "<sip:1000@pbx>")
    bench.run(3)
    assert bench.desk.news() == [] and bench.desk.results(asked) == []
    bench.pbx.report(200)
    bench.run(1.9)
    assert bench.desk.news() == [] and bench.pbx.ended(session) is None
    bench.run(0.2)
    (event,) = bench.desk.news()
    told = event["response"]["dialog"]
    assert (event["event"], told["state"], told["id"]) == ("dialogState", "DROPPED", dialog)
    assert (told["callEndReason"], told["endCallReason"], told["isCallEnded"]) == ("direct-transfered",) * 2 + (0,)
    result = bench.desk.result(asked)
    assert (result["status"], result["dialogId"]) == ("done", dialog)
    assert "result" not in result
    assert bench.pbx.ended(session).by_remote is True
    assert bench.desk.session.dialogs == ()


def test_stock_freeswitch_reports_before_the_target_rang(bench: Any) -> None:
    """Trace 05: 202, NOTIFY 200, BYE 20 ms later."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.pbx.report(200)
    bench.run(0.02)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
    result = bench.desk.result(asked)
    assert (result["status"], result["result"]) == ("done", UNCONFIRMED)


def test_a_fast_answer_without_a_bye_is_confirmed(bench: Any) -> None:
    """Who ends our part tells the two apart."""
    dialog, _ = bench.talk()
    asked = transfers(bench, dialog)
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert "result" not in bench.desk.result(asked)


@pytest.mark.parametrize("slow", [True, False])
def test_a_server_that_reports_and_ends_our_part_itself(bench: Any, slow: bool) -> None:
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    if slow:
        bench.run(4)
    else:
        bench.pbx.report(180, over=False)
    bench.pbx.report(200)
    bench.run(0.1)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert "result" not in bench.desk.result(asked)


def test_a_bye_after_the_202_and_no_report(bench: Any) -> None:
    """RB §8.5; traces 30x, 36e: the server lets us go, but what became of it is not known."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
    assert bench.desk.dialog()["isCallEnded"] == 0
    result = bench.desk.result(asked)
    assert (result["status"], result["result"]) == ("done", UNCONFIRMED)


def test_a_bye_for_another_reason_is_no_transfer(bench: Any) -> None:
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.pbx.bye(session, 'SIP;cause=408;text="Session timeout"')
    bench.run()
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "Session timeout"
    assert bench.desk.dialog()["isCallEnded"] == 1
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


def test_a_bye_before_the_202_is_no_transfer(bench: Any) -> None:
    """RB §8.5: the reference called every end after a REFER a transfer."""
    dialog, session = bench.answers()
    bench.pbx.refer_status = 0
    asked = transfers(bench, dialog)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog()["callEndReason"] == "NORMAL_CLEARING"
    assert bench.desk.dialog()["isCallEnded"] == 1
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


@pytest.mark.parametrize(
    ("status", "phrase", "description"),
    [(486, "486", "Busy Here"), (403, "Forbidden", "Forbidden"), (480, "", "Temporarily Unavailable")],
)
def test_the_target_refuses(bench: Any, status: int, phrase: str, description: str) -> None:
    """Traces 30b, 30n: the call is given back as it was."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(2)
    bench.pbx.report(status, phrase=phrase)
    bench.run()
    (event,) = bench.desk.news()
    told = event["response"]
    assert (event["event"], told["type"], told["code"]) == ("Error", "generalError", str(status))
    assert (told["description"], told["dialogId"]) == (description, dialog)
    assert bench.desk.result(asked)["error"]["code"] == str(status)
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog()["callEndReason"] == "NORMAL_CLEARING"
    assert bench.desk.dialog()["isCallEnded"] == 1


@pytest.mark.parametrize("status", [603, 403, 405])
def test_the_transfer_is_refused(bench: Any, status: int) -> None:
    """RB §8.5: the reference did not notice."""
    dialog, session = bench.answers()
    bench.pbx.refer_status = status
    asked = transfers(bench, dialog)
    assert bench.desk.heard() == ["Error transfer-refused"]
    assert bench.desk.result(asked)["error"]["code"] == "transfer-refused"
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    bench.pbx.refer_status = 202
    asked = transfers(bench, dialog)
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.result(asked)["status"] == "done"


def test_a_held_call_that_is_given_back(bench: Any) -> None:
    """Trace 30j: FreeSWITCH offers to lift the hold; to the agent and on the wire it stays held, as it was."""
    dialog, session = bench.answers()
    bench.desk.done("holdCall", dialogId=dialog)
    bench.run(1)
    transfers(bench, dialog)
    bench.pbx.report(486, phrase="486")
    bench.run()
    bench.pbx.ua.reinvite(session, bench.pbx.offer(session), bench.network.now())
    bench.run()
    assert bench.desk.heard() == ["dialogState HELD", "Error 486"]
    assert bench.desk.session.dialogs[0].state == "HELD"
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState ACTIVE"]


def test_a_pause_between_hold_and_refer(bench: Any) -> None:
    """Trace 36e: within 1 ms FreeSWITCH loses the call."""
    dialog, _ = bench.talk()
    bench.desk.send("holdCall", dialogId=dialog)
    bench.desk.send("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run(0.02)
    assert bench.desk.heard() == ["dialogState HELD"]
    assert bench.pbx.refers == []
    bench.run(0.05)
    assert len(bench.pbx.refers) == 1


def test_nothing_comes_for_40_s(bench: Any) -> None:
    """Trace 30u: who was transferred hung up while the target rang. Our part stays parked."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(39.9)
    assert bench.desk.news() == []
    bench.run(0.2)
    assert bench.desk.heard() == ["Error timeout"]
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog()["callEndReason"] == "NORMAL_CLEARING"


def test_another_transfer_after_one_that_ran_out_of_time(bench: Any) -> None:
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.run(41)
    asked = transfers(bench, dialog, "1003")
    assert refer_to(bench) == "<sip:1003@pbx>"
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"


@pytest.mark.parametrize("late", [200, 486, None])
def test_the_server_takes_no_other_transfer(bench: Any, late: int | None) -> None:
    """FreeSWITCH answers 403 to it, and is still at the first one: what comes of that is the truth."""
    dialog, session = bench.answers()
    transfers(bench, dialog)
    first = bench.pbx.refers[-1]
    bench.run(41)
    asked = transfers(bench, dialog, "1003")
    bench.pbx.report(403)
    bench.run()
    error = bench.desk.result(asked)["error"]
    assert error["code"] == "transfer-pending"
    assert bench.desk.heard() == ["Error timeout", "Error transfer-pending"]
    if late is not None:
        bench.pbx.refers.append(first)
        bench.pbx.report(late)
        bench.run(2.1)
    if late == 200:
        assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
        return
    assert bench.desk.session.dialogs[0].state == "ACTIVE"
    asked = transfers(bench, dialog, "1004")
    bench.run(0.2)
    bench.pbx.report(403)
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == ("403" if late else "transfer-pending")


@pytest.mark.parametrize("late", [200, 486])
def test_the_first_one_comes_about_while_another_is_tried(bench: Any, late: int) -> None:
    dialog, session = bench.answers()
    transfers(bench, dialog)
    first = bench.pbx.refers[-1]
    bench.run(41)
    asked = transfers(bench, dialog, "1003")
    bench.pbx.refers.append(first)
    bench.pbx.report(late)
    bench.run(2.1)
    if late == 200:
        assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
        assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    else:
        assert bench.desk.results(asked) == []


def test_the_first_one_is_not_listened_for_any_more(make_bench: Any) -> None:
    """After its subscription, what the server refuses is the second one alone."""
    bench = make_bench(timing=Timing(referral=45.0))
    bench.login()
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.run(41)
    asked = transfers(bench, dialog, "1003")
    bench.run(10)
    bench.pbx.report(403)
    bench.run()
    assert bench.desk.result(asked)["error"]["code"] == "403"


NOT_BRIDGED = 'SIP;cause=487;text="ORIGINATOR_CANCEL"'


def test_a_call_that_is_not_bridged_yet(bench: Any) -> None:
    """Measured: FreeSWITCH lets go so of a leg that it has not bridged yet, and does transfer."""
    dialog, session = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(0.1)
    bench.pbx.bye(session, NOT_BRIDGED)
    bench.run()
    told = bench.desk.dialog()
    assert (told["state"], told["callEndReason"], told["isCallEnded"]) == ("DROPPED", "direct-transfered", 0)
    result = bench.desk.result(asked)
    assert (result["status"], result["result"]) == ("done", UNCONFIRMED)


@pytest.mark.parametrize("what", ["no transfer", "not accepted", "refused", "later", "another code", "consult"])
def test_an_end_that_only_looks_so(bench: Any, what: str) -> None:
    """Without an accepted transfer a moment ago, the other party has said it."""
    if what == "consult":
        dialog, session, _, _ = bench.pair()
        bench.desk.ask("consultTransfer")
    else:
        dialog, session = bench.answers()
    if what == "not accepted":
        bench.pbx.refer_status = 0
    if what not in ("no transfer", "consult"):
        transfers(bench, dialog)
    bench.run(0.1)
    if what == "refused":
        bench.pbx.report(404)
        bench.run()
    bench.run(1.5 if what == "later" else 0)
    bench.pbx.bye(session, NOT_BRIDGED.replace("487", "486") if what == "another code" else NOT_BRIDGED)
    bench.run(1)
    told = bench.desk.dialog(dialog)
    assert (told["callEndReason"], told["isCallEnded"]) == ("ORIGINATOR_CANCEL", 1)


def test_nothing_comes_and_the_call_is_gone(bench: Any) -> None:
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.pbx.options_status = 481
    bench.run(40.1)
    assert bench.desk.heard() == ["Error timeout", "dialogState DROPPED"]
    assert bench.desk.dialog()["isCallEnded"] == 1


def test_a_late_report_is_the_truth(bench: Any) -> None:
    """A queue may need longer than the command has."""
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(120)
    assert bench.desk.heard() == ["Error timeout"]
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
    assert bench.desk.result(asked)["status"] == "failed"


def test_a_late_refusal_frees_the_call(bench: Any) -> None:
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.run(50)
    bench.pbx.report(486)
    bench.run()
    assert bench.desk.heard() == ["Error timeout"]
    transfers(bench, dialog)
    bench.run(0.2)
    assert len(bench.pbx.refers) == 2


def test_a_call_that_was_given_back_is_let_settle(bench: Any) -> None:
    """Measured: a REFER at once after a refused one is answered 403 by FreeSWITCH, or loses the customer."""
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.pbx.report(404)
    bench.run()
    transfers(bench, dialog, "1003")
    bench.run(0.15)
    assert len(bench.pbx.refers) == 1
    bench.run(0.1)
    assert len(bench.pbx.refers) == 2


@pytest.mark.parametrize("said", [True, False])
def test_a_call_that_was_given_back_is_joined_before_it_is_released(bench: Any, said: bool) -> None:
    """Measured: after a BYE within 20 ms of the report FreeSWITCH leaves the customer in silence, for five minutes."""
    dialog, session = bench.answers()
    transfers(bench, dialog)
    bench.pbx.report(404)
    bench.run()
    if said:
        bench.pbx.display(session, "1001")
        bench.run(0.01)
    asked = bench.desk.ask("releaseCall", dialogId=dialog)
    bench.run(0.1)
    assert bool(bench.desk.results(asked)) is said
    bench.run(0.2)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.dialog(dialog)["state"] == "DROPPED"


@pytest.mark.parametrize("said", [True, False])
def test_a_call_that_was_just_answered_is_let_join(bench: Any, said: bool) -> None:
    """Measured: a REFER before FreeSWITCH has bridged the call is accepted, and no outcome is ever reported."""
    dialog, session = bench.answers(joined=False)
    if said:
        bench.pbx.display(session, "1001")
        bench.run(0.01)
    bench.desk.ask("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run(0.05)
    assert len(bench.pbx.refers) == (1 if said else 0)
    bench.run(0.2)
    assert len(bench.pbx.refers) == 1


def test_success_at_the_last_moment(bench: Any) -> None:
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(39)
    bench.pbx.report(200)
    bench.run(1.5)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.desk.heard() == ["dialogState DROPPED"]


def test_reports_that_stop_without_an_outcome(bench: Any) -> None:
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.pbx.report(180, over=True)
    bench.run(1)
    assert bench.desk.results(asked) == []
    bench.run(40)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"


def test_forgotten_after_ten_minutes(bench: Any) -> None:
    dialog, _ = bench.answers()
    transfers(bench, dialog)
    bench.run(601)
    transfers(bench, dialog)
    assert len(bench.pbx.refers) == 2


def test_no_answer_to_the_refer(bench: Any) -> None:
    """The server may have it all the same: its time is 40 s as ever."""
    dialog, _ = bench.answers()
    bench.pbx.refer_status = 0
    asked = transfers(bench, dialog)
    bench.run(33)
    assert bench.desk.results(asked) == []
    bench.run(8)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert bench.desk.session.dialogs[0].state == "ACTIVE"


def test_the_server_does_not_know_the_call(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.pbx.refer_status = 481
    asked = transfers(bench, dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


def test_released_meanwhile(bench: Any) -> None:
    """What becomes of the transfer is not known, so nothing is claimed."""
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert (bench.desk.dialog()["callEndReason"], bench.desk.dialog()["isCallEnded"]) == (None, 1)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


def test_released_when_it_has_come_about(bench: Any) -> None:
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(3)
    bench.pbx.report(200)
    bench.run()
    bench.desk.done("releaseCall", dialogId=dialog)
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"
    assert bench.desk.result(asked)["status"] == "done"


def test_logout_meanwhile(bench: Any) -> None:
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.desk.done("logout", within=1)
    assert bench.desk.result(asked)["status"] == "failed"
    bench.nothing_left()


@pytest.mark.parametrize("told", ["report", "bye", "refusal"])
def test_an_outage_meanwhile(bench: Any, told: str) -> None:
    """The server may have the REFER, and its answer be lost: what comes of it is heard when the server is back."""
    dialog, session = bench.answers()
    bench.pbx.refer_status = 0
    asked = transfers(bench, dialog)
    bench.network.reset(bench.desk.host)
    bench.run(2)
    assert bench.desk.results(asked) == [] and bench.desk.session.dialogs[0].state == "ACTIVE"
    assert bench.pbx.ended(session) is None
    bench.pbx.rebind()
    if told == "bye":
        bench.pbx.bye(session)
    else:
        bench.pbx.report(200 if told == "report" else 486)
    bench.run(3)
    if told == "refusal":
        assert bench.desk.result(asked)["error"]["code"] == "486"
        assert bench.desk.session.dialogs[0].state == "ACTIVE"
    else:
        assert bench.desk.result(asked)["status"] == "done"
        assert (bench.desk.dialog()["callEndReason"], bench.desk.dialog()["isCallEnded"]) == ("direct-transfered", 0)


def test_the_time_is_over_during_an_outage(bench: Any) -> None:
    dialog, _ = bench.answers()
    asked = transfers(bench, dialog)
    bench.run(30)
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(11)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"


def test_a_queue(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.desk.ask("SST_Queue", dialogId=dialog, numberToTransfer="99887766", queue="support", queueType="NAME")
    bench.run()
    headers = bench.pbx.refers[0].request.headers
    assert refer_to(bench) == "<sip:99887766-support@pbx>"
    assert (headers.get("X-queueTransfer"), headers.get("X-queueTypeTransfer")) == ("support", "NAME")


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ({"queue": "a b"}, "invalid-number"),
        ({"queue": "a@evil.example"}, "invalid-number"),
        ({"queue": "a;x=y"}, "invalid-number"),
        ({"queue": "a?Replaces=1"}, "invalid-number"),
        ({"queue": "a>"}, "invalid-number"),
        ({"queue": "a\r\nX-Evil: 1"}, "invalid-number"),
        ({"queue": "a" * 200}, "invalid-number"),
        ({"queueType": "ID\r\nX-Evil: 1"}, "invalid-parameter"),
        ({"numberToTransfer": "*441001"}, "monitoring-number"),
        ({"numberToTransfer": "*44", "queue": "1001"}, "monitoring-number"),
        ({"numberToTransfer": "1001@evil.example"}, "invalid-number"),
    ],
)
def test_what_may_not_be_a_target(bench: Any, parameter: dict[str, str], code: str) -> None:
    dialog, _ = bench.answers()
    given = {"numberToTransfer": "5900", "queue": "support", "queueType": "ID", **parameter}
    assert bench.desk.failed("SST_Queue", dialogId=dialog, **given)["code"] == code
    assert bench.pbx.refers == []
    if "numberToTransfer" in parameter and "queue" not in parameter:
        error = bench.desk.failed("SST", dialogId=dialog, numberToTransfer=given["numberToTransfer"])
        assert error["code"] == code
    assert bench.desk.session.dialogs[0].state == "ACTIVE"


def test_states_in_which_nothing_is_transferred(bench: Any, make_bench: Any) -> None:
    """RB §8.13: an unknown dialog was silent."""
    error = bench.desk.failed("SST", dialogId="nobody", numberToTransfer="1002")
    assert (error["type"], error["description"], error["dialogId"]) == ("invalidState", "invalid action SST", "nobody")
    dialog, _ = bench.rings()
    for action, more in (("SST", {}), ("SST_Queue", {"queue": "q", "queueType": "ID"})):
        error = bench.desk.failed(action, dialogId=dialog, numberToTransfer="1002", **more)
        assert (error["type"], error["description"]) == ("invalidState", f"invalid action {action}")
    other = make_bench()
    error = other.desk.failed("SST", dialogId=dialog, numberToTransfer="1002")
    assert (error["type"], error["code"]) == ("invalidState", "not-logged-in")


@pytest.mark.parametrize("kind", ["CONSULT", "MONITORING"])
def test_kinds_of_calls_that_are_not_transferred(bench: Any, kind: str) -> None:
    dialog, _ = bench.answers(headers=(("X-Calltype", kind),))
    error = bench.desk.failed("SST", dialogId=dialog, numberToTransfer="1002")
    if kind == "CONSULT":
        assert error["description"] == "Connot trigger Blind Transfer when Call type is CONSULT"
        assert (error["type"], error["code"]) == ("generalError", "wrong-call-type")
    else:
        assert (error["type"], error["description"]) == ("invalidState", "invalid action SST")
    assert bench.pbx.refers == []


def test_a_campaign_call(bench: Any) -> None:
    dialog, session = bench.answers(headers=(("X-Calltype", "PROGRESSIVE"),))
    transfers(bench, dialog)
    bench.pbx.report(200)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.heard() == ["campaignCall DROPPED"]


def test_in_its_turn(bench: Any) -> None:
    """Commands on one dialog run one after another (contract §1)."""
    dialog, session = bench.answers()
    transfers(bench, dialog)
    hold = bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(1)
    assert bench.desk.results(hold) == []
    bench.pbx.report(486)
    bench.run()
    assert bench.desk.result(hold)["status"] == "done"
    assert not [event for event in bench.pbx.events if isinstance(event, OfferReceived)][1:]
    assert session


def test_an_early_hold_has_no_answer_yet(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.pbx.offers = "keep"
    bench.desk.ask("holdCall", dialogId=dialog)
    bench.run(40.1)
    assert bench.desk.failed("SST", dialogId=dialog, numberToTransfer="1002")["code"] == "timeout"
    assert bench.pbx.refers == []


def test_without_a_connection(bench: Any) -> None:
    dialog, _ = bench.answers()
    bench.desk.send("holdCall", dialogId=dialog)
    asked = bench.desk.ask("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run(0.01)
    bench.network.cut(bench.pbx_host)
    bench.network.reset(bench.desk.host)
    bench.run(1)
    assert bench.desk.results(asked) == []  # it waits for the connection
    bench.run(3)
    assert bench.desk.result(asked)["error"]["code"] == "out-of-service"


# What an end means


@pytest.mark.parametrize(
    ("end", "reasons", "meant"),
    [
        (End.BYE, (), True),
        (End.BYE, (Reason("Q.850", 16, "NORMAL_CLEARING"),), True),
        (End.BYE, (Reason("Q.850", 16, "normal_clearing"),), True),
        (End.BYE, (Reason("SIP", 700, "ATTENDED_TRANSFER"),), True),
        (End.BYE, (Reason("Q.850", 41, "NORMAL_TEMPORARY_FAILURE"),), False),
        (End.BYE, (Reason("Q.850", 16, None), Reason("SIP", 408, "Session timeout")), False),
        (End.REFUSED, (), True),
        (End.LOST, (), False),
        (End.TIMEOUT, (), False),
    ],
)
def test_who_is_let_go(end: End, reasons: tuple[Reason, ...], meant: bool) -> None:
    assert let_go(SessionEnded("s", end, True, reasons=reasons)) is meant
    assert let_go(SessionEnded("s", end, False, reasons=reasons)) is False


def test_what_a_target_refused() -> None:
    why = refused_by_target(486, "486")
    assert (why.type, why.code, why.description) == ("generalError", "486", "Busy Here")
    assert refused_by_target(499, "").description == "SIP 499"
    assert refused_by_target(603, "Go \udcff away").description == "Go \ufffd away"


# Attended transfers


def told(event: Any) -> tuple[str, str, str, str | None, int]:
    dialog = event["response"]["dialog"]
    return event["event"], dialog["id"], dialog["state"], dialog["callEndReason"], dialog["isCallEnded"]


def both_dropped(customer: str, consult: str) -> list[tuple[str, str, str, str, int]]:
    return [
        ("ConsultCall", consult, "DROPPED", "ATTENDED_TRANSFER", 0),
        ("dialogState", customer, "DROPPED", "ATTENDED_TRANSFER", 0),
    ]


def joins(bench: Any, **parameter: str) -> str:
    asked: str = bench.desk.ask("consultTransfer", **parameter)
    bench.run()
    assert len(bench.pbx.refers) == 1
    return asked


@pytest.mark.parametrize("first", ["consult", "customer"])
@pytest.mark.parametrize("apart", [0.0, 0.02, 1.0])
def test_consult_transfer(bench: Any, first: str, apart: float) -> None:
    """Trace 06: 202, NOTIFY 200, BYE on both; told in the contract's order whatever theirs is."""
    customer, session, consult, other = bench.pair()
    invite = bench.pbx.invites[-1].request
    asked = joins(bench)
    bench.pbx.report(200)
    sessions = (other, session) if first == "consult" else (session, other)
    bench.pbx.bye(sessions[0])
    bench.run(apart)
    assert not apart or bench.desk.results(asked) == []
    bench.pbx.bye(sessions[1])
    bench.run()
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    result = bench.desk.result(asked)
    assert (result["status"], result["dialogId"]) == ("done", customer)
    assert "result" not in result
    assert f"Replaces={invite.call_id}%3B" in refer_to(bench).replace("%40", "@")
    assert refer_to(bench).startswith("<sip:1002@pbx?")
    assert bench.desk.session.dialogs == ()


@pytest.mark.parametrize("first", ["consult", "customer"])
def test_consult_transfer_without_a_report(bench: Any, first: str) -> None:
    """Both ended by the server after its 202."""
    customer, session, consult, other = bench.pair()
    asked = joins(bench)
    sessions = (other, session) if first == "consult" else (session, other)
    for one in sessions:
        assert bench.desk.news() == []
        bench.pbx.bye(one)
        bench.run(0.5)
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.desk.result(asked)["result"] == UNCONFIRMED


def test_we_end_what_the_server_leaves(bench: Any) -> None:
    customer, session, consult, other = bench.pair()
    asked = joins(bench)
    bench.pbx.report(200)
    bench.run(1.9)
    assert bench.desk.news() == []
    bench.run(0.2)
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.pbx.ended(session).by_remote and bench.pbx.ended(other).by_remote


@pytest.mark.parametrize("left", ["consult", "customer"])
def test_we_end_the_one_that_the_server_leaves(bench: Any, left: str) -> None:
    customer, session, consult, other = bench.pair()
    asked = joins(bench)
    bench.pbx.report(200)
    bench.pbx.bye(session if left == "consult" else other)
    bench.run(2.1)
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.desk.result(asked)["status"] == "done"
    assert bench.pbx.ended(other if left == "consult" else session).by_remote


def test_while_the_consult_rings(bench: Any) -> None:
    """Trace 06c: BYE in the early dialog, 486 to its INVITE, BYE for the customer. Nobody has answered yet."""
    customer, session, consult, other = bench.pair(answered=False)
    asked = joins(bench)
    bench.pbx.report(200)
    bench.pbx.ua.reject(other, 486, bench.network.now())
    bench.run(0.01)
    bench.pbx.bye(session)
    bench.run()
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.desk.result(asked)["result"] == UNCONFIRMED


def test_a_ringing_consult_that_the_server_leaves(bench: Any) -> None:
    customer, session, consult, other = bench.pair(answered=False)
    asked = joins(bench)
    bench.pbx.report(200)
    bench.run(3)
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.pbx.ended(other).end is End.CANCEL
    assert bench.desk.result(asked)["result"] == UNCONFIRMED


def test_it_must_ring(bench: Any) -> None:
    bench.answers()
    bench.consults(ring=None)
    bench.pbx.refer_status = 0
    assert bench.desk.failed("consultTransfer")["description"] == "invalid action consultTransfer"


@pytest.mark.parametrize("by", ["none", "customer", "consult"])
def test_what_names_the_pair(bench: Any, by: str) -> None:
    customer, _, consult, _ = bench.pair()
    named = {"none": {}, "customer": {"dialogId": customer}, "consult": {"dialogId": consult}}[by]
    asked = joins(bench, **named)
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.result(asked)["status"] == "done"


def test_without_a_pair(bench: Any) -> None:
    """RB §8.13: the reference threw."""
    for parameter in ({}, {"dialogId": "nobody"}):
        error = bench.desk.failed("consultTransfer", **parameter)
        assert (error["type"], error["description"]) == ("invalidState", "invalid action consultTransfer")
        assert error["dialogId"] == parameter.get("dialogId")
    assert bench.desk.heard() == ["Error wrong-state", "Error unknown-dialog"]
    dialog, _ = bench.answers()
    assert bench.desk.failed("consultTransfer", dialogId=dialog)["code"] == "wrong-state"
    assert bench.desk.failed("consultTransfer")["code"] == "wrong-state"


def test_a_held_consult(bench: Any) -> None:
    customer, _, consult, _ = bench.pair()
    bench.desk.done("holdCall", dialogId=consult)
    bench.desk.news()
    asked = bench.desk.ask("consultTransfer")
    bench.run(0.02)
    assert bench.pbx.refers == []  # the hold has just been answered
    bench.run(0.1)
    bench.pbx.report(200)
    bench.run(2.1)
    assert [told(event) for event in bench.desk.news()] == both_dropped(customer, consult)
    assert bench.desk.result(asked)["status"] == "done"


@pytest.mark.parametrize("how", ["refused", "reported"])
def test_the_pair_stays_as_it_was(bench: Any, how: str) -> None:
    customer, session, consult, _ = bench.pair()
    bench.pbx.refer_status = 603 if how == "refused" else 202
    asked = joins(bench)
    if how == "reported":
        bench.pbx.report(403, phrase="Forbidden")
        bench.run()
    assert bench.desk.heard() == ["Error transfer-refused" if how == "refused" else "Error 403"]
    assert bench.desk.result(asked)["status"] == "failed"
    assert {dialog.id: dialog.state for dialog in bench.desk.session.dialogs} == {customer: "HELD", consult: "ACTIVE"}
    bench.pbx.bye(session)
    bench.run(3)
    assert bench.desk.dialog(customer)["callEndReason"] == "NORMAL_CLEARING"


def test_the_consulted_leaves_after_the_202(bench: Any) -> None:
    """An end alone is no transfer; what becomes of the customer is still awaited."""
    customer, session, consult, other = bench.pair()
    asked = joins(bench)
    bench.pbx.bye(other)
    bench.run(1.9)
    assert bench.desk.news() == []
    bench.run(0.2)
    (event,) = bench.desk.news()
    assert told(event) == ("ConsultCall", consult, "DROPPED", "NORMAL_CLEARING", 1)
    bench.pbx.report(486)
    bench.run()
    assert bench.desk.heard() == ["Error 486"]
    assert bench.desk.result(asked)["error"]["code"] == "486"
    assert bench.desk.session.dialogs[0].state == "HELD"
    assert customer and session


def test_the_consulted_left_and_the_customer_too(bench: Any) -> None:
    customer, session, _, other = bench.pair()
    asked = joins(bench)
    bench.pbx.bye(other)
    bench.run(5)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog(customer)["callEndReason"] == "NORMAL_CLEARING"
    assert bench.desk.dialog(customer)["isCallEnded"] == 1
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"


def test_the_consulted_left_and_yet_it_came_about(bench: Any) -> None:
    customer, _, _, other = bench.pair()
    asked = joins(bench)
    bench.pbx.bye(other)
    bench.run(5)
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.dialog(customer)["callEndReason"] == "ATTENDED_TRANSFER"
    assert bench.desk.result(asked)["status"] == "done"


def test_the_customer_leaves_after_the_202(bench: Any) -> None:
    customer, session, consult, other = bench.pair()
    asked = joins(bench)
    bench.pbx.bye(session)
    bench.run(2.1)
    assert [told(event) for event in bench.desk.news()] == [
        ("dialogState", customer, "DROPPED", "NORMAL_CLEARING", 1),
        ("ConsultCall", consult, "DROPPED", None, 1),
    ]
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert bench.pbx.ended(other).by_remote


def test_a_kept_end_is_told_where_the_transfer_fails(bench: Any) -> None:
    customer, _, consult, other = bench.pair()
    asked = joins(bench)
    bench.pbx.bye(other)
    bench.run(0.1)
    bench.pbx.report(503)
    bench.run()
    assert bench.desk.heard() == ["Error 503", "ConsultCall DROPPED"]
    assert bench.desk.dialog(consult)["callEndReason"] == "NORMAL_CLEARING"
    assert bench.desk.result(asked)["error"]["code"] == "503"
    assert bench.desk.session.dialogs[0].id == customer


def test_commands_on_a_call_whose_end_is_kept(bench: Any) -> None:
    customer, session, consult, _ = bench.pair()
    joins(bench)
    bench.pbx.bye(session)
    bench.run(0.1)
    assert bench.desk.failed("holdCall", dialogId=customer)["code"] == "wrong-state"
    released = bench.desk.ask("releaseCall", dialogId=customer)
    bench.network.reset(bench.desk.host)
    bench.run(2)
    assert bench.desk.result(released)["status"] == "done"
    assert bench.desk.session.dialogs == ()
    assert consult


def test_the_pair_after_40_s(bench: Any) -> None:
    customer, _, consult, _ = bench.pair()
    asked = joins(bench)
    bench.pbx.options_status = 481
    bench.run(40.1)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    assert sorted(bench.desk.heard()) == ["ConsultCall DROPPED", "Error timeout", "dialogState DROPPED"]
    assert bench.desk.dialog(customer)["isCallEnded"] == bench.desk.dialog(consult)["isCallEnded"] == 1


def test_logout_during_a_consult_transfer(bench: Any) -> None:
    bench.pair()
    asked = joins(bench)
    bench.desk.done("logout", within=1)
    assert bench.desk.result(asked)["status"] == "failed"
    bench.nothing_left()


def test_logout_when_it_has_come_about(bench: Any) -> None:
    customer, _, consult, _ = bench.pair()
    asked = joins(bench)
    bench.pbx.report(200)
    bench.run()
    bench.desk.done("logout", within=1)
    assert [told(event) for event in bench.desk.news() if "dialog" in event["response"]] == both_dropped(
        customer, consult
    )
    assert bench.desk.result(asked)["status"] == "done"
    bench.nothing_left()


def test_no_blind_transfer_during_a_consult(bench: Any) -> None:
    """RB §3.8; the spelling is the reference's."""
    customer, _, consult, _ = bench.pair()
    for dialog in (customer, consult):
        error = bench.desk.failed("SST", dialogId=dialog, numberToTransfer="1003")
        assert error["description"] == "Connot trigger Blind Transfer when Call type is CONSULT"
