"""makeConsult, makeConsultQueue and the side that is consulted: contract §2 rows 13 to 15; RB §3.10, §7.3, §8.10-12."""

from __future__ import annotations

import json
from typing import Any

import pytest

from offhook.clock import Timers
from offhook.cti.agent import AgentSession
from offhook.media.engine import CreateOffer
from offhook.sip.events import End, OfferReceived
from offhook.testing.clock import SeededIds

CUSTOMER = (("X-Destination-Number", "800"), ("X-Call-Id", "customer-1"))
ASKED = (
    ("X-Calltype", "CONSULT"),
    ("X-CustomerNumber", "5551234"),
    ("X-Destination-Number", "800"),
    ("X-Media-Type", "audio"),
    ("X-Customer-Dialog-Id", "customer-1"),
)


def states(bench: Any) -> dict[str, str]:
    return {dialog.id: dialog.state for dialog in bench.desk.session.dialogs}


def told(bench: Any) -> list[tuple[str, str, str, int]]:
    found = []
    for event in bench.desk.news():
        dialog = event["response"]["dialog"]
        found.append((event["event"], dialog["id"], dialog["state"], dialog["isCallEnded"]))
    return found


# The agent who consults


def test_make_consult(bench: Any) -> None:
    """RB §8.3: INITIATING once, and after HELD (contract)."""
    bench.pbx.challenge_invites = True
    customer, _ = bench.answers(headers=CUSTOMER)
    asked = bench.desk.ask("makeConsult", numberToConsult="1002", dialogId=customer)
    bench.run()
    invite = bench.pbx.invites[-1]
    bench.pbx.ua.ring(invite.session, bench.network.now())
    bench.run()
    bench.pbx.take(invite)
    bench.run()
    events = bench.desk.news()
    consult = events[1]["response"]["dialog"]["id"]
    assert [(event["event"], event["response"]["dialog"]["state"]) for event in events] == [
        ("dialogState", "HELD"),
        ("ConsultCall", "INITIATING"),
        ("ConsultCall", "INITIATED"),
        ("ConsultCall", "ACTIVE"),
    ]
    assert consult != customer
    result = bench.desk.result(asked)
    assert (result["status"], result["dialogId"]) == ("done", consult)
    request = invite.request
    assert request.target.user == "1002"
    for name, value in ASKED:
        assert request.headers.get(name) == value
    assert request.headers.all("X-Calltype") == ["CONSULT"]
    dialog = bench.desk.dialog(consult)
    assert (dialog["fromAddress"], dialog["customerNumber"], dialog["serviceIdentifier"]) == ("1000", "1002", "800")
    assert (dialog["callType"], dialog["mediaType"], dialog["callOriginator"]) == ("CONSULT", "audio", "normal")
    assert (dialog["dialedNumber"], dialog["isCallAlreadyActive"]) == ("1002", False)
    assert sum(isinstance(event, OfferReceived) for event in bench.pbx.events) == 1


def test_a_held_customer_is_not_held_again(bench: Any) -> None:
    """RB §3.10: the reference offered anew."""
    customer, _ = bench.answers()
    bench.desk.done("holdCall", dialogId=customer)
    bench.desk.news()
    bench.consults()
    assert bench.desk.heard() == ["ConsultCall INITIATING", "ConsultCall INITIATED"]
    assert sum(isinstance(event, OfferReceived) for event in bench.pbx.events) == 1


def test_after_what_waits_for_the_customer(bench: Any) -> None:
    customer, _ = bench.answers()
    bench.desk.send("holdCall", dialogId=customer)
    bench.desk.send("retrieveCall", dialogId=customer)
    bench.consults()
    assert bench.desk.heard() == [
        "dialogState HELD",
        "dialogState ACTIVE",
        "dialogState HELD",
        "ConsultCall INITIATING",
        "ConsultCall INITIATED",
    ]


def test_the_hold_is_refused(bench: Any) -> None:
    """Contract: Error, nothing else happens."""
    customer, _ = bench.answers()
    bench.pbx.offers = "488"
    error = bench.desk.failed("makeConsult", numberToConsult="1002")
    assert (error["code"], error["dialogId"]) == ("hold-refused", customer)
    assert bench.desk.heard() == ["Error hold-refused"]
    assert bench.pbx.invites == []
    assert states(bench) == {customer: "ACTIVE"}


def test_no_answer_to_the_hold(bench: Any) -> None:
    """One timeout for the whole command; what becomes of the hold is told."""
    customer, session = bench.answers()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run(40.1)
    assert bench.desk.result(asked)["error"]["code"] == "timeout"
    offer = next(event for event in reversed(bench.pbx.events) if isinstance(event, OfferReceived))
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, offer.offer), bench.network.now())
    bench.run(1)
    assert bench.pbx.invites == []
    assert states(bench) == {customer: "HELD"}


def test_its_time_begins_in_its_turn(bench: Any) -> None:
    customer, _ = bench.answers()
    bench.desk.ask("SST", dialogId=customer, numberToTransfer="1003")
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run(39)
    assert bench.desk.results(asked) == []
    bench.run(2)
    assert len(bench.pbx.invites) == 1


def test_so_many_may_wait(make_bench: Any) -> None:
    bench = make_bench(max_waiting_commands=1)
    bench.login()
    customer, _ = bench.answers()
    bench.pbx.offers = "keep"
    for _ in range(2):
        bench.desk.ask("holdCall", dialogId=customer)
    assert bench.desk.failed("makeConsult", numberToConsult="1002")["code"] == "too-many-commands"
    assert bench.desk.heard() == ["Error too-many-commands"]


def test_the_customer_leaves_while_it_is_being_held(bench: Any) -> None:
    _, session = bench.answers()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run()
    bench.pbx.bye(session)
    bench.run(1)
    assert bench.desk.result(asked)["error"]["code"] == "call-ended"
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.pbx.invites == []


@pytest.mark.parametrize(("status", "phrase"), [(486, "Busy Here"), (603, "Decline")])
def test_refused(bench: Any, status: int, phrase: str) -> None:
    customer, _ = bench.answers()
    invite = bench.consults(ring=None)
    bench.desk.news()
    bench.pbx.ua.reject(invite.session, status, bench.network.now())
    bench.run(1)
    events = bench.desk.news()
    assert [event["event"] for event in events] == ["ConsultCall", "Error"]
    assert events[0]["response"]["dialog"]["state"] == "DROPPED"
    assert (events[1]["response"]["description"], events[1]["response"]["code"]) == (phrase, str(status))
    assert states(bench) == {customer: "HELD"}
    bench.desk.done("retrieveCall", dialogId=customer)


def test_dropped(bench: Any) -> None:
    """The customer stays HELD: retrieving is the agent's."""
    customer, _, consult, other = bench.pair()
    bench.pbx.bye(other)
    bench.run(2)
    assert told(bench) == [("ConsultCall", consult, "DROPPED", 1)]
    assert bench.desk.dialog(consult)["callEndReason"] == "NORMAL_CLEARING"
    assert states(bench) == {customer: "HELD"}
    bench.consults()


@pytest.mark.parametrize("dialect", ["freeswitch", "efcx"])
@pytest.mark.parametrize("answered", [True, False])
def test_pre_empted(make_bench: Any, dialect: str, answered: bool) -> None:
    """The one reason for which the customer is retrieved; FreeSWITCH hands it on from the consulted party."""
    bench = make_bench(dialect=dialect)
    bench.login()
    customer, _, consult, other = bench.pair(answered=answered)
    reason = 'Q.850;cause=8;text="PRE_EMPTED"'
    if answered:
        bench.pbx.bye(other, reason)
    else:
        bench.pbx.ua.reject(other, 480, bench.network.now(), headers=[("Reason", reason)])
    bench.run(1)
    assert bench.desk.dialog(consult)["callEndReason"] == "PRE_EMPTED"
    assert states(bench) == {customer: "ACTIVE" if dialect == "efcx" else "HELD"}


def test_released_by_the_agent(bench: Any) -> None:
    customer, _, consult, other = bench.pair()
    bench.desk.done("releaseCall", dialogId=consult)
    assert told(bench) == [("ConsultCall", consult, "DROPPED", 1)]
    assert states(bench) == {customer: "HELD"}


def test_the_customer_leaves_while_it_rings(bench: Any) -> None:
    """RB §8.12: the reference left the consult ringing."""
    customer, session, consult, other = bench.pair(answered=False)
    bench.pbx.bye(session)
    bench.run(1)
    assert told(bench) == [("dialogState", customer, "DROPPED", 1), ("ConsultCall", consult, "DROPPED", 1)]
    assert bench.pbx.ended(other).end is End.CANCEL


def test_the_customer_leaves_before_the_invite(bench: Any) -> None:
    _, session = bench.answers()
    bench.desk.done("holdCall", dialogId=bench.desk.dialog()["id"])
    bench.desk.news()
    bench.desk.deaf_engine = True
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run()
    bench.pbx.bye(session)
    bench.run(1)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.result(asked)["error"]["code"] == "released"
    assert bench.pbx.invites == []


def test_the_customer_leaves_while_it_is_up(bench: Any) -> None:
    """RB §3.10: the consult is over too; §8.11: but no other call is."""
    customer, session, consult, other = bench.pair()
    third, _ = bench.rings(user="5557777")
    bench.desk.news()
    bench.pbx.bye(session)
    bench.run(1)
    assert told(bench) == [("dialogState", customer, "DROPPED", 1), ("ConsultCall", consult, "DROPPED", 1)]
    assert bench.pbx.ended(other).by_remote
    assert states(bench) == {third: "ALERTING"}


def test_another_call_that_ends_leaves_the_consult(bench: Any) -> None:
    """RB §8.11."""
    customer, _, consult, _ = bench.pair()
    third, session = bench.rings(user="5557777")
    bench.desk.news()
    bench.pbx.ua.hangup(session, bench.network.now())
    bench.run(1)
    assert states(bench) == {customer: "HELD", consult: "ACTIVE"}
    assert third


def test_a_second_consult(bench: Any) -> None:
    bench.pair()
    for action, more in (
        ("makeConsult", {"numberToConsult": "1003"}),
        ("makeConsultQueue", {"numberToTransfer": "5900", "queue": "q", "queueType": "ID"}),
    ):
        error = bench.desk.failed(action, **more)
        assert (error["type"], error["code"]) == ("generalError", "consult-exists")
        assert error["description"] == "Cannot consult when Consult Call already Exists"


def test_two_consults_at_the_same_moment(bench: Any) -> None:
    bench.answers()
    bench.pbx.offers = "keep"
    asked = [bench.desk.ask("makeConsult", numberToConsult=number) for number in ("1002", "1003")]
    bench.run()
    bench.pbx.offers = "answer"
    offer = next(event for event in reversed(bench.pbx.events) if isinstance(event, OfferReceived))
    bench.pbx.ua.answer(offer.session, bench.pbx.answer_to(offer.session, offer.offer or ""), bench.network.now())
    bench.run()
    bench.pbx.ua.ring(bench.pbx.invites[-1].session, bench.network.now())
    bench.run()
    assert [bench.desk.result(one)["status"] for one in asked] == ["done", "failed"]
    assert len(bench.pbx.invites) == 1
    assert bench.desk.heard()[:2] == ["Error consult-exists", "dialogState HELD"]  # and not HELD twice


def test_on_a_consult(bench: Any) -> None:
    """RB §8.12."""
    asked, _ = bench.answers(headers=ASKED)
    for parameter in ({}, {"dialogId": asked}):
        error = bench.desk.failed("makeConsult", numberToConsult="1002", **parameter)
        assert (error["description"], error["code"]) == ("Cannot consult on CONSULT", "wrong-call-type")
        assert error["dialogId"] == asked


def test_which_call_is_meant(bench: Any) -> None:
    """RB §8.13: without a call the reference threw."""
    error = bench.desk.failed("makeConsult", numberToConsult="1002")
    assert (error["type"], error["description"]) == ("invalidState", "invalid action makeConsult")
    first, _ = bench.answers()
    second, _ = bench.answers(user="5557777", headers=CUSTOMER)  # the first is held by this
    assert states(bench) == {first: "HELD", second: "ACTIVE"}
    invite = bench.consults()
    assert invite.request.headers.get("X-Customer-Dialog-Id") == second
    assert states(bench)[second] == "HELD"


def test_which_of_several_is_not_known(bench: Any) -> None:
    first, _ = bench.answers()
    second, _ = bench.answers(user="5557777")
    bench.desk.done("holdCall", dialogId=second)
    error = bench.desk.failed("makeConsult", numberToConsult="1002")
    assert (error["code"], error["dialogId"]) == ("wrong-state", None)
    invite = bench.consults(dialogId=first)
    assert invite.request.headers.get("X-Customer-Dialog-Id") == first


def test_states_in_which_there_is_no_consult(bench: Any, make_bench: Any) -> None:
    error = bench.desk.failed("makeConsult", numberToConsult="1002", dialogId="nobody")
    assert (error["code"], error["dialogId"]) == ("unknown-dialog", "nobody")
    ringing, _ = bench.rings()
    error = bench.desk.failed("makeConsult", numberToConsult="1002", dialogId=ringing)
    assert (error["type"], error["description"]) == ("invalidState", "invalid action makeConsult")
    assert bench.desk.failed("makeConsult", numberToConsult="1002")["code"] == "wrong-state"
    assert make_bench().desk.failed("makeConsult", numberToConsult="1002")["code"] == "not-logged-in"
    monitored, _ = bench.answers(user="5557777", headers=(("X-Calltype", "MONITORING"),))
    error = bench.desk.failed("makeConsult", numberToConsult="1002", dialogId=monitored)
    assert error["type"] == "invalidState"


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ({"numberToTransfer": "*441001"}, "monitoring-number"),
        ({"numberToTransfer": "59;00"}, "invalid-number"),
        ({"queue": "a@b"}, "invalid-number"),
        ({"queueType": "a\nb"}, "invalid-parameter"),
    ],
)
def test_what_may_not_be_called(bench: Any, parameter: dict[str, str], code: str) -> None:
    customer, _ = bench.answers()
    given = {"numberToTransfer": "5900", "queue": "support", "queueType": "ID", **parameter}
    assert bench.desk.failed("makeConsultQueue", **given)["code"] == code
    assert states(bench) == {customer: "ACTIVE"}  # nobody was put on hold for it


def test_too_many_calls(make_bench: Any) -> None:
    bench = make_bench(max_calls=1)
    bench.login()
    customer, _ = bench.answers()
    assert bench.desk.failed("makeConsult", numberToConsult="1002")["code"] == "too-many-calls"
    assert states(bench) == {customer: "ACTIVE"}


def test_headers_that_cannot_be_sent_are_left_out(bench: Any) -> None:
    bench.answers(headers=(("X-Destination-Number", "8\x0100"),))
    request = bench.consults().request
    assert request.headers.get("X-Destination-Number") is None
    assert request.headers.get("X-CustomerNumber") == "5551234"


def test_no_offer(bench: Any) -> None:
    """The engine fails: the customer stays on hold, as if the consult had been refused."""
    customer, _ = bench.answers()
    bench.desk.done("holdCall", dialogId=customer)
    bench.desk.news()
    bench.desk.fail_next[CreateOffer] = "device"
    assert bench.desk.failed("makeConsult", numberToConsult="1002")["code"] == "media-device"
    assert bench.desk.heard() == ["Error media-device"]
    assert states(bench) == {customer: "HELD"}


def test_no_offer_for_the_hold(bench: Any) -> None:
    customer, _ = bench.answers()
    bench.desk.fail_next[CreateOffer] = "device"
    assert bench.desk.failed("makeConsult", numberToConsult="1002")["code"] == "media-device"
    assert states(bench) == {customer: "ACTIVE"}
    assert bench.desk.heard() == ["Error media-device"]


def test_no_provisional_for_40_s(bench: Any) -> None:
    customer, _ = bench.answers()
    bench.pbx.deaf_to = "INVITE sip:1002"
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run(40.1)
    assert bench.desk.result(asked)["status"] == "failed"
    bench.run(60)
    assert states(bench) == {customer: "HELD"}


def test_logout(bench: Any) -> None:
    bench.pair()
    bench.desk.done("logout", within=1)
    bench.nothing_left()


def test_logout_while_the_customer_is_being_held(bench: Any) -> None:
    bench.answers()
    bench.pbx.offers = "keep"
    asked = bench.desk.ask("makeConsult", numberToConsult="1002")
    bench.run()
    bench.desk.done("logout", within=1)
    assert bench.desk.result(asked)["status"] == "failed"
    bench.nothing_left()


def test_an_outage(bench: Any) -> None:
    customer, session, consult, other = bench.pair()
    bench.network.reset(bench.desk.host)
    bench.run(5)
    assert states(bench) == {customer: "HELD", consult: "ACTIVE"}
    bench.pbx.rebind()
    bench.pbx.bye(session)
    bench.run(1)
    assert states(bench) == {}
    assert other


# A queue


def queue(bench: Any, ring: int | None = None) -> Any:
    return bench.consults("makeConsultQueue", ring, numberToTransfer="5900", queue="support", queueType="NAME")


def test_a_queue(bench: Any) -> None:
    """Trace 33: the queue answers at once; an INFO tells that an agent took it."""
    customer, _ = bench.answers(headers=CUSTOMER)
    invite = queue(bench)
    assert invite.request.target.user == "5900-support"
    bench.pbx.take(invite)  # its 200 says X-FS-Support: update_display
    bench.run(20)
    assert bench.desk.heard() == ["dialogState HELD", "ConsultCall INITIATING", "ConsultCall INITIATED"]
    consult = bench.desk.dialog()["id"]
    error = bench.desk.failed("consultTransfer")
    assert (error["type"], error["description"]) == ("invalidState", "invalid action consultTransfer")
    bench.desk.news()
    bench.pbx.display(invite.session, "1002")
    bench.run()
    assert told(bench) == [("ConsultCall", consult, "ACTIVE", 0)]
    assert bench.desk.dialog()["isCallAlreadyActive"] is False
    bench.pbx.display(invite.session, "1003")
    bench.run()
    assert bench.desk.news() == []
    bench.desk.ask("consultTransfer")
    bench.run(0.1)
    assert bench.pbx.refers
    assert customer


def test_a_queue_where_nothing_tells(make_bench: Any) -> None:
    """ACTIVE at the 200."""
    bench = make_bench(displays=False)
    bench.login()
    bench.answers()
    bench.pbx.take(queue(bench, 180))
    bench.run()
    assert bench.desk.heard()[1:] == ["ConsultCall INITIATING", "ConsultCall INITIATED", "ConsultCall ACTIVE"]


def test_held_in_the_queue(bench: Any) -> None:
    customer, _ = bench.answers()
    invite = queue(bench)
    bench.pbx.take(invite)
    bench.run()
    consult = bench.desk.dialog()["id"]
    for action, named in (("holdCall", "holdCall"), ("retrieveCall", "unholdCall"), ("mute_call", "mute_call")):
        error = bench.desk.failed(action, dialogId=consult)
        assert (error["type"], error["description"]) == ("invalidState", f"invalid action {named}")
    bench.desk.done("releaseCall", dialogId=customer)
    assert states(bench) == {}


def test_another_call_is_answered_in_the_queue(bench: Any) -> None:
    """Held for it like any call; that is told once the consult has begun."""
    customer, _ = bench.answers()
    invite = queue(bench)
    bench.pbx.take(invite)
    bench.run()
    consult = bench.desk.dialog()["id"]
    third, _ = bench.answers(user="5557777")
    assert states(bench) == {customer: "HELD", consult: "INITIATED", third: "ACTIVE"}
    bench.desk.news()
    bench.pbx.display(invite.session, "1002")
    bench.run()
    assert told(bench) == [("ConsultCall", consult, "ACTIVE", 0), ("ConsultCall", consult, "HELD", 0)]
    bench.desk.done("retrieveCall", dialogId=consult)
    assert states(bench)[consult] == "ACTIVE"


def test_left_in_the_queue(bench: Any) -> None:
    customer, _ = bench.answers()
    invite = queue(bench)
    bench.pbx.take(invite)
    bench.run()
    bench.pbx.bye(invite.session)
    bench.run()
    assert states(bench) == {customer: "HELD"}


def test_news_of_other_calls_change_nothing(bench: Any) -> None:
    dialog, session = bench.answers()
    bench.pbx.display(session, "1002")
    bench.pbx.display(session, "1002", attended=True)
    _, _, consult, other = dialog, session, bench.consults(), bench.pbx.invites[-1].session
    bench.desk.news()
    bench.pbx.take(consult)
    bench.run()
    bench.desk.news()
    bench.pbx.display(other, "1002", attended=True)
    bench.run()
    assert bench.desk.news() == []


# The agent who is consulted


def takes_over(bench: Any, session: str, number: str = "5551234") -> None:
    bench.pbx.display(session, number, attended=True)
    bench.run()


def test_the_customer_is_taken_over(bench: Any) -> None:
    """Contract row 15, RB §7.3; §8.10: not ended, and 0 in the ACTIVE that follows."""
    dialog, session = bench.answers(user="1001", headers=ASKED)
    takes_over(bench, session)
    dropped, active = bench.desk.news()
    assert (dropped["event"], active["event"]) == ("ConsultCall", "dialogState")
    last = dropped["response"]["dialog"]
    assert (last["id"], last["state"], last["callEndReason"]) == (dialog, "DROPPED", "ATTENDED_TRANSFER")
    assert (last["isCallEnded"], last["callType"]) == (0, "CONSULT")
    now = active["response"]["dialog"]
    assert (now["id"], now["state"], now["callType"]) == ("customer-1", "ACTIVE", "CONSULT_TRANSFER")
    assert (now["fromAddress"], now["ani"], now["customerNumber"]) == ("5551234",) * 3
    assert (now["serviceIdentifier"], now["isCallAlreadyActive"], now["isCallEnded"]) == ("800", True, 0)
    assert (now["callEndReason"], now["participants"][0]["state"]) == (None, "ACTIVE")
    assert states(bench) == {"customer-1": "ACTIVE"}
    # It is an ordinary call now.
    bench.desk.done("holdCall", dialogId="customer-1")
    bench.desk.done("retrieveCall", dialogId="customer-1")
    assert bench.desk.heard() == ["dialogState HELD", "dialogState ACTIVE"]
    bench.desk.ask("SST", dialogId="customer-1", numberToTransfer="1003")
    bench.run(0.1)
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.heard() == ["dialogState DROPPED"]
    assert bench.desk.dialog()["callEndReason"] == "direct-transfered"


def test_taken_over_only_once(bench: Any) -> None:
    _, session = bench.answers(user="1001", headers=ASKED)
    takes_over(bench, session)
    bench.desk.news()
    takes_over(bench, session, "5550000")
    assert bench.desk.news() == []


@pytest.mark.parametrize("given", [None, "", "a\x01b", "x" * 200])
def test_without_a_usable_id_it_keeps_its_own(bench: Any, given: str | None) -> None:
    """RB §8.26: the key vanished."""
    headers = ASKED[:-1] if given is None else (*ASKED[:-1], ("X-Customer-Dialog-Id", given))
    dialog, session = bench.answers(user="1001", headers=headers)
    takes_over(bench, session)
    assert told(bench) == [("ConsultCall", dialog, "DROPPED", 0), ("dialogState", dialog, "ACTIVE", 0)]


def test_an_id_that_is_in_use(bench: Any) -> None:
    """Both agents here once: the call with this id is live."""
    bench.answers(headers=CUSTOMER)
    dialog, session = bench.answers(user="1001", headers=ASKED)
    takes_over(bench, session)
    assert states(bench) == {"customer-1": "HELD", dialog: "ACTIVE"}


def test_the_display_tells_the_number_where_the_invite_did_not(bench: Any) -> None:
    _, session = bench.answers(user="1001", headers=(("X-Calltype", "CONSULT"),))
    takes_over(bench, session, "5559876")
    dialog = bench.desk.dialog()
    assert (dialog["customerNumber"], dialog["fromAddress"]) == ("5559876", "5559876")
    assert dialog["serviceIdentifier"] == "0000"


def test_the_customer_is_put_through_while_the_consult_rings(bench: Any) -> None:
    """Measured (early Replaces): the display has the customer's number, and X-FS-Attended-Transfer is missing."""
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.pbx.display(session, "1001")  # who calls, as FreeSWITCH tells after every answer
    bench.run()
    assert bench.desk.news() == []
    bench.pbx.display(session, "5551234")
    bench.run()
    assert told(bench) == [("ConsultCall", dialog, "DROPPED", 0), ("dialogState", "customer-1", "ACTIVE", 0)]
    active = bench.desk.dialog()
    assert (active["callType"], active["customerNumber"]) == ("CONSULT_TRANSFER", "5551234")
    bench.pbx.display(session, "5551234")
    bench.run()
    assert bench.desk.news() == []


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ((("X-Calltype", "CONSULT"),), "0000"),  # stands for no number
        ((("X-Calltype", "CONSULT"), ("X-CustomerNumber", "1001")), "1001"),  # who consults, after every answer
        ((("X-CustomerNumber", "5551234"),), "5551234"),  # no consult
    ],
)
def test_a_display_that_tells_no_customer(bench: Any, headers: Any, number: str) -> None:
    _, session = bench.answers(user="1001", headers=headers)
    bench.pbx.display(session, number)
    bench.run()
    assert bench.desk.news() == []


def test_on_hold_it_is_retrieved_first(bench: Any) -> None:
    """RB §7.3."""
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.news()
    takes_over(bench, session)
    assert told(bench) == [
        ("ConsultCall", dialog, "ACTIVE", 0),
        ("ConsultCall", dialog, "DROPPED", 0),
        ("dialogState", "customer-1", "ACTIVE", 0),
    ]


def test_on_hold_and_it_cannot_be_retrieved(bench: Any) -> None:
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.desk.done("holdCall", dialogId=dialog)
    bench.desk.news()
    bench.pbx.offers = "500"
    takes_over(bench, session)
    assert bench.desk.heard() == ["Error retrieve-refused"]
    assert states(bench) == {dialog: "HELD"}
    bench.pbx.offers = "answer"
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert bench.desk.heard() == ["ConsultCall ACTIVE", "ConsultCall DROPPED", "dialogState ACTIVE"]


def test_taken_over_while_it_is_being_held(bench: Any) -> None:
    """For another call, which stays the active one: the agent retrieves the customer."""
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.pbx.offers = "keep"
    third, _ = bench.rings(user="5557777")
    asked = bench.desk.ask("answerCall", dialogId=third)
    bench.run()
    takes_over(bench, session)
    bench.pbx.offers = "answer"
    offer = next(event for event in reversed(bench.pbx.events) if isinstance(event, OfferReceived))
    bench.pbx.ua.answer(session, bench.pbx.answer_to(session, offer.offer or ""), bench.network.now())
    bench.run(1)
    assert bench.desk.result(asked)["status"] == "done"
    assert states(bench) == {dialog: "HELD", third: "ACTIVE"}
    bench.desk.done("holdCall", dialogId=third)
    bench.desk.done("retrieveCall", dialogId=dialog)
    assert states(bench) == {"customer-1": "ACTIVE", third: "HELD"}


def test_taken_over_while_it_is_being_held_in_vain(bench: Any) -> None:
    """The hold is refused, so the other call is not answered: the customer is told."""
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.pbx.offers = "keep"
    third, _ = bench.rings(user="5557777")
    bench.desk.ask("answerCall", dialogId=third)
    bench.run()
    takes_over(bench, session)
    bench.pbx.ua.refuse(session, 488, bench.network.now())
    bench.run(1)
    assert states(bench) == {"customer-1": "ACTIVE", third: "ALERTING"}
    assert dialog


def test_taken_over_while_it_rings(bench: Any) -> None:
    """A transfer to who had not answered yet (trace 06c): the customer is told once there is a call."""
    dialog, session = bench.rings(user="1001", headers=ASKED)
    bench.desk.news()
    takes_over(bench, session)
    assert bench.desk.news() == []
    bench.desk.done("answerCall", dialogId=dialog)
    assert told(bench) == [
        ("ConsultCall", dialog, "ACTIVE", 0),
        ("ConsultCall", dialog, "DROPPED", 0),
        ("dialogState", "customer-1", "ACTIVE", 0),
    ]


def test_muted_it_stays_muted(bench: Any) -> None:
    dialog, session = bench.answers(user="1001", headers=ASKED)
    bench.desk.done("mute_call", dialogId=dialog)
    takes_over(bench, session)
    assert bench.desk.dialog()["participants"][0]["mute"] is True


def test_the_other_consulted_can_consult(bench: Any) -> None:
    _, session = bench.answers(user="1001", headers=ASKED)
    takes_over(bench, session)
    bench.desk.news()
    invite = bench.consults()
    assert invite.request.headers.get("X-Customer-Dialog-Id") == "customer-1"
    assert invite.request.headers.get("X-CustomerNumber") == "5551234"


# Another process


def move(bench: Any) -> None:
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
    bench.desk.take_over(restored, timers, "second")
    bench.run(1)
    bench.pbx.rebind()


def test_a_restored_pair_is_joined(bench: Any) -> None:
    customer, session, consult, other = bench.pair()
    move(bench)
    assert states(bench) == {customer: "HELD", consult: "ACTIVE"}
    asked = bench.desk.ask("consultTransfer")
    bench.run()
    bench.pbx.report(200)
    bench.pbx.bye(other)
    bench.pbx.bye(session)
    bench.run()
    assert told(bench) == [("ConsultCall", consult, "DROPPED", 0), ("dialogState", customer, "DROPPED", 0)]
    assert bench.desk.result(asked)["status"] == "done"


def test_a_restored_call_is_transferred(bench: Any) -> None:
    """That needs no media."""
    dialog, _ = bench.answers()
    move(bench)
    asked = bench.desk.ask("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run()
    bench.pbx.report(200)
    bench.run(2.1)
    assert bench.desk.result(asked)["status"] == "done"


def test_a_transfer_under_way_when_the_process_died(bench: Any) -> None:
    dialog, session = bench.answers()
    bench.desk.ask("SST", dialogId=dialog, numberToTransfer="1002")
    bench.run()
    move(bench)
    bench.pbx.bye(session)
    bench.run()
    assert bench.desk.dialog()["callEndReason"] == "NORMAL_CLEARING"


def test_a_restored_call_is_held_for_a_consult_when_it_is_back(bench: Any) -> None:
    customer, _ = bench.answers()
    move(bench)
    bench.desk.send("makeConsult", numberToConsult="1002")
    bench.run(1)
    assert states(bench)[customer] == "HELD"
    assert len(bench.pbx.invites) == 1


@pytest.mark.parametrize("held", [False, True])
def test_a_restored_consult_is_taken_over(bench: Any, held: bool) -> None:
    dialog, session = bench.answers(user="1001", headers=ASKED)
    if held:
        bench.desk.done("holdCall", dialogId=dialog)
    move(bench)
    takes_over(bench, session)
    assert told(bench)[-2:] == [("ConsultCall", dialog, "DROPPED", 0), ("dialogState", "customer-1", "ACTIVE", 0)]


def test_a_restored_consult_that_was_queued(bench: Any) -> None:
    bench.answers()
    invite = queue(bench)
    bench.pbx.take(invite)
    bench.run()
    consult = bench.desk.dialog()["id"]
    move(bench)
    assert states(bench)[consult] == "INITIATED"
    bench.pbx.display(invite.session, "1002")
    bench.run()
    assert states(bench)[consult] == "ACTIVE"


def test_the_customer_was_gone_when_the_process_came_back(bench: Any) -> None:
    """What is left of the pair is ended, as it would have been."""
    customer, session, consult, other = bench.pair()
    bench.pbx.ua.hangup(session, bench.network.now())
    move(bench)
    bench.run(10)
    assert states(bench) == {}
    assert bench.pbx.ended(other).by_remote
    assert customer and consult
